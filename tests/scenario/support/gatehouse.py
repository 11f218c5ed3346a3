"""The gateway under test: the real binary on free ports, its admin API, its command line."""
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.parse
from pathlib import Path

from support import ports, raw
from support.process import Process
from support.wait import PATIENCE, until

REPOSITORY = Path(__file__).resolve().parents[3]
DEFAULT_BINARY = REPOSITORY / "build" / "dev" / "gateway" / "gatehouse"
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:")
LAST_WORDS = 6000       # characters of a log in a failure report
ANY_TLS = raw.any_certificate()


def binary():
    """Path of the binary under test: $GATEHOUSE, or the development build."""
    return Path(os.environ.get("GATEHOUSE") or DEFAULT_BINARY).resolve()


def clean_environment(**more):
    """The environment without GATEHOUSE_ variables, and a resolver that gives up soon."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GATEHOUSE")}
    return {**kept, "RES_OPTIONS": "timeout:1 attempts:1", "NO_COLOR": "1", **more}


class Answer:
    """What the admin API answered; `json` is None when the body is something else."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, raw.Fields(headers), body
        try:
            self.json = json.loads(body)
        except ValueError:
            self.json = None

    def __repr__(self):
        return f"<{self.status} {self.body.decode(errors='replace')[:2000]}>"

    @property
    def etag(self):
        return self.headers.get("ETag")

    @property
    def text(self):
        return self.body.decode()

    def fields(self):
        """The JSON pointers of a problem document's `errors`."""
        return [error["field"] for error in self.json["errors"]]


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


def call(connection, method, path, body=None, headers=None):
    """One request to the admin API; anything but bytes and None is sent as JSON."""
    headers = dict(headers or {})
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


class Gatehouse:
    """One gateway with a data directory of its own. It may be stopped and started again."""

    running = []          # what a failure report shows the logs of

    def __init__(self, directory, *flags, http_port=None, workers=2, env=None):
        self.directory = Path(directory)
        self.data = self.directory / "data"
        self.log_path = self.directory / "gatehouse.log"
        self.reserved = [ports.reserve() for _ in range(2 if http_port else 3)]
        self.https, self.admin, *rest = self.reserved
        self.http = http_port or rest[0]
        self.argv = [binary(), "run", "--data", self.data,
                     "--http", f"127.0.0.1:{self.http}", "--http", f"[::1]:{self.http}",
                     "--https", f"127.0.0.1:{self.https}", "--https", f"[::1]:{self.https}",
                     "--admin", f"127.0.0.1:{self.admin}", "--workers", workers, *flags]
        self.env = clean_environment(**(env or {}))
        self.process = None

    # life

    def start(self):
        """Start, and wait until /readyz says so."""
        self.launch()
        self.process.until_ready(self.ready, "/readyz to answer 200")
        return self

    def launch(self, **popen):
        """Start without waiting."""
        self.process = Process(self.argv, self.log_path, env=self.env, **popen)
        if self not in self.running:
            self.running.append(self)
        return self.process

    def ready(self):
        try:
            return self.api("GET", "/readyz").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def stop(self):
        """SIGTERM; the exit status must be 0 and the log free of sanitizer reports."""
        if self.process is not None and self.process.running():
            status = self.process.stop()
            assert status == 0, f"exit status {status} after SIGTERM"
        self.check_log()

    def kill(self):
        """SIGKILL, as the kernel does when memory runs out."""
        self.process.kill()
        self.check_log()

    def dispose(self):
        """Stop and give everything back."""
        try:
            self.stop()
        finally:
            if self.process is not None and self.process.running():
                self.process.kill()
            if self in self.running:
                self.running.remove(self)
            ports.release(*self.reserved)
            shutil.rmtree(self.data, ignore_errors=True)

    def check_alive(self):
        if not self.process.running():
            raise AssertionError(f"the gateway ended with status {self.process.wait()}:\n"
                                 f"{self.last_words()}")

    def check_log(self):
        assert not SANITIZER_REPORT.search(self.log()), self.last_words()

    def last_words(self):
        """What a failure shows of the log: a sanitizer's report, or the end."""
        log = self.log()
        report = SANITIZER_REPORT.search(log)
        return log[report.start():][:LAST_WORDS] if report else log[-LAST_WORDS:]

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_log(self, text):
        until(lambda: text in self.log(), f"{text!r} in the log")

    # admin API

    @property
    def socket_path(self):
        return self.data / "admin.sock"

    def api(self, method, path, body=None, **headers):
        """Ask over the unix socket; a header is written If_Match=… ."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return call(_UnixConnection(self.socket_path), method, path, body, named)

    def tcp_api(self, method, path, body=None, token=None, headers=None, source=None):
        """Ask over TCP; from a new loopback address each time unless one is given."""
        headers = dict(headers or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=PATIENCE,
                                                source_address=(source or new_source(), 0))
        return call(connection, method, path, body, headers)

    def must(self, method, path, body=None, **headers):
        """As api(), for what has to succeed; gives the JSON."""
        answer = self.api(method, path, body, **headers)
        assert 200 <= answer.status < 300, f"{method} {path}: {answer}"
        return answer.json

    def items(self, kind):
        return self.must("GET", f"/v1/{kind}")["items"]

    def put_route(self, id, hosts, target, **more):
        """A route served over plain HTTP and HTTPS alike unless `more` says otherwise."""
        return self.must("PUT", f"/v1/routes/{id}", route(hosts, target, **more))

    def import_certificate(self, pair):
        """Import a key pair, give the certificate object."""
        return self.must("POST", "/v1/certificates",
                         {"chain_pem": pair.chain_pem, "key_pem": pair.key_pem})

    def create_token(self, name, *scopes, **more):
        """Create an API token; gives the object with its secret in `token`."""
        return self.must("POST", "/v1/tokens", {"name": name, "scopes": list(scopes), **more})

    def certificate_of(self, host):
        """The certificate object of a host name, or None."""
        return next((c for c in self.items("certificates") if host in c["names"]), None)

    def wait_certificate(self, host, state):
        """Wait until the certificate of a host is in that state; give it."""
        def look():
            self.check_alive()
            certificate = self.certificate_of(host)
            return certificate if certificate and certificate["state"] == state else None
        try:
            return until(look, f"the certificate of {host} to be {state}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.certificate_of(host)}") from None

    def clear(self):
        """Back to an empty configuration with the settings of a first start."""
        self.must("PUT", "/v1/settings", {})
        for kind in ("routes", "certificates", "tokens"):
            for item in self.items(kind):
                self.must("DELETE", f"/v1/{kind}/{urllib.parse.quote(item['id'])}")

    # data path

    def client(self, host="127.0.0.1"):
        """A plain HTTP connection."""
        return raw.Client(self.http, host)

    def tls_client(self, server_name, context=None, host="127.0.0.1"):
        """A TLS connection; any certificate will do unless a context says otherwise."""
        return raw.Client(self.https, host, tls=context or ANY_TLS, server_name=server_name)

    def ask(self, method, target, host, *fields, body=None):
        """One request over plain HTTP on a connection of its own."""
        with self.client() as client:
            return client.ask(method, target, host, *fields, body=body)

    def get(self, host, target="/", *fields):
        return self.ask("GET", target, host, *fields)

    def get_tls(self, host, target="/", *fields, context=None):
        with self.tls_client(host, context) as client:
            return client.ask("GET", target, host, *fields)

    def served_certificate(self, host):
        """The certificate (DER) that a handshake for that name gets."""
        with self.tls_client(host) as client:
            return client.certificate()

    def refuses_handshake(self, server_name, context=None):
        """Does a TLS handshake for that name fail by the gateway's will?"""
        try:
            self.tls_client(server_name, context).close()
        except (ssl.SSLError, ConnectionError):
            return True
        return False

    # command line

    def cli(self, *args, stdin=None, env=None):
        """Run a command against this gateway's data directory."""
        return run_cli(*args, "--data", self.data, stdin=stdin, env=env)

    # memory

    def resident_kib(self):
        return self._status_kib("VmRSS")

    def reset_peak(self):
        (Path("/proc") / str(self.process.pid) / "clear_refs").write_text("5")

    def peak_kib(self):
        return self._status_kib("VmHWM")

    def _status_kib(self, name):
        status = (Path("/proc") / str(self.process.pid) / "status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.M).group(1))


_sources = itertools.count(1)


def new_source():
    """A loopback address that nobody has asked from yet, nor failed to show a token."""
    number = next(_sources)
    return f"127.1.{number >> 8}.{number & 255}"


def route(hosts, target, **more):
    """The JSON of a route. `upstream` is merged with the target(s) given."""
    targets = [target] if isinstance(target, str) else target
    upstream = {"targets": [{"url": t} if isinstance(t, str) else t for t in targets],
                **more.pop("upstream", {})}
    return {"hosts": [hosts] if isinstance(hosts, str) else hosts,
            "certificate": "none", "https": "optional", "upstream": upstream, **more}


def run_cli(*args, stdin=None, env=None):
    """Run a gatehouse command: a CompletedProcess with texts."""
    done = subprocess.run([str(binary()), *map(str, args)], input=stdin, text=True,
                          capture_output=True, timeout=PATIENCE,
                          env=clean_environment(**(env or {})))
    assert not SANITIZER_REPORT.search(done.stderr), done.stderr
    return done


def terminate(gateway):
    """Ask the gateway to shut down, and do not wait."""
    gateway.process.signal(signal.SIGTERM)
