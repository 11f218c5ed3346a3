"""Who may use the admin API: tokens and scopes over TCP, and web pages that try to."""
import datetime
import json
import re

import pytest

from support.wait import until

ROUTE = {"hosts": ["a.test"], "certificate": "none",
         "upstream": {"targets": [{"url": "http://127.0.0.1:9"}]}}
PAIR_FIELDS = {"chain_pem": "x", "key_pem": "x"}


def assert_refused(answer, *statuses):
    assert answer.status in statuses, answer
    assert answer.headers.get("Content-Type").startswith("application/problem+json")


# Tokens

@pytest.mark.parametrize("authorization", [
    None, "", "Bearer", "Bearer ", "Bearer nonsense", "Basic YTpi", "Token abc",
    "Bearer " + "x" * 10_000])
@pytest.mark.parametrize("path", ["/v1/routes", "/v1/status", "/v1/openapi.json", "/v1/tokens"])
def test_without_a_valid_token_is_401(gateway, path, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = gateway.tcp_api("GET", path, headers=headers)
    assert_refused(answer, 401)
    assert answer.headers.get("WWW-Authenticate").startswith("Bearer")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_no_token_needed(gateway, path):
    assert gateway.tcp_api("GET", path).status == 200


def test_guessing_is_slowed_down_without_locking_out_the_owner(gateway):
    token = gateway.create_token("owner", "read")["token"]

    def guess(number):
        return gateway.tcp_api("GET", "/v1/routes", token=f"gh_{number}", source="127.9.9.9")

    answers = [guess(number) for number in range(50)]
    assert answers[0].status == 401
    assert answers[-1].status == 429
    assert int(answers[-1].headers.get("Retry-After")) > 0
    assert gateway.tcp_api("GET", "/v1/routes", token=token, source="127.9.9.9").status == 200


def test_whether_an_id_exists_is_not_told_without_a_token(gateway):
    gateway.must("PUT", "/v1/routes/here", ROUTE)
    answers = [gateway.tcp_api("GET", f"/v1/routes/{id}") for id in ("here", "nowhere")]
    assert [a.status for a in answers] == [401, 401]


READS = [("GET", "/v1/routes", None), ("GET", "/v1/certificates", None),
         ("GET", "/v1/settings", None), ("GET", "/v1/config", None),
         ("GET", "/v1/status", None)]
WRITES = [("POST", "/v1/routes", ROUTE),
          ("PUT", "/v1/routes/x", {**ROUTE, "hosts": ["b.test"]}),
          ("PATCH", "/v1/routes/x", {}), ("DELETE", "/v1/routes/x", None),
          ("PATCH", "/v1/settings", {}), ("PATCH", "/v1/acme", {}), ("PUT", "/v1/config", {}),
          ("POST", "/v1/certificates", PAIR_FIELDS), ("POST", "/v1/certificates/x/renew", None)]
ADMINISTRATION = [("GET", "/v1/tokens", None),
                  ("POST", "/v1/tokens", {"name": "x", "scopes": ["read"]}),
                  ("DELETE", "/v1/tokens/x", None)]


@pytest.mark.parametrize("scope, allowed, refused", [
    ("read", READS, WRITES + ADMINISTRATION),
    ("write", READS + WRITES[:2], ADMINISTRATION),
    ("admin", READS + WRITES[:2] + ADMINISTRATION[:2], []),
])
def test_scope(gateway, scope, allowed, refused):
    token = gateway.create_token("for-a-test", scope)["token"]
    for method, path, body in refused:
        assert_refused(gateway.tcp_api(method, path, body, token), 403)
    for method, path, body in allowed:
        assert gateway.tcp_api(method, path, body, token).status < 300


def test_secret_of_a_token_is_shown_once(gateway):
    made = gateway.create_token("once", "read")
    listed = gateway.api("GET", "/v1/tokens")
    assert made["token"] not in listed.text
    (item,) = [t for t in listed.json["items"] if t["id"] == made["id"]]
    assert (item["name"], item["scopes"]) == ("once", ["read"])
    assert made["token"] not in gateway.api("GET", "/v1/config").text
    assert made["token"] not in gateway.log()
    assert made["token"].encode() not in (gateway.data / "gatehouse.db").read_bytes()


def test_deleted_token_is_worth_nothing(gateway):
    made = gateway.create_token("short-lived", "read")
    assert gateway.tcp_api("GET", "/v1/routes", token=made["token"]).status == 200
    gateway.must("DELETE", f"/v1/tokens/{made['id']}")
    assert gateway.tcp_api("GET", "/v1/routes", token=made["token"]).status == 401


def test_narrowed_token_may_do_less_at_once(gateway):
    made = gateway.create_token("deploy", "write")
    answer = gateway.api("PATCH", f"/v1/tokens/{made['id']}",
                         {"scopes": ["read"], "name": "look"})
    assert (answer.json["scopes"], answer.json["name"]) == (["read"], "look")
    assert made["token"] not in answer.text
    assert gateway.tcp_api("GET", "/v1/routes", token=made["token"]).status == 200
    assert_refused(gateway.tcp_api("POST", "/v1/routes", ROUTE, made["token"]), 403)


def test_expired_token_is_worth_nothing(gateway):
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    made = gateway.create_token("expiring", "read",
                                expires_at=soon.strftime("%Y-%m-%dT%H:%M:%SZ"))
    until(lambda: gateway.tcp_api("GET", "/v1/routes", token=made["token"]).status == 401,
          "the token to expire")


@pytest.mark.parametrize("body, pointers", [
    ({}, ["/name"]), ({"name": ""}, ["/name"]),
    ({"name": "x", "scopes": ["all"]}, ["/scopes/0"]),
    ({"name": "x", "scopes": "read"}, ["/scopes"]), ({"name": "x", "colour": 1}, ["/colour"]),
    ({"name": "x", "scopes": ["read"], "expires_at": "soon"}, ["/expires_at"])])
def test_bad_token_is_refused(gateway, body, pointers):
    answer = gateway.api("POST", "/v1/tokens", body)
    assert_refused(answer, 422)
    assert sorted(answer.fields()) == pointers
    assert gateway.items("tokens") == []


def test_first_start_prints_a_token_and_the_second_does_not(make_gateway):
    gateway = make_gateway().start()
    gateway.stop()
    printed = gateway.log()
    gateway.start()
    again = gateway.log()[len(printed):]
    (token,) = set(re.findall(r"gh_[A-Za-z0-9_-]{20,}", printed))
    assert gateway.tcp_api("GET", "/v1/tokens", token=token).status == 200
    assert "gh_" not in again


# Web pages

@pytest.mark.parametrize("headers", [
    pytest.param({"Host": "evil.example"}, id="rebound name"),
    pytest.param({"Host": "evil.example:{port}"}, id="rebound name with the port"),
    pytest.param({"Host": "127.0.0.1.evil.example:{port}"},
                 id="name that begins like an address"),
    pytest.param({"Origin": "http://evil.example"}, id="foreign origin"),
    pytest.param({"Origin": "http://127.0.0.1:1"}, id="origin on another port"),
    pytest.param({"Origin": "null"}, id="opaque origin"),
    pytest.param({"Sec-Fetch-Site": "cross-site"}, id="cross-site"),
    pytest.param({"Sec-Fetch-Site": "same-site"}, id="same-site"),
])
@pytest.mark.parametrize("method, path", [("GET", "/v1/routes"), ("POST", "/v1/routes"),
                                          ("GET", "/metrics")])
def test_web_page_is_refused_whatever_token_it_has(gateway, method, path, headers):
    token = gateway.create_token("stolen", "admin")["token"]
    headers = {name: value.format(port=gateway.admin) for name, value in headers.items()}
    body = ROUTE if method == "POST" else None
    assert_refused(gateway.tcp_api(method, path, body, token, headers), 403, 421)
    assert gateway.items("routes") == []


@pytest.mark.parametrize("headers", [
    pytest.param({}, id="a program"),
    pytest.param({"Host": "localhost:{port}"}, id="by the name localhost"),
    pytest.param({"Sec-Fetch-Site": "none"}, id="typed by the user"),
    pytest.param({"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:{port}"},
                 id="a page of the gateway's own"),
])
def test_others_are_not_refused(gateway, headers):
    token = gateway.create_token("mine", "write")["token"]
    headers = {name: value.format(port=gateway.admin) for name, value in headers.items()}
    assert gateway.tcp_api("POST", "/v1/routes", ROUTE, token, headers).status == 201


def test_names_that_the_operator_gave_are_answered_to(make_gateway):
    """Prometheus asks by the name of a service."""
    gateway = make_gateway("--admin-host", "gateway", "--admin-host", "gw.internal").start()

    def ask(host, **headers):
        return gateway.tcp_api("GET", "/metrics", headers={"Host": host, **headers})

    assert ask("gateway:9000").status == ask("GW.internal").status == 200
    assert_refused(ask("other:9000"), 403)
    assert_refused(ask("gateway:9000", Origin="http://other:9000"), 403)


def test_form_of_a_web_page_is_refused(gateway):
    """What a page can send without asking: no JSON content type."""
    token = gateway.create_token("mine", "write")["token"]
    answer = gateway.tcp_api("POST", "/v1/routes", json.dumps(ROUTE).encode(), token,
                             {"Content-Type": "text/plain"})
    assert_refused(answer, 415)


def test_no_cors_permission_is_ever_given(gateway):
    answer = gateway.tcp_api("OPTIONS", "/v1/routes", headers={
        "Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
    assert answer.status >= 400
    assert not any(name.lower().startswith("access-control-") for name, _ in answer.headers)
