"""HTTP/2 towards clients: what browsers, curl and gRPC need, and what attackers get."""
import json
import signal
import subprocess
import threading

import pytest

from support import http2, raw
from support.http2 import Client, Raw, frame, head
from support.origin import response
from support.raw import chunked
from support.wait import until


def curl(gateway, host, path="/", *more):
    """What curl writes, over HTTP/2 and nothing else."""
    argv = ["curl", "--silent", "--show-error", "--insecure", "--http2", "--noproxy", "*",
            "--resolve", f"{host}:{gateway.https}:127.0.0.1", "--max-time", "60",
            *more, f"https://{host}:{gateway.https}{path}"]
    done = subprocess.run(argv, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def connect(gateway, host):
    """A function that opens a connection for the host of the test."""
    clients = []

    def open_client(**more):
        clients.append(Client(gateway.https, host, **more))
        return clients[-1]

    yield open_client
    for client in clients:
        client.raw.close()


@pytest.fixture
def hold(origin):
    """The origin keeps requests for /hold; a function that answers the oldest one."""
    held = []
    origin.on("/hold", lambda connection, request: held.append(connection) or True)

    def let_go(body=b"held"):
        until(lambda: held, "the request to arrive")
        held.pop(0).send(response(200, "OK", body=body))

    return let_go


def requests(host, streams, flags=http2.END_HEADERS | http2.END_STREAM, path="/attack"):
    """The frames that ask for that path on each of these streams."""
    section = http2.fields(*head(host, path))
    return [frame(http2.HEADERS, flags, stream, section) for stream in streams]


# What real clients do

def test_curl_is_served_over_http2(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    body, said = curl(gateway, host, "/", "--write-out", "\n%{http_version} %{http_code}") \
        .rsplit(b"\n", 1)
    assert said == b"2 200"
    assert json.loads(body)["origin"] == origin.url
    gateway.wait_log('"version":"2.0"')


def test_large_bodies_both_ways(gateway, origin, host, tmp_path):
    size = 20 << 20
    (tmp_path / "up").write_bytes(bytes(size))
    origin.answer("/down", response(200, "OK", body=b"x" * size))
    gateway.put_route("r", host, origin.url)
    assert curl(gateway, host, "/down") == b"x" * size
    curl(gateway, host, "/up", "--upload-file", str(tmp_path / "up"))
    assert origin.seen("/up")[0].length == size


def test_h2load_sees_no_failure(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    done = subprocess.run(["h2load", "-n", "2000", "-c", "5", "-m", "50",
                           f"--connect-to=127.0.0.1:{gateway.https}",
                           f"https://{host}:{gateway.https}/"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert "2000 succeeded, 0 failed, 0 errored" in done.stdout, done.stdout


def test_prior_knowledge_without_tls(gateway, origin, host):
    """RFC 9113 3.3; HTTP/1.1 is served on the same port."""
    gateway.put_route("r", host, origin.url)
    done = subprocess.run(["curl", "--silent", "--show-error", "--http2-prior-knowledge",
                           "--noproxy", "*", "--max-time", "60", "--header", f"Host: {host}",
                           "--write-out", "\n%{http_version} %{http_code}",
                           f"http://127.0.0.1:{gateway.http}/"], capture_output=True, check=False)
    assert done.stdout.rsplit(b"\n", 1)[1] == b"2 200", done.stderr
    with Client(gateway.http) as client:
        streams = [client.request(head(host, f"/{n}", scheme="http")) for n in range(30)]
        assert {client.answer(stream).status for stream in streams} == {200}
    assert origin.seen("/7")[0].headers.get("X-Forwarded-Proto") == "http"
    assert gateway.get(host).status == 200


def test_prior_knowledge_one_byte_at_a_time(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    with raw.Client(gateway.http) as client:
        section = http2.fields(*head(host, scheme="http"))
        for byte in http2.PREFACE + frame(http2.SETTINGS, 0, 0) \
                + frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 1, section):
            client.send(bytes([byte]))
        data = b""
        while bytes([http2.HEADERS, http2.END_HEADERS]) not in data:
            data += client.sock.recv(1 << 16)


def test_redirects_over_prior_knowledge(gateway, origin, host):
    gateway.put_route("r", host, origin.url, https="redirect")
    with Client(gateway.http) as client:
        answer = client.ask(host, "/a?b", scheme="http")
        assert (answer.status, answer.get("location")) == \
            (308, f"https://{host}:{gateway.https}/a?b")


def test_prior_knowledge_is_not_for_tls(gateway, origin, host):
    """There it is ALPN that says so (RFC 9113 3.3)."""
    gateway.put_route("r", host, origin.url)
    with raw.Client(gateway.https, tls=raw.any_certificate(), server_name=host) as client:
        client.send(http2.PREFACE)
        assert client.read().status == 400


def test_windows_grow_with_the_path(gateway, origin, host, connect):
    """Each round trip brings all that may be sent, as over a long and fast line: a PING is answered
    when half of it has reached the target."""
    gateway.put_route("r", host, origin.url)
    client = connect()
    stream = client.request(head(host, "/up", "POST"), end=False)
    client.until(lambda: client.h2.remote_settings.initial_window_size > 0)
    sent = 0

    def room():
        return client.h2.local_flow_control_window(stream)

    for _ in range(60):
        if room() > 2 << 20:
            break
        size = room()
        for at in range(0, size, client.h2.max_outbound_frame_size):
            client.h2.send_data(stream, bytes(min(size - at,
                                                  client.h2.max_outbound_frame_size)))
        client.flush()
        sent += size
        while room() < size // 2:
            client.h2.receive_data(client.raw.sock.recv(1 << 16))
        client.flush()
    assert room() > 2 << 20
    client.end(stream)
    assert client.answer(stream).status == 200
    gateway.wait_log(f'"in_bytes":{sent}')


# Messages

def test_slow_stream_blocks_no_other(gateway, origin, host, connect, hold):
    gateway.put_route("r", host, origin.url)
    client = connect()
    slow = client.request(head(host, "/hold"))
    for _ in range(20):
        assert client.ask(host).status == 200
    assert client.answers[slow].headers is None
    hold()
    assert client.answer(slow).body == b"held"


def test_small_answer_overtakes_a_large_one(gateway, origin, host, connect):
    size = 8 << 20
    origin.answer("/large", response(200, "OK", body=bytes(size)))
    gateway.put_route("r", host, origin.url)
    client = connect()
    large = client.request(head(host, "/large"))
    client.until(lambda: client.answers[large].headers is not None)
    assert client.ask(host).status == 200
    assert len(client.answers[large].body) < size
    assert len(client.answer(large).body) == size


def test_head_of_a_request_reaches_the_target_as_http1(gateway, origin, host, connect):
    gateway.put_route("r", host, origin.url)
    client = connect()
    stream = client.request([*head(f"{host}:{gateway.https}", "/a?b=c"), ("cookie", "a=1"),
                             ("cookie", "b=2"), ("x-many", "1"), ("x-many", "2"),
                             ("te", "trailers")])
    assert client.answer(stream).status == 200
    (seen,) = origin.seen("/a")
    assert (seen.version, seen.target) == ("HTTP/1.1", "/a?b=c")
    assert seen.headers.all("Host") == [f"{host}:{gateway.https}"]
    assert seen.headers.all("Cookie") == ["a=1; b=2"]
    assert seen.headers.all("X-Many") == ["1", "2"]
    assert seen.headers.get("X-Forwarded-Proto") == "https"


def test_bodies_and_trailers_both_ways(gateway, origin, host, connect):
    got = []

    def handler(connection, request):
        got.append(connection.read_body(request))
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + chunked(b"one", b"two", trailers=["X-Sum: 6"]))
        return True

    origin.on("/", handler)
    gateway.put_route("r", host, origin.url)
    client = connect()
    stream = client.request(head(host, "/", "POST"), b"body", end=False)
    client.end(stream, [("x-check", "yes")])
    answer = client.answer(stream)
    assert answer.status == 200, answer
    assert (answer.body, answer.trailers) == (b"onetwo", [("x-sum", "6")])
    body, trailers = got[0]
    assert (body, trailers.get("X-Check")) == (b"body", "yes")


def test_body_of_a_known_length_keeps_it(gateway, origin, host, connect):
    gateway.put_route("r", host, origin.url)
    client = connect()
    stream = client.request([*head(host, "/", "PUT"), ("content-length", "4")], b"body")
    answer = client.answer(stream)
    assert answer.status == 200
    assert int(answer.get("content-length")) == len(answer.body)
    assert origin.requests[0].length == 4


def test_interim_answers_pass(gateway, origin, host, connect):
    origin.answer("/", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                  + response(204, "No Content"))
    gateway.put_route("r", host, origin.url)
    answer = connect().ask(host)
    assert [dict(one)[":status"] for one in answer.interim] == ["103"]
    assert (answer.status, answer.body) == (204, b"")


def test_head_has_a_length_and_no_body(gateway, origin, host, connect):
    origin.answer("/", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    gateway.put_route("r", host, origin.url)
    answer = connect().ask(host, method="HEAD")
    assert (answer.status, answer.get("content-length"), answer.body) == (200, "1000", b"")


def test_answer_before_the_end_of_the_request(gateway, origin, host, connect):
    """413 at once; the connection goes on."""
    gateway.put_route("r", host, origin.url, max_body="1KiB")
    client = connect()
    stream = client.request(head(host, "/", "POST"), bytes(2000), end=False)
    assert client.answer(stream).status == 413
    assert client.ask(host).status == 200


def test_answer_that_breaks_off_is_seen_to(gateway, origin, host, connect):
    origin.answer("/cut", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst", close=True)
    gateway.put_route("r", host, origin.url)
    client = connect()
    answer = client.ask(host, "/cut")
    assert answer.reset is not None and not answer.ended
    assert client.ask(host).status == 200


def test_own_answers(gateway, origin, host, dead_port, connect):
    gateway.put_route("r", host, f"http://127.0.0.1:{dead_port}")
    client = connect()
    answer = client.ask(host)
    assert answer.status == 502 and answer.body
    gateway.put_route("r", host, origin.url)
    assert client.ask(host).status == 200


def test_host_of_another_certificate_is_421(gateway, origin, pki, host):
    for name in ("one", "two"):
        pair = pki.self_signed(f"{name}.{host}")
        cert = gateway.import_certificate(pair)
        gateway.put_route(name, f"{name}.{host}", origin.url, certificate=cert["id"])
    with Client(gateway.https, f"one.{host}") as client:
        assert client.ask(f"one.{host}").status == 200
        assert client.ask(f"two.{host}").status == 421
        assert client.ask(f"one.{host}").status == 200


def test_websocket_over_http2(gateway, origin, host, connect):
    """RFC 8441, towards a target that speaks HTTP/1.1."""
    def handler(connection, request):
        assert request.headers.get("Upgrade").lower() == "websocket"
        assert len(request.headers.get("Sec-WebSocket-Key")) == 24
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                        b"Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n"
                        b"Sec-WebSocket-Protocol: chat\r\n\r\nhello")
        while (data := connection.read_some()):
            connection.send(data.upper())
        return False

    origin.on("/ws", handler)
    gateway.put_route("r", host, origin.url)
    client = connect()
    stream = client.request([*head(host, "/ws", "CONNECT"), (":protocol", "websocket"),
                             ("sec-websocket-version", "13")], end=False)
    answer = client.answers[stream]
    client.until(lambda: answer.body == b"hello")
    assert answer.status == 200
    assert answer.get("sec-websocket-protocol") == "chat"
    assert answer.get("sec-websocket-accept") is None
    client.send(stream, b"more")
    client.until(lambda: answer.body == b"helloMORE")
    gateway.put_route("other", f"other.{host}", origin.url)     # an edit of something else
    client.send(stream, b"!")
    client.until(lambda: answer.body == b"helloMORE!")
    client.end(stream)
    assert client.answer(stream).ended


# Ends

def test_cancelled_request_is_given_up(gateway, origin, host, connect):
    """And only that one: its connection to the target is closed."""
    ended = threading.Event()

    def handler(connection, _):
        while connection.read_some():
            pass
        ended.set()
        return False

    origin.on("/long", handler)
    gateway.put_route("r", host, origin.url)
    client = connect()
    stream = client.request(head(host, "/long"))
    origin.wait_for("/long")
    client.cancel(stream)
    assert ended.wait(30)
    assert client.ask(host).status == 200
    gateway.wait_log('"ended_by":"client","ended_in":"wait"')


def test_shutdown_lets_streams_end(make_gateway, no_ca, origin, host, hold):
    gateway = make_gateway().start()
    gateway.must("PATCH", "/v1/acme", no_ca)
    gateway.put_route("r", host, origin.url)
    with Raw(gateway.https, host) as client, Client(gateway.https, host) as idle:
        assert idle.ask(host).status == 200
        client.send(*requests(host, [1], path="/hold"))
        origin.wait_for("/hold")
        gateway.process.signal(signal.SIGTERM)
        assert idle.until_closed() == http2.NO_ERROR
        seen = client.frames()
        goaway = next(payload for kind, _, _, payload in seen if kind == http2.GOAWAY)
        assert goaway[4:8] == bytes(4)
        hold()
        assert b"".join(payload for kind, _, _, payload in seen if kind == http2.DATA) == b"held"
    assert gateway.process.wait() == 0


def test_client_that_says_goodbye_is_let_go(gateway, origin, host, connect):
    gateway.put_route("r", host, origin.url)
    client = connect()
    assert client.ask(host).status == 200
    client.h2.close_connection()
    client.flush()
    assert client.until_closed() in (None, http2.NO_ERROR)


# What is refused

@pytest.mark.parametrize("length, sent", [(5, 3), (3, 5)])
def test_length_that_disagrees_with_data_is_refused(gateway, origin, host, length, sent):
    gateway.put_route("r", host, origin.url)
    with Raw(gateway.https, host) as client:
        client.send(frame(http2.HEADERS, http2.END_HEADERS, 1, http2.fields(
            *head(host, "/", "POST"), ("content-length", str(length)))),
            frame(http2.DATA, http2.END_STREAM, 1, bytes(sent)))
        assert client.verdict() == ("reset", http2.PROTOCOL_ERROR)


# Attacks: the attacker is cut, and nobody else notices

def rapid_reset(host):
    return [piece for stream in range(1, 40_001, 2)
            for piece in (*requests(host, [stream]),
                          frame(http2.RST_STREAM, 0, stream, (8).to_bytes(4, "big")))]


def provoked_reset(host):
    """CVE-2025-8671: we are made to reset what the attacker never resets."""
    return [piece for stream in range(1, 40_001, 2)
            for piece in (*requests(host, [stream], http2.END_HEADERS),
                          frame(http2.WINDOW_UPDATE, 0, stream, bytes(4)))]


def hpack_bomb(host):
    """A field of 4 KB is put into the table once, and then named by one byte, 16,000 times a head."""
    section = b"".join(b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)])
                       + value.encode() for name, value in head(host, "/attack"))
    large = section + b"\x40\1a\x7f\xa1\x1e" + b"b" * 4000
    flags = http2.END_HEADERS | http2.END_STREAM
    return [frame(http2.HEADERS, flags, 1, large),
            *[frame(http2.HEADERS, flags, stream, section + b"\xbe" * 16000)
              for stream in range(3, 4003, 2)]]


ATTACKS = {
    "rapid reset": rapid_reset,
    "provoked reset": provoked_reset,
    "pings": lambda host: [frame(http2.PING, 0, 0, bytes(8))] * 20_000,
    "settings": lambda host: [frame(http2.SETTINGS, 0, 0)] * 20_000,
    "empty data": lambda host: [*requests(host, [1], http2.END_HEADERS),
                                *[frame(http2.DATA, 0, 1)] * 20_000],
    "continuations": lambda host: [frame(http2.HEADERS, 0, 1, http2.fields(*head(host))),
                                   *[frame(http2.CONTINUATION, 0, 1)] * 20_000],
    "a head without end": lambda host: [frame(http2.HEADERS, 0, 1, http2.fields(*head(host))),
                                        *[frame(http2.CONTINUATION, 0, 1,
                                                b"\0\1a\x7f\xa1\x1f" + bytes(4096))] * 200],
    "an HPACK bomb": hpack_bomb,
    "priorities": lambda host: [frame(http2.PRIORITY, 0, 1, b"\0\0\0\3\0")] * 20_000,
    "priority updates": lambda host: [frame(http2.PRIORITY_UPDATE, 0, 0,
                                            b"\0\0\0\1u=1")] * 20_000,
    "frames of no known type": lambda host: [frame(0x55, 0, 0)] * 20_000,
    "tiny windows": lambda host: [frame(http2.WINDOW_UPDATE, 0, 0,
                                        (1).to_bytes(4, "big"))] * 20_000,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacker_is_cut_and_others_are_served(gateway, origin, host, name, connect):
    gateway.put_route("r", host, origin.url)
    other = connect()
    assert other.ask(host).status == 200
    gateway.reset_peak()
    before = gateway.peak_kib()
    with Raw(gateway.https, host) as attacker:
        pieces = ATTACKS[name](host)
        sender = threading.Thread(target=attacker.send, args=pieces)
        sender.start()
        codes = [int.from_bytes(payload[4:8], "big") for kind, _, _, payload in attacker.frames()
                 if kind == http2.GOAWAY]       # up to the end of the connection
        sender.join()
    assert all(code != http2.NO_ERROR for code in codes)
    assert other.ask(host).status == 200
    assert gateway.peak_kib() - before < 64 * 1024
    assert len(origin.seen("/attack")) < 2000
    gateway.check_alive()


def test_clients_that_open_no_window_hold_little(gateway, origin, host, connect):
    """A hundred answers of a megabyte each, for which there is never leave."""
    origin.answer("/large", response(200, "OK", body=bytes(1 << 20)))
    gateway.put_route("r", host, origin.url)
    greedy, other = connect(window=False), connect()
    assert other.ask(host).status == 200
    gateway.reset_peak()
    before = gateway.peak_kib()
    for _ in range(100):
        greedy.request(head(host, "/large"))
    origin.wait_for("/large", 100)
    for _ in range(20):
        assert other.ask(host).status == 200
    assert gateway.peak_kib() - before < 96 * 1024
