"""Routes that redirect or answer by themselves, prefixes, and variables in header fields: what
an operator wrote comes out, and what a client sends never becomes more than a value."""
import json
import re
import urllib.parse

import pytest

from support.gatehouse import ANY_TLS
from support.raw import request


def put(gateway, host, id="r", **fields):
    """A route without an upstream."""
    return gateway.must("PUT", f"/v1/routes/{id}", {
        "hosts": [host], "certificate": "none", "https": "optional", **fields})


def refused(gateway, host, **fields):
    """The fields that the API finds fault with."""
    answer = gateway.api("PUT", "/v1/routes/r", {
        "hosts": [host], "certificate": "none", "https": "optional", **fields})
    assert answer.status == 422, answer
    return answer.fields()


# Redirects

@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_with_each_status(gateway, host, status):
    put(gateway, host, redirect={"to": "https://new.test{uri}", "status": status})
    answer = gateway.get(host, "/a%2Fb/../c?x=%20&y")
    assert answer.status == status
    assert answer.headers.all("Location") == ["https://new.test/a%2Fb/../c?x=%20&y"]
    assert answer.headers.has("Date")


@pytest.mark.parametrize("to, location", [
    ("https://new.test/fixed", "https://new.test/fixed"),
    ("https://new.test{path}", "https://new.test/a/b"),
    ("https://new.test/?from={path}&q={query}", "https://new.test/?from=/a/b&q=x=1"),
    ("{scheme}://{host}:{port}/moved{uri}", "http://{host}:80/moved/a/b?x=1"),
    ("/elsewhere{uri}", "/elsewhere/a/b?x=1"),
    ("{path}", "/a/b"),
])
def test_redirect_is_made_of_what_the_request_says(gateway, host, to, location):
    put(gateway, host, redirect={"to": to})
    answer = gateway.get(host, "/a/b?x=1")
    assert answer.status == 308
    assert answer.headers.get("Location") == location.replace("{host}", host)


@pytest.mark.parametrize("to", ["", "ftp://new.test/", "new.test/", "//new.test/", "https://",
                                "https://{query}/", "https://{path}", "https://{sni}/",
                                "https://new.test{query}", "{query}", "{host}/x",
                                "https://new.test/a b", "https://new.test/\r\nX: y",
                                "https://user@new.test/", "https://new.test/{nobody}"])
def test_redirect_that_leads_nowhere_or_anywhere_is_refused(gateway, host, to):
    assert refused(gateway, host, redirect={"to": to}) == ["/redirect/to"]


@pytest.mark.parametrize("status", [200, 300, 304, 305, 306, 309, 404])
def test_status_that_is_no_redirect_is_refused(gateway, host, status):
    assert refused(gateway, host, redirect={"to": "/x", "status": status}) == [
        "/redirect/status"]


@pytest.mark.parametrize("fields, named", [
    ({"redirect": {"to": "/x"}, "respond": {"status": 200}}, "/respond"),
    ({"redirect": {"to": "/x"}, "upstream": {"targets": [{"url": "http://127.0.0.1:9"}]}},
     "/redirect"),
    ({}, "/upstream"),
])
def test_route_does_exactly_one_thing(gateway, host, fields, named):
    assert refused(gateway, host, **fields) == [named]


@pytest.mark.parametrize("to", ["{uri}", "{path}", "/{query}", "/x/..{uri}"])
@pytest.mark.parametrize("target", ["//evil.test/", "///evil.test", "//evil.test/..%2f",
                                    "/?/evil.test", "/%5Cevil.test", "/%2F/evil.test"])
def test_no_client_chooses_the_host_it_is_sent_to(gateway, host, to, target):
    """Resolved as a browser does, every Location stays on the host that was asked."""
    put(gateway, host, redirect={"to": to})
    location = gateway.get(host, target).headers.get("Location")
    asked = f"http://{host}/"
    assert urllib.parse.urlsplit(urllib.parse.urljoin(asked, location)).hostname == host
    assert not re.match(r"[/\\]{2}", location)


@pytest.mark.parametrize("sent", [
    pytest.param("/a%0d%0aX-Injected:%201", id="escaped line end"),
    pytest.param('/a"<b>^`{|}', id="what a URI cannot hold"),
    pytest.param("/a\\..\\\\evil.test", id="backslashes"),
    pytest.param("/a\xe4\xff", id="bytes beyond ASCII"),
])
def test_hostile_path_ends_up_in_one_harmless_location(gateway, host, sent):
    put(gateway, host, redirect={"to": "https://new.test{uri}"},
        response_headers={"set": {"X-Asked": "{uri}"}})
    with gateway.client() as client:
        answer = client.ask("GET", sent, host)
    if answer.status == 400:        # no request target at all (RFC 9112 3.2)
        assert not answer.headers.has("Location")
        return
    (location,) = answer.headers.all("Location")
    assert location.startswith("https://new.test/a") and not answer.headers.has("X-Injected")
    assert re.fullmatch(r"[!#-;=?-\[\]_a-z~%]+", location)


@pytest.mark.parametrize("asked", ["evil.test/\r\nX-Injected: 1", "a b", "evil.test@{host}",
                                   "evil.test\\", "evil.test/{host}", "evil.test?{host}",
                                   "evil.test,{host}", "<evil>", "evil.test%0d%0aX:1"])
def test_hostile_host_never_comes_back(gateway, host, asked):
    """Also with a route for every host, whose operator trusts {host}."""
    gateway.must("PUT", "/v1/routes/r", {
        "hosts": ["*"], "certificate": "none", "https": "optional",
        "redirect": {"to": "https://{host}/x"}})
    with gateway.client() as client:
        client.send(request("GET", "/", asked.replace("{host}", host)))
        answer = client.read()
    assert answer.status == 400 or answer.status == 404
    assert not answer.headers.has("Location") and not answer.headers.has("X-Injected")


# Fixed answers

def test_fixed_answer(gateway, host):
    put(gateway, host, respond={"status": 503, "body": "closed\n"},
        response_headers={"set": {"Retry-After": "120", "X-Route": "{route}"}})
    answer = gateway.get(host)
    assert (answer.status, answer.body) == (503, b"closed\n")
    assert answer.headers.get("Content-Type") == "text/plain; charset=utf-8"
    assert (answer.headers.get("Retry-After"), answer.headers.get("X-Route")) == ("120", "r")


def test_body_of_a_fixed_answer_is_not_a_template(gateway, host):
    put(gateway, host, respond={"status": 200, "body": "{host} {{ {", "content_type":
                                "application/json"})
    answer = gateway.get(host)
    assert answer.body == b"{host} {{ {"
    assert answer.headers.get("Content-Type") == "application/json"


@pytest.mark.parametrize("fields", [{"redirect": {"to": "https://new.test{uri}"}},
                                    {"respond": {"status": 200, "body": "hello"}}])
@pytest.mark.parametrize("over_tls", [False, True])
def test_connection_lives_on_after_an_answer_of_a_route(gateway, origin, host, fields, over_tls):
    """HEAD, a POST with its body, a chunked one, pipelined requests; then a target is asked."""
    put(gateway, host, path="/own", **fields)
    gateway.put_route("app", host, origin.url)
    with gateway.tls_client(host) if over_tls else gateway.client() as client:
        whole = client.ask("GET", "/own", host)
        head = client.ask("HEAD", "/own", host)
        assert (head.status, head.body) == (whole.status, b"")
        assert head.headers.get("Content-Length", "0") == str(len(whole.body))
        assert client.ask("POST", "/own", host, body=b"x" * 5000).status == whole.status
        client.send(request("POST", "/own", host, "Transfer-Encoding: chunked")
                    + b"3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n"
                    + request("GET", "/own", host) * 3 + request("GET", "/app", host))
        for _ in range(4):
            assert client.read().body == whole.body
        assert json.loads(client.read().body)["target"] == "/app"
    assert [r.target for r in origin.requests] == ["/app"]


def test_body_too_large_for_the_route_is_413_here_too(gateway, host):
    put(gateway, host, max_body="4B", respond={"status": 200, "body": "hello"})
    assert gateway.ask("POST", "/", host, body=b"12345").status == 413
    assert gateway.ask("POST", "/", host, body=b"1234").status == 200


def test_client_that_waits_to_be_told_to_go_on_gets_the_answer(gateway, host):
    put(gateway, host, redirect={"to": "https://new.test{uri}", "status": 307})
    with gateway.client() as client:
        client.send(request("POST", "/x", host, "Expect: 100-continue",
                            "Content-Length: 100000"))
        answer = client.read("POST")
        assert answer.status == 307
        client.try_send(bytes(100000))


@pytest.mark.parametrize("status", [204, 304])
def test_answer_without_content_has_no_framing(gateway, host, status):
    put(gateway, host, respond={"status": status})
    with gateway.client() as client:
        for _ in range(2):
            answer = client.ask("GET", "/", host)
            assert answer.status == status
            assert not answer.headers.has("Content-Length")
            assert not answer.headers.has("Transfer-Encoding")


def test_upgrade_to_a_route_that_answers_is_an_ordinary_request(gateway, host):
    put(gateway, host, respond={"status": 200, "body": "no tunnel"})
    with gateway.client() as client:
        answer = client.ask("GET", "/", host, "Connection: Upgrade", "Upgrade: websocket")
        assert (answer.status, answer.body) == (200, b"no tunnel")
        assert client.ask("GET", "/", host).status == 200


# Prefixes

@pytest.mark.parametrize("fields, asked, arrives", [
    ({"add_prefix": "/app"}, "/a%2Fb?x", "/app/a%2Fb?x"),
    ({"add_prefix": "/app"}, "/", "/app/"),
    ({"path": "/old", "strip_prefix": True, "add_prefix": "/new"}, "/old/a?x=1", "/new/a?x=1"),
    ({"path": "/old", "strip_prefix": True, "add_prefix": "/new"}, "/old", "/new/"),
    ({"path": "/old", "strip_prefix": True, "add_prefix": "/new"}, "/old?x", "/new/?x"),
    ({"path": "/old", "strip_prefix": True}, "/old//evil.test/x", "//evil.test/x"),
    ({"path": "/old", "strip_prefix": True, "add_prefix": "/new"}, "/%6fld/a", "/new/a"),
    ({"path": "/old", "strip_prefix": True, "add_prefix": "/new"}, "/x/../old/a", "/new/a"),
])
def test_prefix(gateway, origin, host, fields, asked, arrives):
    gateway.put_route("r", host, origin.url, **fields)
    assert gateway.get(host, asked).status == 200
    (seen,) = origin.requests
    assert seen.target == arrives


def test_options_of_the_host_as_a_whole_gets_no_prefix(gateway, origin, host):
    gateway.put_route("r", host, origin.url, add_prefix="/app")
    assert gateway.ask("OPTIONS", "*", host).status == 200
    assert [r.target for r in origin.requests] == ["*"]


@pytest.mark.parametrize("prefix", ["app", "/app?x", "/a b", "/a\r\nX: y", "/a#b"])
def test_bad_prefix_is_refused(gateway, origin, host, prefix):
    assert refused(gateway, host, add_prefix=prefix,
                   upstream={"targets": [{"url": origin.url}]}) == ["/add_prefix"]


# Variables

VARIABLES = ["client_ip", "client_port", "host", "method", "path", "query", "uri", "scheme",
             "port", "request_id", "route", "tls_version", "tls_cipher", "sni"]


def all_of_them(gateway, origin, host):
    """A route that tells its target, and the client, every variable there is."""
    values = {f"X-V-{name.replace('_', '-')}": f"<{{{name}}}>" for name in VARIABLES}
    gateway.put_route("the-route", host, origin.url,
                      request_headers={"set": values}, response_headers={"add": values})


def values_in(fields):
    return {name: fields.get(f"X-V-{name.replace('_', '-')}") for name in VARIABLES}


def test_every_variable_on_a_plain_connection(gateway, origin, host):
    all_of_them(gateway, origin, host)
    with gateway.client() as client:
        port = client.sock.getsockname()[1]
        answer = client.ask("PUT", "/a/b?x=1&y", f"{host}:8123", body=b"x")
    seen = values_in(origin.requests[0].headers)
    assert re.fullmatch(r"<[\w-]{8,}>", seen["request_id"])
    assert seen == {
        "client_ip": "<127.0.0.1>", "client_port": f"<{port}>", "host": f"<{host}>",
        "method": "<PUT>", "path": "</a/b>", "query": "<x=1&y>", "uri": "</a/b?x=1&y>",
        "scheme": "<http>", "port": "<8123>", "request_id": seen["request_id"],
        "route": "<the-route>", "tls_version": "<>", "tls_cipher": "<>", "sni": "<>"}
    assert values_in(answer.headers) == seen


def test_every_variable_over_tls(gateway, origin, host):
    all_of_them(gateway, origin, host)
    with gateway.tls_client(host.upper(), ANY_TLS, host="::1") as client:
        port, cipher = client.sock.getsockname()[1], client.sock.cipher()[0]
        version = client.sock.version()
        client.ask("GET", "/", host)
    seen = values_in(origin.requests[0].headers)
    assert seen == {
        "client_ip": "<::1>", "client_port": f"<{port}>", "host": f"<{host}>",
        "method": "<GET>", "path": "</>", "query": "<>", "uri": "</>", "scheme": "<https>",
        "port": "<443>", "request_id": seen["request_id"], "route": "<the-route>",
        "tls_version": f"<{version}>", "tls_cipher": f"<{cipher}>", "sni": f"<{host}>"}


def test_variables_say_what_a_trusted_proxy_tells(gateway, origin, host):
    gateway.must("PATCH", "/v1/settings", {"trusted_proxies": ["127.0.0.1"]})
    all_of_them(gateway, origin, host)
    gateway.get(host, "/", "X-Forwarded-For: 2001:db8::7", "X-Forwarded-Proto: https",
                "X-Request-Id: from-the-edge-1")
    seen = values_in(origin.requests[0].headers)
    assert (seen["client_ip"], seen["scheme"], seen["port"], seen["request_id"]) == (
        "<2001:db8::7>", "<https>", "<443>", "<from-the-edge-1>")
    assert seen["client_port"] == "<>"


def test_request_id_of_an_untrusted_client_is_not_ours(gateway, origin, host):
    all_of_them(gateway, origin, host)
    gateway.get(host, "/", "X-Request-Id: forged")
    assert values_in(origin.requests[0].headers)["request_id"] != "<forged>"


def test_request_id_is_the_one_on_the_page_and_in_the_log(gateway, host, dead_port):
    gateway.put_route("r", host, f"http://127.0.0.1:{dead_port}")
    gateway.must("PATCH", "/v1/settings", {"trusted_proxies": ["127.0.0.1"]})
    answer = gateway.get(host, "/", "X-Request-Id: edge.42", "Accept: application/json")
    assert json.loads(answer.body)["request_id"] == "edge.42"
    gateway.wait_log("edge.42")


@pytest.mark.parametrize("written, comes_out", [
    ("{{host}", "{host}"), ("{{{{x", "{{x"), ("a{b", "a{b"), ("}{", "}{"), ("{Host}", "{Host}"),
    ("{}", "{}"), ("{{{method}}", "{GET}"), ("{method}{method}", "GETGET"),
    ("{host", "{host"),
])
def test_other_braces_stand_for_themselves(gateway, origin, host, written, comes_out):
    gateway.put_route("r", host, origin.url, request_headers={"set": {"X-V": written}})
    gateway.get(host)
    assert origin.requests[0].headers.all("X-V") == [comes_out]


@pytest.mark.parametrize("where, how", [
    ("request_headers", "set"), ("request_headers", "add"),
    ("response_headers", "set"), ("response_headers", "add")])
@pytest.mark.parametrize("value", ["{nobody}", "{client_ip} {cookie}", "{__proto__}"])
def test_unknown_variable_is_refused_by_field(gateway, host, where, how, value):
    body = {"upstream": {"targets": [{"url": "http://127.0.0.1:9"}]},
            where: {how: {"X-V": value}}}
    assert refused(gateway, host, **body) == [f"/{where}/{how}/X-V"]


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "a\x7f"])
def test_line_ends_cannot_be_configured(gateway, host, value):
    (field,) = refused(gateway, host, upstream={"targets": [{"url": "http://127.0.0.1:9"}]},
                       request_headers={"set": {"X-V": value}})
    assert field.startswith("/request_headers/set")


def test_values_are_not_expanded_again(gateway, origin, host):
    """What a client sends is a value, also where it looks like a variable."""
    gateway.put_route("r", host, origin.url, request_headers={"set": {"X-V": "{uri}"}})
    with gateway.client() as client:
        answer = client.ask("GET", "/?{client_ip}{{", host)
        if answer.status == 200:
            assert origin.requests[0].headers.get("X-V") == "/?{client_ip}{{"
        else:
            assert answer.status == 400


def test_field_with_an_empty_variable_is_there_and_empty(gateway, origin, host):
    gateway.put_route("r", host, origin.url, request_headers={
        "set": {"X-Query": "{query}", "X-Cipher": "{tls_cipher}"}})
    gateway.get(host)
    fields = origin.requests[0].headers
    assert fields.all("X-Query") == [""] and fields.all("X-Cipher") == [""]
