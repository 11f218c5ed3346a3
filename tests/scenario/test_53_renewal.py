"""Renewal in time: short lives for a while, and a CA that says when (RFC 9773)."""
import ssl
import time

import pytest

from support import pki as pki_tools
from support.admin import parse_time
from support.pebble import Pebble
from support.wait import until

LIFETIME = 30           # seconds of a certificate
WATCHED = 50            # seconds of handshakes: three renewals at least


def auto(gateway, hosts, target, id="auto"):
    return gateway.put_route(id, hosts, target, certificate="auto")


def not_after(der):
    """Seconds since 1970."""
    line = pki_tools.describe(der).split("Not After :")[1].split("\n")[0].strip()
    return ssl.cert_time_to_seconds(line)


@pytest.fixture
def short_lived_ca(tmp_path, pki):
    ca = Pebble(tmp_path / "pebble", pki, nonce_reject=15, lifetime=LIFETIME)
    yield ca
    ca.dispose()


def test_no_handshake_ever_meets_an_expired_certificate(make_gateway, short_lived_ca, origin,
                                                        host):
    """With nonces refused, a CA that is restarted, and a gateway that is killed meanwhile."""
    gateway = make_gateway(http_port=short_lived_ca.http_port).start()
    gateway.must("PUT", "/v1/acme", short_lived_ca.settings())
    hosts = [f"{name}.{host}" for name in "abc"]
    for number, name in enumerate(hosts):
        auto(gateway, name, origin.url, id=f"r{number}")
    for name in hosts:
        gateway.wait_certificate(name, "active")
    serials = {name: set() for name in hosts}
    begin, disturbances = time.monotonic(), [
        (12, lambda: (gateway.kill(), gateway.start())),
        (25, short_lived_ca.restart),
    ]
    while time.monotonic() - begin < WATCHED:
        if disturbances and time.monotonic() - begin > disturbances[0][0]:
            disturbances.pop(0)[1]()
        for name in hosts:
            served = gateway.served_certificate(name)
            assert time.time() <= not_after(served) + 1, f"{name} has expired"
            serials[name].add(pki_tools.serial(served))
        time.sleep(0.1)     # a paced observer, not a wait
    assert all(len(seen) >= 3 for seen in serials.values()), serials


# The CA says when

@pytest.fixture
def asked(make_gateway, pebble, faults):
    """A gateway that meets the CA on the way with faults."""
    gateway = make_gateway(http_port=pebble.http_port).start()
    gateway.must("PUT", "/v1/acme", pebble.settings(faults.directory_url))
    return gateway


def with_window(gateway, host):
    certificate = gateway.certificate_of(host)
    return certificate if certificate["renewal_info"] else None


def test_window_of_the_ca_is_obeyed_shown_and_kept(asked, faults, origin, host):
    faults.suggest(40 * 86400, 41 * 86400, page="https://ca.example/why")
    auto(asked, host, origin.url)
    certificate = until(lambda: with_window(asked, host), "the window")
    info, plan = certificate["renewal_info"], certificate["next_action"]
    assert (info["start"], info["end"]) == faults.window
    assert info["start"] <= info["selected"] <= info["end"]
    assert plan["at"] == info["selected"] and "https://ca.example/why" in plan["why"]
    shown = asked.cli("cert", "show", certificate["id"]).stdout
    assert info["start"] in shown and "https://ca.example/why" in shown
    asked.stop()
    asked.start()
    assert asked.certificate_of(host)["renewal_info"]["selected"] == info["selected"]


def test_window_in_the_past_renews_and_says_what_is_replaced(make_gateway, faults, pki,
                                                             tmp_path, origin, host):
    ca = Pebble(tmp_path / "pebble", pki, lifetime=300)
    try:
        faults.pebble = ca
        gateway = make_gateway(http_port=ca.http_port).start()
        gateway.must("PUT", "/v1/acme", ca.settings(faults.directory_url))
        faults.suggest(-7200, -3600, page="https://ca.example/incident")
        auto(gateway, host, origin.url)
        first = until(lambda: with_window(gateway, host), "the window")
        until(lambda: gateway.certificate_of(host)["serial"] != first["serial"],
              "another serial")
        faults.wait_asked(2)
        assert "replaces" not in faults.orders[0]
        assert faults.orders[1]["replaces"] == faults.asked_about[0]
        assert faults.asked_about[1] != faults.asked_about[0]
    finally:
        ca.dispose()


@pytest.mark.parametrize("answer", [
    pytest.param((200, [], b"<html>"), id="a page"),
    pytest.param((200, [], b'{"suggestedWindow": {"start": "2030-01-02T04:00:00Z", '
                           b'"end": "2030-01-02T04:00:00Z"}}'), id="a window without extent"),
    pytest.param((404, [], b""), id="not found"),
    pytest.param((500, [], b"oops"), id="an error"),
])
def test_answer_of_no_use_leaves_the_lifetime_to_decide(asked, faults, origin, host, answer):
    faults.suggest(1, 2)
    faults.info_answer = answer
    auto(asked, host, origin.url)
    asked.wait_certificate(host, "active")
    faults.wait_asked(1)
    certificate = asked.certificate_of(host)
    begin, end = parse_time(certificate["not_before"]), parse_time(certificate["not_after"])
    part = (parse_time(certificate["next_action"]["at"]) - begin) / (end - begin)
    assert 0.63 < part < 0.70 and certificate["renewal_info"] is None
