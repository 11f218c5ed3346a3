"""An HTTP/1.1 client that sends exactly the bytes it is told and hides nothing it receives."""
import socket
import ssl

from support.wait import PATIENCE

_CHUNK = 256 * 1024


class Closed(Exception):
    """The peer closed, or reset, the connection before the whole response was there."""


class Fields(list):
    """Header fields in the order of the wire: a list of (name, value)."""

    def all(self, name):
        return [value for key, value in self if key.lower() == name.lower()]

    def get(self, name, default=None):
        return ", ".join(self.all(name)) if self.all(name) else default

    def has(self, name):
        return bool(self.all(name))


class Response:
    """One response. `complete` says whether the body ended as its framing announced."""

    def __init__(self, version, status, reason, headers):
        self.version, self.status, self.reason = version, status, reason
        self.headers = headers
        self.body, self.trailers, self.complete = b"", Fields(), True
        self.interim = []
        self.received = 0      # body bytes, also when the body itself was thrown away

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.headers!r} {self.body[:500]!r}>"


def request(method, target, host, *fields, body=None):
    """The bytes of a request; `fields` are whole lines. A body gets a Content-Length."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def chunked(*parts, trailers=()):
    """Parts of a body in chunked coding, one chunk each, with the last chunk."""
    out = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return out + b"0\r\n" + b"".join(line.encode() + b"\r\n" for line in trailers) + b"\r\n"


def any_certificate(minimum=None, maximum=None):
    """A client context that takes every certificate, and old versions if asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if minimum is not None:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = minimum
    if maximum is not None:
        context.maximum_version = maximum
    return context


def trusting(pem):
    """A client context that trusts exactly the given root certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    return context


class Client:
    """One connection, from `source`; the pieces of `first` are sent before all else, TLS too."""

    def __init__(self, port, host="127.0.0.1", tls=None, server_name=None, patience=PATIENCE,
                 source=None, first=()):
        self.sock = socket.create_connection((host, port), timeout=patience,
                                             source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        for piece in first:
            self.sock.sendall(piece)
        if tls is not None:
            try:
                self.sock = tls.wrap_socket(self.sock, server_hostname=server_name)
            except BaseException:
                self.sock.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def certificate(self):
        """The peer's certificate in DER."""
        return self.sock.getpeercert(binary_form=True)

    def send(self, data):
        self.sock.sendall(data)

    def try_send(self, data):
        """Send to a peer that may well have answered and hung up already."""
        try:
            self.sock.sendall(data)
        except OSError:
            pass

    def end_of_sending(self):
        self.sock.shutdown(socket.SHUT_WR)

    def ask(self, method, target, host, *fields, body=None):
        """Send a request and read its response."""
        self.send(request(method, target, host, *fields, body=body))
        return self.read(method)

    def read(self, method="GET", keep_body=True):
        """Read one final response; its `interim` are the statuses on the way."""
        interim = []
        while True:
            response = self.read_head()
            if response.status == 101 or response.status >= 200:
                response.interim = interim
                self._read_body(response, method, keep_body)
                return response
            interim.append(response.status)

    def read_head(self):
        """Read one head: an interim response, or one whose body is read otherwise."""
        end = self._until(b"\r\n\r\n")
        head = bytes(self.buffer[:end])
        del self.buffer[:end + 4]
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, reason = (first + " ").split(" ", 2)
        fields = Fields()
        for line in lines:
            name, value = line.split(":", 1)
            fields.append((name, value.strip()))
        return Response(version, int(status), reason.strip(), fields)

    def read_exactly(self, count):
        """Bytes of a tunnel, or of a body in parts."""
        while len(self.buffer) < count:
            self._more()
        out = bytes(self.buffer[:count])
        del self.buffer[:count]
        return out

    def read_until_closed(self):
        """Everything up to the end of the connection, be it orderly or a reset."""
        try:
            while True:
                self._more()
        except Closed:
            out = bytes(self.buffer)
            self.buffer.clear()
            return out

    def closed_by_peer(self):
        """Wait for the peer to close; False if it sends something instead."""
        return self.read_until_closed() == b""

    def _read_body(self, response, method, keep):
        coding = response.headers.get("Transfer-Encoding", "").lower()
        length = response.headers.get("Content-Length")
        if method == "HEAD" or response.status in (101, 204, 304):
            return
        sink = bytearray() if keep else None
        try:
            if coding == "chunked":
                self._read_chunks(response, sink)
            elif length is not None:
                self._take(int(length), response, sink)
            else:
                self._take(None, response, sink)
        except Closed:
            response.complete = False
        response.body = bytes(sink) if keep else b""

    def _read_chunks(self, response, sink):
        while True:
            line = self.read_line()
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            self._take(size, response, sink)
            if self.read_line() != b"":
                raise Closed("a chunk is longer than its size")
        while (line := self.read_line()) != b"":
            name, value = line.decode("latin-1").split(":", 1)
            response.trailers.append((name, value.strip()))

    def _take(self, count, response, sink):
        """Move `count` body bytes (None: all until the end) to the sink."""
        left = count
        while left is None or left > 0:
            if not self.buffer:
                try:
                    self._more()
                except Closed:
                    if left is None:
                        return
                    raise
            piece = self.buffer if left is None else self.buffer[:left]
            if sink is not None:
                sink += piece
            taken = len(piece)
            response.received += taken
            del self.buffer[:taken]
            left = None if left is None else left - taken

    def read_line(self):
        end = self._until(b"\r\n")
        line = bytes(self.buffer[:end])
        del self.buffer[:end + 2]
        return line

    def _until(self, mark):
        while (end := self.buffer.find(mark)) < 0:
            self._more()
        return end

    def _more(self):
        try:
            data = self.sock.recv(_CHUNK)
        except (ConnectionError, ssl.SSLError) as error:
            raise Closed(str(error)) from error
        if not data:
            raise Closed("end of the connection")
        self.buffer += data
