"""What lies inside stays inside: origins in the answers of targets, and everything the gateway
says itself, as bytes on the wire."""
import re
import socket
import ssl

import pytest

from support.gatehouse import ANY_TLS
from support.origin import response
from support.raw import request

INSIDE = "127.9.8.7"          # where the targets of this file stand
VERSION = re.compile(r"gatehouse/|\b0\.1\.\d|openssl|nghttp2", re.I)


@pytest.fixture
def inside(make_origin):
    """An application that names itself by its inner address."""
    return make_origin(host=INSIDE)


# What targets say

def redirect(inside, location, *fields):
    inside.answer("/go", response(302, "Found", f"Location: {location}", *fields))


def test_location_of_the_target_becomes_the_public_one(gateway, inside, host):
    gateway.put_route("r", host, inside.url)
    redirect(inside, f"{inside.url}/login?next=%2F", f"Content-Location: {inside.url}/a",
             f"Refresh: 5; url={inside.url}/b", f"Set-Cookie: k=v; Domain={INSIDE}; Path=/")
    for ask, scheme in ((gateway.get, "http"), (gateway.get_tls, "https")):
        headers = ask(host, "/go").headers
        assert headers.get("Location") == f"{scheme}://{host}/login?next=%2F"
        assert headers.get("Content-Location") == f"{scheme}://{host}/a"
        assert headers.get("Refresh") == f"5; url={scheme}://{host}/b"
        assert headers.get("Set-Cookie") == f"k=v; Domain={host}; Path=/"


def test_port_that_the_client_asked_is_the_public_one(gateway, inside, host):
    gateway.put_route("r", host, inside.url)
    redirect(inside, f"{inside.url}/x")
    asked = f"{host}:{gateway.https}"
    with gateway.tls_client(host) as client:
        assert client.ask("GET", "/go", asked).headers.get("Location") == f"https://{asked}/x"


def test_host_that_the_target_is_told_is_hidden_too(gateway, inside, host):
    gateway.put_route("r", host, inside.url, host_header="inner.lan")
    redirect(inside, "http://inner.lan/x", "Set-Cookie: k=v; Domain=.inner.lan")
    headers = gateway.get_tls(host, "/go").headers
    assert headers.get("Location") == f"https://{host}/x"
    assert headers.get("Set-Cookie") == f"k=v; Domain={host}"


@pytest.mark.parametrize("more, asked, inner, public", [
    ({"path": "/pub", "strip_prefix": True}, "/pub/go", "/x", "/pub/x"),
    ({"add_prefix": "/app"}, "/go", "/app/x", "/x"),
    ({"path": "/pub", "strip_prefix": True, "add_prefix": "/app"}, "/pub/go", "/app/x",
     "/pub/x"),
])
def test_path_is_mapped_back(gateway, inside, host, more, asked, inner, public):
    gateway.put_route("r", host, inside.url, **more)
    inside.answer("/go", response(302, "Found", f"Location: {inside.url}{inner}"))
    inside.answer("/app/go", response(302, "Found", f"Location: {inside.url}{inner}"))
    assert gateway.get(host, asked).headers.get("Location") == f"http://{host}{public}"


def test_other_places_are_nobodys_business(gateway, inside, host):
    gateway.put_route("r", host, inside.url)
    for location in ("/x", "x", "https://other.test/x", f"http://{INSIDE}:1/x",
                     f"https://{host}/x", f"/?to={inside.url}/"):
        redirect(inside, location)
        assert gateway.get(host, "/go").headers.get("Location") == location


def test_hiding_can_be_turned_off(gateway, inside, host):
    gateway.put_route("r", host, inside.url, hide_target=False)
    redirect(inside, f"{inside.url}/x", f"Set-Cookie: k=v; Domain={INSIDE}")
    headers = gateway.get(host, "/go").headers
    assert headers.get("Location") == f"{inside.url}/x"
    assert headers.get("Set-Cookie") == f"k=v; Domain={INSIDE}"
    assert gateway.cli("route", "set", "r", "hide_target=true").returncode == 0
    assert gateway.get(host, "/go").headers.get("Location") == f"http://{host}/x"


# What the gateway says

def closed_port():
    """A port of the inside that refuses."""
    with socket.socket() as probe:
        probe.bind((INSIDE, 0))
        return probe.getsockname()[1]


def silent(connection, _):
    connection.sock.recv(1)     # until the gateway gives up


def troubles(inside, encrypted):
    """Paths with the target and the members of a route that fails there, and how it fails."""
    down = f"http://{INSIDE}:{closed_port()}"
    soon = {"timeouts": {"connect": "100ms", "response": "50ms", "idle": "50ms"}}
    inside.on("/silent", silent)
    inside.answer("/garbage", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", close=True)
    inside.answer("*", b"HTTP/1.1 400 Bad Request\r\n\r\n", close=True)    # to HTTP/2's PRI
    inside.answer("/nothing", b"", close=True)
    inside.answer("/large", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000 + b"\r\n\r\n", close=True)
    return {
        "/refused": (down, {}, 502),
        "/unknown-name": ("http://inner-name.invalid:8123", {}, 502),
        "/no-tls": (inside.url.replace("http:", "https:"), {"upstream": soon}, 504),
        "/untrusted": (encrypted.url, {}, 502),
        "/silent": (inside.url, {"upstream": soon}, 504),
        "/garbage": (inside.url, {}, 502),
        "/nothing": (inside.url, {}, 502),
        "/large": (inside.url, {}, 502),
        "/no-http2": (inside.url, {"upstream": {"protocol": "2"}}, 502),
        "/all-drained": ([{"url": down, "drain": True}], {}, 503),
        "/body": (inside.url, {"max_body": "1KiB"}, 413),
    }


def says_nothing(text, *secrets):
    """None of what lies inside stands in the text."""
    found = [s for s in (INSIDE, "127.0.0.1", "inner-name", socket.gethostname(), *secrets)
             if s.lower() in text.lower()]
    assert not found and not VERSION.search(text), (found, text)


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_pages_of_the_gateway_say_nothing_of_the_inside(gateway, inside, make_origin, pki, host,
                                                        accept):
    encrypted = make_origin(host=INSIDE, tls=pki.leaf("inner-name").server_context())
    cases = troubles(inside, encrypted)
    for path, (target, more, _) in cases.items():
        gateway.put_route(path.strip("/"), host, target, path=path, **more)
    for path, (target, _, status) in cases.items():
        body = bytes(2048) if path == "/body" else None
        answer = gateway.ask("POST" if body else "GET", path, host, f"Accept: {accept}",
                             body=body)
        assert answer.status == status, (path, answer)
        ports = re.findall(r":\d{4,5}", str(target))
        says_nothing(f"{answer.headers} {answer.body.decode()}", *ports)
        assert not answer.headers.has("Server") and not answer.headers.has("Via")


@pytest.mark.parametrize("ask, status", [
    (request("GET", "/", "unknown.test"), 404),
    (request("GET", "/", "ho st"), 400),
    (b"GET / HTTP/3.7\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    (request("GET", "/" + "x" * 20_000, "unknown.test"), 414),
    (request("GET", "/", "unknown.test", "X: " + "y" * 100_000), 431),
    (request("TRACE", "/", "unknown.test"), 501),
    (request("CONNECT", f"{INSIDE}:22", f"{INSIDE}:22"), 501),
], ids=lambda value: str(value) if isinstance(value, int) else "")
def test_refusals_say_nothing_of_the_inside(gateway, inside, host, ask, status):
    gateway.put_route("r", host, inside.url)
    with gateway.client() as client:
        client.try_send(ask)
        answer = client.read()
    assert answer.status == status
    says_nothing(f"{answer.headers} {answer.body.decode()}", f":{inside.port}")


def test_redirects_and_misdirection_say_nothing_of_the_inside(gateway, inside, pki, host):
    certificate = gateway.import_certificate(pki.leaf(host))["id"]
    gateway.put_route("r", host, inside.url, certificate=certificate, https="redirect")
    gateway.put_route("other", "other.test", inside.url, certificate="none")
    moved = gateway.get(host, "/x")
    assert moved.status == 308
    says_nothing(f"{moved.headers} {moved.body.decode()}", f":{inside.port}")
    with gateway.tls_client(host) as client:
        refused = client.ask("GET", "/", "other.test")
    assert refused.status == 421
    says_nothing(f"{refused.headers} {refused.body.decode()}", f":{inside.port}", host)


def handshake(port, name):
    """Every byte that a refused handshake gets back."""
    incoming, outgoing, got = ssl.MemoryBIO(), ssl.MemoryBIO(), b""
    client = ANY_TLS.wrap_bio(incoming, outgoing, server_hostname=name)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        sock.sendall(outgoing.read())
        while data := sock.recv(4096):
            got += data
    return got


def test_alert_is_an_alert_and_nothing_more(gateway, inside, host):
    gateway.put_route("r", host, inside.url)
    # Record type 21, TLS 1.2, two bytes: fatal, unrecognized_name (RFC 8446 6).
    assert handshake(gateway.https, "nobody.test") == b"\x15\x03\x03\x00\x02\x02\x70"


def test_certificate_that_stands_in_names_nobody(gateway, inside, host):
    gateway.put_route("r", host, inside.url)
    der = gateway.served_certificate(host)
    says_nothing(der.decode("latin-1"), host)
