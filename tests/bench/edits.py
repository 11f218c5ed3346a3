#!/usr/bin/python3
"""What live edits cost, and whether traffic feels them.

usage: edits.py [options] [GATEHOUSE]

Imports N routes, sends a steady beat of requests through one more, and edits routes meanwhile.
Prints how long an edit takes, from its request to its answer, which comes when every worker
serves it; and how late the answers of the beat are, at rest and during the edits. A request
counts from the time it was due, so that a pause shows in all requests that it held up.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

import svg
from lab import DEFAULT_BINARY, Gateway, Nginx, compile_helper, fsync_ms, percentile, route

PAUSE_MS = 1.0      # the goal: nothing longer


def beats(pulse, gateway, options, pin, meanwhile):
    """Milliseconds of each answer while meanwhile() runs."""
    with tempfile.TemporaryFile("w+") as out:     # a pipe would fill, and hold up the beat
        beat = subprocess.Popen([*pin, str(pulse), str(gateway.http), "beat.example.org",
                                 str(options.seconds), str(options.rate), "8"], stdout=out)
        time.sleep(0.5)
        meanwhile()
        if beat.wait() != 0:
            raise SystemExit("the beat failed")
        out.seek(0)
        lines = out.readlines()
    return [int(line.split()[1]) / 1000 for line in lines]


def edit(gateway, options, took):
    """The edits, evenly over the time of the beat."""
    gap = (options.seconds - 1) / options.edits
    due = time.monotonic()
    for n in range(options.edits):
        number = n * 97 % options.routes
        began = time.monotonic()
        gateway.must("PUT", f"/v1/routes/r{number}",
                     route(f"r{number}", f"h{number}.example.org", upstream={"retries": n % 3}))
        took.append((time.monotonic() - began) * 1000)
        due += gap
        time.sleep(max(0, due - time.monotonic()))


def make_realtime(priority, threads):
    for thread in threads:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(priority))


def describe(name, values):
    over = sum(v > PAUSE_MS for v in values)
    figures = "  ".join(f"{label} {percentile(values, share):7.3f}" for label, share in
                        (("p50", .5), ("p99", .99), ("p99.9", .999), ("p99.99", .9999)))
    print(f"{name:14s} {figures}  worst {values[-1]:7.3f} ms; "
          f"{over} of {len(values)} over {PAUSE_MS:g} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("binary", nargs="?", default=DEFAULT_BINARY)
    parser.add_argument("--routes", type=int, default=100000)
    parser.add_argument("--edits", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=20, help="of each beat")
    parser.add_argument("--rate", type=int, default=2000, help="requests per second")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--realtime", action="store_true",
                        help="gateway, beat and target run at real-time priority (needs root):\n"
                             "then other programs on the machine do not count as pauses")
    parser.add_argument("--svg", help="write the latency curves there")
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="gatehouse-bench-")
    os.chmod(directory, 0o755)
    try:
        measure(options, directory)
    finally:
        shutil.rmtree(directory)


def measure(options, directory):
    pulse = compile_helper("pulse", directory)
    data = os.path.join(directory, "data")
    os.mkdir(data, 0o700)
    with Nginx(directory) as target, Gateway(options.binary, data, options.workers) as gateway:
        routes = [route(f"r{i}", f"h{i}.example.org") for i in range(options.routes)]
        routes.append(route("beat", "beat.example.org", target.url))
        began = time.monotonic()
        gateway.must("PUT", "/v1/config", {"routes": routes})
        print(f"import of {options.routes} routes: {time.monotonic() - began:.2f} s")
        del routes
        first, took = [], []
        edit(gateway, argparse.Namespace(edits=1, seconds=1, routes=options.routes), first)
        pin = []
        if options.realtime:
            make_realtime(5, gateway.threads(""))
            make_realtime(10, [*gateway.threads("worker"), *target.pids()])
            pin = ["chrt", "-f", "10"]
        rest = sorted(beats(pulse, gateway, options, pin, lambda: None))
        busy = sorted(beats(pulse, gateway, options, pin, lambda: edit(gateway, options, took)))
        took.sort()
        print(f"first edit after it: {first[0]:.2f} ms; then {options.edits} edits: "
              f"median {percentile(took, .5):.2f} ms, p99 {percentile(took, .99):.2f} ms, "
              f"worst {took[-1]:.2f} ms (one fsync there: {fsync_ms(directory):.2f} ms)")
        describe("at rest", rest)
        describe("during edits", busy)
        if options.svg:
            svg.latency_curves(options.svg, f"Latency while {options.edits} of {options.routes} "
                               "routes are edited",
                               f"{options.rate} requests per second for {options.seconds} s, "
                               f"{options.workers} workers", {"at rest": rest, "during edits": busy},
                               PAUSE_MS)


if __name__ == "__main__":
    sys.exit(main())
