#!/usr/bin/python3
"""How the gateway grows: certificates, and workers.

usage: scale.py [options] [GATEHOUSE]

certificates: imports N of them, each with its own P-256 key and route, starts again and prints
when it was ready and what it occupies, before and after each was served once.
workers: CPU time per request of one worker, of two, each on its own CPU, and of two processes of
one worker each. Load and target need CPUs too: on a machine with few of them the throughput says
how they were shared, while CPU time says what the workers themselves cost. Two processes share
no lock and no cache line, but the CPUs, the caches and the kernel: what two workers cost more
than these is what they cost each other.
"""
import argparse
import contextlib
import os
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from lab import DEFAULT_BINARY, Gateway, Nginx, compile_helper, route


def certificates(options, directory):
    pairs, data = Path(directory) / "pairs", os.path.join(directory, "data")
    pairs.mkdir()
    os.mkdir(data, 0o700)
    maker = compile_helper("certs", directory, "-lcrypto")
    subprocess.run([maker, str(options.certificates), str(pairs)], check=True)
    with Gateway(options.binary, data) as gateway:
        empty_kib = gateway.resident_kib()
        routes, began = [], time.monotonic()
        for i in range(options.certificates):
            done = gateway.must("POST", "/v1/certificates", {
                "chain_pem": (pairs / f"{i}.crt").read_text(),
                "key_pem": (pairs / f"{i}.key").read_text()})
            routes.append(route(f"r{i}", f"c{i}.example.org", certificate=done["id"]))
        took = time.monotonic() - began
        document = gateway.must("GET", "/v1/config")
        gateway.must("PUT", "/v1/config", {**document, "routes": routes})
    print(f"import of {options.certificates} certificates: {took:.1f} s")
    with Gateway(options.binary, data) as gateway:
        print(f"ready after {gateway.start_ms:.0f} ms; {gateway.resident_kib() / 1024:.1f} MiB "
              f"resident (empty: {empty_kib / 1024:.1f})")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for i in range(options.certificates):
            with socket.create_connection(("127.0.0.1", gateway.https)) as plain:
                with context.wrap_socket(plain, server_hostname=f"c{i}.example.org"):
                    pass
        print(f"each served once: {gateway.resident_kib() / 1024:.1f} MiB")


def cpu_ns(threads):
    paths = (Path(f"/proc/{t}/schedstat") for t in threads)
    return [int(p.read_text().split()[0]) for p in paths]


def one_run(options, directory, worker_counts):
    """One load on gateways with so many workers; microseconds per request, requests/s, shares."""
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(Nginx(directory))
        gateways, threads = [], []
        for count in worker_counts:
            data = tempfile.mkdtemp(dir=directory)
            gateways.append(stack.enter_context(Gateway(options.binary, data, count)))
            gateways[-1].must("PUT", "/v1/routes/r", route("r", "localhost", target.url))
            threads += sorted(gateways[-1].threads("worker"))
        for cpu, thread in enumerate(threads):
            os.sched_setaffinity(thread, {cpu})
        before = cpu_ns(threads)
        loads = [subprocess.Popen(["wrk", "-t1", f"-c{64 // len(gateways)}", f"-d{options.seconds}s",
                                   f"http://localhost:{gateway.http}/"],
                                  stdout=subprocess.PIPE, text=True) for gateway in gateways]
        outs = [load.communicate()[0] for load in loads]
        spent = [b - a for a, b in zip(before, cpu_ns(threads))]
    requests = sum(int(re.search(r"(\d+) requests in", out).group(1)) for out in outs)
    return sum(spent) / requests / 1000, requests / options.seconds, spent


def workers(options, directory):
    kinds = {"one worker": [1], "two workers": [2], "two processes": [1, 1]}
    runs = {kind: [] for kind in kinds}
    for _ in range(options.rounds):
        for kind, counts in kinds.items():
            runs[kind].append(one_run(options, directory, counts))
    cost = {}
    for kind, done in runs.items():
        cost[kind] = statistics.median(us for us, _, _ in done)
        rate = statistics.median(rate for _, rate, _ in done)
        shares = " and ".join(f"{100 * s / sum(done[-1][2]):.0f} %" for s in done[-1][2])
        print(f"{kind:14} {cost[kind]:6.2f} us CPU per request, {rate:.0f} requests/s; "
              f"work shared {shares}")
    print(f"two workers do {2 * cost['one worker'] / cost['two workers']:.2f} times the work of one; "
          f"{2 * cost['two processes'] / cost['two workers']:.2f} times that of one of two processes "
          "that share nothing")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("binary", nargs="?", default=DEFAULT_BINARY)
    parser.add_argument("--only", choices=["certificates", "workers"])
    parser.add_argument("--certificates", type=int, default=10000)
    parser.add_argument("--seconds", type=int, default=5, help="of each load")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for part in (certificates, workers):
        if options.only in (None, part.__name__):
            directory = tempfile.mkdtemp(prefix="gatehouse-bench-")
            os.chmod(directory, 0o755)
            try:
                part(options, directory)
            finally:
                shutil.rmtree(directory)


if __name__ == "__main__":
    main()
