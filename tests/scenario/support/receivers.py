"""Whoever is told of alarms: a program behind a webhook, and a mail server."""
import email
import email.policy
import hashlib
import hmac
import json
import queue
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from support import ports
from support.wait import PATIENCE


class Webhook:
    """A receiver on 127.0.0.1. `answers` are statuses for the next requests, then 204."""

    def __init__(self, pair=None):
        self.requests = queue.Queue()       # (headers, body) in the order of arrival
        self.answers, self.location, self.gate = [], None, threading.Event()
        self.gate.set()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.requests.put((self.headers, body))
                hook.gate.wait(PATIENCE)
                self.send_response(hook.answers.pop(0) if hook.answers else 204)
                if hook.location:
                    self.send_header("Location", hook.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self):
                hook.requests.put((self.headers, None))
                self.send_error(404)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.chain, pair.key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if pair else ''}://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def next_request(self):
        return self.requests.get(timeout=PATIENCE)

    def next(self, key=None):
        """The next message; its signature must be right if there is a key."""
        headers, body = self.next_request()
        if key:
            mac = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
            assert headers["X-Gatehouse-Signature"] == f"sha256={mac}"
        assert headers["Content-Type"] == "application/json"
        return json.loads(body)

    def wait_for(self, kind, event="alarm", **more):
        """The next message of that kind; others are passed over."""
        while True:
            message = self.next()
            if message["kind"] == kind and message["event"] == event and \
                    all(message[name] == value for name, value in more.items()):
                return message

    def is_quiet(self):
        return self.requests.empty()

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


class MailServer:
    """An SMTP server on 127.0.0.1, with TLS as told: None, "starttls" or "smtps"."""

    def __init__(self, pair=None, tls=None, login=None):
        self.mails, self.login, self.replies = queue.Queue(), login, []
        self.port = ports.reserve()
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.chain, pair.key)
        options = {}
        if tls == "starttls":
            options = {"tls_context": context, "require_starttls": True}
        if login:
            options |= {"authenticator": self._check, "auth_required": True,
                        "auth_require_tls": tls == "starttls"}
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port,
                                     ssl_context=context if tls == "smtps" else None, **options)
        self.controller.start()
        self.url = f"{'smtps' if tls == 'smtps' else 'smtp'}://127.0.0.1:{self.port}"

    def _check(self, _server, _session, _envelope, _mechanism, data):
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self.login)

    async def handle_DATA(self, _server, _session, envelope):
        self.mails.put(envelope)
        return self.replies.pop(0) if self.replies else "250 OK"

    def next(self):
        """The next envelope, and its mail, parsed."""
        envelope = self.mails.get(timeout=PATIENCE)
        return envelope, email.message_from_bytes(envelope.content, policy=email.policy.default)

    def close(self):
        self.controller.stop()
        ports.release(self.port)
