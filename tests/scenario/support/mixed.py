"""A load of everything at once: each kind is one thread that asks, uploads, tunnels, aborts or
edits until it is told to stop, and counts what came of it.

What a kind must get from a steady target it asserts: any other outcome is a failure of the run.
From targets that come and go it takes any outcome that HTTP has words for.
"""
import collections
import hashlib
import random
import socket
import struct
import threading
import time

from support import raw
from support.origin import Origin
from support.raw import request
from support.wait import PATIENCE

_LARGEST = 300_000                              # bytes of one body
_FAULTS = (OSError, raw.Closed, ValueError)     # how a connection may end under flapping targets


def body_of(rng, largest=_LARGEST):
    """Bytes of any size, small ones as often as large ones."""
    return rng.randbytes(rng.randrange(1, 1 << rng.randrange(1, largest.bit_length())))


def shout(connection, asked):
    """Switches protocols and sends everything back; the handler of the path /tunnel."""
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                    b"Upgrade: echo\r\n\r\n")
    while data := connection.read_some():
        connection.send(data)


def download(connection, asked):
    """Answers with as many bytes as the query says, chunked if it says so too."""
    size, _, how = asked.target.partition("?")[2].partition("&")
    body = bytes(int(size))
    if how == "chunked":
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(raw.chunked(*(body[i:i + 10_000] for i in range(0, len(body), 10_000))))
    else:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        connection.send(body)
    return True


def application(**where):
    """An origin that knows the paths that this load asks for."""
    origin = Origin(**where)
    origin.on("/tunnel", shout)
    origin.on("/download", download)
    return origin


class Flapping:
    """A target that is up and down in turns, on the same port."""

    def __init__(self, port):
        self.port, self.origin = port, None
        self.url = f"http://127.0.0.1:{port}"

    def turn(self):
        if self.origin is None:
            self.origin = application(port=self.port)
        else:
            self.stop()

    def stop(self):
        if self.origin is not None:
            self.origin.close()
            self.origin = None


def abort(client):
    """Close with a reset, as a program that dies does."""
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


class Mixed:
    """The load. `steady` and `flaky` are host names that the gateway serves on both listeners;
    `edit(rng)` makes one change of the configuration."""

    def __init__(self, gateway, steady, flaky, flapping, edit):
        self.gateway, self.steady, self.flaky = gateway, steady, flaky
        self.flapping, self.edit = flapping, edit
        self.stopping = threading.Event()
        self.counts, self.failures = collections.Counter(), []
        self.threads = []

    def __enter__(self):
        kinds = [self._gets, self._gets_tls, self._uploads, self._downloads, self._tunnels,
                 self._aborts, self._flaky, self._flaky_tunnels, self._nonsense, self._edits,
                 self._flap]
        for number, kind in enumerate(kinds):
            thread = threading.Thread(target=self._guard, args=(kind, random.Random(number)))
            thread.daemon = True
            self.threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(PATIENCE)
        for target in self.flapping:
            target.stop()

    def run(self, seconds, look, every=1):
        """Let it run; look() from time to time. Ends early when a kind has failed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.failures:
            self.stopping.wait(min(every, max(0, end - time.monotonic())))
            look()

    def _guard(self, kind, rng):
        try:
            while not self.stopping.is_set():
                kind(rng)
        except Exception as error:
            self.failures.append((kind.__name__, repr(error)[:2000]))

    def _count(self, what):
        self.counts[what] += 1

    # Kinds: one call each is one connection.

    def _series(self, rng, client, host, what):
        with client:
            for _ in range(rng.randrange(1, 40)):
                answer = client.ask("GET", "/", host)
                assert answer.status == 200 and answer.complete, answer
                self._count(what)

    def _gets(self, rng):
        self._series(rng, self.gateway.client(), self.steady, "get")

    def _gets_tls(self, rng):
        self._series(rng, self.gateway.tls_client(self.steady), self.steady, "get over TLS")

    def _uploads(self, rng):
        with self.gateway.client() as client:
            for _ in range(rng.randrange(1, 10)):
                body = body_of(rng)
                if rng.random() < 0.5:
                    answer = client.ask("PUT", "/up", self.steady, body=body)
                else:
                    half = len(body) // 2
                    parts = [part for part in (body[:half], body[half:]) if part]
                    client.send(request("PUT", "/up", self.steady, "Transfer-Encoding: chunked")
                                + raw.chunked(*parts, trailers=["X-Sum: 1"]))
                    answer = client.read("PUT")
                assert answer.status == 200, answer
                assert hashlib.sha256(body).hexdigest().encode() in answer.body
                self._count("upload")

    def _downloads(self, rng):
        with self.gateway.tls_client(self.steady) as client:
            for _ in range(rng.randrange(1, 10)):
                size = rng.randrange(_LARGEST)
                how = rng.choice(["length", "chunked"])
                answer = client.ask("GET", f"/download?{size}&{how}", self.steady)
                assert (answer.status, len(answer.body), answer.complete) == (200, size, True)
                self._count("download")

    def _open_tunnel(self, client, host):
        client.send(request("GET", "/tunnel", host, "Connection: Upgrade", "Upgrade: echo"))
        return client.read_head().status == 101

    def _tunnels(self, rng):
        client = (self.gateway.client() if rng.random() < 0.5
                  else self.gateway.tls_client(self.steady))
        with client:
            assert self._open_tunnel(client, self.steady)
            for _ in range(rng.randrange(20)):
                data = body_of(rng, 30_000)
                client.send(data)
                assert client.read_exactly(len(data)) == data
                self._count("tunnel message")
            if rng.random() < 0.3:
                abort(client)

    def _aborts(self, rng):
        """Goes away at any point: in the head, in the body, in the answer."""
        whole = request("PUT", "/up", self.steady, body=body_of(rng))
        ask = request("GET", f"/download?{_LARGEST}", self.steady)
        client = (self.gateway.client() if rng.random() < 0.7
                  else self.gateway.tls_client(self.steady))
        with client:
            if rng.random() < 0.5:
                client.try_send(whole[:rng.randrange(len(whole))])
            else:
                client.try_send(ask)
                client.sock.recv(rng.randrange(1, 100_000))
            if rng.random() < 0.7:
                abort(client)
        self._count("abort")

    def _flaky(self, rng):
        """Requests to targets that come and go: any answer, but never a wrong one."""
        try:
            with self.gateway.client() as client:
                for _ in range(rng.randrange(1, 20)):
                    body = body_of(rng)
                    answer = client.ask(rng.choice(["PUT", "POST"]), "/up", self.flaky, body=body)
                    assert answer.status in (200, 502, 503, 504), answer
                    if answer.status == 200 and answer.complete:
                        assert hashlib.sha256(body).hexdigest().encode() in answer.body
                    self._count(f"flaky {answer.status}")
        except _FAULTS:
            self._count("flaky cut")

    def _flaky_tunnels(self, rng):
        try:
            with self.gateway.client() as client:
                if self._open_tunnel(client, self.flaky):
                    for _ in range(rng.randrange(50)):
                        client.send(b"x" * 100)
                        assert client.read_exactly(100) == b"x" * 100
                        self._count("flaky tunnel message")
        except _FAULTS:
            self._count("flaky tunnel cut")
        self.stopping.wait(0.01)

    def _nonsense(self, rng):
        """Bytes that are no request, and TLS that is none."""
        port = rng.choice([self.gateway.http, self.gateway.https])
        with raw.Client(port) as client:
            client.try_send(rng.randbytes(rng.randrange(1, 200)) + b"\r\n\r\n")
            client.end_of_sending()
            client.read_until_closed()
        self._count("nonsense")
        self.stopping.wait(0.02)

    def _edits(self, rng):
        self.edit(rng)
        self._count("edit")
        self.stopping.wait(rng.random() / 20)

    def _flap(self, rng):
        rng.choice(self.flapping).turn()
        self._count("flap")
        self.stopping.wait(rng.random() / 2)
