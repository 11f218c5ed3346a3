"""Bodies: framing both ways, streaming with bounded memory, time limits, upgrades."""
import hashlib
import json
import threading

import pytest

from support import raw
from support.origin import response
from support.raw import request
from support.wait import PATIENCE

SIZES = [0, 1, 1023, 16384, 65537, 1_000_003]
GIB = 1 << 30
MEMORY_SLACK_KIB = 64 * 1024     # a body buffered whole would need 16 times as much
BLOCK = bytes(1 << 20)


def make_body(size):
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


def in_pieces(body, size=4096):
    return [body[i:i + size] for i in range(0, len(body), size)]


# Uploads

@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_upload_arrives_whole(gateway, origin, host, framing, size):
    gateway.put_route("r", host, origin.url)
    body = make_body(size)
    with gateway.client() as client:
        if framing == "length":
            answer = client.ask("PUT", "/", host, body=body)
        else:
            client.send(request("PUT", "/", host, "Transfer-Encoding: chunked"))
            client.send(raw.chunked(*in_pieces(body)))
            answer = client.read()
        assert answer.status == 200
        assert client.ask("GET", "/next", host).status == 200
    seen = json.loads(answer.body)
    assert seen["body_length"] == size
    assert seen["body_sha256"] == hashlib.sha256(body).hexdigest()


def test_upload_reaches_the_target_before_it_is_complete(gateway, origin, host):
    arrived = threading.Event()

    def handler(connection, _):
        assert connection.read_line() == b"3"
        assert connection.read_line() == b"abc"
        arrived.set()
        assert connection.read_line() == b"0"
        connection.send(response(200, "OK"))

    origin.on("/", handler)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(request("PUT", "/", host, "Transfer-Encoding: chunked") + b"3\r\nabc\r\n")
        assert arrived.wait(PATIENCE)
        client.send(b"0\r\n\r\n")
        assert client.read().status == 200


def test_trailers_of_a_request_do_not_become_fields(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(request("PUT", "/", host, "Transfer-Encoding: chunked", "Trailer: X-Sum")
                    + raw.chunked(b"abc", trailers=["X-Sum: 1",
                                                    "X-Forwarded-For: 203.0.113.66"]))
        answer = client.read()
        assert (answer.status, json.loads(answer.body)["body_length"]) == (200, 3)
        assert client.ask("GET", "/next", host).status == 200
    assert "203.0.113.66" not in str(origin.requests[0].headers)
    assert not origin.requests[0].headers.has("X-Sum")


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_max_body_refuses_with_413(gateway, origin, host, framing):
    gateway.put_route("r", host, origin.url, max_body="1KiB")
    with gateway.client() as client:
        assert client.ask("PUT", "/fits", host, body=bytes(1024)).status == 200
        if framing == "length":
            client.send(request("PUT", "/", host, "Content-Length: 1025"))
        else:
            client.send(request("PUT", "/", host, "Transfer-Encoding: chunked"))
            client.try_send(raw.chunked(bytes(1000), bytes(1000)))
        assert client.read().status == 413
    if framing == "length":
        assert not origin.seen("/")


def test_expect_100_continue_is_answered_before_the_body(gateway, origin, host):
    def handler(connection, request):
        if request.headers.has("Expect"):
            connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body, _ = connection.read_body(request)
        connection.send(response(200, "OK", body=body.upper()))
        return True

    origin.on("/", handler)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(request("PUT", "/", host, "Expect: 100-continue", "Content-Length: 5"))
        assert client.read_head().status == 100
        client.send(b"hello")
        assert client.read().body == b"HELLO"


def test_upload_is_answered_before_it_ends_when_the_target_refuses(gateway, origin, host):
    origin.on("/", lambda connection, _: connection.send(
        response(403, "Forbidden", "Connection: close", body=b"no")))
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(request("PUT", "/", host, f"Content-Length: {GIB}"))
        answer = client.read()
        assert (answer.status, answer.body) == (403, b"no")


def test_client_that_vanishes_in_an_upload_takes_its_request_along(gateway, origin, host):
    ended = threading.Event()

    def handler(connection, request):
        try:
            connection.read_body(request)
        except ConnectionError:
            ended.set()

    origin.on("/", handler)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(request("PUT", "/", host, "Content-Length: 100") + b"half of it")
        origin.wait_for("/")
    assert ended.wait(PATIENCE)


# Downloads

def with_length(body):
    return response(200, "OK", body=body), False


def in_chunks(body):
    return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + raw.chunked(*in_pieces(body)), False)


def until_close(body):
    return b"HTTP/1.1 200 OK\r\n\r\n" + body, True


def http_1_0(body):
    return b"HTTP/1.0 200 OK\r\n\r\n" + body, True


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("framing", [with_length, in_chunks, until_close, http_1_0])
def test_download_arrives_whole_and_leaves_the_connection_usable(gateway, origin, host,
                                                                 framing, size):
    body = make_body(size)
    raw_answer, close = framing(body)
    origin.answer("/", raw_answer, close)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        answer = client.ask("GET", "/", host)
        assert (answer.status, answer.complete, answer.body == body) == (200, True, True)
        if answer.headers.get("Connection") != "close":
            assert client.ask("GET", "/next", host).status == 200


def test_download_reaches_the_client_before_it_is_complete(gateway, origin, host):
    received = threading.Event()

    def handler(connection, _):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        assert received.wait(PATIENCE)
        connection.send(b"def")
        return True

    origin.on("/", handler)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(request("GET", "/", host))
        assert client.read_head().status == 200
        assert client.read_exactly(3) == b"abc"
        received.set()
        assert client.read_exactly(3) == b"def"


@pytest.mark.parametrize("method, raw_answer", [
    pytest.param("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n",
                 id="HEAD, length"),
    pytest.param("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                 id="HEAD, chunked"),
    pytest.param("HEAD", b"HTTP/1.1 200 OK\r\n\r\n", id="HEAD, neither"),
    pytest.param("GET", b"HTTP/1.1 204 No Content\r\n\r\n", id="204"),
    pytest.param("GET", b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", id="304"),
    pytest.param("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 12345\r\n\r\n",
                 id="304 with the length of what was not sent"),
])
def test_answer_without_body_does_not_shift_the_next(gateway, origin, host, method, raw_answer):
    origin.answer("/", raw_answer)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        answer = client.ask(method, "/", host)
        assert answer.status == int(raw_answer.split()[1])
        if b"12345" in raw_answer:
            assert answer.headers.all("Content-Length") == ["12345"]
        after = client.ask("GET", "/next", host)
        assert (after.status, json.loads(after.body)["target"]) == (200, "/next")


def test_204_gets_no_framing_fields(gateway, origin, host):
    origin.answer("/", b"HTTP/1.1 204 No Content\r\n\r\n")
    gateway.put_route("r", host, origin.url)
    answer = gateway.get(host)
    assert not answer.headers.has("Transfer-Encoding")
    assert not answer.headers.has("Content-Length")


def test_interim_responses_do_not_confuse(gateway, origin, host):
    origin.answer("/", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
                  b"HTTP/1.1 102 Processing\r\n\r\n" + response(200, "OK", body=b"done"))
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(request("GET", "/", host))
        while (head := client.read_head()).status < 200:
            assert head.status in (102, 103)
        assert (head.status, client.read_exactly(4)) == (200, b"done")


@pytest.mark.parametrize("raw_answer", [
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", id="length"),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
                 id="chunked, between chunks"),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nonly this",
                 id="chunked, inside a chunk"),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 b"9\r\nonly this\r\nzz\r\n",
                 id="chunked, then garbage"),
])
def test_body_cut_by_the_target_is_seen_as_cut(gateway, origin, host, raw_answer):
    origin.answer("/", raw_answer, close=True)
    gateway.put_route("r", host, origin.url)
    answer = gateway.get(host)
    assert (answer.status, answer.body, answer.complete) == (200, b"only this", False)


# Much, with little memory

@pytest.fixture
def frugal_gateway(make_gateway, pki):
    """A gateway whose memory is measured: a sanitizer shall keep little of what is freed."""
    gateway = make_gateway(env={"ASAN_OPTIONS": "quarantine_size_mb=4"}).start()
    certificate = gateway.import_certificate(pki.leaf("big.test"))
    gateway.certificate_id = certificate["id"]
    return gateway


class Growth:
    """How much the peak of resident memory rises over what is resident at the beginning."""

    def __init__(self, gateway):
        self.gateway = gateway

    def __enter__(self):
        self.gateway.reset_peak()
        self.before = self.gateway.resident_kib()
        return self

    def __exit__(self, *_):
        self.kib = self.gateway.peak_kib() - self.before


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_1_gib_down_with_flat_memory(frugal_gateway, origin, framing):
    def handler(connection, _):
        if framing == "length":
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIB)
            connection.stream(GIB)
        else:
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(GIB // len(BLOCK)):
                connection.send(b"%x\r\n" % len(BLOCK))
                connection.send(BLOCK)
                connection.send(b"\r\n")
            connection.send(b"0\r\n\r\n")
        return True

    origin.on("/", handler)
    frugal_gateway.put_route("r", "big.test", origin.url,
                             certificate=frugal_gateway.certificate_id)
    with frugal_gateway.tls_client("big.test") as client, Growth(frugal_gateway) as growth:
        client.send(request("GET", "/", "big.test"))
        answer = client.read(keep_body=False)
    assert (answer.status, answer.received, answer.complete) == (200, GIB, True)
    assert growth.kib < MEMORY_SLACK_KIB


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_1_gib_up_with_flat_memory(frugal_gateway, origin, framing):
    def handler(connection, request):
        count, _ = connection.read_body(request, keep=False)
        connection.send(response(200, "OK", body=b"%d" % count))
        return True

    origin.on("/", handler)
    frugal_gateway.put_route("r", "big.test", origin.url,
                             certificate=frugal_gateway.certificate_id)
    with frugal_gateway.tls_client("big.test") as client, Growth(frugal_gateway) as growth:
        if framing == "length":
            client.send(request("PUT", "/", "big.test", f"Content-Length: {GIB}"))
            before, after = b"", b""
        else:
            client.send(request("PUT", "/", "big.test", "Transfer-Encoding: chunked"))
            before, after = b"%x\r\n" % len(BLOCK), b"\r\n"
        for _ in range(GIB // len(BLOCK)):
            client.send(before + BLOCK + after)
        client.send(b"0\r\n\r\n" if framing == "chunked" else b"")
        answer = client.read()
    assert (answer.status, answer.body) == (200, b"%d" % GIB)
    assert growth.kib < MEMORY_SLACK_KIB


def test_client_that_does_not_read_stops_the_target(frugal_gateway, origin):
    stalled_at = []
    stalled = threading.Event()

    def on_stall(sent):
        stalled_at.append(sent)
        stalled.set()

    def handler(connection, _):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIB)
        connection.stream(GIB, on_stall)

    origin.on("/", handler)
    frugal_gateway.put_route("r", "big.test", origin.url)
    with frugal_gateway.client() as client, Growth(frugal_gateway) as growth:
        client.send(request("GET", "/", "big.test"))
        assert stalled.wait(PATIENCE)
        assert frugal_gateway.get("big.test", "/other").status == 200
    assert stalled_at[0] < GIB // 8        # what socket buffers hold
    assert growth.kib < MEMORY_SLACK_KIB


def test_target_that_does_not_read_stops_the_client(frugal_gateway, origin):
    go_on = threading.Event()

    def handler(connection, request):
        assert go_on.wait(PATIENCE)
        count, _ = connection.read_body(request, keep=False)
        connection.send(response(200, "OK", body=b"%d" % count))

    origin.on("/", handler)
    frugal_gateway.put_route("r", "big.test", origin.url)
    size = GIB // 4
    with frugal_gateway.client() as client, Growth(frugal_gateway) as growth:
        client.send(request("PUT", "/", "big.test", f"Content-Length: {size}"))
        client.sock.settimeout(1)
        sent, memory = 0, memoryview(BLOCK)
        try:
            while sent < size:
                sent += client.sock.send(memory[:min(len(BLOCK), size - sent)])
        except TimeoutError:
            pass
        assert sent < size // 2
        client.sock.settimeout(PATIENCE)
        go_on.set()
        while sent < size:
            sent += client.sock.send(memory[:min(len(BLOCK), size - sent)])
        assert client.read().body == b"%d" % size
    assert growth.kib < MEMORY_SLACK_KIB


# Time limits of the target

def test_target_that_does_not_answer_is_504(gateway, origin, host):
    done = threading.Event()
    origin.on("/", lambda *_: done.wait(PATIENCE) and False)
    gateway.put_route("r", host, origin.url,
                      upstream={"timeouts": {"response": "200ms"}, "retries": 0})
    try:
        assert gateway.get(host).status == 504
    finally:
        done.set()


def test_target_that_falls_silent_in_its_answer_cuts_the_body(gateway, origin, host):
    done = threading.Event()

    def handler(connection, _):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
        done.wait(PATIENCE)

    origin.on("/", handler)
    gateway.put_route("r", host, origin.url, upstream={"timeouts": {"idle": "200ms"}})
    try:
        answer = gateway.get(host)
        assert (answer.status, answer.body, answer.complete) == (200, b"only this", False)
    finally:
        done.set()


# Upgrades

def switch_and_shout(connection, request):
    """Accept the upgrade, greet in the same write, then send everything back in capitals."""
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                    b"Upgrade: %s\r\nSec-WebSocket-Accept: x\r\n\r\nhello" %
                    request.headers.get("Upgrade").encode())
    while (data := connection.read_some()):
        connection.send(data.upper())


def upgrade(host, *fields):
    return request("GET", "/ws", host, "Connection: keep-alive, Upgrade", "Upgrade: websocket",
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
                   *fields)


@pytest.mark.parametrize("over_tls", [False, True])
def test_upgrade_opens_a_tunnel(gateway, origin, host, over_tls):
    origin.on("/ws", switch_and_shout)
    gateway.put_route("r", host, origin.url)
    with gateway.tls_client(host) if over_tls else gateway.client() as client:
        client.send(upgrade(host))
        head = client.read_head()
        assert (head.status, head.headers.get("Upgrade")) == (101, "websocket")
        assert "upgrade" in head.headers.get("Connection").lower()
        assert head.headers.get("Sec-WebSocket-Accept") == "x"
        assert client.read_exactly(5) == b"hello"
        for size in (1, 125, 70_000):
            data = make_body(size)
            client.send(data)
            assert client.read_exactly(size) == data.upper()
    (arrived,) = origin.seen("/ws")
    assert arrived.headers.get("Upgrade") == "websocket"
    assert "upgrade" in arrived.headers.get("Connection").lower()
    assert arrived.headers.get("Sec-WebSocket-Key") == "dGhlIHNhbXBsZSBub25jZQ=="


def test_bytes_sent_with_the_upgrade_request_are_part_of_the_tunnel(gateway, origin, host):
    origin.on("/ws", switch_and_shout)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(upgrade(host) + b"early")
        assert client.read_head().status == 101
        assert client.read_exactly(10) == b"helloEARLY"


def test_tunnel_ends_when_the_target_ends(gateway, origin, host):
    def handler(connection, _):
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                        b"Upgrade: websocket\r\n\r\nbye")

    origin.on("/ws", handler)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(upgrade(host))
        assert client.read_head().status == 101
        assert client.read_until_closed() == b"bye"


def test_idle_tunnel_is_closed_and_nobody_is_blamed(gateway, origin, host):
    origin.on("/ws", switch_and_shout)
    gateway.put_route("r", host, origin.url, upstream={"timeouts": {"idle": "200ms"}})
    with gateway.client() as client:
        client.send(upgrade(host))
        assert client.read_head().status == 101
        assert client.read_until_closed() == b"hello"
    (target,) = gateway.must("GET", "/v1/status")["routes"][0]["targets"]
    assert (target["state"], target["failures"]) == ("up", 0)


def test_upgrade_that_the_target_declines_is_an_ordinary_answer(gateway, origin, host):
    origin.answer("/ws", response(400, "Bad Request", body=b"no"))
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(upgrade(host))
        answer = client.read()
        assert (answer.status, answer.body) == (400, b"no")
        assert client.ask("GET", "/next", host).status == 200
