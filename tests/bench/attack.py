#!/usr/bin/python3
"""What other clients notice while one attacks over HTTP/2, and what the attack costs in memory.

usage: tests/bench/attack.py [options]

The attacks are those of tests/scenario/test_21_http2.py, each by a few processes that connect anew as often as
they are cut. Meanwhile a steady beat of requests (pulse.c) goes to another host on one worker. Needs a release
build of gatehouse, python3-pytest and python3-h2, two CPUs, and the right to real-time scheduling: the gateway
has one CPU for itself, and on the other one the beat comes before the attackers.
"""
import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lab import DEFAULT_BINARY, Gateway, compile_helper, percentile

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenario"))
from support.http2 import Raw           # noqa: E402 pylint: disable=wrong-import-position
from test_21_http2 import ATTACKS       # noqa: E402 pylint: disable=wrong-import-position

HOST = "attack.example.org"
REALTIME = ["chrt", "-f", "10"]     # what attackers take from the others' own CPU is not the gateway's


def attack(name, port, cpu, cut):
    """Forever; counts how often the gateway has had enough."""
    os.sched_setaffinity(0, {cpu})
    os.nice(19)
    data = b"".join(ATTACKS[name](HOST))
    while True:
        try:
            with Raw(port, HOST) as attacker:
                attacker.raw.sock.setblocking(True)
                for at in range(0, len(data), 1 << 16):
                    attacker.raw.sock.sendall(data[at:at + (1 << 16)])
                for _ in attacker.frames():
                    pass
        except OSError:
            pass
        with cut.get_lock():
            cut.value += 1


def beat(pulse, gateway, options):
    """Sorted microseconds."""
    done = subprocess.run([*REALTIME, "taskset", "-c", str(options.load_cpu), str(pulse), str(gateway.http),
                           "beat.example.org", str(options.seconds), str(options.rate), "16"],
                          check=True, capture_output=True, text=True)
    return sorted(int(line.split()[1]) for line in done.stdout.splitlines())


def row(name, late, peak_kib, cut):
    print(f"| {name} | {percentile(late, .5) / 1000:.2f} | {percentile(late, .99) / 1000:.2f} | "
          f"{percentile(late, .999) / 1000:.2f} | {peak_kib / 1024:.0f} | {cut} |", flush=True)


def put_route(gateway, name, host):
    gateway.must("PUT", f"/v1/routes/{name}", {
        "hosts": [host], "certificate": "none", "https": "optional",
        "respond": {"status": 200, "body": "x" * 100}})


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=DEFAULT_BINARY)
    parser.add_argument("--seconds", type=int, default=5, help="of each attack")
    parser.add_argument("--rate", type=int, default=1000, help="beats per second")
    parser.add_argument("--attackers", type=int, default=3)
    parser.add_argument("--attacks", default=",".join(ATTACKS), help="some of: %(default)s")
    parser.add_argument("--cpu", type=int, default=0, help="of the worker")
    parser.add_argument("--load-cpu", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        pulse = compile_helper("pulse", Path(directory))
        data = Path(directory) / "data"
        with Gateway(options.binary, data, cpu=options.cpu) as gateway:
            for thread in gateway.threads(""):
                subprocess.run(["chrt", "-f", "-p", "5", str(thread)], check=True)
            put_route(gateway, "attacked", HOST)
            put_route(gateway, "beat", "beat.example.org")
            print("| meanwhile | p50 ms | p99 ms | p99.9 ms | resident MiB | cut |\n" + "|---" * 6 + "|")
            row("nothing", beat(pulse, gateway, options), gateway.resident_kib(), "")
            for name in options.attacks.split(","):
                cut = multiprocessing.Value("i", 0)
                attackers = [multiprocessing.Process(
                    target=attack, args=(name, gateway.https, options.load_cpu, cut), daemon=True)
                    for _ in range(options.attackers)]
                for attacker in attackers:
                    attacker.start()
                late = beat(pulse, gateway, options)
                kib = gateway.resident_kib()
                for attacker in attackers:
                    attacker.terminate()
                    attacker.join()
                row(name, late, kib, cut.value)
            row("nothing again", beat(pulse, gateway, options), gateway.resident_kib(), "")


if __name__ == "__main__":
    main()
