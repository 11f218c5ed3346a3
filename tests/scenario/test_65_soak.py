"""A minute of everything at once, with targets that come and go and a configuration that never
rests. Afterwards every descriptor is back, and with a sanitized binary every byte.

GATEHOUSE_SOAK_SECONDS=1800 runs it for half an hour; -s shows the figures.
"""
import itertools
import os
from pathlib import Path

import pytest

from support import ports
from support.gatehouse import route
from support.mixed import Flapping, Mixed, application
from support.wait import until

SECONDS = float(os.environ.get("GATEHOUSE_SOAK_SECONDS", 60))
STEADY, FLAKY = "steady.test", "flaky.test"
GROWTH_MAX_KIB = 96 * 1024      # of the sanitizer's memory too, after the first fifth


def descriptors(gateway):
    return len(list(Path(f"/proc/{gateway.process.pid}/fd").iterdir()))


@pytest.fixture
def steady():
    origin = application()
    yield origin
    failures = origin.reset()
    origin.close()
    assert not failures, f"in a handler of the steady origin: {failures}"


@pytest.fixture
def flapping():
    held = [ports.reserve() for _ in range(2)]
    yield [Flapping(port) for port in held]
    ports.release(*held)


def editor(gateway, steady, flapping, pki):
    """A function that makes one change, of any kind, each time it is called."""
    number = itertools.count()
    pair = pki.leaf("edited.test")

    def put_and_delete(rng):
        name = f"edited-{next(number)}"
        gateway.put_route(name, f"{name}.test", steady.url)
        assert gateway.get(f"{name}.test").status == 200
        gateway.must("DELETE", f"/v1/routes/{name}")

    def touch_steady(rng):
        gateway.must("PATCH", "/v1/routes/steady",
                     {"response_headers": {"set": {"X-Edit": str(next(number))}}})

    def touch_flaky(rng):
        order = rng.sample(flapping, len(flapping))
        gateway.put_route("flaky", FLAKY, [target.url for target in order],
                          upstream={"retries": rng.randrange(3)})

    def replace_certificate(rng):
        imported = gateway.import_certificate(pair)
        gateway.must("DELETE", f"/v1/certificates/{imported['id']}")

    def touch_settings(rng):
        gateway.must("PATCH", "/v1/settings", {"drain_timeout": f"{rng.randrange(5, 30)}s"})

    kinds = [put_and_delete, touch_steady, touch_flaky, replace_certificate, touch_settings]
    return lambda rng: rng.choice(kinds)(rng)


def test_mixed_load_leaves_nothing_behind(make_gateway, pki, no_ca, steady, flapping):
    # The sanitizer keeps freed memory aside to find its late users: a little will do here.
    options = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "quarantine_size_mb=8"]))
    gateway = make_gateway(env={"ASAN_OPTIONS": options}).start()
    gateway.must("PATCH", "/v1/acme", no_ca)
    certificate = gateway.import_certificate(pki.leaf(STEADY))
    gateway.must("PUT", "/v1/routes/steady",
                 route(STEADY, steady.url, certificate=certificate["id"]))
    gateway.put_route("flaky", FLAKY, [target.url for target in flapping])
    baseline = descriptors(gateway)
    resident = []

    def look():
        gateway.check_alive()
        resident.append(gateway.resident_kib())

    mixed = Mixed(gateway, STEADY, FLAKY, flapping, editor(gateway, steady, flapping, pki))
    with mixed:
        mixed.run(SECONDS, look)
    assert mixed.failures == []
    for what in ("get", "get over TLS", "upload", "download", "tunnel message", "abort",
                 "flaky 200", "nonsense", "edit", "flap"):
        assert mixed.counts[what] > 0, mixed.counts

    steady.drop_connections()       # the gateway keeps its own until then, as it should
    until(lambda: descriptors(gateway) <= baseline,
          "every descriptor to be closed again", patience=60)
    warm = max(resident[:max(1, len(resident) // 5)])
    assert resident[-1] < warm + GROWTH_MAX_KIB, resident[::max(1, len(resident) // 50)]
    gateway.stop()
    print(f"\n{SECONDS:.0f} s; {dict(mixed.counts)}; descriptors: {baseline} before and after; "
          f"resident KiB over time: {resident[::max(1, len(resident) // 20)]}")
