"""The application behind the gateway: an HTTP/1.1 server whose every byte a test can script.

Unless told otherwise it answers 200 with a JSON description of what reached it. A test may set
a handler for a path: it gets the connection and the request and does as it likes. All heads
that arrived are kept, so that a test can say "nothing reached the target".
"""
import hashlib
import json
import socket
import ssl
import threading

from support.raw import Fields
from support.wait import PATIENCE

_CHUNK = 256 * 1024
_BLOCK = bytes(1024 * 1024)     # what streamed bodies consist of
STALL = 1.0     # seconds without room in the socket: the other side has stopped reading


class Request:
    """The head of one request as it arrived."""

    def __init__(self, head):
        self.head = head
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = first.split(" ", 2)
        self.headers = Fields()
        for line in lines:
            name, value = line.split(":", 1)
            self.headers.append((name, value.strip()))
        self.path = self.target.split("?", 1)[0]

    @property
    def length(self):
        return int(self.headers.get("Content-Length", 0))

    @property
    def is_chunked(self):
        return self.headers.get("Transfer-Encoding", "").lower() == "chunked"


class Connection:
    """One accepted connection, used by one thread."""

    def __init__(self, sock, server):
        self.sock, self.server = sock, server
        self.buffer = bytearray()

    def send(self, data):
        self.sock.sendall(data)

    def read_request(self):
        """The next request, or None when the peer has no more."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                return None
        head, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        self.buffer = bytearray(rest)
        return Request(head)

    def read_some(self):
        """Some bytes, b"" at the end: for tunnels."""
        if not self.buffer and not self._more():
            return b""
        out = bytes(self.buffer)
        self.buffer.clear()
        return out

    def read_body(self, request, keep=True):
        """The request's body: (bytes or count, trailers)."""
        body = _Sink(keep)
        trailers = Fields()
        if not request.is_chunked:
            self._move(request.length, body)
            return body.result(), trailers
        while (size := int(self.read_line().split(b";")[0], 16)) > 0:
            self._move(size, body)
            assert self.read_line() == b"", "a chunk is longer than its size"
        while (line := self.read_line()) != b"":
            name, value = line.decode("latin-1").split(":", 1)
            trailers.append((name, value.strip()))
        return body.result(), trailers

    def read_line(self):
        while (end := self.buffer.find(b"\r\n")) < 0:
            if not self._more():
                raise ConnectionError("the request ended early")
        line = bytes(self.buffer[:end])
        del self.buffer[:end + 2]
        return line

    def stream(self, count, on_stall=None):
        """Send `count` zero bytes; call on_stall(sent so far) when the peer does not read."""
        sent = 0
        self.sock.settimeout(STALL)
        while sent < count:
            try:
                sent += self.sock.send(_BLOCK[:min(len(_BLOCK), count - sent)])
            except TimeoutError:
                if on_stall is not None:
                    on_stall(sent)
        self.sock.settimeout(PATIENCE)

    def _move(self, count, sink):
        while count > 0:
            if not self.buffer and not self._more():
                raise ConnectionError("the request ended early")
            piece = self.buffer[:count]
            sink.add(piece)
            count -= len(piece)
            del self.buffer[:len(piece)]

    def _more(self):
        data = self.sock.recv(_CHUNK)
        self.buffer += data
        return bool(data)


class _Sink:
    """Body bytes, or only their number."""

    def __init__(self, keep):
        self.bytes, self.count = (bytearray() if keep else None), 0

    def add(self, piece):
        self.count += len(piece)
        if self.bytes is not None:
            self.bytes += piece

    def result(self):
        return self.count if self.bytes is None else bytes(self.bytes)


class Origin:
    """A server on one loopback address, or on a unix socket; over TLS if given a context."""

    def __init__(self, host="127.0.0.1", port=0, path=None, tls=None):
        if path is not None:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self.listener = socket.socket(family)
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind((host, port))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(4096)
        scheme = "https" if tls else "http"
        address = f"[{host}]" if ":" in host else host
        self.url = f"unix:{path}" if path else f"{scheme}://{address}:{self.port}"
        self.tls = tls
        self.changed = threading.Condition()
        self.handlers, self.requests, self.failures = {}, [], []
        self.accepted = 0            # connections since the beginning
        self.open = set()            # their sockets
        threading.Thread(target=self._accept, daemon=True).start()

    def on(self, path, handler):
        """handler(connection, request) answers that path; if true, the connection is kept."""
        self.handlers[path] = handler

    def answer(self, path, raw, close=False):
        """Answer that path with these bytes, after having read the request's body."""
        def handler(connection, request):
            connection.read_body(request, keep=False)
            connection.send(raw)
            return not close
        self.on(path, handler)

    def seen(self, path):
        """The requests that arrived for that path, in order."""
        with self.changed:
            return [request for request in self.requests if request.path == path]

    def wait_for(self, path, count=1):
        """Wait until that path was asked for `count` times; the last of these requests."""
        with self.changed:
            arrived = self.changed.wait_for(
                lambda: sum(r.path == path for r in self.requests) >= count, PATIENCE)
        assert arrived, f"{path} was asked for {len(self.seen(path))} times, not {count}"
        return self.seen(path)[count - 1]

    def reset(self):
        """Forget handlers and requests; give what went wrong in handlers."""
        self.handlers.clear()
        with self.changed:
            self.requests.clear()
        failures, self.failures = self.failures, []
        return failures

    def drop_connections(self):
        """Close every open connection, as a restarted application would."""
        with self.changed:
            for sock in self.open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        """Once more is harmless."""
        if self.listener.fileno() < 0:
            return
        self.listener.shutdown(socket.SHUT_RDWR)    # wakes the accepting thread
        self.listener.close()
        self.drop_connections()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.changed:
                self.accepted += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
            with self.changed:
                self.open.add(sock)
            self._converse(Connection(sock, self))
        except (OSError, ssl.SSLError):
            pass                     # the gateway hung up: what tests do to each other all day
        except Exception as error:   # a handler is wrong, or was sent what it did not expect
            self.failures.append(error)
        finally:
            with self.changed:
                self.open.discard(sock)
            sock.close()

    def _converse(self, connection):
        connection.sock.settimeout(None)
        while (request := connection.read_request()) is not None:
            with self.changed:
                self.requests.append(request)
                self.changed.notify_all()
            handler = self.handlers.get(request.path, describe)
            if not handler(connection, request):
                return


def describe(connection, request):
    """The default answer: who answers, and what arrived, as JSON."""
    body, trailers = connection.read_body(request)
    text = json.dumps({
        "origin": connection.server.url,
        "method": request.method,
        "target": request.target,
        "body_length": len(body),
        "body_sha256": hashlib.sha256(body).hexdigest(),
        "trailers": trailers,
    }).encode()
    answer = response(200, "OK", "Content-Type: application/json", body=text)
    connection.send(answer[:-len(text)] if request.method == "HEAD" else answer)
    return True


def response(status, reason, *fields, body=b""):
    """The bytes of a response with a Content-Length."""
    lines = [f"HTTP/1.1 {status} {reason}", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
