"""The access log: who ended a request, and where it was then, each way provoked for real."""
import json
import re
import socket
import struct
import threading

import pytest

from support.gatehouse import terminate
from support.raw import request
from support.wait import PATIENCE, until

HOST = "log.test"


class Log:
    """The access log of a gateway as JSON."""

    def __init__(self, path):
        self.path = path

    def lines(self):
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def line(self, path):
        """The line about that path, once it is there; None: of a request without one."""
        def look():
            return [line for line in self.lines() if line.get("path") == path]
        (line,) = until(look, f"an access line for {path}")
        return line

    def ending(self, path):
        line = self.line(path)
        return line.get("ended_by"), line.get("ended_in"), line.get("error"), line["status"]


@pytest.fixture
def log(make_gateway, tmp_path):
    gateway = make_gateway("--access-log", tmp_path / "access.log",
                           "--access-log-format", "json").start()
    log = Log(tmp_path / "access.log")
    log.gateway = gateway
    return log


def reset(sock):
    """Close with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def hang(release):
    def handler(connection, asked):
        release.wait(PATIENCE)
    return handler


def test_done(log, origin):
    log.gateway.put_route("r", HOST, origin.url)
    with log.gateway.client() as client:
        assert client.ask("POST", "/done", HOST, body=b"12345").status == 200
    line = log.line("/done")
    assert "ended_by" not in line and "ended_in" not in line and "error" not in line
    assert (line["route"], line["target"], line["retries"]) == ("r", origin.url, 0)
    assert (line["in_bytes"], line["scheme"], line["version"]) == (5, "http", "1.1")
    assert line["out_bytes"] > 0
    parts = line["wait_us"] + line["connect_us"] + line["first_byte_us"]
    assert 0 < parts <= line["total_us"]
    assert "tls" not in line


def test_tls_is_told(log, origin):
    log.gateway.put_route("r", HOST, origin.url)
    assert log.gateway.get_tls(HOST, "/tls").status == 200
    line = log.line("/tls")
    assert (line["tls"], line["scheme"]) == ("TLSv1.3", "https")


@pytest.mark.parametrize("over_tls", [False, True])
def test_unreadable_request(log, origin, over_tls):
    gateway = log.gateway
    gateway.put_route("r", HOST, origin.url)
    with gateway.tls_client(HOST) if over_tls else gateway.client() as client:
        client.send(b"no request\r\n\r\n")
        assert client.read().status == 400
    line = log.line("request")
    assert line["scheme"] == ("https" if over_tls else "http")
    assert ("tls" in line) == over_tls
    assert (line["ended_by"], line["ended_in"], line["status"]) == ("client", "head", 400)
    assert line["method"] == "no" and "host" not in line


def test_bytes_that_are_no_request(log):
    with log.gateway.client() as client:
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03")
        assert client.read().status == 400
    line = log.line(None)
    assert (line["ended_by"], line["ended_in"], line["status"]) == ("client", "head", 400)
    assert "method" not in line and "version" not in line


REFUSED = [("POST", "/two-lengths?x", HOST, "Content-Length: 1\r\nContent-Length: 2\r\n", 400),
           ("GET", "/coding", HOST, "Transfer-Encoding: gzip\r\n", 501),
           ("GET", "/space", HOST, "X : a\r\n", 400),
           ("GET", "/nul", HOST, "X: \0\r\n", 400),
           ("GET", "/many", HOST, "X: y\r\n" * 300, 431),
           ("GET", "/large", HOST, "X: " + 70000 * "y" + "\r\n", 431),
           ("TRACE", "/trace", HOST, "", 501),
           ("CONNECT", f"{HOST}:443", HOST, "", 501),
           ("GET", "/host", "<u@'b'>", "", 400)]


@pytest.mark.parametrize("method, path, host, fields, status", REFUSED,
                         ids=[row[1].strip("/") for row in REFUSED])
def test_refused_head_is_told_and_answered_as_the_client_likes(log, method, path, host, fields,
                                                               status):
    with log.gateway.client() as client:
        client.send(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n"
                    f"Accept: application/json\r\n{fields}\r\n".encode())
        answer = client.read()
    assert answer.status == status
    assert json.loads(answer.body)["status"] == status
    line = log.line(path)
    assert (line["method"], line["host"], line["status"]) == (method, host, status)
    assert (line["ended_by"], line["ended_in"]) == ("client", "head")


def test_refused_head_of_any_length_and_any_bytes_is_one_short_line(log):
    with log.gateway.client() as client:
        client.send(b"GET /" + 9000 * b"\xff\"\\" + b" HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert client.read().status in (400, 414)
    (text,) = until(lambda: log.path.read_text().splitlines(), "an access line")
    line = json.loads(text)
    assert line["path"].startswith("/\xff\"\\\xff")
    assert len(text) < 6000


def test_refused_head_request_gets_no_body(log):
    with log.gateway.client() as client:
        client.send(b"HEAD /head HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert client.read_until_closed().endswith(b"\r\n\r\n")
    assert log.line("/head")["method"] == "HEAD"


def test_answers_of_the_gateway_itself(log, origin):
    log.gateway.put_route("r", HOST, origin.url, max_body="4B")
    log.gateway.put_route("moved", "moved.test", origin.url, https="redirect")
    with log.gateway.client() as client:
        assert client.ask("GET", "/nobody", "nobody.test").status == 404
    assert log.ending("/nobody") == ("gateway", "choose", "no_route", 404)
    with log.gateway.client() as client:
        assert client.ask("POST", "/large", HOST, body=b"12345").status == 413
    assert log.ending("/large") == ("gateway", "choose", "body_too_large", 413)
    with log.gateway.client() as client:
        client.send(request("POST", "/grows", HOST, "Transfer-Encoding: chunked")
                    + b"3\r\nabc\r\n")
        origin.wait_for("/grows")
        client.send(b"3\r\nabc\r\n")
        assert client.read().status == 413
    assert log.ending("/grows") == ("gateway", "request", "body_too_large", 413)
    with log.gateway.client() as client:
        assert client.ask("GET", "/moved", "moved.test").status == 308
    assert log.ending("/moved") == (None, None, None, 308)


def test_client_leaves(log, origin):
    release = threading.Event()
    origin.on("/waits", hang(release))
    origin.on("/uploads", hang(release))

    def endless(connection, asked):
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while not release.is_set():
                connection.send(bytes(65536))
        except OSError:
            pass

    origin.on("/downloads", endless)
    log.gateway.put_route("r", HOST, origin.url)
    try:
        with log.gateway.client() as client:
            client.send(request("GET", "/waits", HOST))
            origin.wait_for("/waits")
            reset(client.sock)
        assert log.ending("/waits") == ("client", "wait", "client_gone", 0)
        with log.gateway.client() as client:
            client.send(request("PUT", "/uploads", HOST, "Content-Length: 100") + b"x")
            origin.wait_for("/uploads")
            reset(client.sock)
        assert log.ending("/uploads") == ("client", "request", "client_gone", 0)
        with log.gateway.client() as client:
            client.send(request("GET", "/downloads", HOST))
            assert client.read_head().status == 200
            client.read_exactly(1)
            reset(client.sock)
        assert log.ending("/downloads") == ("client", "answer", "client_gone", 200)
        assert log.line("/downloads")["out_bytes"] > 0
    finally:
        release.set()


def test_client_sends_nonsense_in_its_body(log, origin):
    log.gateway.put_route("r", HOST, origin.url)
    with log.gateway.client() as client:
        client.send(request("POST", "/nonsense", HOST, "Transfer-Encoding: chunked"))
        origin.wait_for("/nonsense")
        client.send(b"x\r\n")
        assert client.read().status == 400
    by, where, _, status = log.ending("/nonsense")
    assert (by, where, status) == ("client", "request", 400)


def test_target_cannot_be_reached(log, dead_port, make_origin, pki):
    refused = f"http://127.0.0.1:{dead_port}"
    log.gateway.put_route("refuses", "refuses.test", refused)
    assert log.gateway.get("refuses.test", "/refuses").status == 502
    assert log.ending("/refuses") == ("target", "connect", "target_connect", 502)
    log.gateway.put_route("no-name", "no-name.test", "http://nowhere.invalid")
    assert log.gateway.get("no-name.test", "/no-name").status == 502
    assert log.ending("/no-name") == ("target", "resolve", "target_dns", 502)
    plain = make_origin()       # waits for a head while the gateway waits for a handshake
    log.gateway.put_route("no-tls", "no-tls.test", plain.url.replace("http:", "https:"),
                          upstream={"timeouts": {"connect": "200ms"}})
    assert log.gateway.get("no-tls.test", "/no-tls").status == 504
    assert log.ending("/no-tls") == ("target", "tls", "target_connect_timeout", 504)
    tls = make_origin(tls=pki.self_signed("localhost").server_context())
    log.gateway.put_route("not-trusted", "not-trusted.test", tls.url)
    assert log.gateway.get("not-trusted.test", "/not-trusted").status == 502
    assert log.ending("/not-trusted") == ("target", "tls", "target_verify", 502)


def test_retries_are_counted(log, dead_port, origin):
    log.gateway.put_route("r", HOST, [f"http://127.0.0.1:{dead_port}", origin.url],
                          upstream={"retries": 2})
    with log.gateway.client() as client:
        for number in range(2):
            assert client.ask("GET", f"/{number}", HOST).status == 200
    assert sorted(log.line(f"/{n}")["retries"] for n in range(2)) == [0, 1]


def test_target_breaks_off(log, origin):
    seen = threading.Event()

    def cut(connection, asked):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal")
        assert seen.wait(PATIENCE)
        reset(connection.sock)

    origin.on("/cut", cut)
    origin.answer("/silent", b"", close=True)
    origin.answer("/nonsense", b"nonsense\r\n\r\n", close=True)
    log.gateway.put_route("r", HOST, origin.url)
    with log.gateway.client() as client:
        client.send(request("GET", "/cut", HOST))
        client.read_head()
        client.read_exactly(1)
        seen.set()
        client.read_until_closed()
    assert log.ending("/cut") == ("target", "answer", "target_reset", 200)
    with log.gateway.client() as client:
        assert client.ask("POST", "/silent", HOST, body=b"x").status == 502
    assert log.ending("/silent") == ("target", "wait", "target_closed", 502)
    with log.gateway.client() as client:
        assert client.ask("POST", "/nonsense", HOST, body=b"x").status == 502
    assert log.ending("/nonsense") == ("target", "wait", "target_bad_response", 502)


def test_time_runs_out(log, origin):
    release = threading.Event()
    origin.on("/late", hang(release))
    origin.on("/stalls", hang(release))
    log.gateway.put_route("r", HOST, origin.url,
                          upstream={"timeouts": {"response": "200ms", "idle": "200ms"}})
    try:
        assert log.gateway.get(HOST, "/late").status == 504
        assert log.ending("/late") == ("target", "wait", "target_timeout", 504)
        with log.gateway.client() as client:
            client.send(request("PUT", "/stalls", HOST, "Content-Length: 100") + b"x")
            assert client.read().status == 408
        assert log.ending("/stalls") == ("client", "request", "client_timeout", 408)
    finally:
        release.set()


def test_tunnel(log, origin):
    def tunnel(connection, asked):
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                        b"Upgrade: echo\r\n\r\n")
        connection.send(connection.read_some())
        connection.read_some()

    origin.on("/tunnel", tunnel)
    log.gateway.put_route("r", HOST, origin.url)
    with log.gateway.client() as client:
        client.send(request("GET", "/tunnel", HOST, "Connection: upgrade", "Upgrade: echo"))
        assert client.read_head().status == 101
        client.send(b"hello")
        assert client.read_exactly(5) == b"hello"
        reset(client.sock)
    assert log.ending("/tunnel") == ("client", "tunnel", "client_gone", 101)


def test_gateway_is_stopped(log, origin):
    release = threading.Event()
    origin.on("/drained", hang(release))
    log.gateway.put_route("r", HOST, origin.url)
    log.gateway.must("PATCH", "/v1/settings", {"drain_timeout": "100ms"})
    try:
        with log.gateway.client() as client:
            client.send(request("GET", "/drained", HOST))
            origin.wait_for("/drained")
            terminate(log.gateway)
            client.read_until_closed()
        assert log.gateway.process.wait() == 0
        assert log.ending("/drained") == ("gateway", "wait", "shutting_down", 0)
    finally:
        release.set()


def test_metrics_and_status_agree_with_the_log(log, origin, dead_port):
    log.gateway.put_route("good", HOST, origin.url)
    log.gateway.put_route("bad", "bad.test", f"http://127.0.0.1:{dead_port}")
    with log.gateway.client() as client:
        for number in range(3):
            assert client.ask("GET", f"/{number}", HOST).status == 200
    assert log.gateway.get("bad.test", "/").status == 502
    text = log.gateway.api("GET", "/metrics").text
    assert 'gatehouse_route_requests_total{route="good",class="2xx"} 3\n' in text
    assert 'gatehouse_route_requests_total{route="bad",class="5xx"} 1\n' in text
    assert 'gatehouse_route_requests_ended_total{route="bad",by="target"} 1\n' in text
    assert 'gatehouse_route_request_seconds_count{route="good"} 3\n' in text
    assert f'gatehouse_target_up{{route="good",target="{origin.url}"}} 1\n' in text
    assert f'gatehouse_target_up{{route="bad",target="http://127.0.0.1:{dead_port}"}} 0\n' in text
    routes = {r["id"]: r for r in log.gateway.must("GET", "/v1/status")["routes"]}
    assert routes["good"]["traffic"]["classes"] == {"2xx": 3}
    assert routes["good"]["traffic"]["p99_us"] > 0
    assert routes["bad"]["traffic"]["ended_by"] == {"target": 1}
    assert routes["bad"]["targets"][0]["state"] == "down"


COMBINED = re.compile(r'(\S+) - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
                      r'"(\S+) (\S+) HTTP/1\.[01]" (\d{3}) (\d+) "([^"]*)" "([^"]*)"')


def test_combined_lines_cannot_be_forged(make_gateway, origin, tmp_path):
    path = tmp_path / "access.log"
    gateway = make_gateway("--access-log", path, "--access-log-format", "combined").start()
    gateway.put_route("r", HOST, origin.url)
    with gateway.client() as client:
        agent = 'curl" 200 1 "\\x22\t'
        assert client.ask("GET", '/a"b', HOST, "Referer: http://from.test/",
                          "User-Agent: " + agent + "end").status == 200
    gateway.stop()
    (line,) = path.read_text().splitlines()
    client, method, target, status, size, referer, agent = COMBINED.fullmatch(line).groups()
    assert (client, method, status, referer) == ("127.0.0.1", "GET", "200",
                                                 "http://from.test/")
    assert target == r"/a\x22b"
    assert agent == r"curl\x22 200 1 \x22\x5cx22\x09end"
    assert int(size) > 0
