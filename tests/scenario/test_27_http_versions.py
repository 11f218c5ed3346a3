"""A message means the same whichever version of HTTP the client and the target speak: every row runs
with each of them on either side."""
import pytest

from support.http2 import Client, Server, head
from support.raw import chunked, request as write_request


class Seen:
    """A message as a test looks at it, of either version. Names are in lower case."""

    def __init__(self, fields, body=b"", trailers=(), whole=True, interim=()):
        self.fields = [(name.lower(), value) for name, value in fields]
        self.trailers = [(name.lower(), value) for name, value in trailers]
        self.body, self.whole, self.interim = body, whole, list(interim)

    def all(self, name):
        return [value for key, value in self.fields if key == name]


class Answering:
    """What the target shall say; a test fills it in."""

    def __init__(self, status=200, fields=(), body=b"", trailers=None, length=None, interim=(),
                 cut=False):
        self.status, self.fields, self.body, self.trailers = status, list(fields), body, trailers
        self.length, self.interim, self.cut = length, interim, cut


class Http1Target:
    def __init__(self, origin):
        self.origin, self.url, self.seen = origin, origin.url, []

    def script(self, answer):
        self.origin.on("/x", lambda connection, request: self._answer(connection, request, answer))

    def _answer(self, connection, request, answer):
        body, trailers = connection.read_body(request)
        self.seen.append((request.method, Seen(request.headers, body, trailers)))
        for status in answer.interim:
            connection.send(b"HTTP/1.1 %d Soon\r\nLink: </a>\r\n\r\n" % status)
        lines = "".join(f"{name}: {value}\r\n" for name, value in answer.fields).encode()
        first = b"HTTP/1.1 %d It\r\n" % answer.status + lines
        if answer.length is not None:
            first += b"Content-Length: %d\r\n" % answer.length
            data = first + b"\r\n" + answer.body
        elif answer.trailers is not None or answer.body:
            whole = chunked(answer.body, trailers=[f"{n}: {v}" for n, v in answer.trailers or ()])
            data = first + b"Transfer-Encoding: chunked\r\n\r\n" + (whole[:-7] if answer.cut else whole)
        else:
            data = first + b"\r\n"
        connection.send(data)
        return not answer.cut

    def close(self):
        pass


class Http2Target:
    def __init__(self):
        self.server = Server()
        self.url, self.seen = self.server.url, []

    def script(self, answer):
        self.server.answer = lambda *call: self._answer(answer, *call)

    def _answer(self, answer, connection, stream, fields, body):
        self.seen.append((dict(fields)[":method"],
                          Seen(fields, body, connection.trailers.get(stream, ()))))
        self._say(answer, connection, stream)

    @staticmethod
    def _say(answer, connection, stream):
        h2 = connection.h2
        with connection.lock:
            for status in answer.interim:
                h2.send_headers(stream, [(":status", str(status)), ("link", "</a>")])
            fields = [(":status", str(answer.status)), *[(n.lower(), v) for n, v in answer.fields]]
            if answer.length is not None:
                fields.append(("content-length", str(answer.length)))
            is_last = not answer.body and answer.trailers is None
            h2.send_headers(stream, fields, end_stream=is_last)
            if answer.body:
                h2.send_data(stream, answer.body,
                             end_stream=answer.trailers is None and not answer.cut)
            if answer.trailers is not None and not answer.cut:
                h2.send_headers(stream, answer.trailers, end_stream=True)
            if answer.cut:
                h2.reset_stream(stream, 2)
            connection.flush()

    def close(self):
        self.server.close()


@pytest.fixture(params=["h1-target", "h2-target"])
def target(request, origin):
    made = Http1Target(origin) if request.param == "h1-target" else Http2Target()
    yield made
    made.close()


def over_http1(gateway, host, method, fields, body, trailers, length):
    lines = [f"{name}: {value}" for name, value in fields]
    with gateway.client() as client:
        if body is None:
            client.send(write_request(method, "/x", host, *lines))
        elif length is not None:
            lines.append(f"Content-Length: {length}")
            client.send(write_request(method, "/x", host, *lines) + body)
        else:
            lines.append("Transfer-Encoding: chunked")
            client.send(write_request(method, "/x", host, *lines)
                        + chunked(body, trailers=[f"{n}: {v}" for n, v in trailers]))
        answer = client.read(method)
    return answer.status, Seen(answer.headers, answer.body, answer.trailers, answer.complete,
                               answer.interim)


def over_http2(gateway, host, method, fields, body, trailers, length):
    fields = [*head(host, "/x", method), *fields]
    if length is not None:
        fields.append(("content-length", str(length)))
    with Client(gateway.https, host) as client:
        stream = client.request(fields, body, end=not trailers)
        if trailers:
            client.end(stream, trailers)
        answer = client.answer(stream)
    return answer.status, Seen(answer.headers, answer.body, answer.trailers or (),
                               answer.ended, [int(dict(i)[":status"]) for i in answer.interim])


@pytest.fixture(params=[over_http1, over_http2], ids=["h1-client", "h2-client"])
def ask(request, gateway, host, target):
    """A function that has the target say something, and asks: (status, Seen)."""
    gateway.put_route("r", host, target.url, upstream={"retries": 0})

    def make(answer, method="GET", fields=(), body=None, trailers=(), length=None):
        target.script(answer)
        return request.param(gateway, host, method, fields, body, trailers, length)

    return make


def test_bodies_of_known_length(ask, target):
    status, seen = ask(Answering(body=b"answer", length=6), "PUT", body=b"request" * 9000,
                       length=63000)
    assert (status, seen.body, seen.whole, seen.all("content-length")) == \
        (200, b"answer", True, ["6"])
    method, came = target.seen[0]
    assert (method, came.body, came.all("content-length")) == ("PUT", b"request" * 9000, ["63000"])


def test_bodies_of_unknown_length(ask, target):
    status, seen = ask(Answering(body=b"answer" * 2500), "POST", body=b"request")
    assert (status, seen.body, seen.whole, seen.all("content-length")) == \
        (200, b"answer" * 2500, True, [])
    assert target.seen[0][1].body == b"request"


def test_trailers(ask, target):
    status, seen = ask(Answering(body=b"answer", trailers=[("x-sum", "7")]), "POST",
                       body=b"request", trailers=[("x-check", "yes")])
    assert (status, seen.body, seen.trailers) == (200, b"answer", [("x-sum", "7")])
    assert target.seen[0][1].trailers == [("x-check", "yes")]


@pytest.mark.parametrize("interim", [[103], [103, 103]])
def test_interim_answers(ask, interim):
    status, seen = ask(Answering(body=b"then", interim=interim))
    assert (status, seen.body, seen.interim) == (200, b"then", interim)


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body(ask, status):
    got, seen = ask(Answering(status, [("etag", '"1"')]))
    assert (got, seen.body, seen.whole, seen.all("etag")) == (status, b"", True, ['"1"'])


def test_head(ask):
    status, seen = ask(Answering(length=1000), "HEAD")
    assert (status, seen.body, seen.whole, seen.all("content-length")) == (200, b"", True, ["1000"])


def test_answers_that_break_off_do_not_look_whole(ask):
    status, seen = ask(Answering(body=b"half", cut=True))
    assert (status, seen.whole) == (200, False)


def test_cookies(ask, target):
    """One field in HTTP/1.1; crumbs, or one, in HTTP/2: the same pairs in the same order. Each
    Set-Cookie stays by itself."""
    sets = [("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2")]
    _, seen = ask(Answering(fields=sets, body=b"x"), fields=[("cookie", "one=1; two=2; three=3")])
    assert seen.all("set-cookie") == ["a=1; Path=/", "b=2"]
    assert "; ".join(target.seen[0][1].all("cookie")) == "one=1; two=2; three=3"


def test_authority(ask, target, host):
    ask(Answering(body=b"x"))
    fields = dict(target.seen[0][1].fields)
    assert fields.get(":authority", fields.get("host")) == host
    assert (":authority" in fields) != ("host" in fields)


def test_fields_repeat_in_order_and_what_is_for_a_hop_stays_there(ask, target):
    _, seen = ask(Answering(fields=[("x-many", "1"), ("x-many", "2"), ("keep-alive", "5")]
                            if isinstance(target, Http1Target) else
                            [("x-many", "1"), ("x-many", "2")], body=b"x"),
                  fields=[("x-many", "a"), ("x-many", "b"), ("te", "trailers")])
    assert seen.all("x-many") == ["1", "2"]
    assert seen.all("keep-alive") == seen.all("connection") == seen.all("transfer-encoding")[1:]
    came = target.seen[0][1]
    assert came.all("x-many") == ["a", "b"]
    assert came.all("te") == ([] if isinstance(target, Http1Target) else ["trailers"])
