"""HTTP/2 towards targets: chosen by ALPN, demanded by the route or the URL; many requests on one
connection, and what happens to each when it, or the connection, goes wrong."""
import concurrent.futures
import json
import ssl

import pytest

from support.http2 import Client, Server, head
from support.raw import chunked, request
from support.wait import until

REFUSED_STREAM = 7


@pytest.fixture
def make_target(pki):
    """A function that starts a target which speaks HTTP/2."""
    targets = []

    def make(over_tls=True, alpn=("h2", "http/1.1"), **more):
        tls = None
        if over_tls:
            pair = pki.leaf("localhost")
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(pair.chain, pair.key)
            tls.set_alpn_protocols(list(alpn))
        targets.append(Server(tls, **more))
        return targets[-1]

    yield make
    for target in targets:
        target.close()
        assert target.failures == []


def put(gateway, host, url, **upstream):
    gateway.put_route("r", host, url, upstream={"tls": {"verify": "off"}, **upstream})


def seen(answer):
    assert answer.status == 200, answer
    return json.loads(answer.body)


@pytest.fixture(params=["h1", "h2"])
def ask(request, gateway, host):
    """A function that asks over each version; (status, body)."""
    def over_h1(path="/", method="GET", body=None, fields=()):
        with gateway.client() as client:
            answer = client.ask(method, path, host, *[f"{k}: {v}" for k, v in fields], body=body)
        return answer

    def over_h2(path="/", method="GET", body=None, fields=()):
        with Client(gateway.https, host) as client:
            return client.answer(client.request([*head(host, path, method), *fields], body))

    return {"h1": over_h1, "h2": over_h2}[request.param]


@pytest.mark.parametrize("over_tls", [True, False], ids=["https", "h2c"])
def test_every_client_reaches_it(gateway, make_target, host, ask, over_tls):
    target = make_target(over_tls)
    put(gateway, host, target.url)
    came = dict(seen(ask("/a?b", fields=[("cookie", "x=1; y=2")]))["headers"])
    assert (came[":method"], came[":path"], came[":authority"]) == ("GET", "/a?b", host)
    assert came[":scheme"] == ("https" if over_tls else "http")
    assert came["x-forwarded-for"] == "127.0.0.1"
    assert "connection" not in came and "host" not in came
    assert seen(ask("/", "POST", b"x" * 100_000))["length"] == 100_000
    assert target.requests[-1][2] == b"x" * 100_000


def test_clear_text_on_demand(gateway, make_target, host):
    target = make_target(over_tls=False)
    put(gateway, host, target.url.replace("h2c://", "http://"), protocol="2")
    assert seen(gateway.get(host))


def test_protocol_can_be_kept_to_http1(gateway, origin, make_target, host):
    """The target would speak HTTP/2: it is not offered."""
    target = make_target(alpn=["h2"])
    put(gateway, host, target.url, protocol="1.1")
    assert gateway.get(host).status == 502
    target.failures.clear()     # it was spoken to in HTTP/1.1


def test_target_without_http2_that_must_have_it_is_502(gateway, make_origin, pki, host):
    pair = pki.leaf("localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.chain, pair.key)
    target = make_origin(tls=tls)
    put(gateway, host, target.url, protocol="2")
    assert gateway.get(host).status == 502
    gateway.wait_log("target_protocol")
    put(gateway, host, target.url)
    assert gateway.get(host).status == 200


def test_requests_share_a_connection(make_gateway, no_ca, make_target, host):
    gateway = make_gateway(workers=1).start()
    gateway.must("PATCH", "/v1/acme", no_ca)
    target = make_target()
    put(gateway, host, target.url)
    assert seen(gateway.get(host))      # from now on it is known what it speaks
    held = []
    target.answer = lambda *call: held.append(call)
    with Client(gateway.https, host) as client:
        streams = [client.request(head(host, f"/{n}")) for n in range(50)]
        target.wait_for(51)
        for connection, stream, headers, _ in held[::-1]:       # in any order
            connection.send(stream, dict(headers)[":path"].encode())
        for n, stream in enumerate(streams):
            assert client.answer(stream).body == f"/{n}".encode()
    assert len(target.connections) == 1
    assert target.most > 10


def test_limit_of_the_target_is_kept(make_gateway, no_ca, make_target, host):
    gateway = make_gateway(workers=1).start()
    gateway.must("PATCH", "/v1/acme", no_ca)
    target = make_target(max_streams=4)
    put(gateway, host, target.url)
    assert seen(gateway.get(host))
    held = []
    target.answer = lambda *call: held.append(call)
    with Client(gateway.https, host) as client:
        streams = [client.request(head(host, f"/{n}")) for n in range(20)]
        target.wait_for(21)
        for connection, stream, _, _ in held:
            connection.send(stream, b"ok")
        assert {client.answer(stream).body for stream in streams} == {b"ok"}
    assert target.most <= 4
    assert len(target.connections) >= 5


def test_trailers_pass_both_ways(gateway, make_target, host):
    target = make_target()
    target.answer = lambda connection, stream, headers, body: connection.send(
        stream, b"body", fields=[("trailer", "x-sum")], trailers=[("x-sum", "7")])
    put(gateway, host, target.url)
    with Client(gateway.https, host) as client:
        answer = client.ask(host)
        assert (answer.body, answer.trailers) == (b"body", [("x-sum", "7")])
    with gateway.client() as client:
        client.send(request("POST", "/", host, "Transfer-Encoding: chunked")
                    + chunked(b"abc", trailers=["X-Check: 1"]))
        answer = client.read()
    assert (answer.body, answer.trailers.get("X-Sum")) == (b"body", "7")
    assert target.requests[-1][2] == b"abc"


def test_reset_of_one_leaves_the_others(gateway, make_target, host):
    target = make_target()

    def answer(connection, stream, headers, body):
        if dict(headers)[":path"] == "/bad":
            connection.reset(stream, 2)
        else:
            connection.describe(stream, headers, body)

    target.answer = answer
    put(gateway, host, target.url, retries=0)
    with Client(gateway.https, host) as client:
        for _ in range(3):
            bad, good = client.request(head(host, "/bad")), client.request(head(host, "/good"))
            assert client.answer(bad).status == 502
            assert client.answer(good).status == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_was_not_taken_is_asked_again(gateway, make_target, host, method):
    """REFUSED_STREAM: whatever the method, the target has done nothing."""
    target = make_target()
    refused = []

    def answer(connection, stream, headers, body):
        if not refused:
            refused.append(stream)
            connection.reset(stream, REFUSED_STREAM)
        else:
            connection.describe(stream, headers, body)

    target.answer = answer
    put(gateway, host, target.url, retries=0)
    assert gateway.ask(method, "/", host).status == 200
    assert refused and len(target.requests) == 2


def test_goodbye_of_the_target_costs_nobody(gateway, make_target, host):
    target = make_target()
    put(gateway, host, target.url, retries=0)

    def ask_some(n):
        with gateway.client() as client:
            return [client.ask("GET", "/", host).status for _ in range(n)]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        load = [pool.submit(ask_some, 100) for _ in range(4)]
        for _ in range(5):
            count = len(target.requests)
            until(lambda: len(target.requests) > count + 20 or all(f.done() for f in load),
                  "traffic")
            for connection in list(target.connections):
                try:
                    connection.say_goodbye(connection.h2.highest_inbound_stream_id)
                except OSError:
                    pass
        assert {status for f in load for status in f.result()} == {200}
    target.failures.clear()     # its library takes what was on its way for a mistake


def test_target_that_dies_is_found_again(gateway, make_target, host):
    target = make_target()
    put(gateway, host, target.url)
    assert gateway.get(host).status == 200
    for connection in target.connections:
        connection.close()
    for _ in range(5):
        assert gateway.get(host).status == 200


def test_cancelled_by_the_client_is_cancelled_at_the_target(gateway, make_target, host):
    target = make_target()
    held = []
    target.answer = lambda *call: held.append(call)
    put(gateway, host, target.url)
    with Client(gateway.https, host) as client:
        stream = client.request(head(host, "/long"))
        target.wait_for(1)
        client.cancel(stream)
        connection = held[0][0]
        until(lambda: connection.h2._stream_closed_by(held[0][1]) is not None,  # pylint: disable=protected-access
              "the reset at the target")
        target.answer = Server(None).answer
        assert client.ask(host).status == 200
    assert len(target.connections) == 1


def test_upgrade_is_asked_for_in_http1(gateway, make_target, host):
    """Upgrades take a connection of their own, over HTTP/1.1."""
    target = make_target(alpn=["h2"])
    put(gateway, host, target.url)
    assert gateway.get(host).status == 200
    with gateway.client() as client:
        client.send(request("GET", "/ws", host, "Connection: Upgrade", "Upgrade: websocket",
                            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA"))
        assert client.read().status == 502      # this one has no HTTP/1.1 to offer
    target.failures.clear()


def echo_tunnel(connection, stream, headers):
    """A target that takes WebSockets over HTTP/2 and sends back what comes."""
    with connection.lock:
        connection.h2.send_headers(stream, [(":status", "200"), ("x-was", headers[":method"]),
                                            ("sec-websocket-protocol", "chat")])
        connection.flush()


@pytest.mark.parametrize("over_tls", [True, False], ids=["https", "h2c"])
def test_websocket_over_http2(gateway, make_target, host, over_tls):
    """RFC 8441, to a target that speaks nothing else; a client of HTTP/1.1 gets the proof it
    expects (RFC 6455 1.3)."""
    target = make_target(over_tls, alpn=["h2"], on_connect=echo_tunnel)
    put(gateway, host, target.url, protocol="2")
    for path in ["/first", "/shared"]:
        with gateway.client() as client:
            client.send(request("GET", path, host, "Connection: Upgrade", "Upgrade: websocket",
                                "Sec-WebSocket-Version: 13",
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
            answer = client.read_head()
            assert (answer.status, answer.headers.get("Sec-WebSocket-Accept")) == \
                (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
            assert answer.headers.get("X-Was") == "CONNECT"
            assert answer.headers.get("Sec-WebSocket-Protocol") == "chat"
            client.send(b"ping")
            assert client.read_exactly(4) == b"ping"
    with Client(gateway.https, host) as client:
        stream = client.request([*head(host, "/h2", "CONNECT"), (":protocol", "websocket"),
                                 ("sec-websocket-version", "13")], end=False)
        client.until(lambda: client.answers[stream].headers is not None)
        client.send(stream, b"pong")
        client.until(lambda: client.answers[stream].body == b"pong")
        client.end(stream)
        assert client.answer(stream).ended


def test_upgrade_that_the_target_does_not_take_is_502(gateway, make_target, host):
    target = make_target(False, takes_upgrades=False)
    put(gateway, host, target.url)
    with gateway.client() as client:
        client.send(request("GET", "/ws", host, "Connection: Upgrade", "Upgrade: websocket",
                            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA"))
        assert client.read().status == 502
    gateway.wait_log("target_upgrade")
    assert seen(gateway.get(host))
