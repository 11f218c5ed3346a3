#!/usr/bin/python3
"""What the control side costs: start, memory, edits.

usage: control.py [--routes N] [--rounds R] GATEHOUSE

Prints, as medians over the rounds: milliseconds from exec to /readyz with an empty store and with N
routes; resident KiB when idle; milliseconds from the request of an edit to its answer, which comes
when every worker serves it; and for scale what one fsync costs in the same directory.
"""
import argparse
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Gateway:
    def __init__(self, binary, data):
        self.socket_path = os.path.join(data, "admin.sock")
        self.argv = [binary, "run", "--data", data, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0",
                     "--admin", "off", "--access-log", "off", "--log-level", "error"]
        self.process = self.connection = None

    def __enter__(self):
        """Returns when ready; self.start_ms says how long that took."""
        began = time.monotonic()
        self.process = subprocess.Popen(self.argv, stderr=subprocess.DEVNULL)
        while True:
            try:
                self.connection = Connection(self.socket_path)
                if self.call("GET", "/readyz")[0] == 200:
                    break
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit("gatehouse did not start")
            time.sleep(0.001)
        self.start_ms = (time.monotonic() - began) * 1000
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.process.terminate()
        self.process.wait()

    def call(self, method, path, body=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status, answer

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def route(i, retries=2):
    return {"id": f"r{i}", "hosts": [f"h{i}.example.org"], "certificate": "none", "https": "optional",
            "upstream": {"targets": [{"url": "http://127.0.0.1:9"}], "retries": retries}}


def fsync_ms(directory):
    with open(os.path.join(directory, "fsync"), "wb") as f:
        times = []
        for _ in range(20):
            f.write(b"x" * 4096)
            f.flush()
            began = time.monotonic()
            os.fsync(f.fileno())
            times.append((time.monotonic() - began) * 1000)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--routes", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=5)
    o = parser.parse_args()
    empty, full, idle, edits = [], [], [], []
    data = tempfile.mkdtemp(prefix="gatehouse-bench-")
    try:
        with Gateway(o.binary, data):
            pass  # makes the store and the keys
        for _ in range(o.rounds):
            with Gateway(o.binary, data) as g:
                empty.append(g.start_ms)
                idle.append(g.resident_kib())
        with Gateway(o.binary, data) as g:
            assert g.call("PUT", "/v1/config", {"routes": [route(i) for i in range(o.routes)]})[0] == 200
            for n in range(100):
                began = time.monotonic()
                assert g.call("PUT", f"/v1/routes/r{n * 97 % o.routes}", route(n * 97 % o.routes, 1))[0] == 200
                edits.append((time.monotonic() - began) * 1000)
        for _ in range(o.rounds):
            with Gateway(o.binary, data) as g:
                full.append(g.start_ms)
                full_kib = g.resident_kib()
        print(f"start, empty store        {statistics.median(empty):8.1f} ms")
        print(f"start, {o.routes} routes       {statistics.median(full):8.1f} ms")
        print(f"idle, empty store         {statistics.median(idle):8.0f} KiB resident")
        print(f"idle, {o.routes} routes        {full_kib:8.0f} KiB resident")
        print(f"edit, {o.routes} routes        {statistics.median(edits):8.2f} ms (worst of 100: {max(edits):.2f})")
        print(f"one fsync there           {fsync_ms(data):8.2f} ms")
    finally:
        shutil.rmtree(data)


if __name__ == "__main__":
    main()
