"""Fixtures of the scenario tests: real processes, started by event and stopped for sure.

`gateway` is shared by the tests of one file and given to each with an empty configuration;
`make_gateway` makes gateways of a test's own, for tests that stop, kill or restart them.
When a test fails, the end of the log of every gateway that runs is part of the report.
"""
import itertools
import re

import pytest

from support import ports
from support.gatehouse import Gatehouse, binary
from support.faults import Faults
from support.interposer import Interposer
from support.nginx import HttpsTarget
from support.origin import Origin
from support.pebble import Pebble
from support.pki import Pki


def pytest_sessionstart(session):
    if not binary().exists():
        pytest.exit(f"{binary()} does not exist: build it (cmake --workflow --preset dev), "
                    "or name another binary in $GATEHOUSE", returncode=2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for gateway in Gatehouse.running:
            report.sections.append((f"log of {gateway.directory.name}", gateway.last_words()))


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def new_directory(tmp_path_factory):
    """A function that gives a new directory with that name."""
    return lambda name: tmp_path_factory.mktemp(name)


@pytest.fixture
def make_gateway(new_directory, no_ca):
    """A function that makes a gateway, not started; extra arguments as for Gatehouse()."""
    made = []

    def make(*flags, **options):
        made.append(Gatehouse(new_directory("gateway"), *flags, **options))
        return made[-1]

    yield make
    for gateway in made:
        gateway.dispose()


class _Shared:
    """The gateway of a test file; a new one if a test has killed it."""

    def __init__(self, new_directory, no_ca):
        self.new_directory, self.no_ca, self.gateway = new_directory, no_ca, None

    def get(self):
        if self.gateway is None:
            self.gateway = Gatehouse(self.new_directory("gateway")).start()
            self.gateway.must("PATCH", "/v1/acme", self.no_ca)
        return self.gateway

    def drop(self):
        gateway, self.gateway = self.gateway, None
        if gateway is not None:
            gateway.dispose()


@pytest.fixture(scope="module")
def shared_gateway(new_directory, no_ca):
    shared = _Shared(new_directory, no_ca)
    yield shared
    shared.drop()


@pytest.fixture
def gateway(shared_gateway):
    """A running gateway without routes; it must have survived the test."""
    gateway = shared_gateway.get()
    yield gateway
    try:
        gateway.check_alive()
        gateway.clear()
    except BaseException:
        Gatehouse.running.remove(gateway)
        shared_gateway.gateway = None
        gateway.process.kill()
        raise


@pytest.fixture(scope="session")
def no_ca():
    """ACME settings that lead nowhere: a test that is not about ACME talks to no CA."""
    port = ports.reserve()
    yield {"directory": f"https://127.0.0.1:{port}/dir", "tos_agreed": False}
    ports.release(port)


@pytest.fixture
def host(request):
    """A host name of the test's own, made from its name."""
    return f"{_slug(request.node.name)}.test"


_numbers = itertools.count(1)


def _slug(name):
    words = re.sub(r"[^a-z0-9]+", "-", name.lower().split("[")[0]).strip("-")
    return f"{words[5:45].strip('-')}-{next(_numbers)}"


@pytest.fixture(scope="module")
def shared_origin():
    origin = Origin()
    yield origin
    origin.close()


@pytest.fixture
def origin(shared_origin):
    """The application behind the gateway, on 127.0.0.1, with nothing scripted yet."""
    yield shared_origin
    failures = shared_origin.reset()
    assert not failures, f"in a handler of the origin: {failures}"


@pytest.fixture
def make_origin():
    """A function that makes further origins; arguments as for Origin()."""
    made = []

    def make(**options):
        made.append(Origin(**options))
        return made[-1]

    yield make
    failures = [failure for origin in made for failure in origin.reset()]
    for origin in made:
        origin.close()
    assert not failures, f"in a handler of an origin: {failures}"


@pytest.fixture
def dead_port():
    """A port that refuses connections."""
    port = ports.reserve()
    yield port
    ports.release(port)


@pytest.fixture(scope="module")
def nginx(new_directory, pki):
    """A function that gives an nginx with a certificate for these names by the lab CA."""
    running = {}

    def get(*names):
        if names not in running:
            running[names] = HttpsTarget(new_directory("nginx") / "run", pki.leaf(*names))
        return running[names]

    yield get
    for server in running.values():
        server.stop()


@pytest.fixture(scope="module")
def pebble(new_directory, pki):
    """An ACME CA that blocks blocked.example."""
    ca = Pebble(new_directory("pebble") / "run", pki)
    yield ca
    ca.dispose()


@pytest.fixture
def interposer(pebble, pki):
    """The man in the middle between a gateway and that CA."""
    middle = Interposer(pebble, pki)
    yield middle
    middle.close()


@pytest.fixture
def faults(pebble, pki):
    """A way to that CA on which things go wrong as told; it also knows when to renew."""
    way = Faults(pebble, pki)
    yield way
    way.close()


@pytest.fixture
def acme_gateway(make_gateway, pebble):
    """A running gateway that gets its certificates from pebble."""
    gateway = make_gateway(http_port=pebble.http_port).start()
    gateway.must("PUT", "/v1/acme", pebble.settings())
    return gateway
