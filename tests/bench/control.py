#!/usr/bin/python3
"""What the control side costs: start, memory, edits.

usage: control.py [--routes N] [--rounds R] GATEHOUSE

Prints, as medians over the rounds: milliseconds from exec to /readyz with an empty store and with N
routes; resident KiB when idle; milliseconds from the request of an edit to its answer, which comes
when every worker serves it; and for scale what one fsync costs in the same directory.
"""
import argparse
import os
import shutil
import statistics
import tempfile
import time

from lab import Gateway, fsync_ms, route


def timed_ms(call):
    began = time.monotonic()
    call()
    return (time.monotonic() - began) * 1000


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
            routes = [route(f"r{i}", f"h{i}.example.org") for i in range(o.routes)]
            imported = timed_ms(lambda: g.must("PUT", "/v1/config", {"routes": routes}))
            for n in range(100):
                changed = {**routes[n * 97 % o.routes], "strip_prefix": True}
                path = f"/v1/routes/{changed['id']}"
                edits.append(timed_ms(lambda: g.must("PUT", path, changed)))
        for _ in range(o.rounds):
            with Gateway(o.binary, data) as g:
                full.append(g.start_ms)
                full_kib = g.resident_kib()
        print(f"start, empty store        {statistics.median(empty):8.1f} ms")
        print(f"start, {o.routes} routes       {statistics.median(full):8.1f} ms")
        print(f"import, {o.routes} routes      {imported:8.1f} ms")
        print(f"idle, empty store         {statistics.median(idle):8.0f} KiB resident")
        print(f"idle, {o.routes} routes        {full_kib:8.0f} KiB resident")
        print(f"edit, {o.routes} routes        {statistics.median(edits):8.2f} ms (worst of 100: {max(edits):.2f}, the first: "
              f"{edits[0]:.2f})")
        print(f"one fsync there           {fsync_ms(data):8.2f} ms")
    finally:
        shutil.rmtree(data)


if __name__ == "__main__":
    main()
