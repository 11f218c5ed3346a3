"""Malformed and ambiguous messages: refused, the connection closed, nothing passed on."""
import threading

import pytest

from support.origin import response
from support.raw import request
from support.wait import PATIENCE

# What would be smuggled in if the gateway and the target disagreed about where a request ends.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: bad.test\r\n\r\n"
HOST = "Host: bad.test\r\n"


def head(*lines, first="POST / HTTP/1.1\r\n", host=HOST):
    return (first + host + "".join(line + "\r\n" for line in lines) + "\r\n").encode("latin-1")


@pytest.mark.parametrize("sent, statuses", [
    # framing
    pytest.param(head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n", {400},
                 id="length and chunked"),
    pytest.param(head("Transfer-Encoding: chunked", "Content-Length: 5") + b"0\r\n\r\n", {400},
                 id="chunked and length"),
    pytest.param(head("Content-Length: 5", "Content-Length: 6") + b"hello!", {400},
                 id="two lengths"),
    pytest.param(head("Content-Length: 5, 6") + b"hello!", {400}, id="list of lengths"),
    pytest.param(head("Content-Length: +5") + b"hello", {400}, id="length with a sign"),
    pytest.param(head("Content-Length: -5") + b"hello", {400}, id="negative length"),
    pytest.param(head("Content-Length: 0x5") + b"hello", {400}, id="length in hex"),
    pytest.param(head("Content-Length: 5 5") + b"hello", {400},
                 id="length with a space inside"),
    pytest.param(head("Content-Length:") + b"hello", {400}, id="empty length"),
    pytest.param(head("Content-Length: 99999999999999999999") + b"hello", {400, 413},
                 id="length that overflows"),
    pytest.param(head("Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n", {400, 501},
                 id="chunked twice"),
    pytest.param(head(*["Transfer-Encoding: chunked"] * 2) + b"0\r\n\r\n", {400, 501},
                 id="chunked twice in two fields"),
    pytest.param(head("Transfer-Encoding: gzip") + b"x", {400, 501}, id="unknown coding"),
    pytest.param(head("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", {400, 501},
                 id="unknown coding before chunked"),
    pytest.param(head("Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n", {400, 501},
                 id="chunked not last"),
    pytest.param(head("Transfer-Encoding: identity") + b"x", {400, 501}, id="identity"),
    pytest.param(head("Transfer-Encoding: xchunked") + b"0\r\n\r\n", {400, 501}, id="xchunked"),
    pytest.param(head("Transfer-Encoding:") + b"x", {400, 501}, id="empty coding"),
    pytest.param(head("Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n", {400, 501},
                 id="coding behind a vertical tab"),
    pytest.param(head("Transfer-Encoding: chunked", first="POST / HTTP/1.0\r\n") + b"0\r\n\r\n",
                 {400}, id="chunked in HTTP/1.0"),
    # lines and fields
    pytest.param(b"GET / HTTP/1.1\nHost: bad.test\n\n", {400}, id="bare LF"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: bad.test\nX: y\r\n\r\n", {400}, id="one bare LF"),
    pytest.param(b"GET / HTTP/1.1\rHost: bad.test\r\r", {400}, id="bare CR"),
    pytest.param(head("X: a\rb"), {400}, id="bare CR in a value"),
    pytest.param(head("X: a", " b"), {400}, id="folded line"),
    pytest.param(head(" X: a", host="") + HOST.encode(), {400},
                 id="space before the first field"),
    pytest.param(head("Content-Length : 5") + b"hello", {400}, id="space before the colon"),
    pytest.param(head("X\t: 5"), {400}, id="tab before the colon"),
    pytest.param(head("no colon here"), {400}, id="no colon"),
    pytest.param(head(": nameless"), {400}, id="empty field name"),
    pytest.param(head("X(y): 1"), {400}, id="delimiter in a field name"),
    pytest.param(head("X\xe9: 1"), {400}, id="high byte in a field name"),
    pytest.param(head("X: a\0b"), {400}, id="NUL in a value"),
    pytest.param(head("X\0: b"), {400}, id="NUL in a name"),
    pytest.param(head("X: a\x01b"), {400}, id="control character in a value"),
    pytest.param(head("X: a\x7fb"), {400}, id="DEL in a value"),
    # request line
    pytest.param(b"GET /\r\n\r\n", {400}, id="HTTP/0.9"),
    pytest.param(b"\0\0\0\0\r\n\r\n", {400}, id="zeros"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400},
                 id="TLS on the plain port"),
    pytest.param(head(first="G(T / HTTP/1.1\r\n"), {400}, id="delimiter in the method"),
    pytest.param(head(first="/ HTTP/1.1\r\n"), {400}, id="no method"),
    pytest.param(head(first=" GET / HTTP/1.1\r\n"), {400}, id="space first"),
    pytest.param(head(first="GET  / HTTP/1.1\r\n"), {400}, id="two spaces"),
    pytest.param(head(first="GET\t/ HTTP/1.1\r\n"), {400}, id="tab as separator"),
    pytest.param(head(first="GET / HTTP/1.1 \r\n"), {400}, id="space at the end"),
    pytest.param(head(first="GET /a b HTTP/1.1\r\n"), {400}, id="space in the target"),
    pytest.param(head(first="GET /\0 HTTP/1.1\r\n"), {400}, id="NUL in the target"),
    pytest.param(head(first="GET /\x7f HTTP/1.1\r\n"), {400}, id="DEL in the target"),
    pytest.param(head(first="GET relative HTTP/1.1\r\n"), {400}, id="relative target"),
    pytest.param(head(first="GET  HTTP/1.1\r\n"), {400}, id="empty target"),
    pytest.param(head(first="GET /#x HTTP/1.1\r\n"), {400}, id="fragment in the target"),
    pytest.param(head(first="GET http:///x HTTP/1.1\r\n"), {400},
                 id="absolute form without host"),
    pytest.param(head(first="GET http://u:p@bad.test/ HTTP/1.1\r\n"), {400},
                 id="absolute form with a user"),
    pytest.param(head(first="CONNECT bad.test:443 HTTP/1.1\r\n"), {400, 501},
                 id="CONNECT"),
    pytest.param(head(first="GET / HTTP/2.0\r\n"), {400}, id="HTTP/2.0"),
    pytest.param(head(first="GET / HTTP/1\r\n"), {400}, id="HTTP/1"),
    pytest.param(head(first="GET / HTTP/01.1\r\n"), {400}, id="HTTP/01.1"),
    pytest.param(head(first="GET / http/1.1\r\n"), {400}, id="http/1.1"),
    pytest.param(head(first="GET / HTTP/1.1x\r\n"), {400}, id="HTTP/1.1x"),
    pytest.param(b"PRI * HTTP/2.0\r\nHost: bad.test\r\n\r\n", {400},
                 id="nearly the preface of HTTP/2"),
    # Host
    pytest.param(head(host=""), {400}, id="no Host"),
    pytest.param(head("Host: bad.test"), {400}, id="two equal Hosts"),
    pytest.param(head("Host: other.test"), {400}, id="two Hosts"),
    pytest.param(head(host="Host:\r\n"), {400}, id="empty Host"),
    pytest.param(head(host="Host: bad.test, other.test\r\n"), {400}, id="list of Hosts"),
    pytest.param(head(host="Host: bad test\r\n"), {400}, id="space in Host"),
    pytest.param(head(host="Host: bad.test/x\r\n"), {400}, id="path in Host"),
    pytest.param(head(host="Host: u@bad.test\r\n"), {400}, id="user in Host"),
    pytest.param(head(host="Host: bad.test:http\r\n"), {400}, id="port of letters"),
    pytest.param(head(host="Host: bad.test:99999\r\n"), {400}, id="port out of range"),
    # too much
    pytest.param(head(first="GET /" + "a" * 100_000 + " HTTP/1.1\r\n"), {414},
                 id="long target"),
    pytest.param(head("X: " + "a" * 100_000), {431}, id="long field"),
    pytest.param(head(*[f"X-{n}: {'a' * 90}" for n in range(1000)]), {431}, id="large head"),
    pytest.param(head(*["a: b"] * 15_000), {431}, id="many fields"),
])
def test_request_is_refused_and_reaches_no_target(gateway, origin, sent, statuses):
    gateway.put_route("r", "bad.test", origin.url)
    with gateway.client() as client:
        client.try_send(sent + SMUGGLED)
        answer = client.read()
        assert answer.status in statuses
        assert client.closed_by_peer()
    assert origin.requests == []
    assert gateway.get("bad.test", "/after").status == 200


@pytest.mark.parametrize("body", [
    pytest.param(b"zz\r\nhello\r\n0\r\n\r\n", id="size not hex"),
    pytest.param(b"\r\nhello\r\n0\r\n\r\n", id="no size"),
    pytest.param(b"-5\r\nhello\r\n0\r\n\r\n", id="negative size"),
    pytest.param(b"+5\r\nhello\r\n0\r\n\r\n", id="size with a sign"),
    pytest.param(b"0x5\r\nhello\r\n0\r\n\r\n", id="size with a prefix"),
    pytest.param(b" 5\r\nhello\r\n0\r\n\r\n", id="space before the size"),
    pytest.param(b"5_0\r\nhello\r\n0\r\n\r\n", id="underscore in the size"),
    pytest.param(b"10000000000000005\r\nhello\r\n0\r\n\r\n", id="size that overflows 64 bits"),
    pytest.param(b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n", id="size of 17 digits"),
    pytest.param(b"5\nhello\r\n0\r\n\r\n", id="bare LF after the size"),
    pytest.param(b"5\r\nhello\n0\r\n\r\n", id="bare LF after the data"),
    pytest.param(b"5\rhello\r\n0\r\n\r\n", id="bare CR after the size"),
    pytest.param(b"3\r\nhello\r\n0\r\n\r\n", id="data longer than the size"),
    pytest.param(b"5;a\nb\r\nhello\r\n0\r\n\r\n", id="bare LF in an extension"),
    pytest.param(b"5;" + b"x" * 100_000 + b"\r\nhello\r\n0\r\n\r\n", id="endless extension"),
    pytest.param(b"5\r\nhello\r\n0\r\nX : y\r\n\r\n", id="space before the colon of a trailer"),
    pytest.param(b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", id="trailer without a colon"),
    pytest.param(b"5\r\nhello\r\n0\r\nX: y\n\r\n", id="bare LF in a trailer"),
    pytest.param(b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 30_000 + b"\r\n",
                 id="endless trailers"),
])
def test_bad_chunk_never_completes_a_request(gateway, origin, body):
    completed = threading.Event()

    def handler(connection, request):
        connection.read_body(request)
        completed.set()
        connection.send(response(200, "OK"))

    origin.on("/", handler)
    gateway.put_route("r", "bad.test", origin.url)
    with gateway.client() as client:
        client.try_send(head("Transfer-Encoding: chunked") + body + SMUGGLED)
        answered = client.read_until_closed()
    assert answered == b"" or answered.startswith(b"HTTP/1.1 4")
    assert answered.count(b"HTTP/1.1 ") <= 1
    assert gateway.get("bad.test", "/after").status == 200
    assert not completed.is_set()
    assert not origin.seen("/smuggled")


@pytest.mark.parametrize("sent", [
    pytest.param(b"", id="nothing"),
    pytest.param(b"GET / HT", id="half a request line"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: bad.te", id="half a head"),
])
def test_client_that_stops_in_a_head_is_let_go(gateway, origin, sent):
    gateway.put_route("r", "bad.test", origin.url)
    with gateway.client() as client:
        client.send(sent)
        client.end_of_sending()
        answered = client.read_until_closed()
    assert answered == b"" or answered.startswith(b"HTTP/1.1 400 ")
    assert origin.requests == []


def test_refusal_is_not_lost_while_the_client_still_sends(gateway, origin):
    gateway.put_route("r", "bad.test", origin.url, max_body="1KiB")
    with gateway.client() as client:
        client.try_send(request("PUT", "/", "bad.test", "Content-Length: 1000000")
                        + bytes(1_000_000))
        assert client.read().status == 413


def test_two_equal_lengths_are_refused_or_made_one(gateway, origin):
    """RFC 9112 6.3 leaves the choice; the target must not have to choose again."""
    gateway.put_route("r", "bad.test", origin.url)
    with gateway.client() as client:
        client.try_send(head("Content-Length: 5", "Content-Length: 5") + b"hello")
        assert client.read().status in (200, 400)
    assert all(r.headers.all("Content-Length") == ["5"] for r in origin.requests)


@pytest.mark.parametrize("raw_answer", [
    pytest.param(b"", id="nothing"),
    pytest.param(b"HTTP/1.1 200", id="half a status line"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="half a head"),
    pytest.param(b"<html>hello</html>\r\n\r\n", id="HTTP/0.9"),
    pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="another protocol"),
    pytest.param(b"\x15\x03\x01\x00\x02\x02\x46", id="TLS alert"),
    pytest.param(b"HTTP/1.1 20 OK\r\n\r\n", id="status of two digits"),
    pytest.param(b"HTTP/1.1 2000 OK\r\n\r\n", id="status of four digits"),
    pytest.param(b"HTTP/1.1 abc OK\r\n\r\n", id="status of letters"),
    pytest.param(b"HTTP/1.1 099 x\r\n\r\n", id="status below 100"),
    pytest.param(b"HTTP/2 200 OK\r\n\r\n", id="HTTP/2"),
    pytest.param(b"HTTP/1.1200 OK\r\n\r\n", id="no space after the version"),
    pytest.param(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
                 b"Connection: Upgrade\r\n\r\n", id="101 that nobody asked for"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
                 id="two lengths"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabcd", id="list of lengths"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc", id="negative length"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
                 b"0\r\n\r\n", id="length and chunked"),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", id="unknown coding"),
    pytest.param(b"HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n",
                 id="space in a field name"),
    pytest.param(b"HTTP/1.1 200 OK\r\nX : x\r\nContent-Length: 0\r\n\r\n",
                 id="space before the colon"),
    pytest.param(b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n", id="no colon"),
    pytest.param(b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
                 id="NUL in a value"),
    pytest.param(b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
                 id="bare CR in a value"),
    pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000 + b"\r\n\r\n", id="large head"),
])
def test_answer_that_is_not_http_becomes_502(gateway, origin, host, raw_answer):
    origin.answer("/", raw_answer, close=True)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        answer = client.ask("GET", "/", host)
        assert answer.status == 502
        assert str(origin.port) not in answer.body.decode()
        assert client.ask("GET", "/after", host).status == 200


def test_bytes_after_an_answer_do_not_answer_the_next_request(gateway, origin, host):
    """A target that sends more than it announced loses its connection, not the next client."""
    origin.answer("/", response(200, "OK", body=b"one") + response(200, "OK", body=b"forged"))
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        assert client.ask("GET", "/", host).body == b"one"
        after = client.ask("GET", "/after", host)
        assert after.status == 200 and b"forged" not in after.body


def test_target_that_answers_before_it_is_asked_is_not_believed(gateway, make_origin, host):
    """An answer that arrives on an idle pooled connection belongs to no request."""
    origin = make_origin()
    sent = threading.Event()

    def handler(connection, request):
        connection.read_body(request)
        connection.send(response(200, "OK", body=b"right"))
        connection.send(response(200, "OK", body=b"forged"))
        sent.set()
        return True

    origin.on("/", handler)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        assert client.ask("GET", "/", host).body == b"right"
        assert sent.wait(PATIENCE)
        assert b"forged" not in client.ask("GET", "/after", host).body


def test_two_answers_never_cross_between_clients(gateway, origin, host):
    """Many clients at once: each gets the answer to its own question."""
    gateway.put_route("r", host, origin.url)
    wrong = []

    def ask(name):
        with gateway.client() as client:
            for number in range(50):
                target = f"/{name}/{number}"
                if f'"target": "{target}"' not in client.ask("GET", target, host).body.decode():
                    wrong.append(target)

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
