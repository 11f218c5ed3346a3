"""More clients than there are descriptors, and clients that are slow on purpose: the gateway
stays calm, says so once, serves the others meanwhile and recovers by itself."""
import contextlib
import os
import resource
import selectors
import socket
import threading
import time
from pathlib import Path

import pytest

from support.mixed import download
from support.raw import request
from support.wait import PATIENCE, until

CLIENTS = 1000
DESCRIPTORS = 256


@pytest.fixture(autouse=True)
def room_for_clients():
    """This process needs a descriptor per client, and one more per connection to its origin."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * CLIENTS + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"the limit of open files is {hard}; {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def crowd(port, first_bytes=b"", count=CLIENTS, receive_buffer=None):
    """That many connections, each of which has sent these bytes."""
    sockets = []
    try:
        for _ in range(count):
            s = socket.socket()
            sockets.append(s)
            s.settimeout(PATIENCE)
            if receive_buffer is not None:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            s.connect(("127.0.0.1", port))
            with contextlib.suppress(ConnectionError):      # refused already
                s.sendall(first_bytes)
        yield sockets
    finally:
        for s in sockets:
            s.close()


def cpu_seconds(gateway):
    fields = Path(f"/proc/{gateway.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(gateway):
    return len(list(Path(f"/proc/{gateway.process.pid}/fd").iterdir()))


def served(gateway, host):
    """Does a new connection get an answer?"""
    try:
        return gateway.get(host).status == 200
    except Exception:       # closed at once: there is no room
        return False


def with_few_descriptors(gateway, no_ca):
    limit = (DESCRIPTORS, DESCRIPTORS)
    gateway.launch(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))
    gateway.process.until_ready(gateway.ready)
    gateway.must("PATCH", "/v1/acme", no_ca)
    return gateway


def test_more_clients_than_descriptors(make_gateway, no_ca, origin, host):
    gateway = with_few_descriptors(make_gateway(), no_ca)
    gateway.put_route("r", host, origin.url)
    kept = [gateway.client() for _ in range(8)]       # connected before the crowd came
    try:
        assert all(client.ask("GET", "/", host).status == 200 for client in kept)
        with crowd(gateway.http):
            gateway.wait_log("connections_refused")
            # Who is inside is served, targets can be reached, and the API answers.
            for client in kept:
                assert client.ask("GET", "/", host).status == 200
            assert gateway.must("GET", "/v1/status")
            assert descriptors(gateway) < DESCRIPTORS
            before = cpu_seconds(gateway)
            time.sleep(1)           # the window that is measured
            assert cpu_seconds(gateway) - before < 0.5, "it is busy doing nothing"
            assert gateway.log().count("connections_refused") <= 2      # once per worker
        until(lambda: served(gateway, host), "new clients to be served again")
        assert gateway.log().count("connections_refused") <= 2
    finally:
        for client in kept:
            client.close()
    gateway.check_alive()


def test_more_targets_than_descriptors(make_gateway, no_ca, origin):
    """Connections at rest give way: each route keeps its own ones to the one origin."""
    gateway = with_few_descriptors(make_gateway(), no_ca)
    hosts = [f"of-many-{i}.test" for i in range(DESCRIPTORS + 50)]
    for i, name in enumerate(hosts):
        gateway.put_route(f"r{i}", name, origin.url)
    for _ in range(2):
        for name in hosts:
            assert gateway.get(name).status == 200
    assert descriptors(gateway) < DESCRIPTORS
    assert "connections_refused" not in gateway.log()
    gateway.check_alive()


def others_are_served(gateway, host, count=100):
    """Requests by others, on old and new connections and over TLS, all complete."""
    with gateway.client() as client:
        for _ in range(count):
            assert client.ask("GET", "/", host).status == 200
    for _ in range(count // 10):
        assert gateway.get(host).status == 200
        assert gateway.get_tls(host).status == 200


def test_slow_heads_by_the_thousand(make_gateway, no_ca, origin, host):
    """Each sends half a head and then a byte now and then: it is cut off at the limit."""
    gateway = make_gateway().start()
    gateway.must("PATCH", "/v1/acme", no_ca)
    gateway.put_route("r", host, origin.url)
    others_are_served(gateway, host, 20)
    gateway.reset_peak()
    before = gateway.peak_kib()
    with crowd(gateway.http, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ") as sockets:
        others_are_served(gateway, host)
        # Each may cost what its connection and its few bytes do.
        assert gateway.peak_kib() - before < CLIENTS * 32
        with selectors.DefaultSelector() as selector:
            for s in sockets:
                selector.register(s, selectors.EVENT_READ)
            deadline = time.monotonic() + 2 * PATIENCE
            while selector.get_map() and time.monotonic() < deadline:
                for key, _ in selector.select(0.5):
                    selector.unregister(key.fileobj)        # answered with 408, or closed
                for key in list(selector.get_map().values()):
                    with contextlib.suppress(OSError):
                        key.fileobj.send(b"x")              # still trickling
            assert not selector.get_map(), "a slow head was not cut off"
        others_are_served(gateway, host, 20)
    assert origin.requests and all(r.headers.get("Host") == host for r in origin.requests)
    gateway.check_alive()


def test_slow_bodies_by_the_thousand(gateway, origin, host):
    """Uploads that have begun and do not go on."""
    gateway.put_route("r", host, origin.url)
    others_are_served(gateway, host, 20)
    gateway.reset_peak()
    before = gateway.peak_kib()
    begun = request("PUT", "/slow", host, "Content-Length: 1000000") + bytes(1000)
    with crowd(gateway.http, begun):
        origin.wait_for("/slow", CLIENTS)
        others_are_served(gateway, host)
        assert gateway.peak_kib() - before < CLIENTS * 128      # two connections each
    others_are_served(gateway, host, 20)


def test_slow_readers_by_the_thousand(gateway, origin, host):
    """Downloads that nobody reads: what waits for each is bounded, and others get theirs."""
    readers, size = CLIENTS, 4 << 20
    ended = threading.Semaphore(0)

    def handler(connection, asked):
        try:
            return download(connection, asked)
        finally:
            ended.release()

    origin.on("/download", handler)
    gateway.put_route("r", host, origin.url)
    others_are_served(gateway, host, 20)
    gateway.reset_peak()
    before = gateway.peak_kib()
    with crowd(gateway.http, request("GET", f"/download?{size}", host), readers, 4096):
        origin.wait_for("/download", readers)
        others_are_served(gateway, host)
        assert gateway.peak_kib() - before < readers * 1024     # and not 4 MiB each
    for _ in range(readers):
        assert ended.acquire(timeout=PATIENCE), "an abandoned download goes on"
    others_are_served(gateway, host, 20)
