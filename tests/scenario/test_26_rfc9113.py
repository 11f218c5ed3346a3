"""What RFC 9113 and RFC 7541 ask of a server, frame by frame: a row for each thing that a client can
do wrong, or that must be borne, and what may come of it.

Where the RFC asks for a stream error, a connection error is as good (5.4.1)."""
import socket

import hpack
import pytest

from support import http2
from support.http2 import ACK, END_HEADERS, END_STREAM, Raw, frame, head

NO_ERROR, PROTOCOL, INTERNAL, FLOW, _, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION = range(10)

PADDED, PRIORITY = 8, 32
WHOLE = END_HEADERS | END_STREAM
HELLO = frame(http2.SETTINGS, 0, 0)


def word(number):
    return number.to_bytes(4, "big")


def setting(identifier, value):
    return frame(http2.SETTINGS, 0, 0, identifier.to_bytes(2, "big") + word(value))


def get(host, stream=1, *more, flags=WHOLE):
    """A request that is in order, by itself or with further fields."""
    return frame(http2.HEADERS, flags, stream, http2.fields(*head(host), *more))


def post(host, *more):
    return frame(http2.HEADERS, END_HEADERS, 1,
                 http2.fields(*head(host, "/", "POST"), *more))


def section(*pairs, flags=WHOLE):
    return frame(http2.HEADERS, flags, 1, http2.fields(*pairs))


def block(raw):
    return frame(http2.HEADERS, WHOLE, 1, raw)


def connection(*codes):
    """The whole connection ends; with GOAWAY, or at once."""
    return {("goaway", code) for code in codes} | {("closed", None)}


def stream(*codes):
    return {("reset", code) for code in codes} | connection(*codes)


FINE = {("answer", None)}
BAD = stream(PROTOCOL)
METHOD, SCHEME, AUTHORITY, PATH = range(4)


def without(host, *gone):
    return [pair for at, pair in enumerate(head(host)) if at not in gone]


def swap(host, at, value):
    pairs = head(host)
    pairs[at] = (pairs[at][0], value)
    return pairs


# (section and what is sent): (frames behind preface and SETTINGS, what may come of it)
ROWS = {
    # Frames
    "4.1 a frame of an unknown type": (lambda h: [frame(0xbe, 0xff, 0, b"?"), get(h)], FINE),
    "4.1 flags that mean nothing": (lambda h: [frame(http2.PING, 0xfe, 0, bytes(8)), get(h)], FINE),
    "4.1 the reserved bit": (
        lambda h: [get(h)[:5] + b"\x80" + get(h)[6:]], FINE),
    "4.2 DATA beyond the largest frame": (
        lambda h: [post(h), frame(http2.DATA, END_STREAM, 1, bytes(16385))], stream(SIZE)),
    "4.2 HEADERS beyond the largest frame": (
        lambda h: [block(http2.fields(*head(h)) + bytes(16384))], connection(SIZE)),
    "4.3 a block that HPACK cannot read": (lambda h: [block(b"\x00\x82\xff\xff\xff\xff")],
                                           connection(COMPRESSION, PROTOCOL)),
    "4.3 PING inside a field section": (
        lambda h: [get(h, flags=END_STREAM), frame(http2.PING, 0, 0, bytes(8))],
        connection(PROTOCOL)),
    "4.3 HEADERS of another stream inside a field section": (
        lambda h: [get(h, flags=END_STREAM), get(h, 3)], connection(PROTOCOL)),
    "4.3 an unknown frame inside a field section": (
        lambda h: [get(h, flags=END_STREAM), frame(0xbe, 0, 1)], connection(PROTOCOL)),
    # Streams
    "5.1 DATA on an idle stream": (lambda h: [frame(http2.DATA, END_STREAM, 1, b"x")],
                                   connection(PROTOCOL)),
    "5.1 RST_STREAM on an idle stream": (lambda h: [frame(http2.RST_STREAM, 0, 1, word(CANCEL))],
                                         connection(PROTOCOL)),
    "5.1 WINDOW_UPDATE on an idle stream": (
        lambda h: [frame(http2.WINDOW_UPDATE, 0, 1, word(100))], connection(PROTOCOL)),
    "5.1 CONTINUATION on an idle stream": (lambda h: [frame(http2.CONTINUATION, WHOLE, 1)],
                                           connection(PROTOCOL)),
    "5.1 DATA on a half-closed stream": (
        lambda h: [get(h, 1), frame(http2.DATA, END_STREAM, 1, b"x")], FINE | stream(CLOSED)),
    "5.1 HEADERS on a half-closed stream": (lambda h: [get(h), get(h)], FINE | stream(CLOSED)),
    "5.1 DATA behind RST_STREAM": (
        lambda h: [post(h), frame(http2.RST_STREAM, 0, 1, word(CANCEL)),
                   frame(http2.DATA, END_STREAM, 1, b"x")], stream(CLOSED)),
    "5.1 HEADERS behind RST_STREAM": (
        lambda h: [post(h), frame(http2.RST_STREAM, 0, 1, word(CANCEL)), get(h)], stream(CLOSED)),
    "5.1 PRIORITY on an idle stream": (
        lambda h: [frame(http2.PRIORITY, 0, 7, b"\0\0\0\0\x10"), get(h)], FINE),
    "5.1.1 an even stream": (lambda h: [get(h, 2)], connection(PROTOCOL)),
    "5.1.1 a stream below the last": (lambda h: [post(h), get(h, 5), get(h, 3)],
                                      FINE | connection(PROTOCOL, CLOSED)),
    # DATA and HEADERS
    "6.1 DATA on stream 0": (lambda h: [frame(http2.DATA, 0, 0, b"x")], connection(PROTOCOL)),
    "6.1 padding as long as DATA": (
        lambda h: [post(h), frame(http2.DATA, END_STREAM | PADDED, 1, b"\x05test")],
        connection(PROTOCOL)),
    "6.1 DATA with padding": (
        lambda h: [post(h), frame(http2.DATA, END_STREAM | PADDED, 1, b"\x02test\0\0")], FINE),
    "6.2 HEADERS on stream 0": (lambda h: [get(h, 0)], connection(PROTOCOL)),
    "6.2 HEADERS with padding and priority": (
        lambda h: [frame(http2.HEADERS, WHOLE | PADDED | PRIORITY, 1, b"\x03" + b"\0\0\0\0\x10"
                         + http2.fields(*head(h)) + bytes(3))], FINE),
    "6.2 padding as long as HEADERS": (
        lambda h: [frame(http2.HEADERS, WHOLE | PADDED, 1, b"\xff" + http2.fields(*head(h)))],
        connection(PROTOCOL)),
    # PRIORITY, RST_STREAM
    "6.3 PRIORITY on stream 0": (lambda h: [frame(http2.PRIORITY, 0, 0, b"\0\0\0\1\x10")],
                                 connection(PROTOCOL)),
    "6.3 PRIORITY of 4 bytes": (
        lambda h: [post(h), frame(http2.PRIORITY, 0, 1, bytes(4))], stream(SIZE)),
    "6.4 RST_STREAM on stream 0": (lambda h: [frame(http2.RST_STREAM, 0, 0, word(CANCEL))],
                                   connection(PROTOCOL)),
    "6.4 RST_STREAM of 3 bytes": (
        lambda h: [post(h), frame(http2.RST_STREAM, 0, 1, bytes(3))], connection(SIZE)),
    # SETTINGS
    "6.5 SETTINGS on a stream": (lambda h: [frame(http2.SETTINGS, 0, 1)], connection(PROTOCOL)),
    "6.5 SETTINGS of 5 bytes": (lambda h: [frame(http2.SETTINGS, 0, 0, bytes(5))],
                                connection(SIZE)),
    "6.5 an acknowledgement with bytes": (lambda h: [frame(http2.SETTINGS, ACK, 0, bytes(6))],
                                          connection(SIZE)),
    "6.5.2 ENABLE_PUSH 2": (lambda h: [setting(2, 2)], connection(PROTOCOL)),
    "6.5.2 a window beyond 2^31-1": (lambda h: [setting(4, 1 << 31)], connection(FLOW)),
    "6.5.2 frames below 2^14": (lambda h: [setting(5, 16383)], connection(PROTOCOL)),
    "6.5.2 frames beyond 2^24-1": (lambda h: [setting(5, 1 << 24)], connection(PROTOCOL)),
    "6.5.2 an unknown setting": (lambda h: [setting(0xff, 1), get(h)], FINE),
    "6.5.2 a setting twice: the last counts": (
        lambda h: [frame(http2.SETTINGS, 0, 0, b"\0\4" + word(0) + b"\0\4" + word(100)), get(h)],
        FINE),
    "RFC 8441 3 ENABLE_CONNECT_PROTOCOL 2": (lambda h: [setting(8, 2)], connection(PROTOCOL)),
    # PUSH_PROMISE, PING, GOAWAY
    "6.6 PUSH_PROMISE of a client": (
        lambda h: [get(h), frame(http2.PUSH, END_HEADERS, 1, word(2) + http2.fields(*head(h)))],
        FINE | connection(PROTOCOL)),
    "6.7 PING on a stream": (lambda h: [frame(http2.PING, 0, 1, bytes(8))], connection(PROTOCOL)),
    "6.7 PING of 6 bytes": (lambda h: [frame(http2.PING, 0, 0, bytes(6))], connection(SIZE)),
    "6.8 GOAWAY on a stream": (lambda h: [frame(http2.GOAWAY, 0, 1, bytes(8))],
                               connection(PROTOCOL)),
    # Flow control
    "6.9 an increment of 0 for the connection": (
        lambda h: [frame(http2.WINDOW_UPDATE, 0, 0, word(0))], connection(PROTOCOL)),
    "6.9 an increment of 0 for a stream": (
        lambda h: [post(h), frame(http2.WINDOW_UPDATE, 0, 1, word(0))], BAD),
    "6.9 WINDOW_UPDATE of 3 bytes": (lambda h: [frame(http2.WINDOW_UPDATE, 0, 0, bytes(3))],
                                     connection(SIZE)),
    "6.9.1 the connection's window beyond 2^31-1": (
        lambda h: [frame(http2.WINDOW_UPDATE, 0, 0, word((1 << 31) - 1))] * 2, connection(FLOW)),
    "6.9.1 a stream's window beyond 2^31-1": (
        lambda h: [post(h)] + [frame(http2.WINDOW_UPDATE, 0, 1, word((1 << 31) - 1))] * 2,
        stream(FLOW)),
    "6.9.2 SETTINGS take a window beyond 2^31-1": (
        lambda h: [post(h), frame(http2.WINDOW_UPDATE, 0, 1, word((1 << 31) - 65536)),
                   setting(4, (1 << 31) - 1)], stream(FLOW)),
    # CONTINUATION
    "6.10 a head in three frames": (
        lambda h: [frame(http2.HEADERS, END_STREAM, 1, http2.fields(*head(h))[:9]),
                   frame(http2.CONTINUATION, 0, 1, http2.fields(*head(h))[9:20]),
                   frame(http2.CONTINUATION, END_HEADERS, 1, http2.fields(*head(h))[20:])], FINE),
    "6.10 CONTINUATION behind a whole head": (
        lambda h: [post(h), frame(http2.CONTINUATION, END_HEADERS, 1)], connection(PROTOCOL)),
    "6.10 CONTINUATION on stream 0": (
        lambda h: [get(h, flags=END_STREAM), frame(http2.CONTINUATION, END_HEADERS, 0)],
        connection(PROTOCOL)),
    "6.10 CONTINUATION of another stream": (
        lambda h: [get(h, flags=END_STREAM), frame(http2.CONTINUATION, END_HEADERS, 3)],
        connection(PROTOCOL)),
    "6.10 CONTINUATION behind DATA": (
        lambda h: [post(h), frame(http2.DATA, 0, 1, b"x"),
                   frame(http2.CONTINUATION, END_HEADERS, 1)], connection(PROTOCOL)),
    # Messages
    "8.1 trailers without an end": (
        lambda h: [post(h), section(("x", "y"), flags=END_HEADERS)], BAD),
    "8.1 trailers with a pseudo-field": (
        lambda h: [post(h), section((":path", "/"))], BAD),
    "8.1.1 less DATA than announced": (
        lambda h: [post(h, ("content-length", "5")), frame(http2.DATA, END_STREAM, 1, b"four")],
        BAD),
    "8.1.1 more DATA than announced": (
        lambda h: [post(h, ("content-length", "3")), frame(http2.DATA, END_STREAM, 1, b"four")],
        BAD),
    "8.1.1 two frames of DATA, and less than announced": (
        lambda h: [post(h, ("content-length", "5")), frame(http2.DATA, 0, 1, b"ab"),
                   frame(http2.DATA, END_STREAM, 1, b"cd")], BAD),
    "8.1.1 a length and no DATA": (lambda h: [get(h, 1, ("content-length", "5"))], BAD),
    "8.1.1 two lengths": (
        lambda h: [post(h, ("content-length", "1"), ("content-length", "1"))], BAD),
    "8.2.1 upper case": (lambda h: [get(h, 1, ("X-Upper", "1"))], BAD),
    "8.2.1 a space in a name": (lambda h: [get(h, 1, ("x y", "1"))], BAD),
    "8.2.1 a colon in a name": (lambda h: [get(h, 1, ("x:y", "1"))], BAD),
    "8.2.1 an empty name": (lambda h: [get(h, 1, ("", "1"))], BAD),
    "8.2.1 a byte beyond ASCII in a name": (
        lambda h: [block(http2.fields(*head(h)) + b"\0\1\xe9\1x")], BAD),
    "8.2.1 NUL in a value": (lambda h: [get(h, 1, ("x", "a\0b"))], BAD),
    "8.2.1 CR in a value": (lambda h: [get(h, 1, ("x", "a\rb"))], BAD),
    "8.2.1 LF in a value": (lambda h: [get(h, 1, ("x", "a\nb: c"))], BAD),
    "8.2.1 a value that begins with a space": (
        lambda h: [block(http2.fields(*head(h)) + b"\0\1x\2 y")], BAD),
    "8.2.1 a value that ends with a tab": (
        lambda h: [block(http2.fields(*head(h)) + b"\0\1x\2y\t")], BAD),
    "8.2.2 Connection": (lambda h: [get(h, 1, ("connection", "close"))], BAD),
    "8.2.2 Keep-Alive": (lambda h: [get(h, 1, ("keep-alive", "5"))], BAD),
    "8.2.2 Proxy-Connection": (lambda h: [get(h, 1, ("proxy-connection", "close"))], BAD),
    "8.2.2 Transfer-Encoding": (lambda h: [post(h, ("transfer-encoding", "chunked"))], BAD),
    "8.2.2 Upgrade": (lambda h: [get(h, 1, ("upgrade", "websocket"))], BAD),
    "8.2.2 TE other than trailers": (lambda h: [get(h, 1, ("te", "gzip"))], BAD),
    "8.2.2 TE: trailers": (lambda h: [get(h, 1, ("te", "trailers"))], FINE),
    "8.3 an unknown pseudo-field": (lambda h: [section(*head(h), (":test", "1"))], BAD),
    "8.3 a pseudo-field of answers": (lambda h: [section(*head(h), (":status", "200"))], BAD),
    "8.3 a pseudo-field behind a field": (
        lambda h: [section(*without(h, PATH), ("x", "y"), (":path", "/"))], BAD),
    "8.3.1 no :method": (lambda h: [section(*without(h, METHOD))], BAD),
    "8.3.1 no :scheme": (lambda h: [section(*without(h, SCHEME))], BAD),
    "8.3.1 no :path": (lambda h: [section(*without(h, PATH))], BAD),
    "8.3.1 an empty :path": (lambda h: [section(*swap(h, PATH, ""))], BAD),
    "8.3.1 an absolute :path": (lambda h: [section(*swap(h, PATH, f"https://{h}/"))], BAD),
    "8.3.1 a :path with a space": (lambda h: [section(*swap(h, PATH, "/a b"))], BAD),
    "8.3.1 a star for GET": (lambda h: [section(*swap(h, PATH, "*"))], BAD),
    "8.3.1 :method twice": (lambda h: [section(*head(h), (":method", "GET"))], BAD),
    "8.3.1 :scheme twice": (lambda h: [section(*head(h), (":scheme", "https"))], BAD),
    "8.3.1 :path twice": (lambda h: [section(*head(h), (":path", "/"))], BAD),
    "8.3.1 :authority twice": (lambda h: [section(*head(h), (":authority", h))], BAD),
    "8.3.1 a user in :authority": (lambda h: [section(*swap(h, AUTHORITY, f"me@{h}"))], BAD),
    "8.3.1 another Host": (lambda h: [get(h, 1, ("host", "other.test"))], BAD),
    "8.3.1 Host instead of :authority": (
        lambda h: [section(*without(h, AUTHORITY), ("host", h))], FINE),
    "8.3.1 neither": (lambda h: [section(*without(h, AUTHORITY))], BAD),
    "8.5 CONNECT": (lambda h: [section((":method", "CONNECT"), (":authority", h))],
                    FINE | BAD),
    "8.5 CONNECT with a scheme": (
        lambda h: [section((":method", "CONNECT"), (":scheme", "https"), (":authority", h))],
        FINE | BAD),
    "RFC 8441 4 :protocol without CONNECT": (
        lambda h: [section(*head(h), (":protocol", "websocket"))], BAD),
    # HPACK
    "RFC 7541 2.3.3 an index of 0": (lambda h: [block(b"\x80")], connection(COMPRESSION)),
    "RFC 7541 2.3.3 an index beyond the tables": (lambda h: [block(b"\xff\x7f")],
                                                  connection(COMPRESSION)),
    "RFC 7541 4.2 a table larger than allowed": (
        lambda h: [block(b"\x3f\xe2\x1f" + http2.fields(*head(h)))], connection(COMPRESSION)),
    "RFC 7541 4.2 a new size behind a field": (
        lambda h: [block(http2.fields(*head(h)) + b"\x20")], connection(COMPRESSION)),
    "RFC 7541 5.1 a number without end": (
        lambda h: [block(b"\x00\x7f" + b"\xff" * 12)], connection(COMPRESSION)),
    "RFC 7541 5.2 padding that is longer than 7 bits": (
        lambda h: [block(http2.fields(*head(h)) + b"\0\1x\x82\x1f\xff")], connection(COMPRESSION)),
    "RFC 7541 5.2 padding that is not the end": (
        lambda h: [block(http2.fields(*head(h)) + b"\0\1x\x81\x18")], connection(COMPRESSION)),
    "RFC 7541 5.2 the end inside a text": (
        lambda h: [block(http2.fields(*head(h)) + b"\0\1x\x84\xff\xff\xff\xff")],
        connection(COMPRESSION)),
}


@pytest.mark.parametrize("name", ROWS)
def test_row(gateway, origin, host, name):
    """A malformed head reaches no target."""
    frames, wanted = ROWS[name]
    gateway.put_route("r", host, origin.url)
    with Raw(gateway.https, host) as client:
        client.send(*frames(host))
        assert client.verdict() in wanted
    if name.startswith(("8.2", "8.3", "8.5", "RFC")) and wanted is not FINE:
        assert origin.requests == []
    gateway.check_alive()


@pytest.mark.parametrize("first", [
    b"INVALID PREFACE\r\n\r\nSM\r\n\r\n",
    http2.PREFACE[:-1] + b"X" + HELLO,
    http2.PREFACE + frame(http2.PING, 0, 0, bytes(8)),
], ids=["nothing like it", "nearly", "without SETTINGS"])
def test_preface(gateway, origin, host, first):
    """3.4"""
    gateway.put_route("r", host, origin.url)
    with Raw(gateway.https, host, first=first) as client:
        assert client.verdict() in connection(PROTOCOL)


def test_settings_and_pings_are_answered(gateway, origin, host):
    """6.5.3 and 6.7; what is an answer gets none."""
    gateway.put_route("r", host, origin.url)
    with Raw(gateway.https, host) as client:
        client.send(frame(http2.PING, ACK, 0, b"answered"), frame(http2.PING, 0, 0, b"question"))
        seen = []
        for kind, flags, _, payload in client.frames():
            seen.append((kind, flags & ACK, payload if kind == http2.PING else b""))
            if kind == http2.PING:
                break
        assert (http2.SETTINGS, ACK, b"") in seen
        assert [one for one in seen if one[0] == http2.PING] == [(http2.PING, ACK, b"question")]


def test_streams_beyond_the_limit_are_refused(gateway, origin, host):
    """5.1.2: the client may ask again."""
    origin.on("/", lambda connection, request: True)
    gateway.put_route("r", host, origin.url)
    with Raw(gateway.https, host) as client:
        client.send(*[get(host, 3 + 2 * n) for n in range(100)], get(host, 1001))
        for kind, _, number, payload in client.frames():
            if kind in (http2.RST_STREAM, http2.GOAWAY):
                assert (kind, number, payload) == (http2.RST_STREAM, 1001, word(REFUSED))
                break


@pytest.mark.parametrize("how", ["from the start", "later", "by SETTINGS"])
def test_windows_are_honoured(gateway, origin, host, how):
    """6.9.1 and 6.9.2: not a byte more than there is leave for."""
    gateway.put_route("r", host, origin.url)
    with Raw(gateway.https, host, first=http2.PREFACE + setting(4, 0 if how == "later" else 1)) \
            as client:
        client.send(get(host))
        if how == "later":
            client.send(frame(http2.WINDOW_UPDATE, 0, 1, word(1)))
        if how == "by SETTINGS":
            client.send(setting(4, 3))
        length = 3 if how == "by SETTINGS" else 1
        got = 0
        client.send(frame(http2.PING, 0, 0, b"the end!"))
        for kind, _, _, payload in client.frames():
            got += len(payload) if kind == http2.DATA else 0
            if got >= length:
                break
        client.send(frame(http2.PING, 0, 0, b"silence?"))
        for kind, _, _, payload in client.frames():
            assert kind != http2.DATA
            if kind == http2.PING and payload == b"silence?":
                break


def test_bodies_beyond_our_window_are_not_taken(gateway, host):
    """5.2.2 and 6.9.1: the target does not read, so there is no further leave."""
    with socket.create_server(("127.0.0.1", 0)) as target:
        gateway.put_route("r", host, f"http://127.0.0.1:{target.getsockname()[1]}")
        with Raw(gateway.https, host) as client:
            client.send(post(host), *[frame(http2.DATA, 0, 1, bytes(16384))] * 1200)
            assert client.verdict() in stream(FLOW)
    gateway.check_alive()


def test_compression_is_that_of_the_connection(gateway, origin, host):
    """4.3: a refused section still counts for the tables."""
    gateway.put_route("r", host, origin.url)
    encoder = hpack.Encoder()
    bad = encoder.encode([*head(host), ("x-first", "one"), ("connection", "close")])
    good = encoder.encode([*head(host, "/second"), ("x-first", "one")])
    with Raw(gateway.https, host) as client:
        client.send(frame(http2.HEADERS, WHOLE, 1, bad), frame(http2.HEADERS, WHOLE, 3, good))
        for kind, _, number, _ in client.frames():
            if kind == http2.HEADERS and number == 3:
                break
    assert origin.seen("/second")[0].headers.get("X-First") == "one"
