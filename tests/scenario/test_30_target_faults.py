"""Targets at their worst: black holes, resets, trickles, endless heads, answers that come too
early, restarts. The client gets an honest answer, and no other client notices."""
import json
import socket
import struct
import threading

import pytest

from support import raw
from support.load import Load
from support.mixed import Flapping
from support.origin import response
from support.raw import request
from support.wait import PATIENCE, until


@pytest.fixture
def black_hole():
    """The URL of a host that swallows every SYN: a listener whose queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for s in waiting:
            s.setblocking(False)
            s.connect_ex(listener.getsockname())
        yield "http://127.0.0.1:%d" % listener.getsockname()[1]
        for s in waiting:
            s.close()


def reset(connection):
    """Close with a reset, as a process that is killed with unread bytes does."""
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sock.close()


def test_black_hole_is_passed_over(gateway, origin, host, black_hole):
    gateway.put_route("r", host, [black_hole, origin.url],
                      upstream={"timeouts": {"connect": "200ms"}})
    for _ in range(4):
        assert gateway.get(host).status == 200


def test_black_hole_holds_up_no_other_route(gateway, origin, host, black_hole):
    """Many clients of a dead host wait; those of another route do not."""
    gateway.put_route("dead", f"dead.{host}", black_hole,
                      upstream={"timeouts": {"connect": "1m"}})
    gateway.put_route("alive", f"alive.{host}", origin.url)
    waiting = [gateway.client() for _ in range(100)]
    try:
        for client in waiting:
            client.send(request("GET", "/", f"dead.{host}"))
        for _ in range(50):
            assert gateway.get(f"alive.{host}").status == 200
    finally:
        for client in waiting:
            client.close()


@pytest.mark.parametrize("begun", [
    pytest.param(b"", id="before the answer"),
    pytest.param(b"HT", id="in the status line"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Ty", id="in the head"),
    pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", id="behind an interim head"),
])
def test_reset_before_the_head_is_over_is_502(gateway, origin, host, begun):
    def handler(connection, asked):
        connection.read_body(asked)
        connection.send(begun)
        reset(connection)

    origin.on("/broken", handler)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        assert client.ask("POST", "/broken", host, body=b"x").status == 502
        assert client.ask("GET", "/", host).status == 200


@pytest.mark.parametrize("begun", [
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal", id="length"),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhal\r\n",
                 id="between chunks"),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhal",
                 id="in a chunk"),
    pytest.param(b"HTTP/1.1 200 OK\r\n\r\nhal", id="until the connection ends"),
])
@pytest.mark.parametrize("over_tls", [False, True])
def test_reset_in_the_body_is_seen_as_a_cut(gateway, origin, host, begun, over_tls):
    seen = threading.Event()

    def handler(connection, asked):
        connection.send(begun)
        assert seen.wait(PATIENCE)      # what was sent before a reset may be lost by it
        reset(connection)

    origin.on("/broken", handler)
    gateway.put_route("r", host, origin.url)
    with gateway.tls_client(host) if over_tls else gateway.client() as client:
        client.send(request("GET", "/broken", host))
        head = client.read_head()
        assert head.status == 200
        client.read_exactly(1)
        seen.set()
        rest = client.read_until_closed()
    assert not rest.endswith(b"0\r\n\r\n")
    assert gateway.get(host).status == 200


def test_target_whose_answers_are_all_cut_is_not_called_up(gateway, origin, host):
    def handler(connection, _):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal")

    def state():
        return gateway.must("GET", "/v1/status")["routes"][0]["targets"][0]["state"]

    origin.on("/cut", handler)
    gateway.put_route("r", host, origin.url)
    assert gateway.get(host).complete and state() == "up"
    for _ in range(3):
        assert not gateway.get(host, "/cut").complete
        assert state() == "down"
    assert 'gatehouse_target_up{route="r",target="%s"} 0\n' % origin.url in \
        gateway.api("GET", "/metrics").text
    assert gateway.get(host).complete and state() == "up"


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_answer_that_comes_byte_by_byte_is_whole(gateway, origin, host, framing):
    body = b"trickle" * 30
    whole = (response(200, "OK", "X-Slow: yes", body=body) if framing == "length" else
             b"HTTP/1.1 200 OK\r\nX-Slow: yes\r\nTransfer-Encoding: chunked\r\n\r\n"
             + raw.chunked(body[:100], body[100:]))

    def handler(connection, _):
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(whole)):
            connection.send(whole[at:at + 1])
        return True

    origin.on("/slow", handler)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        for _ in range(3):
            answer = client.ask("GET", "/slow", host)
            assert (answer.status, answer.body, answer.complete) == (200, body, True)
            assert answer.headers.get("X-Slow") == "yes"


MEGABYTE = 1 << 20


@pytest.mark.parametrize("head", [
    pytest.param(b"HTTP/1.1 200 " + b"K" * MEGABYTE, id="a reason"),
    pytest.param(b"HTTP/1.1 200 OK\r\n" + b"N" * MEGABYTE, id="a name"),
    pytest.param(b"HTTP/1.1 200 OK\r\nX-Big: " + b"v" * MEGABYTE, id="a value"),
    pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * (MEGABYTE // 8), id="fields"),
    pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * (MEGABYTE // 41),
                 id="interim heads"),
    pytest.param(b"\r\n" * (MEGABYTE // 2), id="empty lines"),
])
def test_megabyte_of_head_is_502_and_its_connection_is_over(gateway, origin, host, head):
    ended = threading.Event()

    def handler(connection, _):
        try:
            connection.send(head)
            connection.send(b"\r\n" + response(200, "OK", body=b"smuggled"))
            while connection.read_some():
                pass
        finally:                        # read to its end, or was reset
            ended.set()

    origin.on("/endless", handler)
    gateway.put_route("r", host, origin.url)
    gateway.reset_peak()
    before = gateway.peak_kib()
    with gateway.client() as client:
        answer = client.ask("POST", "/endless", host, body=b"x")
        assert answer.status == 502
        assert b"smuggled" not in answer.body
    assert ended.wait(PATIENCE)
    assert gateway.peak_kib() - before < 16 * 1024
    assert gateway.get(host).status == 200


@pytest.mark.parametrize("status", [200, 413])
def test_answer_before_the_request_ends_arrives(gateway, origin, host, status):
    """The target has heard enough: what it says reaches a client that is still sending."""
    def handler(connection, _):
        connection.send(response(status, "Enough", "Connection: close", body=b"enough"))

    origin.on("/upload", handler)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(request("PUT", "/upload", host, "Content-Length: 100000000"))
        client.try_send(bytes(1_000_000))
        answer = client.read("PUT")
        assert (answer.status, answer.body, answer.complete) == (status, b"enough", True)
    assert gateway.get(host).status == 200


def test_target_that_answers_and_never_reads_ends_cleanly(gateway, origin, host):
    """An early answer without a close, and the client goes on: both ends come to an end."""
    def handler(connection, asked):
        connection.send(response(200, "OK", body=b"early"))
        connection.read_body(asked, keep=False)
        return True

    origin.on("/upload", handler)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(request("PUT", "/upload", host, "Content-Length: 1000000"))
        answer = client.read("PUT")
        assert (answer.status, answer.body) == (200, b"early")
        client.try_send(bytes(1_000_000))
    assert gateway.get(host).status == 200


def test_restarts_under_load_cost_no_idempotent_request(gateway, make_origin, dead_port, host):
    """One target is restarted again and again, the other one is up: nobody notices."""
    steady, restarted = make_origin(), Flapping(dead_port)
    restarted.turn()
    gateway.put_route("r", host, [restarted.url, steady.url])

    def right(answer):
        return answer.status == 200 and answer.complete and json.loads(answer.body)["origin"]

    load = Load(gateway.client, request("GET", "/", host), right, threads=4)
    try:
        with load:
            for _ in range(10):
                load.wait_more(40)
                restarted.turn()
            load.wait_more(40)
    finally:
        restarted.stop()
    assert load.failures == []
    assert load.answered >= 400


def test_all_targets_down_and_back(gateway, host, dead_port):
    """Requests fail while nothing is there and succeed when it is back, without an edit."""
    target = Flapping(dead_port)
    gateway.put_route("r", host, target.url)
    for _ in range(3):
        assert gateway.get(host).status in (502, 503)
        target.turn()
        until(lambda: gateway.get(host).status == 200, "the target to be used again")
        target.turn()

