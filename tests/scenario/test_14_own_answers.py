"""What the gateway answers itself: redirects, unknown hosts, error pages, port 80's rules."""
import json
import re

import pytest

from support.raw import request


@pytest.fixture
def certificate(gateway, pki, host):
    """The id of an imported certificate for the test's host."""
    return gateway.import_certificate(pki.leaf("*.test", "localhost"))["id"]


# Port 80

@pytest.mark.parametrize("target", ["/", "/a%2Fb/../c?x=%20&y", "//evil.test/", "/?"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_redirect_is_308_to_the_same_place(gateway, origin, host, certificate, method, target):
    gateway.put_route("r", host, origin.url, certificate=certificate, https="redirect")
    answer = gateway.ask(method, target, host, body=b"x" if method == "POST" else None)
    assert answer.status == 308
    assert answer.headers.get("Location") == f"https://{host}:{gateway.https}{target}"
    assert origin.requests == []


def test_redirect_is_the_default_and_https_is_served(gateway, origin, host, certificate):
    gateway.must("PUT", "/v1/routes/r", {
        "hosts": [host], "certificate": certificate,
        "upstream": {"targets": [{"url": origin.url}]}})
    assert gateway.get(host).status == 308
    assert gateway.get_tls(host).status == 200


def test_old_client_that_names_no_host_cannot_be_redirected(gateway, origin, certificate):
    gateway.put_route("r", "*", origin.url, certificate=certificate, https="redirect")
    with gateway.client() as client:
        client.send(b"GET /x HTTP/1.0\r\n\r\n")
        assert client.read().status == 400
    assert origin.requests == []


def test_redirect_keeps_the_connection_usable(gateway, origin, host, certificate):
    gateway.put_route("r", host, origin.url, certificate=certificate, https="redirect")
    with gateway.client() as client:
        for _ in range(3):
            assert client.ask("GET", "/x", host).status == 308


def test_only_is_404_on_port_80(gateway, origin, host, certificate):
    gateway.put_route("r", host, origin.url, certificate=certificate, https="only")
    assert gateway.get(host).status == 404
    assert origin.requests == []
    assert gateway.get_tls(host).status == 200


def test_optional_is_served_on_both(gateway, origin, host, certificate):
    gateway.put_route("r", host, origin.url, certificate=certificate, https="optional")
    assert gateway.get(host).status == 200
    assert gateway.get_tls(host).status == 200


@pytest.mark.parametrize("https, status", [("optional", 200), ("redirect", 308), ("only", 404)])
def test_challenge_path_that_is_not_ours_is_routed_like_any_other(gateway, origin, host,
                                                                  certificate, https, status):
    gateway.put_route("r", host, origin.url, certificate=certificate, https=https)
    path = "/.well-known/acme-challenge/a-token-of-somebody-else"
    assert gateway.get(host, path).status == status
    assert [r.target for r in origin.requests] == ([path] if status == 200 else [])


# No such route

def test_unknown_host_is_404_on_port_80(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    assert gateway.get(f"unknown.{host}").status == 404
    assert origin.requests == []


def test_unknown_host_page_by_setting(gateway, origin, host):
    gateway.must("PATCH", "/v1/settings", {"unknown_host": "404"})
    gateway.put_route("r", host, origin.url)
    assert gateway.get(f"unknown.{host}").status == 404
    assert gateway.get_tls(f"unknown.{host}").status == 404


def test_unknown_host_goes_to_a_route_by_setting(gateway, origin, host):
    gateway.put_route("fallback", host, origin.url)
    gateway.must("PATCH", "/v1/settings", {"unknown_host": "fallback"})
    assert gateway.get(f"unknown.{host}").status == 200
    assert gateway.get_tls(f"unknown.{host}").status == 200
    assert origin.requests[0].headers.get("Host") == f"unknown.{host}"


def test_path_outside_all_routes_of_a_host_is_404(gateway, origin, host):
    gateway.put_route("r", host, origin.url, path="/app")
    assert gateway.get(host, "/other").status == 404
    assert gateway.get(host, "/app").status == 200


def test_disabled_route_is_not_there(gateway, origin, host):
    gateway.put_route("r", host, origin.url, enabled=False)
    assert gateway.get(host).status == 404
    gateway.must("PATCH", "/v1/routes/r", {"enabled": True})
    assert gateway.get(host).status == 200


# Pages

ASKS = [("/", 404), ("/down", 502)]


@pytest.fixture
def troubled(gateway, host, dead_port):
    """A host with no route but one to a target that is down."""
    gateway.put_route("r", host, f"http://127.0.0.1:{dead_port}", path="/down")
    return host


@pytest.mark.parametrize("target, status", ASKS)
@pytest.mark.parametrize("accept", ["application/json", "application/json, text/html;q=0.5",
                                    "text/html;q=0.1, application/*"])
def test_json_page_for_those_who_prefer_json(gateway, troubled, target, status, accept):
    answer = gateway.get(troubled, target, f"Accept: {accept}")
    assert answer.status == status
    assert "json" in answer.headers.get("Content-Type")
    page = json.loads(answer.body)
    assert page["status"] == status
    assert page["request_id"]


@pytest.mark.parametrize("target, status", ASKS)
@pytest.mark.parametrize("fields", [(), ("Accept: */*",), ("Accept: text/html",),
                                    ("Accept: text/html,application/xhtml+xml,*/*;q=0.8",)])
def test_html_page_for_everybody_else(gateway, troubled, target, status, fields):
    answer = gateway.get(troubled, target, *fields)
    assert answer.status == status
    assert answer.headers.get("Content-Type").startswith("text/html")
    assert str(status) in answer.body.decode()


def test_page_carries_an_id_that_stands_in_the_log(gateway, troubled):
    page = json.loads(gateway.get(troubled, "/down", "Accept: application/json").body)
    gateway.wait_log(page["request_id"])
    lines = [line for line in gateway.log().splitlines() if page["request_id"] in line]
    assert any("cannot connect to the target" in line for line in lines)


def test_every_page_has_an_id_of_its_own(gateway, troubled):
    pages = [gateway.get(troubled, "/down", "Accept: application/json").body for _ in range(10)]
    assert len({json.loads(page)["request_id"] for page in pages}) == 10


def test_page_shows_nothing_of_the_inside(gateway, troubled, dead_port):
    for accept in ("text/html", "application/json"):
        page = gateway.get(troubled, "/down?<script>alert(1)</script>", f"Accept: {accept}")
        text = str(page.headers) + page.body.decode()
        for secret in ("127.0.0.1", str(dead_port), "refused", "<script>"):
            assert secret not in text


def test_page_for_head_has_no_body(gateway, troubled):
    with gateway.client() as client:
        answer = client.ask("HEAD", "/down", troubled)
        assert (answer.status, answer.body) == (502, b"")
        assert int(answer.headers.get("Content-Length")) > 0
        assert client.ask("GET", "/", troubled).status == 404


def test_host_of_the_request_is_not_repeated_on_a_page(gateway):
    answer = gateway.get("xn--script.evil.test")
    assert b"evil" not in answer.body


# Misdirected requests

def test_421_when_sni_and_host_disagree_across_certificates(gateway, origin, pki, host):
    ids = {}
    for name in ("one", "two"):
        certificate = gateway.import_certificate(pki.leaf(f"{name}.{host}"))
        ids[name] = certificate["id"]
        gateway.put_route(name, f"{name}.{host}", origin.url, certificate=certificate["id"])
    with gateway.tls_client(f"one.{host}") as client:
        assert client.ask("GET", "/", f"one.{host}").status == 200
        assert client.ask("GET", "/", f"two.{host}").status == 421
    assert len(origin.requests) == 1


def test_one_certificate_for_both_names_is_no_misdirection(gateway, origin, pki, host):
    names = [f"one.{host}", f"two.{host}"]
    certificate = gateway.import_certificate(pki.leaf(*names))
    gateway.put_route("r", names, origin.url, certificate=certificate["id"])
    with gateway.tls_client(names[0]) as client:
        assert client.ask("GET", "/", names[1]).status == 200


# The access log

def test_access_log_has_one_line_per_request(make_gateway, origin, tmp_path):
    path = tmp_path / "access.log"
    gateway = make_gateway("--access-log", path).start()
    gateway.put_route("r", "log.test", origin.url)
    with gateway.client() as client:
        for number in range(5):
            client.ask("GET", f"/{number}?secret=1", "log.test", "Authorization: Bearer abc",
                       "Cookie: session=xyz")
        client.send(request("GET", "/missing", "nobody.test"))
        client.read()
    gateway.stop()
    lines = path.read_text().splitlines()
    assert len(lines) == 6
    assert sum("log.test" in line and re.search(r"\b200\b", line) is not None
               for line in lines) == 5
    assert not any("abc" in line or "xyz" in line for line in lines)


def test_access_log_off(make_gateway, origin):
    gateway = make_gateway("--access-log", "off").start()
    gateway.put_route("r", "log.test", origin.url)
    assert gateway.get("log.test", "/never-logged").status == 200
    gateway.stop()
    assert "never-logged" not in gateway.log()
