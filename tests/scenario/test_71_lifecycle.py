"""Start and end: what refuses to start and why, files and their modes, draining, signals."""
import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import stat
import tempfile
import threading

import pytest

from support import ports
from support.gatehouse import binary, clean_environment, terminate
from support.process import Process
from support.raw import request
from support.wait import PATIENCE, until


def refuses_to_start(gateway):
    """Launch, wait for the end; give what it said."""
    before = len(gateway.log())
    assert gateway.launch().wait() == 1
    return gateway.log()[before:]


# Files

def test_files_are_private_whatever_the_umask(make_gateway):
    gateway = make_gateway()
    gateway.launch(umask=0)
    gateway.process.until_ready(gateway.ready)
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in gateway.data.iterdir()}
    assert stat.S_IMODE(gateway.data.stat().st_mode) == 0o700
    assert {"gatehouse.db", "master.key", "admin.sock"} <= modes.keys()
    assert set(modes.values()) == {0o600}, modes


def test_data_directory_is_made_with_its_parents_or_refused_in_words(make_gateway, tmp_path):
    gateway = make_gateway()
    gateway.data = tmp_path / "file" / "data"
    gateway.argv[gateway.argv.index("--data") + 1] = gateway.data
    (tmp_path / "file").write_text("not a directory")
    assert str(gateway.data) in refuses_to_start(gateway)


def test_database_from_the_future_is_refused(make_gateway):
    gateway = make_gateway().start()
    gateway.stop()
    with contextlib.closing(sqlite3.connect(gateway.data / "gatehouse.db")) as database:
        database.execute("PRAGMA user_version = 1000000")
        before = list(database.iterdump())
    assert "newer" in refuses_to_start(gateway)
    with contextlib.closing(sqlite3.connect(gateway.data / "gatehouse.db")) as database:
        assert list(database.iterdump()) == before


def test_file_that_is_no_database_is_refused(make_gateway):
    gateway = make_gateway().start()
    gateway.stop()
    (gateway.data / "gatehouse.db").write_bytes(b"This is not a database. " * 1000)
    assert "gatehouse.db" in refuses_to_start(gateway)


@pytest.fixture
def with_sealed_key(make_gateway, pki):
    """A stopped gateway whose database holds a private key."""
    gateway = make_gateway().start()
    gateway.import_certificate(pki.leaf("sealed.test"))
    gateway.stop()
    return gateway


def test_missing_master_key_is_refused(with_sealed_key):
    key = with_sealed_key.data / "master.key"
    saved = key.read_bytes()
    key.unlink()
    assert "master.key" in refuses_to_start(with_sealed_key)
    assert not key.exists()                 # a new one would bury the old keys for good
    key.write_bytes(saved)
    key.chmod(0o600)
    with_sealed_key.start()
    assert len(with_sealed_key.items("certificates")) == 1


def test_wrong_master_key_is_refused(with_sealed_key, make_gateway):
    other = make_gateway().start()
    other.stop()
    (with_sealed_key.data / "master.key").write_bytes((other.data / "master.key").read_bytes())
    assert "master.key" in refuses_to_start(with_sealed_key)


def test_damaged_master_key_is_refused(with_sealed_key):
    (with_sealed_key.data / "master.key").write_bytes(b"short")
    assert "master.key" in refuses_to_start(with_sealed_key)


def test_private_key_is_not_readable_in_the_database(with_sealed_key, pki):
    key = pki.leaf("sealed.test").key_pem
    raw_key = b"".join(line.encode() for line in key.splitlines()[1:-1])
    for path in with_sealed_key.data.iterdir():
        if path.is_file():
            content = path.read_bytes()
            assert raw_key[:40] not in content and b"PRIVATE KEY" not in content


def test_second_gateway_on_the_same_data_is_refused(make_gateway):
    first = make_gateway().start()
    second = make_gateway()
    second.data = first.data
    second.argv[second.argv.index("--data") + 1] = first.data
    assert str(first.data) in refuses_to_start(second)
    assert first.ready()


def test_stale_socket_is_no_obstacle(make_gateway):
    gateway = make_gateway().start()
    gateway.kill()
    assert gateway.socket_path.exists()
    gateway.start()


# Listeners

@pytest.mark.parametrize("flag", ["--http", "--https", "--admin"])
def test_port_in_use_is_refused_by_name(make_gateway, flag):
    gateway = make_gateway()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        gateway.argv[gateway.argv.index(flag) + 1] = address
        assert address in refuses_to_start(gateway)


def test_port_alone_means_all_addresses_of_both_families(make_gateway):
    gateway = make_gateway()
    for flag, port in (("--http", gateway.http), ("--https", gateway.https)):
        at = gateway.argv.index(flag)
        gateway.argv[at + 1] = f":{port}"
        del gateway.argv[at + 2:at + 4]         # the listener on [::1], which this one includes
    gateway.start()
    for address in ("127.0.0.1", "::1", "127.0.0.2"):
        with gateway.client(address) as client:
            assert client.ask("GET", "/", "nobody.test").status == 404
    assert ports.accepts(gateway.https, "::1")


def test_several_listeners(make_gateway, dead_port):
    gateway = make_gateway("--http", f"127.0.0.3:{dead_port}").start()
    for address, port in (("127.0.0.1", gateway.http), ("::1", gateway.http),
                          ("127.0.0.3", dead_port)):
        assert ports.accepts(port, address)
    assert f"127.0.0.3:{dead_port}" in str(gateway.must("GET", "/v1/status")["listeners"])


def test_ready_means_serving(make_gateway, origin):
    gateway = make_gateway().start()
    gateway.put_route("r", "r.test", origin.url)
    gateway.stop()
    gateway.start()
    assert gateway.get("r.test").status == 200      # the first request after /readyz said yes


def test_connections_of_a_gateway_killed_do_not_hinder_the_next(make_gateway, origin):
    gateway = make_gateway().start()
    gateway.put_route("r", "r.test", origin.url)
    clients = [gateway.client() for _ in range(5)]
    for client in clients:
        assert client.ask("GET", "/", "r.test").status == 200
    gateway.kill()
    gateway.start()
    assert gateway.get("r.test").status == 200
    for client in clients:
        client.close()


NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def open_directory():
    """A directory that every user may enter, unlike those that pytest makes."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory(prefix="gatehouse-scenario-") as path:
        os.chmod(path, 0o755)
        yield pathlib.Path(path)


def test_hangup_opens_the_access_log_again(make_gateway, tmp_path):
    log = tmp_path / "access.log"
    gateway = make_gateway("--access-log", str(log)).start()
    gateway.get("before.test")
    until(lambda: "before.test" in log.read_text(), "the first line")
    log.rename(tmp_path / "rotated.log")
    os.kill(gateway.process.pid, signal.SIGHUP)
    until(log.exists, "the log to be opened again")
    gateway.get("after.test")
    until(lambda: "after.test" in log.read_text(), "the second line")


def test_start_as_an_ordinary_user_says_which_ports(open_directory, dead_port):
    """The defaults may be in use on this machine: only the words are looked at."""
    data = open_directory / "data"
    data.mkdir(mode=0o700)
    os.chown(data, NOBODY.pw_uid, NOBODY.pw_gid)
    # The tree may stand where only its owner can read.
    program = shutil.copy(binary(), open_directory / "gatehouse")
    process = Process([program, "run", "--data", data, "--admin", f"127.0.0.1:{dead_port}"],
                      open_directory / "log", env=clean_environment(), user=NOBODY.pw_uid,
                      group=NOBODY.pw_gid, extra_groups=[])
    try:
        until(lambda: not process.running() or "8443" in process.output(), "8443 to be named")
        assert "8080" in process.output() and "8443" in process.output()
    finally:
        process.kill()


def test_user_is_changed_once_the_ports_are_open(make_gateway, open_directory, origin):
    gateway = make_gateway("--user", "nobody")
    gateway.data = open_directory / "data"
    gateway.argv[gateway.argv.index("--data") + 1] = gateway.data
    gateway.start()
    status = (pathlib.Path("/proc") / str(gateway.process.pid) / "status").read_text()
    for line in ("Uid", "Gid"):
        assert re.search(rf"^{line}:(\t{NOBODY.pw_uid}|\t{NOBODY.pw_gid}){{4}}$", status, re.M)
    assert re.search(r"^Groups:\s*(\d+)?\s*$", status, re.M)
    assert re.search(r"^CapEff:\s*0+$", status, re.M)
    gateway.put_route("r", "r.test", origin.url)
    assert gateway.get("r.test").status == 200
    gateway.stop()
    gateway.start()                          # the files are the new user's now; root reads them
    assert gateway.get("r.test").status == 200


# The end

@pytest.fixture
def busy(make_gateway, origin):
    """A gateway with one exchange in flight; `go_on` lets the target finish."""
    gateway = make_gateway().start()
    gateway.go_on = threading.Event()

    def handler(connection, _):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        assert gateway.go_on.wait(PATIENCE)
        connection.send(b"def")
        return True

    origin.on("/slow", handler)
    gateway.put_route("r", "r.test", origin.url)
    gateway.in_flight = gateway.client()
    gateway.in_flight.send(request("GET", "/slow", "r.test"))
    assert gateway.in_flight.read_head().status == 200
    yield gateway
    gateway.go_on.set()
    gateway.in_flight.close()


def wait_draining(gateway):
    """No new connection is taken any more."""
    until(lambda: not ports.accepts(gateway.http), "the listeners to be closed")
    until(lambda: not ports.accepts(gateway.https), "the listeners to be closed")
    assert gateway.process.running()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_exchange_in_flight_is_completed_before_the_end(busy, number):
    busy.process.signal(number)
    wait_draining(busy)
    busy.go_on.set()
    assert busy.in_flight.read_exactly(6) == b"abcdef"
    assert busy.in_flight.closed_by_peer()
    assert busy.process.wait() == 0


def test_idle_connections_are_closed_at_once(make_gateway, origin):
    gateway = make_gateway().start()
    gateway.put_route("r", "r.test", origin.url)
    clients = [gateway.client(), gateway.tls_client("r.test"), gateway.client()]
    for client in clients[:2]:
        assert client.ask("GET", "/", "r.test").status == 200
    terminate(gateway)
    for client in clients:
        assert client.closed_by_peer()
        client.close()
    assert gateway.process.wait() == 0


def test_second_signal_ends_at_once(busy):
    terminate(busy)
    wait_draining(busy)
    terminate(busy)
    busy.process.wait()                     # long before the drain timeout would have ended it
    assert busy.in_flight.read_until_closed() == b"abc"
    busy.check_log()


def test_drain_timeout_ends_what_does_not_end(busy):
    busy.must("PATCH", "/v1/settings", {"drain_timeout": "300ms"})
    terminate(busy)
    assert busy.process.wait() == 0
    assert busy.in_flight.read_until_closed() == b"abc"


# What the log must not hold

def test_log_is_json_lines_when_not_on_a_terminal(make_gateway, origin, dead_port):
    gateway = make_gateway().start()
    gateway.put_route("r", "r.test", f"http://127.0.0.1:{dead_port}")
    assert gateway.get("r.test").status == 502
    gateway.stop()
    lines = [line for line in gateway.log().splitlines() if line.startswith("{")]
    assert lines
    for line in lines:
        json.loads(line)
