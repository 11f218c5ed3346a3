#!/usr/bin/python3
"""What live edits cost, and whether traffic feels them.

usage: edits.py [options] [GATEHOUSE]

Imports N routes, sends a steady beat of requests through one more, and edits routes meanwhile.
Prints how long an edit takes, from its request to its answer, which comes when every worker
serves it; what CPU time a worker spends on taking it; and how late the answers of the beat are,
at rest and during the edits. A request counts from the time it was due, so that a pause shows in
all requests that it held up.

A bystander, the same binary in a process of its own that nobody edits, answers the same beat at
the same time: what its answers are late by is the machine's doing (its disk and its CPUs serve
the edits too); what the edited one is late by beyond that is what an edit does to traffic.
"""
import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import svg
from lab import DEFAULT_BINARY, Gateway, Nginx, compile_helper, fsync_ms, percentile, route

PAUSE_MS = 1.0      # the goal: nothing longer


def beats(pulse, gateways, options, pin, meanwhile):
    """For each gateway, sorted: milliseconds of each answer while meanwhile() runs."""
    with contextlib.ExitStack() as stack:
        # Pipes would fill, and hold up the beat.
        outs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in gateways]
        running = [subprocess.Popen([*pin, str(pulse), str(gateway.http), "beat.example.org",
                                     str(options.seconds), str(options.rate), "8"], stdout=out)
                   for gateway, out in zip(gateways, outs)]
        time.sleep(0.5)
        meanwhile()
        if any(beat.wait() != 0 for beat in running):
            raise SystemExit("the beat failed")
        for out in outs:
            out.seek(0)
        return [sorted(int(line.split()[1]) / 1000 for line in out) for out in outs]


def cpu_us(gateway):
    """CPU time of the workers so far."""
    paths = (Path(f"/proc/{t}/schedstat") for t in gateway.threads("worker"))
    return sum(int(p.read_text().split()[0]) for p in paths) / 1000


def worker_us_per_edit(gateway, options):
    """Of one worker without traffic: waking up, taking the snapshot, letting go of the former."""
    before, count = cpu_us(gateway), 200
    edit(gateway, argparse.Namespace(edits=count, seconds=1, routes=options.routes), [])
    return (cpu_us(gateway) - before) / count / options.workers


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
    print(f"{name:24s} {figures}  worst {values[-1]:7.3f} ms; "
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


def start(stack, options, directory, name):
    data = os.path.join(directory, name)
    os.mkdir(data, 0o700)
    return stack.enter_context(Gateway(options.binary, data, options.workers))


def measure(options, directory):
    pulse = compile_helper("pulse", directory)
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(Nginx(directory))
        gateway = start(stack, options, directory, "edited")
        bystander = start(stack, options, directory, "bystander")
        beat = route("beat", "beat.example.org", target.url)
        routes = [route(f"r{i}", f"h{i}.example.org") for i in range(options.routes)]
        began = time.monotonic()
        gateway.must("PUT", "/v1/config", {"routes": [*routes, beat]})
        print(f"import of {options.routes} routes: {time.monotonic() - began:.2f} s")
        bystander.must("PUT", "/v1/config", {"routes": [beat]})
        del routes
        first, took, both = [], [], [gateway, bystander]
        edit(gateway, argparse.Namespace(edits=1, seconds=1, routes=options.routes), first)
        spent = worker_us_per_edit(gateway, options)
        pin = []
        if options.realtime:
            for each in both:
                make_realtime(5, each.threads(""))
                make_realtime(10, each.threads("worker"))
            make_realtime(10, target.pids())
            pin = ["chrt", "-f", "10"]
        rest = beats(pulse, both, options, pin, lambda: None)
        busy = beats(pulse, both, options, pin, lambda: edit(gateway, options, took))
    took.sort()
    print(f"first edit after it: {first[0]:.2f} ms; then {options.edits} edits: "
          f"median {percentile(took, .5):.2f} ms, p99 {percentile(took, .99):.2f} ms, "
          f"worst {took[-1]:.2f} ms (one fsync there: {fsync_ms(directory):.2f} ms)")
    print(f"CPU time of a worker per edit: {spent:.0f} us")
    curves = {"at rest": rest[0], "bystander, at rest": rest[1],
              "during edits": busy[0], "bystander, during edits": busy[1]}
    for name, values in curves.items():
        describe(name, values)
    if options.svg:
        svg.latency_curves(options.svg, f"Latency while {options.edits} of {options.routes} "
                           "routes are edited",
                           f"{options.rate} requests per second for {options.seconds} s, "
                           f"{options.workers} workers; the bystander is not edited", curves,
                           PAUSE_MS)


if __name__ == "__main__":
    sys.exit(main())
