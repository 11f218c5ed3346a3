"""An HTTP/2 client, and a target, whose every frame a test can choose; frames and HPACK by
python3-h2."""
import json
import select
import socket
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import hpack

from support import raw
from support.wait import PATIENCE

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = \
    range(10)
PRIORITY_UPDATE = 16
END_STREAM, ACK, END_HEADERS = 1, 1, 4
NO_ERROR, PROTOCOL_ERROR, ENHANCE_YOUR_CALM = 0, 1, 11


def context():
    tls = raw.any_certificate()
    tls.set_alpn_protocols(["h2"])
    return tls


def frame(kind, flags, stream, payload=b""):
    """Its bytes, whatever they are."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") \
        + payload


def fields(*pairs):
    """A field section by a fresh encoder: for a connection's first."""
    return hpack.Encoder().encode(pairs, huffman=False)


def head(host, path="/", method="GET", scheme="https"):
    return [(":method", method), (":scheme", scheme), (":authority", host), (":path", path)]


class Answer:
    """What has come on one stream so far."""

    def __init__(self):
        self.interim, self.headers, self.trailers = [], None, None
        self.body, self.ended, self.reset = b"", False, None

    @property
    def status(self):
        return int(self.get(":status"))

    def get(self, name):
        return dict(self.headers).get(name)

    def __repr__(self):
        return f"<{self.headers} {self.body[:300]!r} ended={self.ended} reset={self.reset}>"


class Client:
    """A connection that agreed on h2, or, without a name, speaks it in clear text. Nothing is sent
    or checked that a test did not ask for, but acknowledgements and, unless `window` is False,
    windows."""

    def __init__(self, port, server_name=None, window=True):
        if server_name is None:
            self.raw = raw.Client(port)
        else:
            self.raw = raw.Client(port, tls=context(), server_name=server_name)
            assert self.raw.sock.selected_alpn_protocol() == "h2"
        config = h2.config.H2Configuration(
            client_side=True, header_encoding="utf-8", validate_outbound_headers=False,
            normalize_outbound_headers=False, validate_inbound_headers=True)
        self.h2 = h2.connection.H2Connection(config)
        self.window, self.answers, self.closed, self.goaways = window, {}, False, []
        self.acknowledged = 0       # PINGs of ours
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.raw.close()

    def flush(self):
        self.raw.try_send(self.h2.data_to_send())

    def request(self, headers, body=None, end=True):
        """Begin a stream; its number."""
        stream = self.h2.get_next_available_stream_id()
        self.answers[stream] = Answer()
        self.h2.send_headers(stream, headers, end_stream=end and body is None)
        self.flush()
        if body is not None:
            self.send(stream, body, end)
        return stream

    def send(self, stream, data, end=False):
        """DATA, as the windows allow."""
        while True:
            room = min(self.h2.local_flow_control_window(stream),
                       self.h2.max_outbound_frame_size)
            piece, data = data[:room], data[room:]
            if piece or not data:
                self.h2.send_data(stream, piece, end_stream=end and not data)
                self.flush()
            if not data:
                return
            if room == 0:
                self.receive()

    def end(self, stream, trailers=None):
        if trailers is None:
            self.h2.end_stream(stream)
        else:
            self.h2.send_headers(stream, trailers, end_stream=True)
        self.flush()

    def cancel(self, stream):
        self.h2.reset_stream(stream, 8)
        self.flush()

    def receive(self):
        """Take what has come; False at the end of the connection."""
        try:
            data = self.raw.sock.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
            return False
        for event in self.h2.receive_data(data):
            self._take(event)
        self.flush()
        return True

    def until(self, look):
        """Take what comes until look() is true."""
        while not look():
            assert self.receive(), f"the connection ended: {self.goaways} {self.answers}"

    def answer(self, stream):
        """The whole answer, or what there was of it when it was reset."""
        answer = self.answers[stream]
        self.until(lambda: answer.ended or answer.reset is not None)
        return answer

    def ask(self, *args, **more):
        return self.answer(self.request(head(*args, **more)))

    def until_closed(self):
        """The last error code, or None without a GOAWAY."""
        while self.receive():
            pass
        return self.goaways[-1] if self.goaways else None

    def _take(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.InformationalResponseReceived):
            answer.interim.append(event.headers)
        elif isinstance(event, h2.events.ResponseReceived):
            answer.headers = event.headers
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            if self.window and event.flow_controlled_length > 0:
                self.h2.acknowledge_received_data(event.flow_controlled_length,
                                                  event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = event.headers
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset) and answer is not None:
            answer.reset = event.error_code
        elif isinstance(event, h2.events.PingAckReceived):
            self.acknowledged += 1
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaways.append(event.error_code)


class Raw:
    """A connection that sends bytes as they are and reads frames as they come."""

    def __init__(self, port, server_name, first=PREFACE + frame(SETTINGS, 0, 0)):
        self.raw = raw.Client(port, tls=context(), server_name=server_name)
        self.buffer = b""
        self.raw.send(first)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.raw.close()

    def send(self, *frames):
        self.raw.try_send(b"".join(frames))

    def frames(self):
        """(type, flags, stream, payload), up to the end of the connection."""
        while True:
            while len(self.buffer) >= 9 and \
                    len(self.buffer) >= 9 + int.from_bytes(self.buffer[:3], "big"):
                end = 9 + int.from_bytes(self.buffer[:3], "big")
                one, self.buffer = self.buffer[:end], self.buffer[end:]
                yield one[3], one[4], int.from_bytes(one[5:9], "big"), one[9:]
            try:
                data = self.raw.sock.recv(1 << 16)
            except ConnectionError:
                return
            if not data:
                return
            self.buffer += data

    def verdict(self):
        """("reset", code) of stream 1, ("goaway", code), ("answer", None) or ("closed", None)."""
        for kind, _, stream, payload in self.frames():
            if kind == RST_STREAM and stream == 1:
                return "reset", int.from_bytes(payload, "big")
            if kind == GOAWAY:
                return "goaway", int.from_bytes(payload[4:8], "big")
            if kind == HEADERS and stream == 1:
                return "answer", None
        return "closed", None


class Server:
    """A target that speaks HTTP/2, over TLS or, without a context, in clear text.

    `answer(connection, stream, headers, body)` runs when a request is complete; unless a test sets
    it, the answer is 200 with a description of what came, in JSON. `on_connect(connection, stream,
    headers)` takes a tunnel, whose bytes are sent back."""

    def __init__(self, tls=None, max_streams=100, takes_upgrades=True, on_connect=None):
        self.tls, self.max_streams = tls, max_streams
        self.takes_upgrades, self.on_connect = takes_upgrades, on_connect
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        port = self.listener.getsockname()[1]
        self.port, self.url = port, f"{'https' if tls else 'h2c'}://127.0.0.1:{port}"
        self.changed = threading.Condition()
        self.connections, self.requests, self.most = [], [], 0
        self.failures = []      # what the gateway did wrong
        self.answer = ServerConnection.describe
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()
        for connection in self.connections:
            connection.close()

    def wait_for(self, count):
        """Wait until so many requests have come, whole."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.requests) >= count, PATIENCE)

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[sock], daemon=True).start()

    def _serve(self, sock):
        try:
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
            connection = ServerConnection(self, sock)
            self.connections.append(connection)
            connection.run()
        except OSError:
            pass
        except h2.exceptions.ProtocolError as error:
            self.failures.append(error)
        finally:
            sock.close()


class ServerConnection:
    """One connection to that target; used by its own thread, and by tests under `lock`."""

    def __init__(self, server, sock):
        self.server, self.sock, self.lock = server, sock, threading.RLock()
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="utf-8"))
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values={
            h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: server.max_streams,
            h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: int(server.takes_upgrades)})
        self.open = {}          # stream -> (headers, body so far)
        self.trailers = {}      # stream -> fields
        self.tunnels = set()
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def close(self):
        """Its thread notices, and closes the descriptor, which nobody else may have by then."""
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except OSError:
            pass

    def run(self):
        """TLS is not read while another thread writes."""
        while True:
            if not getattr(self.sock, "pending", int)():
                select.select([self.sock], [], [])
            with self.lock:
                data = self.sock.recv(1 << 16)
                if not data:
                    return
                for event in self.h2.receive_data(data):
                    self._take(event)
                self.flush()

    def describe(self, stream, headers, body):
        text = json.dumps({"headers": headers, "length": len(body)}).encode()
        self.send(stream, text)

    def send(self, stream, body, status=200, fields=(), trailers=None):
        """A whole answer, as large as the window is at most."""
        with self.lock:
            self.h2.send_headers(stream, [(":status", str(status)), *fields])
            self.h2.send_data(stream, body, end_stream=trailers is None)
            if trailers is not None:
                self.h2.send_headers(stream, trailers, end_stream=True)
            self.flush()

    def reset(self, stream, code):
        with self.lock:
            self.h2.reset_stream(stream, code)
            self.flush()

    def say_goodbye(self, last):
        with self.lock:
            self.h2.close_connection(last_stream_id=last)
            self.flush()

    def _take(self, event):
        stream = getattr(event, "stream_id", None)
        if isinstance(event, h2.events.RequestReceived) and \
                (":method", "CONNECT") in event.headers:
            self.tunnels.add(stream)
            self.server.on_connect(self, stream, dict(event.headers))
        elif isinstance(event, h2.events.RequestReceived):
            self.open[stream] = (event.headers, bytearray())
            self.server.most = max(self.server.most, self.h2.open_inbound_streams)
        elif isinstance(event, h2.events.DataReceived) and stream in self.tunnels:
            self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            self.h2.send_data(stream, event.data)
        elif isinstance(event, h2.events.StreamEnded) and stream in self.tunnels:
            self.h2.end_stream(stream)
        elif isinstance(event, h2.events.DataReceived):
            self.open[stream][1].extend(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
        elif isinstance(event, h2.events.TrailersReceived):
            self.trailers[stream] = event.headers
        elif isinstance(event, h2.events.StreamReset):
            self.open.pop(stream, None)
        elif isinstance(event, h2.events.StreamEnded):
            headers, body = self.open.pop(stream)
            with self.server.changed:
                self.server.requests.append((stream, dict(headers), bytes(body)))
                self.server.changed.notify_all()
            self.server.answer(self, stream, headers, bytes(body))
