"""A network and a CA on which everything goes wrong once: the certificate comes all the same,
or the object says why not, and nothing is asked for too often."""
import datetime
import email.utils
import json
import time

import pytest

from support import raw
from support.admin import parse_time
from support.faults import PROBLEM, problem
from support.wait import until


@pytest.fixture
def gateway(make_gateway, pebble, faults):
    """It meets the CA on the way with faults, and keeps account of Let's Encrypt's limits."""
    made = make_gateway(http_port=pebble.http_port).start()
    made.must("PUT", "/v1/acme", {**pebble.settings(faults.directory_url),
                                  "limits": {"ledger": "letsencrypt"}})
    return made


def auto(gateway, hosts, target, id="auto"):
    return gateway.put_route(id, hosts, target, certificate="auto")


def renew(gateway, certificate):
    gateway.must("POST", f"/v1/certificates/{certificate['id']}/renew")


def settled(gateway, host, serial=None):
    """Wait for the end of an attempt; give the certificate."""
    def look():
        gateway.check_alive()
        now = gateway.certificate_of(host)
        is_new = now["serial"] != serial
        return now if (now["state"] == "active" and is_new) or now["last_error"] else None
    return until(look, f"an end of the attempt for {host}")


def failure(gateway, host):
    certificate = gateway.wait_certificate(host, "failed")
    error, plan = certificate["last_error"], certificate["next_action"]
    assert error["type"] and error["detail"] and error["class"] and plan["why"]
    wait = parse_time(plan["at"]) - parse_time(certificate["updated_at"])
    return certificate, error, wait


def used(gateway, certificate, limit, subject=None):
    items = gateway.must("GET", f"/v1/certificates/{certificate['id']}/limits")["items"]
    return next(i for i in items if i["limit"] == limit and i["subject"] == subject)


# The network

# Not for nonces: a HEAD on a reused connection is repeated by libcurl itself.
BROKEN = [(fault, kind) for fault, kinds in {
    "drop before": ("directory", "new_order", "challenge", "finalize", "certificate"),
    "drop after": ("new_account", "new_order", "authorization", "challenge", "finalize",
                   "certificate"),
    "truncate": ("directory", "new_order", "authorization", "finalize", "certificate"),
}.items() for kind in kinds]


@pytest.mark.parametrize("fault, kind", BROKEN)
def test_certificate_comes_after_a_broken_connection(gateway, pebble, faults, origin, host,
                                                     kind, fault):
    if fault == "truncate":
        faults.truncate(kind)
    else:
        faults.drop(kind, fault.split()[1])
    auto(gateway, host, origin.url)
    certificate = settled(gateway, host)
    assert certificate["last_error"], "the fault did not happen"
    assert certificate["last_error"]["class"] == "soon"
    assert parse_time(certificate["next_action"]["at"]) > parse_time(certificate["updated_at"])
    renew(gateway, certificate)
    gateway.wait_certificate(host, "active")
    assert gateway.get_tls(host, context=raw.trusting(pebble.root)).status == 200
    if kind not in ("directory", "new_account", "new_order"):
        assert faults.count("new_order") == 1       # it went on where it was


def test_slow_ca_is_waited_for_and_delays_nobody_on_the_data_path(gateway, faults, origin, host):
    faults.delay("finalize", 2)
    gateway.put_route("other", f"other.{host}", origin.url)
    auto(gateway, host, origin.url)
    faults.wait_count("finalize", 1)
    begin = time.monotonic()
    assert gateway.get(f"other.{host}").status == 200
    assert time.monotonic() - begin < 1.5
    gateway.wait_certificate(host, "active")


# The CA asks to wait

def later(seconds):
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_obeyed_in_both_forms(gateway, faults, origin, host, status, form):
    value = "7200" if form == "seconds" else later(7200)
    faults.answer("new_order", problem(status, "rateLimited", f"slower, {host}, please",
                                       ("Retry-After", value)))
    auto(gateway, host, origin.url)
    certificate, error, wait = failure(gateway, host)
    assert error["class"] == "wait" and "slower" in error["detail"]
    assert datetime.timedelta(seconds=7190) <= wait <= datetime.timedelta(seconds=8000)
    assert faults.count("new_order") == 1


def test_limit_of_the_account_stops_everything_for_this_ca(gateway, faults, origin, host):
    faults.answer("new_order", problem(429, "rateLimited", "too many new orders (300) from this "
                                       "account in the last 3h0m0s", ("Retry-After", "3600")))
    auto(gateway, f"one.{host}", origin.url, id="one")
    failure(gateway, f"one.{host}")
    auto(gateway, f"two.{host}", origin.url, id="two")
    until(lambda: "no new orders" in gateway.certificate_of(f"two.{host}")["next_action"]["why"],
          "the second to wait")
    certificate = gateway.certificate_of(f"two.{host}")
    renew(gateway, certificate)
    until(lambda: "no new orders" in gateway.certificate_of(f"two.{host}")["next_action"]["why"],
          "the second to wait again")
    assert faults.count("new_order") == 1


def test_limit_of_a_name_stops_only_that_name(gateway, faults, origin, host):
    faults.answer("new_order", problem(429, "rateLimited", "too many certificates (5) already "
                                       f"issued for one.{host}", ("Retry-After", "3600")), 1)
    auto(gateway, f"one.{host}", origin.url, id="one")
    failure(gateway, f"one.{host}")
    auto(gateway, f"two.{host}", origin.url, id="two")
    gateway.wait_certificate(f"two.{host}", "active")


def test_paused_name_is_shown_with_its_link_and_left_alone(gateway, faults, origin, host):
    link = "https://portal.ca.example/sfe/v1/unpause?jwt=a.b_c"
    faults.answer("new_order", problem(429, "rateLimited", "Your account is temporarily prevented "
                                       f"from requesting certificates for {host}. Please visit: "
                                       f"{link}."))
    auto(gateway, host, origin.url)
    certificate, error, wait = failure(gateway, host)
    assert error["instance"] == link and error["class"] == "human"
    assert link in certificate["next_action"]["why"]
    assert wait >= datetime.timedelta(hours=24)
    assert link in gateway.cli("cert", "show", certificate["id"]).stdout
    assert faults.count("new_order") == 1


# Renewals that replace

@pytest.mark.parametrize("status, type", [
    (409, "alreadyReplaced"), (409, "conflict"), (400, "malformed"), (403, "unauthorized"),
    (404, "malformed"), (500, "serverInternal")])
def test_order_that_may_not_replace_goes_out_once_without(gateway, faults, origin, host,
                                                          status, type):
    faults.suggest(40 * 86400, 41 * 86400)
    auto(gateway, host, origin.url)
    first = gateway.wait_certificate(host, "active")
    faults.answer_replacing(problem(status, type, "that one has been replaced already"))
    renew(gateway, first)
    second = settled(gateway, host, first["serial"])
    assert second["serial"] != first["serial"] and second["last_error"] is None
    assert ["replaces" in order for order in faults.orders] == [False, True, False]


# Hostile words

@pytest.mark.parametrize("kind, member, url", [
    ("directory", "newOrder", "http://localhost/x"), ("directory", "newNonce", "file:///x"),
    ("directory", "newOrder", 7), ("new_order", "finalize", "https://"),
    ("new_order", "finalize", "https://localhost/\u0001"), ("new_order", "finalize", None),
    ("new_order", "authorizations", ["ftp://localhost/x"]),
    ("new_order", "finalize", "https://" + "a" * 3000)])
def test_address_that_is_none_is_refused(gateway, faults, origin, host, kind, member, url):
    faults.rewrite(kind, lambda document: document.update({member: url}))
    auto(gateway, host, origin.url)
    _, error, _ = failure(gateway, host)
    assert error["type"].startswith("urn:gatehouse:problem:acme_")


@pytest.mark.parametrize("token", ["../../etc/passwd", "<script>alert(1)</script>", "",
                                   "a\r\nSet-Cookie: x=1", "t" * 300, 5])
def test_token_that_is_none_is_never_served(gateway, faults, origin, host, token):
    def change(document):
        for challenge in document["challenges"]:
            challenge["token"] = token
    faults.rewrite("authorization", change)
    auto(gateway, host, origin.url)
    failure(gateway, host)
    assert faults.count("challenge") == 0


def test_name_nobody_ordered_is_not_proven(gateway, faults, origin, host):
    faults.rewrite("authorization",
                   lambda d: d.update(identifier={"type": "dns", "value": "evil.example"}))
    auto(gateway, host, origin.url)
    _, error, _ = failure(gateway, host)
    assert "did not order" in error["detail"]
    assert faults.count("challenge") == 0


def test_problem_document_of_any_kind_is_shown_as_plain_text(gateway, faults, origin, host):
    body = json.dumps({"type": "urn:ietf:params:acme:error:rejectedIdentifier",
                       "detail": "no \u001b[31m\u0007 for \u202e" + "x" * 9000,
                       "subproblems": [{"identifier": {"type": "dns", "value": host},
                                        "detail": "this one", "type": "about:blank"}] * 500})
    faults.answer("new_order", (400, [PROBLEM], body.encode()))
    auto(gateway, host, origin.url)
    certificate, error, _ = failure(gateway, host)
    assert error["class"] == "input" and len(error["detail"]) <= 4096
    assert len(error["subproblems"]) <= 100
    assert "\x1b" not in gateway.cli("cert", "show", certificate["id"]).stdout


# Limits of our own

def test_one_name_of_many_that_fails_is_named_and_counted(gateway, pebble, origin, host):
    pebble.point(f"bad.{host}", "127.0.0.2")
    auto(gateway, [f"good.{host}", f"bad.{host}"], origin.url)
    certificate, error, _ = failure(gateway, f"bad.{host}")
    assert [p["identifier"]["value"] for p in error["subproblems"]] == [f"bad.{host}"]
    assert used(gateway, certificate, "failures", f"bad.{host}")["used"] == 1
    assert used(gateway, certificate, "failures", f"good.{host}")["used"] == 0


def test_never_more_than_four_failed_validations_in_an_hour(gateway, pebble, faults, origin,
                                                            host):
    pebble.point(host, "127.0.0.2")
    auto(gateway, host, origin.url)
    certificate, _, _ = failure(gateway, host)
    for number in range(2, 5):
        renew(gateway, certificate)
        until(lambda: used(gateway, certificate, "failures", host)["used"] == number
              and "validate" in gateway.certificate_of(host)["next_action"]["why"],
              f"failure {number}")
    gateway.stop()
    gateway.start()
    renew(gateway, certificate)
    until(lambda: "held back" in gateway.certificate_of(host)["next_action"]["why"],
          "the fifth to be held back")
    assert faults.count("new_order") == 4
    shown = gateway.cli("cert", "show", certificate["id"]).stdout
    assert "4 of 5 failed validations" in shown and "held back until" in shown
    assert json.loads(gateway.cli("cert", "show", certificate["id"], "--json").stdout)["limits"]


def test_last_certificate_for_a_set_is_kept_unless_the_ca_asks(gateway, faults, origin, host):
    auto(gateway, host, origin.url)
    certificate = gateway.wait_certificate(host, "active")
    for _ in range(3):
        renew(gateway, certificate)
        certificate = settled(gateway, host, certificate["serial"])
    use = used(gateway, certificate, "set")
    assert (use["used"], use["most"]) == (4, 5) and use["free_at"]
    assert used(gateway, certificate, "domain", ".".join(host.split(".")[-2:]))["used"] == 1
    renew(gateway, certificate)
    until(lambda: "held back: 4 of 5" in gateway.certificate_of(host)["next_action"]["why"],
          "the renewal to be held back")
    assert faults.count("new_order") == 4
