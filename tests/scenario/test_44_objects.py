"""The other objects of the admin API: settings, ACME settings, certificates, streams; and what
describes the gateway: status, metrics, health, the OpenAPI document."""
import json
import re

import pytest

from support import raw
from support.admin import RFC3339, assert_problem, minimal
from support.schema import Interface


# Settings and ACME settings

def test_settings_and_their_defaults(gateway):
    settings = gateway.must("GET", "/v1/settings")
    expected = {"trusted_proxies": [], "proxy_protocol": [], "unknown_host": "reject",
                "tls_min_version": "1.2", "tls_profile": "intermediate", "max_header": "64KiB",
                "drain_timeout": "30s"}
    assert {name: settings.get(name) for name in expected} == expected
    patched = gateway.must("PATCH", "/v1/settings", {"drain_timeout": "5s"})
    assert patched["drain_timeout"] == "5s"
    assert patched["revision"] > settings["revision"]
    assert gateway.must("PUT", "/v1/settings", {})["drain_timeout"] == "30s"


@pytest.mark.parametrize("patch, pointers", [
    ({"colour": 1}, ["/colour"]),
    ({"trusted_proxies": ["10.0.0.0/8", "nonsense"]}, ["/trusted_proxies/1"]),
    ({"trusted_proxies": ["10.0.0.0/33"]}, ["/trusted_proxies/0"]),
    ({"trusted_proxies": "10.0.0.0/8"}, ["/trusted_proxies"]),
    ({"tls_min_version": "1.0"}, ["/tls_min_version"]),
    ({"tls_profile": "old"}, ["/tls_profile"]),
    ({"unknown_host": "no-such-route"}, ["/unknown_host"]),
    ({"max_header": "0KiB"}, ["/max_header"]),
    ({"drain_timeout": 5, "tls_min_version": 1.2}, ["/drain_timeout", "/tls_min_version"]),
])
def test_bad_settings_are_refused(gateway, patch, pointers):
    before = gateway.must("GET", "/v1/settings")
    problem = assert_problem(gateway.api("PATCH", "/v1/settings", patch), 422)
    assert sorted(e["field"] for e in problem["errors"]) == sorted(pointers)
    assert gateway.must("GET", "/v1/settings") == before


def test_route_that_unknown_hosts_go_to_cannot_be_deleted(gateway):
    gateway.must("PUT", "/v1/routes/fallback", minimal())
    gateway.must("PATCH", "/v1/settings", {"unknown_host": "fallback"})
    assert_problem(gateway.api("DELETE", "/v1/routes/fallback"), 409)


def test_max_header_is_obeyed(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    gateway.must("PATCH", "/v1/settings", {"max_header": "4KiB"})
    assert gateway.get(host, "/", "X: " + "a" * 3000).status == 200
    assert gateway.get(host, "/", "X: " + "a" * 5000).status == 431


def test_acme_settings(gateway, no_ca):
    eab = {"kid": "my-kid", "hmac": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}
    settings = gateway.must("PATCH", "/v1/acme", {"contact": ["mailto:ops@example.org"],
                                                  "eab": eab})
    assert settings["contact"] == ["mailto:ops@example.org"]
    assert settings["directory"] == no_ca["directory"]
    assert settings["key_type"] == "ecdsa-p256"
    assert settings["address_family"] == "ipv4"
    for path in ("/v1/acme", "/v1/config", "/v1/status"):
        assert eab["hmac"] not in gateway.api("GET", path).text
    assert eab["hmac"] not in gateway.log()
    gateway.must("PATCH", "/v1/acme", {"contact": [], "eab": None})


def test_acme_directory_is_lets_encrypt_by_default(make_gateway):
    acme = make_gateway().start().must("GET", "/v1/acme")
    assert acme["directory"] == "https://acme-v02.api.letsencrypt.org/directory"
    assert acme["tos_agreed"] is False


def test_contact_may_be_a_bare_address(gateway):
    settings = gateway.must("PATCH", "/v1/acme", {"contact": ["ops@example.org"]})
    assert settings["contact"] == ["mailto:ops@example.org"]
    gateway.must("PATCH", "/v1/acme", {"contact": []})


@pytest.mark.parametrize("patch, pointers", [
    ({"colour": 1}, ["/colour"]),
    ({"directory": "http://ca.test/dir"}, ["/directory"]),
    ({"directory": "nonsense"}, ["/directory"]),
    ({"contact": ["mailto:ops@example.org", "nonsense"]}, ["/contact/1"]),
    ({"key_type": "dsa"}, ["/key_type"]),
    ({"ca_bundle": "hello"}, ["/ca_bundle"]),
    ({"tos_agreed": "yes"}, ["/tos_agreed"]),
    ({"address_family": "ipv5"}, ["/address_family"]),
])
def test_bad_acme_settings_are_refused(gateway, patch, pointers):
    before = gateway.must("GET", "/v1/acme")
    problem = assert_problem(gateway.api("PATCH", "/v1/acme", patch), 422)
    assert sorted(e["field"] for e in problem["errors"]) == sorted(pointers)
    assert gateway.must("GET", "/v1/acme") == before


# Certificates

def test_imported_certificate(gateway, pki):
    pair = pki.leaf("imported.test", "www.imported.test")
    answer = gateway.api("POST", "/v1/certificates",
                         {"chain_pem": pair.chain_pem, "key_pem": pair.key_pem})
    assert answer.status == 201
    made = answer.json
    assert answer.headers.get("Location") == f"/v1/certificates/{made['id']}"
    assert sorted(made["names"]) == ["imported.test", "www.imported.test"]
    assert (made["source"], made["state"]) == ("imported", "active")
    assert made["key_type"] == "ecdsa-p256"
    assert "Scenario Lab CA" in made["issuer"]
    assert made["used_by"] == []
    assert RFC3339.match(made["not_before"]) and RFC3339.match(made["not_after"])
    assert len(made["fingerprint_sha256"].replace(":", "")) == 64
    assert made["chain_pem"].count("BEGIN CERTIFICATE") == 2
    assert {"serial", "next_action", "last_error", "revision"} <= made.keys()
    for path in ("/v1/certificates", f"/v1/certificates/{made['id']}", "/v1/config"):
        text = gateway.api("GET", path).text
        assert "PRIVATE KEY" not in text
        assert pair.key_pem.splitlines()[1] not in text
    assert pair.key_pem.splitlines()[1] not in gateway.log()


def test_certificate_in_use_cannot_be_deleted(gateway, pki):
    made = gateway.import_certificate(pki.leaf("used.test"))
    gateway.must("PUT", "/v1/routes/user", minimal("used.test", certificate=made["id"]))
    path = f"/v1/certificates/{made['id']}"
    assert gateway.must("GET", path)["used_by"] == ["user"]
    assert "user" in json.dumps(assert_problem(gateway.api("DELETE", path), 409))
    gateway.must("DELETE", "/v1/routes/user")
    assert gateway.api("DELETE", path).status == 204


@pytest.mark.parametrize("body, pointers", [
    pytest.param(lambda pair, other: {}, ["/chain_pem", "/key_pem"], id="nothing"),
    pytest.param(lambda pair, other: {"chain_pem": pair.chain_pem}, ["/key_pem"], id="no key"),
    pytest.param(lambda pair, other: {"chain_pem": "hello", "key_pem": pair.key_pem},
                 ["/chain_pem"], id="chain is not PEM"),
    pytest.param(lambda pair, other: {"chain_pem": pair.chain_pem, "key_pem": "hello"},
                 ["/key_pem"], id="key is not PEM"),
    pytest.param(lambda pair, other: {"chain_pem": pair.chain_pem, "key_pem": other.key_pem},
                 ["/key_pem"], id="key of another certificate"),
    pytest.param(lambda pair, other: {"chain_pem": pair.key_pem, "key_pem": pair.key_pem},
                 ["/chain_pem"], id="key in place of the chain"),
    pytest.param(lambda pair, other: {"chain_pem": pair.chain_pem[:-40],
                                      "key_pem": pair.key_pem}, ["/chain_pem"], id="cut chain"),
    pytest.param(lambda pair, other: {"chain_pem": pair.chain_pem, "key_pem": pair.key_pem,
                                      "password": "x"}, ["/password"], id="unknown field"),
])
def test_bad_certificate_is_refused(gateway, pki, body, pointers):
    sent = body(pki.leaf("bad.test"), pki.leaf("other.test"))
    problem = assert_problem(gateway.api("POST", "/v1/certificates", sent), 422)
    assert sorted(e["field"] for e in problem["errors"]) == sorted(pointers)
    assert gateway.items("certificates") == []


def test_imported_certificate_cannot_be_renewed(gateway, pki):
    made = gateway.import_certificate(pki.leaf("manual.test"))
    answer = gateway.api("POST", f"/v1/certificates/{made['id']}/renew")
    assert_problem(answer, answer.status)
    assert answer.status in (400, 409, 422)


# Streams

def test_streams_are_none_and_writes_say_why(gateway):
    assert gateway.items("streams") == []
    stream = {"listen": ":5349", "upstream": {"targets": [{"url": "tcp://127.0.0.1:9"}]}}
    problem = assert_problem(gateway.api("POST", "/v1/streams", stream), 501)
    assert "not available" in problem["detail"] or "not available" in problem["title"]


# What describes the rest

CONTRACT_PATHS = {
    "/v1/routes": {"get", "post"},
    "/v1/routes/{id}": {"get", "put", "patch", "delete"},
    "/v1/streams": {"get", "post"},
    "/v1/streams/{id}": {"get", "put", "patch", "delete"},
    "/v1/certificates": {"get", "post"},
    "/v1/certificates/{id}": {"get", "put", "patch", "delete"},
    "/v1/certificates/{id}/renew": {"post"},
    "/v1/certificates/{id}/revoke": {"post"},
    "/v1/tokens": {"get", "post"},
    "/v1/tokens/{id}": {"get", "put", "patch", "delete"},
    "/v1/acme": {"get", "put", "patch"},
    "/v1/settings": {"get", "put", "patch"},
    "/v1/config": {"get", "put"},
    "/v1/status": {"get"},
    "/v1/openapi.json": {"get"},
    "/healthz": {"get"}, "/readyz": {"get"}, "/metrics": {"get"},
}


@pytest.mark.parametrize("path, methods", CONTRACT_PATHS.items())
def test_openapi_lists(gateway, path, methods):
    document = gateway.must("GET", "/v1/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert methods <= document["paths"][path].keys()


def test_openapi_references_resolve(gateway):
    document = gateway.must("GET", "/v1/openapi.json")

    def references(node):
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            node = list(node.values())
        for child in node if isinstance(node, list) else ():
            yield from references(child)

    for reference in set(references(document)):
        node = document
        assert reference.startswith("#/")
        for part in reference[2:].split("/"):
            node = node[part]


@pytest.fixture
def interface(gateway):
    return Interface(gateway.must("GET", "/v1/openapi.json"))


def test_openapi_describes_what_is_answered(gateway, interface, origin, host, pki):
    """Each kind of object in an answer, and refusals."""
    certificate = gateway.import_certificate(pki.leaf(host))["id"]
    calls = [
        ("PUT", "/v1/routes/idn", minimal("b\u00fccher.test")),
        ("PUT", "/v1/routes/idn", minimal("b\u00fccher.test", https="only")),
        ("PUT", "/v1/routes/moved", {"hosts": ["m.test"], "certificate": "none",
                                     "redirect": {"to": "https://new.test{uri}"}}),
        ("POST", "/v1/routes", {"hosts": ["f.test"], "certificate": "none", "respond": {}}),
        ("POST", "/v1/routes", {"hosts": []}), ("POST", "/v1/routes", minimal("f.test")),
        ("GET", "/v1/routes", None), ("GET", "/v1/routes/none", None),
        ("GET", "/v1/certificates", None), ("GET", f"/v1/certificates/{certificate}", None),
        ("POST", f"/v1/certificates/{certificate}/revoke", {}),
        ("GET", "/v1/streams", None), ("POST", "/v1/streams", {"listen": ":1"}),
        ("PUT", "/v1/streams/x", {}), ("PATCH", "/v1/streams/x", {}),
        ("DELETE", "/v1/streams/x", None), ("GET", "/v1/streams/x", None),
        ("GET", "/v1/acme", None), ("PATCH", "/v1/acme", {"contact": ["mailto:a@b.test"]}),
        ("GET", "/v1/settings", None), ("PUT", "/v1/settings", {}),
        ("PUT", "/v1/tokens/t", {"name": "t"}), ("GET", "/v1/tokens", None),
        ("PATCH", "/v1/tokens/t", {"expires_at": None}), ("DELETE", "/v1/tokens/t", None),
        ("GET", "/v1/config", None), ("PUT", "/v1/config?dry_run=true", {"routes": []}),
        ("GET", "/v1/status", None), ("GET", "/healthz", None), ("GET", "/metrics", None),
    ]
    gateway.put_route("served", host, origin.url)
    assert gateway.get(host).status == 200
    statuses = set()
    for method, path, body in calls:
        answer = gateway.api(method, path, body)
        statuses.add(answer.status)
        assert interface.answer_faults(method, path, answer) == [], (method, path, answer)
    assert statuses == {200, 201, 204, 404, 409, 422, 501}
    assert "hosts_unicode" in gateway.must("GET", "/v1/routes/idn")


UP = {"targets": [{"url": "http://127.0.0.1:9"}]}


@pytest.mark.parametrize("method, path, body, is_right", [
    ("PUT", "/v1/routes/r", {"hosts": ["a.test"], "upstream": UP}, True),
    ("PUT", "/v1/routes/r", {"hosts": ["a.test"], "upstream": UP, "redirect": None}, True),
    ("PUT", "/v1/routes/r", {"hosts": ["a.test"], "upstream": None, "respond": {}}, True),
    ("PUT", "/v1/routes/r", {"hosts": ["a.test"]}, False),
    ("PUT", "/v1/routes/r", {"hosts": ["a.test"], "upstream": None}, False),
    ("PUT", "/v1/routes/r", {"hosts": ["a.test"], "upstream": UP, "respond": {}}, False),
    ("PUT", "/v1/routes/r", {"hosts": ["a.test"], "upstream": UP, "max_body": None}, False),
    ("PATCH", "/v1/routes/r", {}, True),
    ("PATCH", "/v1/routes/r", {"max_body": None, "https": None, "path": None}, True),
    ("PATCH", "/v1/routes/r", {"request_headers": {"set": {"X-A": None}, "add": None}}, True),
    ("PATCH", "/v1/routes/r", {"upstream": {"retries": None, "sticky": None}}, True),
    ("PATCH", "/v1/routes/r", {"upstream": {"timeouts": None, "tls": {"ca": None}}}, True),
    ("PATCH", "/v1/routes/r", {"upstream": None, "redirect": {"to": "/x"}}, True),
    ("PATCH", "/v1/routes/r", {"hosts": None}, False),
    ("PATCH", "/v1/routes/r", {"upstream": {"targets": [{"weight": 1}]}}, False),
    ("PATCH", "/v1/routes/r", {"upstream": {"sticky": {"cookie": None}}}, False),
    ("PATCH", "/v1/settings", {"tls_profile": None, "max_header": None}, True),
    ("PATCH", "/v1/acme", {"eab": None, "key_type": None, "directory": None}, True),
    ("PATCH", "/v1/acme", {"key_type": "rsa-1"}, False),
])
def test_openapi_describes_what_is_accepted(gateway, interface, no_ca, method, path, body,
                                            is_right):
    gateway.must("PUT", "/v1/routes/r", {"hosts": ["a.test"], "certificate": "none",
                                         "upstream": UP})
    assert (interface.request_faults(method, path, body) == []) == is_right
    assert gateway.api(method, path, body).status in ((200,) if is_right else (422,))
    gateway.must("PATCH", "/v1/acme", no_ca)


def test_status_has_one_screen_of_everything(gateway, origin, pki, host):
    certificate = gateway.import_certificate(pki.leaf(host))
    gateway.put_route("status-route", host, origin.url, certificate=certificate["id"])
    assert gateway.get(host).status == 200
    status = gateway.must("GET", "/v1/status")
    text = json.dumps(status)
    for part in ("listeners", "routes", "certificates"):
        assert part in status
    for port in (gateway.http, gateway.https):
        assert str(port) in json.dumps(status["listeners"])
    assert "status-route" in text and origin.url in text and certificate["id"] in text


METRIC = re.compile(r'[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_]\w*="([^"\\\n]|\\.)*",?)*\})? '
                    r'(-?\d+(\.\d+)?([eE][-+]?\d+)?|[+-]Inf|NaN)$')


def test_metrics_are_prometheus_text(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    assert gateway.get(host).status == 200
    answer = gateway.api("GET", "/metrics")
    assert answer.headers.get("Content-Type").startswith("text/plain; version=0.0.4")
    typed = set()
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            assert name not in typed and kind in ("counter", "gauge", "histogram", "summary")
            typed.add(name)
        elif not line.startswith("#"):
            assert METRIC.match(line), line
            assert any(line.startswith(name) for name in typed), line
    assert answer.text.endswith("\n")
    assert typed > {"gatehouse_build_info", "process_start_time_seconds", "process_open_fds",
                    "process_max_fds", "process_resident_memory_bytes",
                    "process_cpu_seconds_total"}


def test_health_and_readiness(gateway):
    assert gateway.api("GET", "/healthz").status == 200
    assert gateway.api("GET", "/readyz").status == 200


def test_kept_alive_connection_to_the_api(gateway):
    """libraries keep the connection; errors in between must not shift the answers."""
    with raw.Client(gateway.admin) as client:
        for path, status in (("/healthz", 200), ("/v1/nonsense", 401), ("/readyz", 200)):
            answer = client.ask("GET", path, f"127.0.0.1:{gateway.admin}")
            assert answer.status == status
