"""Issuance that fails: the state, the CA's own words, what comes next; others go on."""
import datetime
import json

import pytest

from support.admin import parse_time
from support.raw import any_certificate
from support.wait import until


def auto(gateway, host, target, id="auto"):
    return gateway.put_route(id, host, target, certificate="auto")


def failed(gateway, host):
    """Wait for the failure; give (certificate, its last_error as text)."""
    certificate = gateway.wait_certificate(host, "failed")
    problem = certificate["last_error"]
    assert problem["type"] and problem["detail"]
    plan = certificate["next_action"]
    assert plan["what"] and plan["at"] and plan["why"]
    return certificate, json.dumps(problem)


def assert_still_served(gateway, host):
    """The stand-in serves, and the gateway says why on both outsides."""
    with gateway.tls_client(host, any_certificate()) as client:
        assert client.ask("GET", "/", host).status == 200
    assert host in gateway.cli("status").stdout


def test_name_that_the_ca_will_not_certify(acme_gateway, origin):
    auto(acme_gateway, "shop.blocked.example", origin.url)
    _, words = failed(acme_gateway, "shop.blocked.example")
    assert "rejectedIdentifier" in words
    assert "shop.blocked.example" in words
    assert_still_served(acme_gateway, "shop.blocked.example")
    shown = acme_gateway.cli("cert", "list").stdout + acme_gateway.cli("status").stdout
    assert "failed" in shown


def test_name_that_leads_elsewhere(acme_gateway, pebble, origin, host):
    pebble.point(host, "127.0.0.2")
    auto(acme_gateway, host, origin.url)
    _, words = failed(acme_gateway, host)
    assert "connection refused" in words and "127.0.0.2" in words
    assert_still_served(acme_gateway, host)


def test_name_that_leads_to_another_web_server(acme_gateway, pebble, make_origin, origin, host):
    elsewhere = make_origin(host="127.0.0.2", port=pebble.http_port)
    pebble.point(host, "127.0.0.2")
    auto(acme_gateway, host, origin.url)
    _, words = failed(acme_gateway, host)
    assert "unauthorized" in words
    assert elsewhere.requests[0].target.startswith("/.well-known/acme-challenge/")


def test_name_that_does_not_exist(acme_gateway, pebble, origin, host):
    pebble.mock("set-servfail", host=host)
    auto(acme_gateway, host, origin.url)
    _, words = failed(acme_gateway, host)
    assert "could not resolve" in words


def test_one_bad_name_does_not_stop_others(acme_gateway, pebble, origin, host):
    pebble.point(f"bad.{host}", "127.0.0.2")
    for name in ("bad", "good", "better"):
        auto(acme_gateway, f"{name}.{host}", origin.url, id=name)
    for name in ("good", "better"):
        acme_gateway.wait_certificate(f"{name}.{host}", "active")
    failed(acme_gateway, f"bad.{host}")


def test_failure_mended_and_retried_by_hand(acme_gateway, pebble, origin, host):
    pebble.point(host, "127.0.0.2")
    auto(acme_gateway, host, origin.url)
    certificate, _ = failed(acme_gateway, host)
    pebble.point(host, "127.0.0.1")
    acme_gateway.must("POST", f"/v1/certificates/{certificate['id']}/renew")
    certificate = acme_gateway.wait_certificate(host, "active")
    assert certificate["last_error"] is None


def test_failure_of_a_renewal_keeps_the_old_certificate(acme_gateway, pebble, origin, host):
    auto(acme_gateway, host, origin.url)
    before = acme_gateway.wait_certificate(host, "active")
    served = acme_gateway.served_certificate(host)
    pebble.point(host, "127.0.0.2")
    acme_gateway.must("POST", f"/v1/certificates/{before['id']}/renew")
    certificate = until(lambda: with_error(acme_gateway, host), "the failure to be told")
    assert certificate["state"] in ("failed", "renewing")
    assert "127.0.0.2" in json.dumps(certificate["last_error"])
    assert certificate["next_action"]["what"] == "renew"
    assert certificate["serial"] == before["serial"]
    assert acme_gateway.served_certificate(host) == served
    assert "127.0.0.2" in acme_gateway.cli("status").stdout


def with_error(gateway, host):
    certificate = gateway.certificate_of(host)
    return certificate if certificate["last_error"] else None


def test_failure_survives_a_restart(acme_gateway, pebble, origin, host):
    pebble.point(host, "127.0.0.2")
    auto(acme_gateway, host, origin.url)
    before, words = failed(acme_gateway, host)
    acme_gateway.stop()
    acme_gateway.start()
    after, _ = failed(acme_gateway, host)
    assert after["last_error"] == before["last_error"] and words
    assert after["next_action"]["at"] == before["next_action"]["at"]


# The CA itself is the trouble

def test_ca_that_is_down(make_gateway, origin, host, dead_port):
    gateway = make_gateway().start()
    gateway.must("PUT", "/v1/acme", {"directory": f"https://127.0.0.1:{dead_port}/dir",
                                     "tos_agreed": True})
    auto(gateway, host, origin.url)
    _, words = failed(gateway, host)
    assert str(dead_port) in words or "connect" in words
    assert_still_served(gateway, host)


def test_ca_that_comes_back(acme_gateway, pebble, origin, host):
    pebble.stop()
    try:
        auto(acme_gateway, host, origin.url)
        certificate, _ = failed(acme_gateway, host)
    finally:
        pebble.start()
    acme_gateway.must("POST", f"/v1/certificates/{certificate['id']}/renew")
    acme_gateway.wait_certificate(host, "active")


def test_ca_whose_own_certificate_is_not_trusted(make_gateway, pebble, origin, host):
    gateway = make_gateway(http_port=pebble.http_port).start()
    gateway.must("PUT", "/v1/acme", {**pebble.settings(), "ca_bundle": None})
    auto(gateway, host, origin.url)
    _, words = failed(gateway, host)
    assert "certificate" in words.lower()
    gateway.must("PATCH", "/v1/acme", {"ca_bundle": pebble.transport_ca})
    gateway.wait_certificate(host, "active")


JSON = ("Content-Type", "application/json")
PROBLEM = ("Content-Type", "application/problem+json; charset=utf-8")


@pytest.mark.parametrize("kind, status, headers, body, words", [
    pytest.param("directory", 200, [("Content-Type", "text/html")],
                 b"<html>captive portal</html>", "", id="a page instead of the directory"),
    pytest.param("directory", 200, [JSON], b"{}", "", id="an empty directory"),
    pytest.param("new_order", 500, [PROBLEM], b'{"type": "urn:ietf:params:acme:error:'
                 b'serverInternal", "detail": "we are on fire"}', "we are on fire",
                 id="an internal error"),
    pytest.param("new_order", 503, [], b"busy", "503",
                 id="an error without a problem document"),
    pytest.param("certificate", 200, [("Content-Type", "application/pem-certificate-chain")],
                 b"<html>not a certificate</html>", "", id="a page instead of the certificate"),
])
def test_ca_that_answers_nonsense(make_gateway, pebble, interposer, origin, host,
                                  kind, status, headers, body, words):
    gateway = make_gateway(http_port=pebble.http_port).start()
    interposer.answer_with(
        lambda asked, _: (status, headers, body) if asked == kind else None)
    gateway.must("PUT", "/v1/acme", pebble.settings(interposer.directory_url))
    auto(gateway, host, origin.url)
    certificate, said = failed(gateway, host)
    assert words in said
    assert_still_served(gateway, host)
    interposer.answer_with(None)
    gateway.must("POST", f"/v1/certificates/{certificate['id']}/renew")
    gateway.wait_certificate(host, "active")


@pytest.mark.parametrize("retry_after", ["86400", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_ca_that_asks_to_wait(make_gateway, pebble, interposer, origin, host, retry_after):
    gateway = make_gateway(http_port=pebble.http_port).start()
    answer = 429, [PROBLEM, ("Retry-After", retry_after)], \
        b'{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many new orders"}'
    interposer.answer_with(lambda asked, _: answer if asked == "new_order" else None)
    gateway.must("PUT", "/v1/acme", pebble.settings(interposer.directory_url))
    auto(gateway, host, origin.url)
    certificate, words = failed(gateway, host)
    assert "too many new orders" in words
    wait = parse_time(certificate["next_action"]["at"]) - parse_time(certificate["updated_at"])
    assert wait >= datetime.timedelta(hours=1)
    assert interposer.count("new_order") == 1
