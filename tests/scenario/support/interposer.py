"""A man in the middle between the gateway and the CA, on the gateway's side of trust.

It passes every request on to pebble and its answer back, counts them by kind, and can hold
one kind: the request before pebble sees it, or the answer before the gateway does. A test then
knows exactly how far an issuance has come, kills the gateway there, and lets go. It can also
answer in the CA's place, as an overloaded or broken CA would.
"""
import http.client
import http.server
import json
import re
import ssl
import threading

from support.wait import PATIENCE

# What a request is, by its path; pebble's paths.
KINDS = (("directory", r"/dir$"), ("nonce", r"/nonce-plz$"), ("new_account", r"/sign-me-up$"),
         ("new_order", r"/order-plz$"), ("order", r"/my-order/"),
         ("finalize", r"/finalize-order/"), ("authorization", r"/authZ/"),
         ("challenge", r"/chalZ/"), ("certificate", r"/certZ/"), ("renewal_info", r"/renewal-info/"))
_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")


class Interposer:
    """Listens on a loopback port of its own; `directory_url` is what the gateway is told."""

    def __init__(self, pebble, pki):
        self.pebble = pebble
        self.counts = dict.fromkeys([name for name, _ in KINDS] + ["other"], 0)
        self.changed = threading.Condition()
        self.answers = {}            # kind -> the CA's latest answer (bytes)
        self.held = self.arrived = self.opened = None
        self.dropping = False
        self.substitute = None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.server.socket = pki.leaf("localhost", "127.0.0.1").server_context().wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def directory_url(self):
        return f"https://localhost:{self.port}/dir"

    def hold(self, kind, when):
        """From now on hold requests of that kind, "before" or "after" the CA has seen them."""
        self.held = (kind, when)
        self.arrived, self.opened = threading.Event(), threading.Event()

    def wait_held(self):
        """Wait until a request is held."""
        assert self.arrived.wait(PATIENCE), f"the gateway never came to {self.held}"

    def let_go(self, drop=False):
        """Hold no more: pass on what is held, or drop it as a broken network would."""
        self.dropping, self.held = drop, None
        self.opened.set()

    def answer_with(self, substitute):
        """substitute(kind, count) gives (status, headers, body) to answer with, or None."""
        self.substitute = substitute

    def last_answer(self, kind):
        """The JSON that the CA answered last to that kind of request."""
        return json.loads(self.answers[kind])

    def count(self, kind):
        with self.changed:
            return self.counts[kind]

    def wait_count(self, kind, count):
        """Wait until that many requests of a kind have come."""
        with self.changed:
            came = self.changed.wait_for(lambda: self.counts[kind] >= count, PATIENCE)
        assert came, f"{self.counts[kind]} requests of kind {kind}, not {count}"

    def close(self):
        if self.held is not None:
            self.let_go(drop=True)
        self.server.shutdown()
        self.server.server_close()

    def _handler(interposer):       # noqa: N805: the handler class below has its own self
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = PATIENCE

            def do_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                interposer._pass_on(self, body)

            do_GET = do_HEAD = do_POST = do_any

            def log_message(self, *_):
                pass

        return Handler

    @staticmethod
    def kind_of(path):
        return next((name for name, pattern in KINDS if re.match(pattern, path)), "other")

    def note(self, kind):
        """Count a request that has come; gives how many there were of its kind."""
        with self.changed:
            self.counts[kind] += 1
            self.changed.notify_all()
            return self.counts[kind]

    def _pass_on(self, request, body):
        kind = self.kind_of(request.path)
        count = self.note(kind)
        instead = self.substitute(kind, count) if self.substitute else None
        if instead is None and self._held_here(kind, "before", request):
            return
        status, headers, answer = instead or self._ask_pebble(request, body)
        self.answers[kind] = answer
        if self._held_here(kind, "after", request):
            return
        self._reply(request, status, headers, answer)

    def _held_here(self, kind, when, request):
        """Hold if asked to. True: the connection was dropped meanwhile."""
        if self.held != (kind, when):
            return False
        self.arrived.set()
        self.opened.wait(PATIENCE)
        request.close_connection = request.close_connection or self.dropping
        return self.dropping

    def _ask_pebble(self, request, body):
        connection = http.client.HTTPSConnection("127.0.0.1", self.pebble.port,
                                                 timeout=PATIENCE, context=self.pebble.context)
        try:
            connection.request(request.command, request.path, body, dict(request.headers))
            answer = connection.getresponse()
            headers = [h for h in answer.getheaders() if h[0].lower() not in _HOP_BY_HOP]
            return answer.status, headers, answer.read()
        finally:
            connection.close()

    def _reply(self, request, status, headers, body):
        try:
            request.send_response_only(status)
            for name, value in headers:
                request.send_header(name, value)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            if request.command != "HEAD":
                request.wfile.write(body)
        except (OSError, ssl.SSLError):
            request.close_connection = True
