"""What the programs here have in common: the gateway under test, its targets, its keys."""
import http.client
import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEFAULT_BINARY = HERE.parents[1] / "build" / "release" / "gateway" / "gatehouse"
READY_S = 120       # a start with 100,000 routes on a busy machine


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(look, what, seconds=READY_S):
    """Call look() until it gives something true; give that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.001)
    raise SystemExit(f"waited in vain for {what}")


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def percentile(ordered, share):
    """Of a sorted list; share 0.99 is the 99th percentile."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=600)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Gateway:
    """The binary with a data directory; ready inside `with`. start_ms: from exec to /readyz."""

    def __init__(self, binary, data, workers=1, cpu=None, http=None, https=None, flags=()):
        self.http, self.https = http or free_port(), https or free_port()
        self.socket_path = os.path.join(data, "admin.sock")
        self.argv = [str(binary), "run", "--data", str(data), "--http", f"127.0.0.1:{self.http}",
                     "--https", f"127.0.0.1:{self.https}", "--admin", "off", "--access-log", "off",
                     "--log-level", "error", "--workers", str(workers), *flags]
        if cpu is not None:
            self.argv = ["taskset", "-c", str(cpu), *self.argv]
        self.process = self.connection = None

    def __enter__(self):
        began = time.monotonic()
        self.process = subprocess.Popen(self.argv, stderr=subprocess.DEVNULL)
        try:
            wait_for(self._is_ready, "the gateway to be ready")
        except BaseException:
            self.process.kill()
            raise
        self.start_ms = (time.monotonic() - began) * 1000
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.process.terminate()
        self.process.wait()

    def _is_ready(self):
        if self.process.poll() is not None:
            raise SystemExit("gatehouse did not start")
        try:
            self.connection = Connection(self.socket_path)
            return self.call("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def call(self, method, path, body=None):
        """One request to the admin API: (status, JSON or bytes)."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        text = json.dumps(body) if body is not None else None
        self.connection.request(method, path, text, headers)
        answer = self.connection.getresponse()
        raw = answer.read()
        try:
            return answer.status, json.loads(raw)
        except ValueError:
            return answer.status, raw

    def must(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        if not 200 <= status < 300:
            raise SystemExit(f"{method} {path}: {status} {str(answer)[:1000]}")
        return answer

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))

    def threads(self, name):
        """Ids of the threads whose names begin so."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return [int(t.name) for t in tasks.iterdir() if (t / "comm").read_text().startswith(name)]


def route(id, host, target="http://127.0.0.1:9", **more):
    return {"id": id, "hosts": [host], "certificate": "none", "https": "optional",
            "upstream": {"targets": [{"url": target}], **more.pop("upstream", {})}, **more}


class Nginx:
    """A target that answers every path with 1 KiB, from memory."""

    def __init__(self, directory, cpu=None):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        conf = Path(directory) / "target.conf"
        conf.write_text(f"""
            worker_processes 1; daemon off; pid {directory}/target.pid; error_log stderr crit;
            events {{ worker_connections 4096; }}
            http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
              client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2;
              fastcgi_temp_path {directory}/t3; uwsgi_temp_path {directory}/t4;
              scgi_temp_path {directory}/t5;
              server {{ listen 127.0.0.1:{self.port} backlog=4096; default_type text/plain;
                        location / {{ return 200 "{'x' * 1024}"; }} }} }}
            """)
        pin = [] if cpu is None else ["taskset", "-c", str(cpu)]
        self.process = subprocess.Popen([*pin, "nginx", "-c", str(conf), "-e", "stderr"],
                                        stderr=subprocess.DEVNULL)
        wait_for(lambda: accepts(self.port), "nginx to listen")

    def pids(self):
        """The master and its worker."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *map(int, children.read_text().split())]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def compile_helper(name, directory, *libraries):
    """Build one of the small C programs beside this file; give its path."""
    out = Path(directory) / name
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", str(out), str(HERE / f"{name}.c"), *libraries], check=True)
    return out


def fsync_ms(directory):
    """What one fsync costs there: the floor of every edit."""
    times = []
    with tempfile.TemporaryFile(dir=directory) as f:
        for _ in range(20):
            f.write(b"x" * 4096)
            f.flush()
            began = time.monotonic()
            os.fsync(f.fileno())
            times.append((time.monotonic() - began) * 1000)
    return statistics.median(times)
