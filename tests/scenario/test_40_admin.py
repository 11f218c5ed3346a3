"""Routes in the admin API: life, preconditions, conflicts, and bad input of every kind."""
import json
import re

import pytest

from support.admin import RFC3339, TARGET, assert_problem, minimal
from support.gatehouse import route


def assert_unchanged(gateway, routes=0):
    assert len(gateway.items("routes")) == routes


# Routes: life

def test_post_creates(gateway):
    answer = gateway.api("POST", "/v1/routes", minimal("shop.test"))
    assert answer.status == 201
    made = answer.json
    assert answer.headers.get("Location") == f"/v1/routes/{made['id']}"
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", made["id"]) and "shop" in made["id"]
    assert made["revision"] == 1
    assert RFC3339.match(made["created_at"]) and RFC3339.match(made["updated_at"])
    assert gateway.must("GET", f"/v1/routes/{made['id']}") == made
    assert gateway.items("routes") == [made]


def test_id_may_be_chosen(gateway):
    assert gateway.must("POST", "/v1/routes", minimal(id="my-shop"))["id"] == "my-shop"
    assert_problem(gateway.api("POST", "/v1/routes", minimal("b.test", id="my-shop")), 409)


def test_ids_made_from_one_host_differ(gateway):
    ids = [gateway.must("POST", "/v1/routes", minimal("a.test", path=path))["id"]
           for path in ("/", "/x", "/y")]
    assert len(set(ids)) == 3


def test_defaults_are_those_of_the_contract(gateway):
    made = gateway.must("POST", "/v1/routes", {"hosts": ["a.test"],
                                               "upstream": {"targets": [{"url": TARGET}]}})
    for name in ("id", "revision", "created_at", "updated_at", "hosts"):
        del made[name]
    no_headers = {"set": {}, "add": {}, "remove": []}
    assert made == {
        "path": "/", "enabled": True, "certificate": "auto", "https": "redirect",
        "strip_prefix": False, "add_prefix": None, "redirect": None, "respond": None,
        "host_header": "preserve", "request_headers": no_headers,
        "response_headers": no_headers, "hide_target": True, "max_body": "unlimited",
        "upstream": {
            "targets": [{"url": TARGET, "weight": 1, "backup": False, "drain": False}],
            "balance": "round_robin", "protocol": "auto", "proxy_protocol": "off",
            "tls": {"verify": "system", "ca": None, "pin_sha256": [], "server_name": None,
                    "certificate": None},
            "health": {"path": None, "tcp": False, "interval": "10s", "timeout": "2s",
                       "healthy_after": 2, "unhealthy_after": 3, "expect": "2xx,3xx",
                       "slow_start": "0s"},
            "sticky": None, "max_connections": None,
            "queue": {"size": 100, "timeout": "5s"}, "retries": 2,
            "timeouts": {"connect": "5s", "response": "1h", "idle": "1h"}}}


def test_put_creates_then_replaces(gateway):
    answer = gateway.api("PUT", "/v1/routes/shop", minimal(https="only"))
    assert (answer.status, answer.json["revision"]) == (201, 1)
    answer = gateway.api("PUT", "/v1/routes/shop", minimal())
    assert (answer.status, answer.json["revision"]) == (200, 2)
    assert answer.json["https"] == "redirect"
    assert answer.json["created_at"] <= answer.json["updated_at"]


def test_put_takes_back_what_get_gave(gateway):
    given = gateway.must("PUT", "/v1/routes/shop", minimal(max_body="64KiB"))
    again = gateway.must("PUT", "/v1/routes/shop", given)
    for name in ("revision", "updated_at"):
        given.pop(name), again.pop(name)
    assert given == again


def test_patch_is_merge_patch(gateway):
    gateway.must("PUT", "/v1/routes/shop", minimal(
        "a.test", "b.test", max_body="1KiB",
        request_headers={"set": {"X-A": "1", "X-B": "2"}}))
    patched = gateway.must("PATCH", "/v1/routes/shop", {
        "hosts": ["c.test"], "max_body": None,
        "request_headers": {"set": {"X-A": None, "X-C": "3"}},
        "upstream": {"retries": 1}})
    assert patched["hosts"] == ["c.test"]
    assert patched["max_body"] == "unlimited"           # null removes: the default is back
    assert patched["request_headers"]["set"] == {"X-B": "2", "X-C": "3"}
    assert patched["upstream"]["retries"] == 1
    assert patched["upstream"]["targets"][0]["url"] == TARGET
    assert patched["revision"] == 2


def test_delete_removes(gateway):
    gateway.must("PUT", "/v1/routes/shop", minimal())
    answer = gateway.api("DELETE", "/v1/routes/shop")
    assert (answer.status, answer.body) == (204, b"")
    assert_problem(gateway.api("GET", "/v1/routes/shop"), 404)
    assert_unchanged(gateway)


@pytest.mark.parametrize("given, stored", [
    ("Shop.TEST", "shop.test"), ("b\u00fccher.test", "xn--bcher-kva.test"),
    ("*.B\u00dcCHER.test", "*.xn--bcher-kva.test"), ("*", "*")])
def test_hosts_are_stored_as_a_labels(gateway, given, stored):
    assert gateway.must("POST", "/v1/routes", minimal(given))["hosts"] == [stored]


def test_idn_is_shown_as_both(gateway):
    answer = gateway.api("POST", "/v1/routes", minimal("b\u00fccher.test"))
    assert "xn--bcher-kva.test" in answer.text
    assert "b\u00fccher.test" in json.dumps(answer.json, ensure_ascii=False)


@pytest.mark.parametrize("url", [
    "http://127.0.0.1:80", "http://app", "http://app:8080", "https://[fd00::10]:443",
    "http://[::1]", "unix:/run/app.sock", "https://app.internal"])
def test_target_urls(gateway, url):
    made = gateway.must("POST", "/v1/routes", route("a.test", url))
    assert made["upstream"]["targets"][0]["url"].startswith(url)


# Preconditions and conflicts

def test_etag_and_if_match(gateway):
    gateway.must("PUT", "/v1/routes/shop", minimal())
    read = gateway.api("GET", "/v1/routes/shop")
    assert read.etag and read.etag.startswith('"')
    changed = gateway.api("PATCH", "/v1/routes/shop", {"path": "/x"}, If_Match=read.etag)
    assert changed.status == 200
    for method, body in (("PATCH", {"path": "/y"}), ("PUT", minimal()), ("DELETE", None)):
        assert_problem(gateway.api(method, "/v1/routes/shop", body, If_Match=read.etag), 412)
    assert gateway.must("GET", "/v1/routes/shop")["path"] == "/x"
    fresh = gateway.api("GET", "/v1/routes/shop").etag
    assert fresh != read.etag
    assert gateway.api("DELETE", "/v1/routes/shop", If_Match=fresh).status == 204


def test_if_match_star_needs_an_object(gateway):
    assert_problem(gateway.api("PUT", "/v1/routes/shop", minimal(), If_Match="*"), 412)
    assert_unchanged(gateway)


@pytest.mark.parametrize("path", ["/v1/acme", "/v1/settings", "/v1/config"])
def test_single_objects_have_an_etag_too(gateway, path):
    etag = gateway.api("GET", path).etag
    assert etag
    assert gateway.api("GET", path).etag == etag
    answer = gateway.api("PUT", path, {}, If_Match='"nonsense"')
    assert_problem(answer, 412)
    assert gateway.api("GET", path).etag == etag


@pytest.mark.parametrize("first, second", [
    pytest.param(minimal("a.test"), minimal("a.test"), id="same host"),
    pytest.param(minimal("a.test"), minimal("b.test", "A.Test"), id="one of several hosts"),
    pytest.param(minimal("a.test", path="/x"), minimal("a.test", path="/x/"), id="same path"),
    pytest.param(minimal("*"), minimal("*"), id="all hosts"),
])
def test_two_enabled_routes_may_not_claim_the_same(gateway, first, second):
    gateway.must("PUT", "/v1/routes/the-first", first)
    problem = assert_problem(gateway.api("PUT", "/v1/routes/the-second", second), 409)
    assert "the-first" in json.dumps(problem)
    assert_unchanged(gateway, routes=1)


def test_disabled_route_claims_nothing_until_enabled(gateway):
    gateway.must("PUT", "/v1/routes/one", minimal())
    gateway.must("PUT", "/v1/routes/two", minimal(enabled=False))
    problem = assert_problem(gateway.api("PATCH", "/v1/routes/two", {"enabled": True}), 409)
    assert "one" in json.dumps(problem)


# Bad input: everything at once, with JSON pointers

LONG = "a" * 64

BAD_URLS = [
    "", "app", "app:80", "ftp://app", "http://", "http://:80", "http://[::1",
    "http://[nonsense]", "http://::1:80", "http://app:0", "http://app:65536", "http://app:http",
    "http://user@app", "http://a b", "http://app:80:80", "http://999.1.1.1", "unix:relative",
    "unix:"]

BAD_ROUTES = [
    # unknown and missing
    ("unknown field", {"colour": 1}, ["/colour"]),
    ("unknown field inside", {"upstream": {"targets": [{"url": TARGET, "colour": 1}]}},
     ["/upstream/targets/0/colour"]),
    ("unknown field with a slash in its name", {"a/b~c": 1}, ["/a~1b~0c"]),
    ("no hosts", {"hosts": None}, ["/hosts"]),
    ("empty hosts", {"hosts": []}, ["/hosts"]),
    ("no upstream", {"upstream": None}, ["/upstream"]),
    ("no targets", {"upstream": {}}, ["/upstream/targets"]),
    ("empty targets", {"upstream": {"targets": []}}, ["/upstream/targets"]),
    ("no url", {"upstream": {"targets": [{}]}}, ["/upstream/targets/0/url"]),
    # types
    ("hosts is a text", {"hosts": "a.test"}, ["/hosts"]),
    ("host is a number", {"hosts": ["a.test", 5]}, ["/hosts/1"]),
    ("enabled is a text", {"enabled": "yes"}, ["/enabled"]),
    ("path is a number", {"path": 1}, ["/path"]),
    ("upstream is a list", {"upstream": []}, ["/upstream"]),
    ("target is a text", {"upstream": {"targets": [TARGET]}}, ["/upstream/targets/0"]),
    ("headers are a list", {"request_headers": []}, ["/request_headers"]),
    ("header value is a number", {"request_headers": {"set": {"X-A": 1}}},
     ["/request_headers/set/X-A"]),
    ("certificate is a number", {"certificate": 1}, ["/certificate"]),
    ("retries is a text", {"upstream": {"retries": "2"}}, ["/upstream/retries"]),
    ("retries is a fraction", {"upstream": {"retries": 1.5}}, ["/upstream/retries"]),
    # hosts and paths
    ("space in a host", {"hosts": ["a b.test"]}, ["/hosts/0"]),
    ("empty label", {"hosts": ["a..test"]}, ["/hosts/0"]),
    ("empty host", {"hosts": [""]}, ["/hosts/0"]),
    ("label too long", {"hosts": [f"{LONG}.test"]}, ["/hosts/0"]),
    ("host too long", {"hosts": [".".join(["a" * 60] * 5)]}, ["/hosts/0"]),
    ("host with a port", {"hosts": ["a.test:80"]}, ["/hosts/0"]),
    ("host with a scheme", {"hosts": ["http://a.test"]}, ["/hosts/0"]),
    ("wildcard inside", {"hosts": ["a.*.test"]}, ["/hosts/0"]),
    ("wildcard in a label", {"hosts": ["a*.test"]}, ["/hosts/0"]),
    ("two wildcards", {"hosts": ["*.*.test"]}, ["/hosts/0"]),
    ("invalid IDN", {"hosts": ["xn--a\u00fc.test"]}, ["/hosts/0"]),
    ("relative path", {"path": "app"}, ["/path"]),
    ("path with a query", {"path": "/a?b"}, ["/path"]),
    ("path with a control character", {"path": "/a\nb"}, ["/path"]),
    # choices
    ("https", {"https": "sometimes"}, ["/https"]),
    ("unknown certificate", {"certificate": "nobody"}, ["/certificate"]),
    ("balance", {"upstream": {"balance": "best"}}, ["/upstream/balance"]),
    ("protocol", {"upstream": {"protocol": "9"}}, ["/upstream/protocol"]),
    ("verify", {"upstream": {"tls": {"verify": "maybe"}}}, ["/upstream/tls/verify"]),
    # sizes and durations
    ("size of words", {"max_body": "lots"}, ["/max_body"]),
    ("size as a number", {"max_body": 1024}, ["/max_body"]),
    ("negative size", {"max_body": "-1KiB"}, ["/max_body"]),
    ("size that overflows", {"max_body": "99999999999999GiB"}, ["/max_body"]),
    ("duration without unit", {"upstream": {"timeouts": {"idle": "5"}}},
     ["/upstream/timeouts/idle"]),
    ("duration of words", {"upstream": {"timeouts": {"connect": "soon"}}},
     ["/upstream/timeouts/connect"]),
    ("duration as a number", {"upstream": {"timeouts": {"response": 5}}},
     ["/upstream/timeouts/response"]),
    ("negative duration", {"upstream": {"timeouts": {"response": "-5s"}}},
     ["/upstream/timeouts/response"]),
    ("negative retries", {"upstream": {"retries": -1}}, ["/upstream/retries"]),
    # targets
    *[(f"target {url!r}", {"upstream": {"targets": [{"url": url}]}},
       ["/upstream/targets/0/url"]) for url in BAD_URLS],
    ("target twice, in two spellings",
     {"upstream": {"targets": [{"url": TARGET}, {"url": "http://app"},
                               {"url": "http://APP:80"}]}},
     ["/upstream/targets/2/url"]),
    ("unix path too long", {"upstream": {"targets": [{"url": "unix:/" + "x" * 200}]}},
     ["/upstream/targets/0/url"]),
    # TLS to the target
    ("verify ca without a ca", {"upstream": {"tls": {"verify": "ca"}}}, ["/upstream/tls/ca"]),
    ("ca is not PEM", {"upstream": {"tls": {"verify": "ca", "ca": "hello"}}},
     ["/upstream/tls/ca"]),
    ("verify pin without a pin", {"upstream": {"tls": {"verify": "pin"}}},
     ["/upstream/tls/pin_sha256"]),
    ("pin is not a digest", {"upstream": {"tls": {"verify": "pin", "pin_sha256": ["ab:cd"]}}},
     ["/upstream/tls/pin_sha256/0"]),
    ("server name", {"upstream": {"tls": {"server_name": "a b"}}},
     ["/upstream/tls/server_name"]),
    # header fields
    ("field name", {"request_headers": {"set": {"Bad Name": "x"}}},
     ["/request_headers/set/Bad Name"]),
    ("empty field name", {"request_headers": {"set": {"": "x"}}}, ["/request_headers/set/"]),
    ("line break in a field", {"response_headers": {"set": {"X-A": "a\r\nSet-Cookie: b"}}},
     ["/response_headers/set/X-A"]),
    ("name to remove", {"request_headers": {"remove": ["a:b"]}}, ["/request_headers/remove/0"]),
    # several at once
    ("everything at once",
     {"colour": 1, "hosts": ["ok.test", "a b"], "path": "x", "https": "no", "max_body": "x",
      "upstream": {"targets": [{"url": TARGET}, {"url": "nonsense"},
                                {"url": "http://app", "weight": "x"}],
                   "timeouts": {"connect": "x", "idle": "y"}}},
     ["/colour", "/hosts/1", "/path", "/https", "/max_body", "/upstream/targets/1/url",
      "/upstream/targets/2/weight", "/upstream/timeouts/connect", "/upstream/timeouts/idle"]),
]


def merged(target, patch):
    """RFC 7396, with the difference that an empty object in the patch replaces."""
    if not isinstance(patch, dict) or not patch:
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merged(out.get(name), value)
    return out


@pytest.mark.parametrize("patch, pointers", [pytest.param(patch, pointers, id=name)
                                             for name, patch, pointers in BAD_ROUTES])
def test_bad_route_is_refused_field_by_field(gateway, patch, pointers):
    problem = assert_problem(gateway.api("POST", "/v1/routes", merged(minimal(), patch)), 422)
    assert sorted(e["field"] for e in problem["errors"]) == sorted(pointers)
    assert all(e["message"] for e in problem["errors"])
    assert_unchanged(gateway)


def test_unknown_field_is_named_in_words(gateway):
    answer = gateway.api("POST", "/v1/routes", minimal(colour="red"))
    assert "colour" in json.dumps(answer.json["errors"])


def test_wildcard_cannot_have_an_automatic_certificate(gateway):
    problem = assert_problem(
        gateway.api("POST", "/v1/routes", minimal("*.a.test", certificate="auto")), 422)
    assert "HTTP-01" in json.dumps(problem)
    assert_unchanged(gateway)


def test_bad_patch_changes_nothing(gateway):
    before = gateway.must("PUT", "/v1/routes/shop", minimal())
    for patch in ({"hosts": ["ok.test"], "path": "bad"}, {"upstream": None}, {"hosts": None}):
        assert_problem(gateway.api("PATCH", "/v1/routes/shop", patch), 422)
    assert gateway.must("GET", "/v1/routes/shop") == before


# Bad input: before it is an object

@pytest.mark.parametrize("body, statuses", [
    pytest.param(b"", {400}, id="empty"),
    pytest.param(b"{", {400}, id="half"),
    pytest.param(b"{} {}", {400}, id="two documents"),
    pytest.param(b"nonsense", {400}, id="no JSON"),
    pytest.param(b"{'hosts': []}", {400}, id="single quotes"),
    pytest.param(b'{"hosts": ["a.test"],}', {400}, id="trailing comma"),
    pytest.param(b'{"path": "/", "path": "/x"}', {400, 422}, id="a field twice"),
    pytest.param(b'{"path": "\xff\xfe"}', {400}, id="not UTF-8"),
    pytest.param(b'{"path": "/\\u0000"}', {400, 422}, id="NUL in a text"),
    pytest.param(b'{"path": "\\ud800"}', {400, 422}, id="half a surrogate pair"),
    pytest.param(b'{"x": 1e999}', {400, 422}, id="number too large"),
    pytest.param(b"[" * 100_000, {400}, id="too deep, open"),
    pytest.param(b'{"a":' * 5_000 + b"1" + b"}" * 5_000, {400, 422}, id="too deep"),
    pytest.param(b"[]", {400, 422}, id="a list"),
    pytest.param(b"null", {400, 422}, id="null"),
    pytest.param(b'"text"', {400, 422}, id="a text"),
])
def test_body_that_is_no_object_is_refused(gateway, body, statuses):
    answer = gateway.api("POST", "/v1/routes", body)
    assert answer.status in statuses
    assert_problem(answer, answer.status)
    assert_unchanged(gateway)


@pytest.mark.parametrize("key", ["path", "a member with a long name, longer than a line",
                                 "caf\u00e9", 'with \\"quotes\\"'])
def test_duplicate_member_is_named(gateway, key):
    answer = gateway.api("POST", "/v1/routes", f'{{"{key}": 1,\n"{key}": 2}}'.encode())
    problem = assert_problem(answer, 400)
    assert "in line 2" in problem["detail"] and "is there twice" in problem["detail"]
    assert key.split('"')[-1].rstrip("\\") in problem["detail"]


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"text"'])
@pytest.mark.parametrize("path", ["/v1/routes/shop", "/v1/settings", "/v1/acme"])
def test_patch_that_is_no_object_is_refused(gateway, path, body):
    gateway.must("PUT", "/v1/routes/shop", minimal())
    before = gateway.must("GET", path)
    problem = assert_problem(gateway.api("PATCH", path, body), 422 if body == b"[]" else 400)
    assert "must be an object" in json.dumps(problem)
    assert gateway.must("GET", path) == before


def test_creating_what_exists_says_so(gateway):
    gateway.must("PUT", "/v1/routes/shop", minimal())
    answer = gateway.api("PUT", "/v1/routes/shop", minimal(), If_None_Match="*")
    assert "exists already" in assert_problem(answer, 412)["detail"]


@pytest.mark.parametrize("content_type", [
    "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "",
    "application/jsonx"])
def test_wrong_content_type_is_415(gateway, content_type):
    body = json.dumps(minimal()).encode()
    assert_problem(gateway.api("POST", "/v1/routes", body, Content_Type=content_type), 415)
    assert_unchanged(gateway)


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8",
                                          "Application/JSON"])
def test_right_content_type_is_taken(gateway, content_type):
    body = json.dumps(minimal()).encode()
    assert gateway.api("POST", "/v1/routes", body, Content_Type=content_type).status == 201


def test_merge_patch_has_a_type_of_its_own(gateway):
    gateway.must("PUT", "/v1/routes/shop", minimal())
    assert gateway.api("PATCH", "/v1/routes/shop", b'{"path": "/x"}',
                       Content_Type="application/merge-patch+json").status == 200


@pytest.mark.parametrize("method, path, size", [("POST", "/v1/routes", (1 << 20) + 1),
                                                ("PUT", "/v1/settings", 2 << 20)])
def test_too_large_a_body_is_413(gateway, method, path, size):
    assert_problem(gateway.api(method, path, b'"' + b"x" * (size - 2) + b'"'), 413)
    assert_unchanged(gateway)


def test_body_of_1_mib_is_read(gateway):
    body = json.dumps(minimal()).encode().ljust(1 << 20)
    assert gateway.api("POST", "/v1/routes", body).status == 201


# What is not there

@pytest.mark.parametrize("method, path", [
    ("GET", "/v1/routes/nobody"), ("PATCH", "/v1/routes/nobody"),
    ("DELETE", "/v1/routes/nobody"),
    ("GET", "/v1/certificates/nobody"), ("DELETE", "/v1/certificates/nobody"),
    ("POST", "/v1/certificates/nobody/renew"), ("DELETE", "/v1/tokens/nobody"),
    ("GET", "/v1/streams/nobody"), ("GET", "/"), ("GET", "/v1"), ("GET", "/v1/nonsense"),
    ("GET", "/v1/routes/a/b"), ("GET", "/v2/routes"), ("GET", "/v1/routes/..%2f..%2fetc")])
def test_unknown_is_404(gateway, method, path):
    body = {} if method == "PATCH" else None
    assert_problem(gateway.api(method, path, body), 404)


@pytest.mark.parametrize("method, path, allowed", [
    ("DELETE", "/v1/routes", {"GET", "POST"}),
    ("PATCH", "/v1/routes", {"GET", "POST"}),
    ("POST", "/v1/routes/shop", {"GET", "PUT", "PATCH", "DELETE"}),
    ("POST", "/v1/settings", {"GET", "PUT", "PATCH"}),
    ("DELETE", "/v1/acme", {"GET", "PUT", "PATCH"}),
    ("DELETE", "/v1/config", {"GET", "PUT"}),
    ("POST", "/v1/status", {"GET"}),
    ("POST", "/healthz", {"GET"}),
    ("GET", "/v1/certificates/x/renew", {"POST"})])
def test_method_that_is_not_there_is_405_with_those_that_are(gateway, method, path, allowed):
    body = {} if method in ("POST", "PATCH") else None
    answer = gateway.api(method, path, body)
    assert_problem(answer, 405)
    listed = {name.strip() for name in answer.headers.get("Allow").split(",")}
    assert allowed <= listed <= allowed | {"HEAD", "OPTIONS"}


def test_head_is_answered_like_get_without_a_body(gateway):
    answer = gateway.api("HEAD", "/v1/routes")
    assert (answer.status, answer.body) == (200, b"")
