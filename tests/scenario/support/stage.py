"""A client and a target around the gateway that record every byte, in one thread.

Steps of a row are taken in order; what a step waits for is waited for on all sockets at once.
"""
import selectors
import socket
import ssl
import time

from support import wire

PATIENCE = 15
_CHUNK = 256 * 1024
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
_PROBE = b"GET /probe HTTP/1.1\r\nHost: a.test\r\n\r\n"
_LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nprobe"
# What the gateway tells every target about the client: each exactly once.
_ADDED = (b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host", b"X-Forwarded-Port",
          b"X-Real-IP", b"Forwarded")


class Wire:
    """One connection of ours and what has come on it."""

    def __init__(self, sock):
        self.sock, self.got, self.has_ended, self.was_reset = sock, b"", False, False
        self.answered = 0       # bytes of requests that have had their answer

    def read(self):
        """Take what is there now."""
        try:
            data = self.sock.recv(_CHUNK)
            while isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
                data += self.sock.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            data, self.was_reset = b"", True
        self.got += data
        self.has_ended = not data

    def say(self, data):
        """Send all of it; a peer that hung up has not to listen."""
        self.sock.setblocking(True)
        try:
            self.sock.settimeout(PATIENCE)
            self.sock.sendall(data)
        except OSError:
            pass
        self.sock.settimeout(0)

    def end(self):
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Stage:
    """The target's side, for many rows: it listens as long as it lives."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.wires, self.client, self.reply = [], None, None

    def close(self):
        self.clear()
        self.listener.close()

    def clear(self):
        for one in [*([self.client] if self.client else []), *self.wires]:
            one.sock.close()
        self.wires, self.client = [], None

    # waiting

    def _take(self, patience):
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            for one in [*self.wires, self.client]:
                if not one.has_ended:
                    selector.register(one.sock, selectors.EVENT_READ, one)
            for key, _ in selector.select(patience):
                if key.data is None:
                    sock, _ = self.listener.accept()
                    sock.setblocking(False)
                    self.wires.append(Wire(sock))
                else:
                    key.data.read()
        for one in self.wires:
            self._answer(one)

    def until(self, look, what):
        """Wait until look() is true; what() says in words what that is."""
        end = time.monotonic() + PATIENCE
        while not look():
            left = end - time.monotonic()
            assert left > 0, f"in vain: {what()}"
            self._take(left)

    def _answer(self, one):
        """What the target says by itself to each whole request."""
        while self.reply is not None and not one.has_ended:
            message, rest = wire.read(one.got[one.answered:], True)
            if message.end != wire.WHOLE:
                return
            one.answered = len(one.got) - len(rest)
            one.say(self.reply(message))

    # talking

    def open(self, sock):
        sock.setblocking(False)
        self.client = Wire(sock)

    def methods(self):
        """Of the requests that the target has seen."""
        out = []
        for one in self.wires:
            data = one.got
            while data:
                message, data = wire.read(data, True)
                out.append(message.start.split(b" ")[0])
                if message.end != wire.WHOLE:
                    break
        return out

    def seen(self, has_tunnel, without=b""):
        """All that the target has seen, in normal form, without what the gateway adds."""
        out = []
        for one in self.wires:
            data = one.got[:_find(one.got, without)]
            for item in wire.normal(data, has_tunnel=has_tunnel):
                out.append(_without_added(item) if isinstance(item, tuple) else item)
        return out


def _without_added(item):
    start, fields, *rest = item
    if not fields:
        return item
    for name in _ADDED:
        found = [f for f in fields if f[0] == name]
        assert len(found) == 1, f"{name} is there {len(found)} times"
        fields = [f for f in fields if f[0] != name]
    return (start, fields, *rest)


def _find(data, what):
    """Where it begins, or the end."""
    at = data.find(what) if what else -1
    return at if at >= 0 else len(data)


def _plain(message):
    return _ANSWER if message.start.startswith(b"HEAD ") else _ANSWER + b"ok"


class Run:
    """One row on a stage; `connect` gives a new client socket."""

    def __init__(self, stage, row, connect, bytewise=False):
        self.stage, self.row, self.connect, self.bytewise = stage, row, connect, bytewise
        self.want_target = self.want_client = b""
        self.has_tunnel = 101 in row.statuses

    def play(self):
        stage, row = self.stage, self.row
        stage.open(self.connect())
        stage.reply = _plain if row.target_answers_itself else None
        for what, data in row.steps:
            getattr(self, "_" + what.replace(" ", "_"))(data)
        self._judge_client()
        used = [one for one in stage.wires if one.got]
        self._probe(used[-1] if used else None)
        self._judge_target()

    # steps

    def _client_says(self, data):
        for piece in ([bytes([b]) for b in data] if self.bytewise else [data]):
            self.stage.client.say(piece)

    def _client_ends(self, _):
        self.stage.client.end()

    def _target(self):
        """The newest connection, once a whole head has come there."""
        def heads():
            return sum(one.got.count(b"HTTP/1.1\r\nHost: ") for one in self.stage.wires)
        self.stage.until(lambda: heads() > 0 and b"\r\n\r\n" in self.stage.wires[-1].got,
                         lambda: "a request at the target")
        return self.stage.wires[-1]

    def _target_says(self, data):
        target = self._target()
        for piece in ([bytes([b]) for b in data] if self.bytewise else [data]):
            target.say(piece)

    def _target_ends(self, _):
        self._target().end()

    def _target_got(self, data):
        self.want_target += data
        if not self.row.is_never_all:
            want = self._wanted()
            self.stage.until(lambda: self._seen() == want,
                             lambda: f"the target to see {want}; it saw {self._seen()}")

    def _wanted(self):
        return wire.normal(self.want_target, has_tunnel=self.has_tunnel)

    def _seen(self):
        return self.stage.seen(self.has_tunnel, without=b"GET /probe ")

    def _target_ended(self, _):
        self.stage.until(lambda: self.stage.wires[-1].has_ended,
                         lambda: "the end at the target")

    def _client_got(self, data):
        self.want_client += data
        want = wire.normal(self.want_client, self._methods())
        self.stage.until(lambda: self._normal_answers()[:len(want)] == want,
                         lambda: f"the client to get {want}; it got {self.stage.client.got}")

    def _client_ended(self, _):
        self.stage.until(lambda: self.stage.client.has_ended,
                         lambda: "the end at the client")

    # what came of it

    def _methods(self):
        """Of the requests; one that could not be read has a method all the same."""
        return self.stage.methods() or [self.row.said("client says").split(b" ")[0]]

    def _answers(self):
        return wire.answers(self.stage.client.got, self._methods())

    def _normal_answers(self):
        return wire.normal(self.stage.client.got, self._methods())

    def _has_all(self):
        row = self.row
        if self.stage.client.has_ended:
            return True
        found = self._answers()
        return row.end == "kept" and len(found) == len(row.statuses) and \
            found[-1].end == wire.WHOLE

    def _judge_client(self):
        row, client = self.row, self.stage.client
        self.stage.until(self._has_all, lambda: f"the answers; so far {client.got}")
        found = self._answers()
        assert [a.status for a in found] == row.statuses, client.got
        assert client.has_ended == (row.end != "kept"), client.got
        if row.has("client got"):
            want, got = wire.normal(self.want_client, self._methods()), self._normal_answers()
            assert got[:len(want)] == want if row.ends_in_page else got == want, client.got
        for answer in found:
            if not row.has("client got") and answer.status >= 200 and answer.body != b"ok":
                assert b"Content-Type" in dict(answer.fields) or not answer.body, client.got
        if row.end == "closed" and found:
            assert found[-1].end in (wire.WHOLE, wire.OPEN), client.got
            assert found[-1].end == wire.WHOLE or not client.was_reset, "looks cut"
        if row.end == "cut" and found:
            assert found[-1].end == wire.PARTIAL or client.was_reset, client.got

    def _probe(self, used):
        """The next request, and on which connection it arrives; the pool is empty then."""
        stage, row = self.stage, self.row
        if row.end != "kept":
            stage.client.sock.close()
            stage.open(self.connect())
        start = len(stage.client.got)
        stage.reply = lambda message: _LAST
        for one in stage.wires:
            one.answered = len(one.got)
        stage.client.say(_PROBE)
        stage.until(lambda: stage.client.got[start:].endswith(b"probe"),
                    lambda: f"the answer to the next request; so far {stage.client.got}")
        hit = [one for one in stage.wires if b"/probe " in one.got]
        assert len(hit) == 1
        if row.wire is not None:
            assert (hit[0] is used) == (row.wire == "reused"), "the target's connection"

    def _judge_target(self):
        row = self.row
        if row.may_see_all:
            return
        want, seen = self._wanted(), self._seen()
        if not row.is_never_all:
            assert seen == want
            return
        assert len(seen) <= len(want)
        for got, full in zip(seen, want):
            assert got[3] == full[3]
            assert full[4].startswith(got[4]) and (got[:2] == full[:2] or not got[1])
