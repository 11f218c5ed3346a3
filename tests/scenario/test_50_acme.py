"""Certificates from a real ACME CA: issuing, the time before, the challenge, renewal."""
import time

import pytest

from support import pki as pki_tools
from support import raw
from support.admin import parse_time
from support.load import Load
from support.pebble import Pebble
from support.raw import request
from support.wait import until

SERVED_WITHIN = 1.0     # seconds from "the API shows it" to "a handshake gets it"


def auto(gateway, host, target, **more):
    """A route with an automatic certificate and everything else by default."""
    return gateway.put_route(more.pop("id", "auto"), host, target, certificate="auto",
                             **{"https": "redirect", **more})


def is_self_signed(der):
    text = pki_tools.describe(der)
    return text.split("Issuer:")[1].split("\n")[0] == text.split("Subject:")[1].split("\n")[0]


@pytest.fixture
def held(make_gateway, pebble, interposer):
    """A gateway that meets the CA through the interposer."""
    gateway = make_gateway(http_port=pebble.http_port).start()
    gateway.must("PUT", "/v1/acme", pebble.settings(interposer.directory_url))
    return gateway


# Issuing

def test_certificate_is_issued_and_served(acme_gateway, pebble, origin, host):
    auto(acme_gateway, host, origin.url)
    certificate = acme_gateway.wait_certificate(host, "active")
    assert certificate["source"] == "acme"
    assert certificate["names"] == [host]
    assert certificate["key_type"] == "ecdsa-p256"
    assert certificate["last_error"] is None
    assert certificate["used_by"] == ["auto"]
    with acme_gateway.tls_client(host, raw.trusting(pebble.root)) as client:
        served = client.certificate()
        assert client.ask("GET", "/", host).status == 200
    assert pki_tools.serial(served) == certificate["serial"].lower().lstrip("0")
    assert pebble.knows_serial(pki_tools.serial(served))


def test_renewal_is_planned_at_two_thirds_of_the_lifetime(acme_gateway, origin, host):
    auto(acme_gateway, host, origin.url)
    certificate = acme_gateway.wait_certificate(host, "active")
    plan = certificate["next_action"]
    assert plan["what"] == "renew" and plan["why"]
    begin, end = parse_time(certificate["not_before"]), parse_time(certificate["not_after"])
    part = (parse_time(plan["at"]) - begin) / (end - begin)
    assert 0.63 < part < 0.70


@pytest.mark.parametrize("https", ["redirect", "only", "optional"])
def test_issued_whatever_port_80_does_otherwise(acme_gateway, origin, host, https):
    auto(acme_gateway, host, origin.url, https=https)
    acme_gateway.wait_certificate(host, "active")


def test_issued_for_a_route_whose_target_is_down(acme_gateway, host, dead_port):
    auto(acme_gateway, host, f"http://127.0.0.1:{dead_port}")
    acme_gateway.wait_certificate(host, "active")


def test_names_of_a_route_share_a_certificate(acme_gateway, pebble, origin, host):
    names = [host, f"www.{host}"]
    auto(acme_gateway, names, origin.url)
    assert sorted(acme_gateway.wait_certificate(host, "active")["names"]) == sorted(names)
    for name in names:
        answer = acme_gateway.get_tls(name, context=raw.trusting(pebble.root))
        assert answer.status == 200


def test_routes_with_the_same_names_share_a_certificate(acme_gateway, origin, host):
    auto(acme_gateway, host, origin.url, id="one")
    auto(acme_gateway, host, origin.url, id="two", path="/two")
    certificate = acme_gateway.wait_certificate(host, "active")
    assert sorted(certificate["used_by"]) == ["one", "two"]
    assert len(acme_gateway.items("certificates")) == 1


def test_internationalised_name(acme_gateway, pebble, origin, host):
    auto(acme_gateway, f"b\u00fccher.{host}", origin.url)
    name = f"xn--bcher-kva.{host}"
    acme_gateway.wait_certificate(name, "active")
    assert acme_gateway.get_tls(name, context=raw.trusting(pebble.root)).status == 200


def test_key_type_is_obeyed(acme_gateway, origin, host):
    acme_gateway.must("PATCH", "/v1/acme", {"key_type": "rsa-2048"})
    auto(acme_gateway, host, origin.url)
    assert acme_gateway.wait_certificate(host, "active")["key_type"] == "rsa-2048"


def test_changed_key_type_renews(acme_gateway, origin, host):
    auto(acme_gateway, host, origin.url)
    first = acme_gateway.wait_certificate(host, "active")
    acme_gateway.must("PATCH", "/v1/acme", {"key_type": "ecdsa-p384"})
    assert wait_renewed(acme_gateway, first)["key_type"] == "ecdsa-p384"


def test_name_that_no_route_uses_any_more_says_so_and_is_not_renewed(acme_gateway, origin, host):
    auto(acme_gateway, host, origin.url)
    certificate = acme_gateway.wait_certificate(host, "active")
    acme_gateway.must("DELETE", "/v1/routes/auto")
    renew(acme_gateway, certificate)

    def rests():
        now = acme_gateway.certificate_of(host)
        return now if now["next_action"]["what"] == "none" else None

    now = until(rests, "the certificate to rest")
    assert "no" in now["next_action"]["why"] and "uses it" in now["next_action"]["why"]
    assert now["used_by"] == [] and now["serial"] == certificate["serial"]


def test_wildcard_says_that_it_cannot_be_proven(acme_gateway, host):
    answer = acme_gateway.api("PUT", "/v1/routes/wild", {
        "hosts": [f"*.{host}"], "upstream": {"targets": [{"url": "http://127.0.0.1:9"}]}})
    assert answer.status == 422 and "HTTP-01 cannot prove it" in answer.text


def test_many_names_at_once(acme_gateway, origin, host):
    hosts = [f"n{number}.{host}" for number in range(10)]
    for number, name in enumerate(hosts):
        auto(acme_gateway, name, origin.url, id=f"auto-{number}")
    for name in hosts:
        acme_gateway.wait_certificate(name, "active")


def test_certificate_survives_a_restart(acme_gateway, pebble, origin, host):
    auto(acme_gateway, host, origin.url)
    serial = acme_gateway.wait_certificate(host, "active")["serial"]
    acme_gateway.stop()
    acme_gateway.start()
    assert acme_gateway.get_tls(host, context=raw.trusting(pebble.root)).status == 200
    assert acme_gateway.certificate_of(host)["serial"] == serial


def test_terms_not_agreed_to_is_told_and_agreeing_is_enough(acme_gateway, origin, host):
    acme_gateway.must("PATCH", "/v1/acme", {"tos_agreed": False})
    auto(acme_gateway, host, origin.url)

    def told():
        certificate = acme_gateway.certificate_of(host)
        return "terms" in str(certificate["last_error"] or certificate["next_action"]).lower()

    until(told, "the terms of service to be mentioned")
    assert acme_gateway.certificate_of(host)["state"] in ("pending", "failed")
    acme_gateway.must("PATCH", "/v1/acme", {"tos_agreed": True})
    acme_gateway.wait_certificate(host, "active")


def test_half_of_all_nonces_refused(make_gateway, pki, tmp_path, origin, host):
    ca = Pebble(tmp_path / "pebble", pki, nonce_reject=50)
    try:
        gateway = make_gateway(http_port=ca.http_port).start()
        gateway.must("PUT", "/v1/acme", ca.settings())
        auto(gateway, host, origin.url)
        gateway.wait_certificate(host, "active")
    finally:
        ca.dispose()


def test_account_can_be_shown(acme_gateway, pebble, origin, host):
    auto(acme_gateway, host, origin.url)
    acme_gateway.wait_certificate(host, "active")
    shown = acme_gateway.cli("acme", "account")
    assert shown.returncode == 0
    assert f"localhost:{pebble.port}/my-account/" in shown.stdout


# Before the certificate is there

def test_pending_and_a_stand_in_until_the_ca_has_answered(held, interposer, origin, host):
    interposer.hold("finalize", "before")
    auto(held, host, origin.url)
    interposer.wait_held()
    certificate = held.certificate_of(host)
    assert certificate["state"] == "pending"
    assert certificate["next_action"]["why"]
    with held.tls_client(host) as early:
        assert is_self_signed(early.certificate())
        assert early.ask("GET", "/early", host).status == 200
        interposer.let_go()
        held.wait_certificate(host, "active")
        assert early.ask("GET", "/later", host).status == 200
    assert not is_self_signed(held.served_certificate(host))


# The challenge

@pytest.fixture
def challenge(held, interposer, origin, host):
    """A token that is live: the CA has been asked to look, and has not answered yet."""
    held.put_route("other", f"other.{host}", origin.url)
    interposer.hold("challenge", "before")
    auto(held, host, origin.url, https="optional")
    interposer.wait_held()
    answer = interposer.last_answer("authorization")
    token = next(c["token"] for c in answer["challenges"] if c["type"] == "http-01")
    yield token
    if interposer.held:
        interposer.let_go()


def path_of(token):
    return f"/.well-known/acme-challenge/{token}"


def assert_key_authorization(answer, token):
    assert answer.status == 200
    assert answer.body.startswith(f"{token}.".encode())
    assert len(answer.body) == len(token) + 44      # a dot and a SHA-256 in base64url
    assert answer.headers.get("Content-Length") == str(len(answer.body))


def test_challenge_is_answered_exactly(held, origin, host, challenge):
    with held.client() as client:
        answer = client.ask("GET", path_of(challenge), host)
        assert_key_authorization(answer, challenge)
        assert answer.headers.get("Content-Type").split(";")[0] == "text/plain"
        assert answer.headers.get("Connection") == "close"
        assert client.closed_by_peer()
    assert origin.requests == []


@pytest.mark.parametrize("head", [
    pytest.param("GET {path} HTTP/1.1\r\nHost: {host}:80\r\n\r\n", id="host with a port"),
    pytest.param("GET {path} HTTP/1.1\r\nHost: {upper}\r\n\r\n", id="host in capitals"),
    pytest.param("GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n",
                 id="absolute form"),
    pytest.param("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n", id="HTTP/1.0"),
    pytest.param("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
                 id="close"),
    pytest.param("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\r\n",
                 id="any Accept"),
])
def test_challenge_is_answered_in_every_form(held, host, challenge, head):
    sent = head.format(path=path_of(challenge), host=host, upper=host.upper())
    with held.client() as client:
        client.send(sent.encode())
        assert_key_authorization(client.read(), challenge)


def test_challenge_is_answered_over_ipv6_and_to_many_at_once(held, host, challenge):
    clients = [held.client(address) for address in ("127.0.0.1", "::1") for _ in range(20)]
    for client in clients:
        client.send(request("GET", path_of(challenge), host))
    for client in clients:
        assert_key_authorization(client.read(), challenge)
        client.close()


def test_challenge_of_another_host_or_token_is_routed_normally(held, origin, host, challenge):
    for asked_host, token in ((f"other.{host}", challenge), (host, challenge[:-1]),
                              (host, challenge + "x"), (host, challenge.swapcase())):
        assert held.get(asked_host, path_of(token)).status == 200
        assert origin.requests[-1].target == path_of(token)


def test_challenge_for_head_has_no_body(held, host, challenge):
    with held.client() as client:
        answer = client.ask("HEAD", path_of(challenge), host)
        assert (answer.status, answer.body) == (200, b"")
        assert int(answer.headers.get("Content-Length")) == len(challenge) + 44


def test_challenge_lives_through_changes_of_its_route(held, origin, host, challenge):
    held.must("PATCH", "/v1/routes/auto", {"https": "only"})
    assert_key_authorization(held.get(host, path_of(challenge)), challenge)
    held.put_route("more", f"more.{host}", origin.url)
    assert_key_authorization(held.get(host, path_of(challenge)), challenge)


def test_challenge_is_gone_when_the_authorization_is_final(held, interposer, origin, host,
                                                           challenge):
    interposer.let_go()
    held.wait_certificate(host, "active")
    assert held.get(host, path_of(challenge)).status == 200
    assert origin.requests[-1].target == path_of(challenge)


# Renewal

def renew(gateway, certificate):
    answer = gateway.api("POST", f"/v1/certificates/{certificate['id']}/renew")
    assert answer.status == 202, answer


def wait_renewed(gateway, certificate):
    """Wait until the API shows another serial; give the certificate."""
    def look():
        gateway.check_alive()
        now = gateway.must("GET", f"/v1/certificates/{certificate['id']}")
        is_new = now["serial"] != certificate["serial"] and now["state"] == "active"
        return now if is_new else None
    return until(look, f"another serial than {certificate['serial']}")


def test_renewed_certificate_is_served_within_a_second(acme_gateway, pebble, origin, host):
    auto(acme_gateway, host, origin.url)
    first = acme_gateway.wait_certificate(host, "active")
    trusting = raw.trusting(pebble.root)
    with acme_gateway.tls_client(host, trusting) as before:
        assert before.ask("GET", "/before", host).status == 200
        renew(acme_gateway, first)
        second = wait_renewed(acme_gateway, first)
        shown = time.monotonic()
        wanted = second["serial"].lower().lstrip("0")
        until(lambda: pki_tools.serial(acme_gateway.served_certificate(host)) == wanted,
              "the new certificate to be served")
        assert time.monotonic() - shown < SERVED_WITHIN
        for _ in range(8):                    # by every worker
            assert pki_tools.serial(acme_gateway.served_certificate(host)) == wanted
        assert before.ask("GET", "/after", host).status == 200
    assert acme_gateway.get_tls(host, context=trusting).status == 200
    assert second["revision"] > first["revision"]


def test_old_certificate_serves_while_it_is_renewed(held, interposer, pebble, origin, host):
    auto(held, host, origin.url)
    first = held.wait_certificate(host, "active")
    interposer.hold("finalize", "before")
    renew(held, first)
    interposer.wait_held()
    assert held.certificate_of(host)["state"] == "renewing"
    with held.tls_client(host, raw.trusting(pebble.root)) as client:
        assert pki_tools.serial(client.certificate()) == first["serial"].lower().lstrip("0")
    interposer.let_go()
    wait_renewed(held, first)


def test_renewal_disturbs_no_request(acme_gateway, origin, host):
    auto(acme_gateway, host, origin.url)
    certificate = acme_gateway.wait_certificate(host, "active")
    with Load(lambda: acme_gateway.tls_client(host), request("GET", "/", host),
              lambda answer: answer.status == 200) as load:
        load.wait_more(50)
        renew(acme_gateway, certificate)
        wait_renewed(acme_gateway, certificate)
        load.wait_more(50)
    assert load.failures == []


def test_renewal_with_a_ca_that_forgot_the_account(acme_gateway, pebble, origin, host):
    auto(acme_gateway, host, origin.url)
    first = acme_gateway.wait_certificate(host, "active")
    pebble.restart()
    renew(acme_gateway, first)
    wait_renewed(acme_gateway, first)
    answer = acme_gateway.get_tls(host, context=raw.trusting(pebble.root))
    assert answer.status == 200


def test_changed_names_get_a_certificate_of_their_own(acme_gateway, pebble, origin, host):
    auto(acme_gateway, host, origin.url)
    acme_gateway.wait_certificate(host, "active")
    acme_gateway.must("PATCH", "/v1/routes/auto", {"hosts": [host, f"new.{host}"]})
    acme_gateway.wait_certificate(f"new.{host}", "active")
    for name in (host, f"new.{host}"):
        answer = acme_gateway.get_tls(name, context=raw.trusting(pebble.root))
        assert answer.status == 200


def test_renew_and_list_by_command_line(acme_gateway, origin, host):
    auto(acme_gateway, host, origin.url)
    certificate = acme_gateway.wait_certificate(host, "active")
    assert host in acme_gateway.cli("cert", "list").stdout
    done = acme_gateway.cli("cert", "renew", certificate["id"])
    assert done.returncode == 0
    wait_renewed(acme_gateway, certificate)
