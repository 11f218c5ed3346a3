"""What the gateway finds out about its certificates by itself, and whom it tells."""
import email.utils
import time

import pytest

from support import pki as pki_tools
from support.receivers import MailServer, Webhook
from support.wait import until


def served(gateway, id):
    return gateway.must("GET", f"/v1/certificates/{id}/served")


def wait_served(gateway, id, state="good"):
    def look():
        found = served(gateway, id)
        return found if found["state"] == state else None
    return until(look, f"the check of {id} to be {state}")


# Is it served?

def test_imported_certificate_is_looked_at_after_it_was_activated(gateway, pki, host):
    names = [host, f"*.sub.{host}"]
    id = gateway.import_certificate(pki.leaf(*names))["id"]
    found = wait_served(gateway, id)
    assert found["checked_at"] and found["detail"] is None
    assert "served" in gateway.cli("cert", "show", id).stdout
    status = gateway.must("GET", "/v1/status")["certificates"]
    assert next(c for c in status if c["id"] == id)["served"]["state"] == "good"


def test_each_new_pair_is_looked_at(gateway, pki, host):
    id = gateway.import_certificate(pki.leaf(host))["id"]
    wait_served(gateway, id)
    pair = pki.with_days_left(80, host)
    gateway.must("PUT", f"/v1/certificates/{id}",
                 {"chain_pem": pair.chain_pem, "key_pem": pair.key_pem})
    wait_served(gateway, id)
    serial = gateway.must("GET", f"/v1/certificates/{id}")["serial"]
    until(lambda: f'"certificate_served","certificate":"{id}","serial":"{serial}"'
          in gateway.log(), "the new serial in the log")


def test_issued_certificate_is_looked_at(acme_gateway, origin, host):
    acme_gateway.put_route("auto", host, origin.url, certificate="auto")
    certificate = acme_gateway.wait_certificate(host, "active")
    wait_served(acme_gateway, certificate["id"])
    assert pki_tools.serial(acme_gateway.served_certificate(host)) == certificate["serial"]


def test_listener_that_only_proxies_reach_is_looked_at_too(make_gateway, pki, host):
    gateway = make_gateway().start()
    gateway.must("PUT", "/v1/settings", {"trusted_proxies": ["127.0.0.0/8", "::1"],
                                         "proxy_protocol": [f":{gateway.https}"]})
    id = gateway.import_certificate(pki.leaf(host))["id"]
    wait_served(gateway, id)


# Who is told

KEY = "between us"


@pytest.fixture
def hook():
    receiver = Webhook()
    yield receiver
    receiver.close()


@pytest.fixture
def make_mail_server(pki):
    made = []

    def make(**options):
        made.append(MailServer(pair=pki.leaf("127.0.0.1"), **options))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def told(gateway, hook):
    """A gateway that tells the hook."""
    tell(gateway, hook)
    yield gateway
    gateway.must("PUT", "/v1/alarms/settings", {})


def tell(gateway, hook):
    gateway.must("PUT", "/v1/alarms/settings", {"webhook": {"url": hook.url, "hmac_key": KEY}})


def mail_settings(server, **more):
    return {"email": {"server": server.url, "from": "gw@example.org",
                      "to": ["ops@example.org", "boss@example.org"], **more}}


def alarms(gateway):
    return {(a["kind"], a["certificate"]): a for a in gateway.must("GET", "/v1/alarms")["items"]}


def use(gateway, id, host, origin, pair):
    """A route served with an imported pair."""
    gateway.must("PUT", f"/v1/certificates/{id}",
                 {"chain_pem": pair.chain_pem, "key_pem": pair.key_pem})
    gateway.put_route(id, host, origin.url, certificate=id)


def test_nobody_is_told_before_somebody_is_named(gateway):
    answer = gateway.api("POST", "/v1/alarms/test")
    assert answer.status == 409 and "webhook.url" in answer.json["detail"]
    assert gateway.cli("alarm", "test").returncode == 1


def test_test_reaches_the_webhook_signed(told, hook):
    assert told.must("POST", "/v1/alarms/test")["items"] == [
        {"channel": "webhook", "ok": True, "detail": "HTTP status 204"}]
    message = hook.next(KEY)
    assert message["event"] == "test" and message["kind"] == "test"
    done = told.cli("alarm", "test")
    assert done.returncode == 0 and "webhook: sent" in done.stdout
    assert hook.next(KEY)["id"] != message["id"]


@pytest.mark.parametrize("status", [301, 307, 400, 500])
def test_test_says_what_the_webhook_answered_and_follows_nothing(told, hook, status):
    hook.answers, hook.location = [status], hook.url
    done = told.cli("alarm", "test")
    assert done.returncode == 1 and f"not sent (HTTP status {status}" in done.stdout
    hook.next(KEY)
    assert hook.is_quiet()


def test_webhook_with_tls_is_verified(gateway, pki):
    hook = Webhook(pki.leaf("127.0.0.1"))
    try:
        gateway.must("PUT", "/v1/alarms/settings", {"webhook": {"url": hook.url}})
        assert not gateway.must("POST", "/v1/alarms/test")["items"][0]["ok"]
        gateway.must("PATCH", "/v1/alarms/settings", {"webhook": {"ca_bundle": pki.ca().pem}})
        assert gateway.must("POST", "/v1/alarms/test")["items"][0]["ok"]
    finally:
        hook.close()
        gateway.must("PUT", "/v1/alarms/settings", {})


@pytest.mark.parametrize("tls", [None, "starttls", "smtps"])
def test_mail_goes_out(gateway, pki, make_mail_server, tls):
    login = ("gw", "p\"a s") if tls else None
    server = make_mail_server(tls=tls, login=login)
    more = {"user": login[0], "password": login[1]} if login else {"tls": "off"}
    gateway.must("PUT", "/v1/alarms/settings",
                 mail_settings(server, ca_bundle=pki.ca().pem, **more))
    assert gateway.must("POST", "/v1/alarms/test")["items"] == [
        {"channel": "email", "ok": True, "detail": "SMTP 250"}]
    envelope, mail = server.next()
    assert envelope.mail_from == "gw@example.org"
    assert envelope.rcpt_tos == ["ops@example.org", "boss@example.org"]
    assert "A test" in mail["Subject"] and mail["Auto-Submitted"] == "auto-generated"
    assert mail["To"] == "ops@example.org, boss@example.org"
    assert "alarms of certificates arrive here" in mail.get_content()
    gateway.must("PUT", "/v1/alarms/settings", {})


def test_mail_does_not_go_out_without_the_tls_asked_for(gateway, make_mail_server):
    server = make_mail_server()
    gateway.must("PUT", "/v1/alarms/settings", mail_settings(server))
    item = gateway.must("POST", "/v1/alarms/test")["items"][0]
    assert not item["ok"] and server.mails.empty()
    gateway.must("PUT", "/v1/alarms/settings", {})


@pytest.mark.parametrize("body, field", [
    ({"webhook": {"url": "ftp://x"}}, "/webhook/url"),
    ({"webhook": {"url": "https://u:p@x/"}}, "/webhook/url"),
    ({"webhook": {"url": "https://x/\r\nHost: y"}}, "/webhook/url"),
    ({"webhook": {"url": "https://x", "hmac_key": "a\nb"}}, "/webhook/hmac_key"),
    ({"webhook": {"url": "https://x", "ca_bundle": "nonsense"}}, "/webhook/ca_bundle"),
    ({"email": {"server": "http://x", "from": "a@b.org", "to": ["a@b.org"]}}, "/email/server"),
    ({"email": {"server": "smtp://x", "from": "a@b.org", "to": []}}, "/email/to"),
    ({"email": {"server": "smtp://x", "from": "a@b.org\r\nBcc: c@d.org", "to": ["a@b.org"]}},
     "/email/from"),
    ({"email": {"server": "smtp://x", "from": "a@b.org", "to": ["a@b.org>\r\nRCPT TO:<c@d.e"]}},
     "/email/to/0"),
    ({"email": {"server": "smtp://x", "from": "a@b.org", "to": ["a@b.org"], "user": "u"}},
     "/email/password"),
    ({"email": {"server": "smtp://x", "from": "a@b.org", "to": ["a@b.org"], "user": "u",
                "password": "p", "tls": "off"}}, "/email/tls"),
])
def test_settings_that_cannot_be_are_refused_by_name(gateway, body, field):
    answer = gateway.api("PUT", "/v1/alarms/settings", body)
    assert answer.status == 422 and field in answer.fields(), answer


def test_secrets_go_in_and_never_come_out(make_gateway, hook, make_mail_server):
    gateway = make_gateway().start()
    tell(gateway, hook)
    gateway.must("PATCH", "/v1/alarms/settings", {"email": {
        "server": "smtps://127.0.0.1:1", "from": "a@b.org", "to": ["a@b.org"], "user": "u",
        "password": "hunter-two"}})
    seen = [gateway.api("GET", path).text for path in ("/v1/alarms/settings", "/v1/config",
                                                       "/v1/status")]
    seen += [gateway.cli("alarm", "show", "--json").stdout, gateway.cli("export").stdout]
    gateway.must("PUT", "/v1/config", gateway.must("GET", "/v1/config"))    # keeps them
    gateway.stop()
    seen += [path.read_bytes().decode("latin-1") for path in gateway.data.iterdir()
             if path.is_file()] + [gateway.log()]
    assert not any(KEY in text or "hunter-two" in text for text in seen)
    gateway.start()
    gateway.must("PATCH", "/v1/alarms/settings", {"email": None})
    assert gateway.must("POST", "/v1/alarms/test")["items"][0]["ok"]
    hook.next(KEY)
    # Whoever points it elsewhere does not take the key along.
    gateway.must("PATCH", "/v1/alarms/settings", {"webhook": {"url": hook.url + "/else"}})
    gateway.must("POST", "/v1/alarms/test")
    assert hook.next_request()[0]["X-Gatehouse-Signature"] is None


def test_only_administrators_say_who_is_told(gateway):
    writer = gateway.create_token("w", "write")["token"]
    body = {"webhook": {"url": "https://elsewhere.example/"}}
    for method, path, document in (("PUT", "/v1/alarms/settings", body),
                                   ("PUT", "/v1/config", {"alarms": body})):
        assert gateway.tcp_api(method, path, document, token=writer).status == 403


# What is told

def test_near_end_is_told_step_by_step_and_when_it_is_over(told, hook, origin, pki, host):
    use(told, host, host, origin, pki.with_days_left(20, host))
    first = hook.next(KEY)
    assert (first["kind"], first["level"], first["severity"]) == ("expiring", "third", "warning")
    assert first["certificate"] == host and first["names"] == [host]
    assert alarms(told)["expiring", host]["level"] == "third"
    assert "expiring" in told.cli("alarm", "list").stdout
    assert "near its end" in told.cli("status").stdout
    use(told, host, host, origin, pki.with_days_left(2, host))
    second = hook.next(KEY)
    assert (second["level"], second["severity"]) == ("three_days", "critical")
    assert second["since"] == first["since"]
    use(told, host, host, origin, pki.leaf(host))
    over = hook.next(KEY)
    assert over["event"] == "resolved" and over["certificate"] == host
    assert hook.is_quiet() and ("expiring", host) not in alarms(told)
    metrics = told.api("GET", "/metrics").text
    assert 'gatehouse_alarms{kind="expiring"} 0' in metrics
    assert "gatehouse_alarm_messages_sent_total" in metrics
    told.wait_log('"event":"alarm_resolved"')


def test_certificate_that_nobody_uses_is_no_alarm(told, hook, origin, pki, host):
    pair = pki.with_days_left(1, host)
    told.must("PUT", f"/v1/certificates/idle.{host}",
              {"chain_pem": pair.chain_pem, "key_pem": pair.key_pem})
    other = f"other.{host}"
    use(told, other, other, origin, pki.with_days_left(0.5, other))
    assert hook.next(KEY)["certificate"] == other
    told.must("DELETE", f"/v1/routes/{other}")
    assert hook.next(KEY)["event"] == "resolved"
    assert hook.is_quiet()


def test_alarm_is_told_once_over_restarts_and_what_was_not_told_is(make_gateway, hook, origin,
                                                                  pki, host):
    gateway = make_gateway().start()
    tell(gateway, hook)
    use(gateway, host, host, origin, pki.with_days_left(20, host))
    hook.wait_for("expiring")
    gateway.stop()
    gateway.start()
    until(lambda: alarms(gateway), "the alarm")
    hook.answers = [503]
    use(gateway, host, host, origin, pki.with_days_left(2, host))
    refused = hook.next(KEY)
    assert refused["level"] == "three_days"         # and not "third" again
    gateway.wait_log('"event":"alarm_delayed"')
    gateway.kill()
    gateway.start()
    assert hook.next(KEY)["id"] == refused["id"]
    assert hook.is_quiet()


def test_receiver_that_hangs_delays_neither_mail_nor_changes(gateway, hook, make_mail_server,
                                                             origin, pki, host):
    server = make_mail_server()
    hook.gate.clear()
    gateway.must("PUT", "/v1/alarms/settings", {
        "webhook": {"url": hook.url}, **mail_settings(server, tls="off")})
    use(gateway, host, host, origin, pki.with_days_left(20, host))
    hook.next_request()
    assert gateway.get_tls(host).status == 200
    wait_served(gateway, host)
    until(lambda: ("expiring", host) in alarms(gateway), "the alarm")
    hook.gate.set()
    _, mail = server.next()
    assert host in mail["Subject"] and "20" in mail.get_content()
    gateway.must("PUT", "/v1/alarms/settings", {})


def test_message_that_is_refused_does_not_stop_the_next(told, hook, origin, pki, host):
    hook.answers = [400]
    use(told, host, host, origin, pki.with_days_left(20, host))
    hook.wait_for("expiring")
    told.wait_log('"event":"alarm_delayed"')
    # Other settings are tried at once.
    told.must("PATCH", "/v1/alarms/settings", {"webhook": {"hmac_key": KEY + "!"}})
    assert hook.next(KEY + "!")["kind"] == "expiring"


# Of certificates that come from a CA

@pytest.fixture
def told_acme(acme_gateway, hook):
    tell(acme_gateway, hook)
    return acme_gateway


def test_failure_is_told_once_and_when_it_is_over(told_acme, pebble, hook, origin, host):
    pebble.point(host, "127.0.0.9")         # nobody is there
    told_acme.put_route("auto", host, origin.url, certificate="auto")
    failed = hook.wait_for("failed")
    assert failed["names"] == [host] and failed["detail"]
    pebble.point(host, "127.0.0.1")
    id = told_acme.certificate_of(host)["id"]
    told_acme.must("POST", f"/v1/certificates/{id}/renew")
    over = hook.wait_for("failed", "resolved")
    assert over["certificate"] == failed["certificate"]
    assert hook.is_quiet()


def test_certificate_that_the_ca_withdraws_is_told(make_gateway, pebble, faults, hook, origin,
                                                   host):
    gateway = make_gateway(http_port=pebble.http_port).start()
    gateway.must("PUT", "/v1/acme", pebble.settings(faults.directory_url))
    tell(gateway, hook)
    gateway.put_route("auto", host, origin.url, certificate="auto")
    faults.suggest(-7200, -3600, page="https://ca.example/incident")
    gateway.wait_certificate(host, "active")
    message = hook.wait_for("revoked")
    assert "https://ca.example/incident" in message["detail"]
    assert message["severity"] == "critical"


@pytest.fixture
def skewed(faults):
    """The CA's clock as it appears: `ahead` of ours, in seconds."""
    faults.ahead = 0
    ask = faults._ask_pebble

    def shifted(request, body):
        status, headers, answer = ask(request, body)
        date = email.utils.formatdate(time.time() + faults.ahead, usegmt=True)
        return status, [*(h for h in headers if h[0].lower() != "date"), ("Date", date)], answer

    faults._ask_pebble = shifted
    return faults


def test_wrong_clock_is_told_and_when_it_is_right_again(make_gateway, pebble, skewed, hook,
                                                        origin, host):
    gateway = make_gateway(http_port=pebble.http_port).start()
    tell(gateway, hook)
    skewed.ahead = 7200
    gateway.must("PUT", "/v1/acme", pebble.settings(skewed.directory_url))
    gateway.put_route("auto", host, origin.url, certificate="auto")
    message = hook.wait_for("clock_skew")
    assert message["certificate"] is None and "behind" in message["detail"]
    gateway.wait_log('"event":"clock_differs"')
    gateway.wait_certificate(host, "active")
    skewed.ahead = 0
    id = gateway.certificate_of(host)["id"]
    gateway.must("POST", f"/v1/certificates/{id}/renew")
    hook.wait_for("clock_skew", "resolved")
