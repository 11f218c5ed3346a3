"""What passes through: choice of the route, request line, header fields, connections."""
import pytest

from support import raw
from support.origin import response
from support.raw import request


# Path and query

@pytest.mark.parametrize("target", [
    "/", "/plain", "/trailing/", "//double//slashes", "/./dot/../dots", "/a%2Fb%2fc", "/%20%41",
    "/up/%2e%2e/down", "/%E2%82%AC", "/semi;colon=1", "/~user/@me/$x", "/?", "/a?",
    "/a?q=1&r=%26", "/a?b?c", "/a?path=/../x", "/plus+and%2B", "/a:b", "/" + "long" * 500])
def test_target_arrives_byte_for_byte(gateway, origin, host, target):
    gateway.put_route("r", host, origin.url)
    assert gateway.get(host, target).status == 200
    assert [r.target for r in origin.requests] == [target]


@pytest.mark.parametrize("asked, arrives", [
    ("/app/x", "/x"), ("/app/", "/"), ("/app", "/"), ("/app?q=1", "/?q=1"),
    ("/app/a%2Fb", "/a%2Fb"), ("/app//x", "//x"), ("/app/x/?app=/app", "/x/?app=/app")])
def test_strip_prefix_removes_the_path_of_the_route(gateway, origin, host, asked, arrives):
    gateway.put_route("r", host, origin.url, path="/app", strip_prefix=True)
    assert gateway.get(host, asked).status == 200
    assert [r.target for r in origin.requests] == [arrives]
    assert origin.requests[0].headers.all("X-Forwarded-Prefix") == ["/app"]


def test_absolute_form_is_routed_by_its_own_host(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    assert gateway.get(host, f"http://{host}/abs?x=1").status == 200
    (arrived,) = origin.requests
    assert (arrived.target, arrived.headers.get("Host")) == ("/abs?x=1", host)


# Choice of the route

ROUTES = {"exact": ("a.pick.test", "/"), "deep": ("a.pick.test", "/app"),
          "deeper": ("a.pick.test", "/app/admin"), "wild": ("*.pick.test", "/"),
          "all": ("*", "/")}


@pytest.mark.parametrize("asked_host, target, route", [
    pytest.param("a.pick.test", "/", "exact", id="exact beats wildcard"),
    pytest.param("A.Pick.TEST", "/", "exact", id="case does not matter"),
    pytest.param("a.pick.test:8080", "/", "exact", id="a port does not matter"),
    pytest.param("b.pick.test", "/", "wild", id="wildcard beats all"),
    pytest.param("x.b.pick.test", "/", "all", id="a wildcard is one label"),
    pytest.param("pick.test", "/", "all", id="a wildcard is not none"),
    pytest.param("b.pick.test", "/app", "wild", id="host before path"),
    pytest.param("a.pick.test", "/app", "deep", id="path itself"),
    pytest.param("a.pick.test", "/app/", "deep", id="path with slash"),
    pytest.param("a.pick.test", "/app?x", "deep", id="path with query"),
    pytest.param("a.pick.test", "/app/x/admin", "deep", id="below the path"),
    pytest.param("a.pick.test", "/app/admin/x", "deeper", id="longest path wins"),
    pytest.param("a.pick.test", "/app/administrator", "deep", id="only on a segment boundary"),
    pytest.param("a.pick.test", "/apple", "exact", id="not a part of a segment"),
    pytest.param("a.pick.test", "/App", "exact", id="case of the path matters"),
])
def test_route_choice(gateway, origin, asked_host, target, route):
    for name, (host, path) in ROUTES.items():
        gateway.put_route(name, host, origin.url, path=path,
                          request_headers={"set": {"X-Route": name}})
    assert gateway.get(asked_host, target).status == 200
    assert [r.headers.get("X-Route") for r in origin.requests] == [route]


# Forwarded fields

def parse_forwarded(value):
    return {k.lower(): v.strip('"') for k, v in
            (pair.strip().split("=", 1) for pair in value.split(";"))}


@pytest.mark.parametrize("address, shown", [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_forwarded_fields_say_what_the_gateway_knows(gateway, origin, host, address, shown):
    gateway.put_route("r", host, origin.url)
    with gateway.client(address) as client:
        assert client.ask("GET", "/", host).status == 200
    fields = origin.requests[0].headers
    assert fields.all("X-Forwarded-For") == [address]
    assert fields.all("X-Real-IP") == [address]
    assert fields.all("X-Forwarded-Proto") == ["http"]
    assert fields.all("X-Forwarded-Host") == [host]
    assert fields.all("X-Forwarded-Port") == ["80"]
    (forwarded,) = fields.all("Forwarded")
    assert parse_forwarded(forwarded) == {"for": shown, "host": host, "proto": "http"}


def test_forwarded_fields_over_tls(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    assert gateway.get_tls(host).status == 200
    fields = origin.requests[0].headers
    assert fields.all("X-Forwarded-Proto") == ["https"]
    assert fields.all("X-Forwarded-Port") == ["443"]
    assert parse_forwarded(fields.get("Forwarded"))["proto"] == "https"


def test_forwarded_port_is_the_one_the_client_used(gateway, origin, host):
    """Behind a port mapping that is not the listener's; the Host field tells."""
    gateway.put_route("r", host, origin.url)
    assert gateway.get(f"{host}:8123").status == 200
    fields = origin.requests[0].headers
    assert fields.all("X-Forwarded-Port") == ["8123"]
    assert fields.all("X-Forwarded-Host") == [f"{host}:8123"]


@pytest.mark.parametrize("name", [
    "X-Forwarded-For", "x-forwarded-for", "X_Forwarded_For", "X.Forwarded.For",
    "X-Forwarded_For", "X-Forwarded-Proto", "X_Forwarded_Proto", "X-Forwarded-Host",
    "X.Forwarded-Host", "X-Forwarded-Port", "X-Real-IP", "X_Real_IP", "X.Real.IP", "Forwarded"])
def test_forwarded_field_of_an_untrusted_client_is_dropped(gateway, origin, host, name):
    gateway.put_route("r", host, origin.url)
    assert gateway.get(host, "/", f"{name}: 203.0.113.66", "X-Mine: kept").status == 200
    fields = origin.requests[0].headers
    assert "203.0.113.66" not in str(fields)
    assert fields.get("X-Mine") == "kept"
    if name != name.replace("_", "-").replace(".", "-"):
        assert not fields.has(name)


def test_forwarded_fields_of_a_trusted_proxy_are_believed(gateway, origin, host):
    gateway.must("PATCH", "/v1/settings", {"trusted_proxies": ["127.0.0.0/8"]})
    gateway.put_route("r", host, origin.url)
    assert gateway.get(host, "/", "X-Forwarded-For: 203.0.113.66",
                       "X-Forwarded-Proto: https").status == 200
    fields = origin.requests[0].headers
    assert fields.get("X-Real-IP") == "203.0.113.66"
    assert fields.get("X-Forwarded-For").split(",")[0] == "203.0.113.66"
    assert fields.all("X-Forwarded-Proto") == ["https"]


# Hop-by-hop and other fields

def test_hop_by_hop_fields_of_a_request_stay_here(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    assert gateway.get(host, "/", "Connection: keep-alive, X-Secret, x-other", "X-Secret: 1",
                       "X-Other: 2", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive",
                       "TE: trailers", "Upgrade: h2c", "X-End: 3").status == 200
    fields = origin.requests[0].headers
    for name in ("X-Secret", "X-Other", "Keep-Alive", "Proxy-Connection", "Upgrade"):
        assert not fields.has(name), name
    assert "x-secret" not in (fields.get("Connection") or "").lower()
    assert fields.get("X-End") == "3"


def test_connection_option_cannot_remove_what_the_gateway_says(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    assert gateway.get(host, "/", "Connection: X-Forwarded-For, X-Real-IP, Host").status == 200
    fields = origin.requests[0].headers
    assert fields.all("X-Forwarded-For") == ["127.0.0.1"]
    assert fields.all("X-Real-IP") == ["127.0.0.1"]
    assert fields.all("Host") == [host]


def test_hop_by_hop_fields_of_a_response_stay_here(gateway, origin, host):
    origin.answer("/", response(200, "OK", "Connection: X-Secret", "X-Secret: 1",
                                "Keep-Alive: timeout=5", "Proxy-Connection: x", "X-End: 2",
                                body=b"hi"))
    gateway.put_route("r", host, origin.url)
    answer = gateway.get(host)
    for name in ("X-Secret", "Keep-Alive", "Proxy-Connection"):
        assert not answer.headers.has(name), name
    assert (answer.headers.get("X-End"), answer.body) == ("2", b"hi")


def test_fields_pass_in_order_and_unchanged(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    sent = ["X-A: 1", "x-b:two", "X-A: 3", "X-Empty:", "X-Tab: a\tb", "Cookie: a=b; c=d",
            "Accept: */*;q=0.1", "X-Utf8: caf\u00c3\u00a9", "X_Under: kept",
            "Authorization: Basic eDp5"]
    assert gateway.get(host, "/", *sent).status == 200
    own = {line.split(":")[0] for line in sent}
    arrived = [(k, v) for k, v in origin.requests[0].headers if k in own]
    assert arrived == [tuple(part.strip() for part in line.split(":", 1)) for line in sent]


def test_response_passes_unchanged(gateway, origin, host):
    origin.answer("/", response(299, "Fine", "Set-Cookie: a=1", "Set-Cookie: b=2",
                                "Server: mine", "X-Empty:", "Date: yesterday", body=b"hi"))
    gateway.put_route("r", host, origin.url)
    answer = gateway.get(host)
    assert answer.status == 299
    assert answer.headers.all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.headers.all("Server") == ["mine"]
    assert answer.headers.all("Date") == ["yesterday"]
    assert answer.headers.all("X-Empty") == [""]


@pytest.mark.parametrize("method", [
    "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "MKCOL", "REPORT", "MOVE",
    "M-SEARCH", "get"])
def test_method_passes(gateway, origin, host, method):
    gateway.put_route("r", host, origin.url)
    assert gateway.ask(method, "/", host).status == 200
    assert [r.method for r in origin.requests] == [method]


def test_host_is_preserved_with_its_port_and_case(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    assert gateway.get(f"{host.title()}:1234").status == 200
    assert origin.requests[0].headers.all("Host") == [f"{host.title()}:1234"]


def test_request_headers_of_the_route(gateway, origin, host):
    gateway.put_route("r", host, origin.url, request_headers={
        "set": {"X-Set": "new", "X-Fresh": "made"}, "add": {"X-Add": "more"},
        "remove": ["X-Remove", "cookie"]})
    assert gateway.get(host, "/", "X-Set: old", "X-Set: older", "X-Add: first", "X-Remove: 1",
                       "Cookie: a=b").status == 200
    fields = origin.requests[0].headers
    assert fields.all("X-Set") == ["new"]
    assert fields.all("X-Fresh") == ["made"]
    assert fields.all("X-Add") == ["first", "more"]
    assert not fields.has("X-Remove") and not fields.has("Cookie")


def test_response_headers_of_the_route(gateway, origin, host):
    origin.answer("/", response(200, "OK", "X-Set: old", "X-Add: first", "Server: secret/1.0",
                                body=b"hi"))
    gateway.put_route("r", host, origin.url, response_headers={
        "set": {"X-Set": "new", "Strict-Transport-Security": "max-age=1"},
        "add": {"X-Add": "more"}, "remove": ["server"]})
    fields = gateway.get(host).headers
    assert fields.all("X-Set") == ["new"]
    assert fields.all("Strict-Transport-Security") == ["max-age=1"]
    assert fields.all("X-Add") == ["first", "more"]
    assert not fields.has("Server")


# Connections

def test_kept_alive_connection_serves_many_requests(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        for number in range(20):
            answer = client.ask("POST", f"/{number}", host, body=b"x" * number)
            assert answer.status == 200
    assert [r.target for r in origin.requests] == [f"/{number}" for number in range(20)]


def test_connection_to_the_target_is_reused(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.ask("GET", "/", host)
        before = origin.accepted
        for _ in range(10):
            assert client.ask("GET", "/", host).status == 200
    assert origin.accepted == before


def test_target_that_closed_its_idle_connections_is_asked_again(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        for _ in range(5):
            assert client.ask("GET", "/", host).status == 200
            origin.drop_connections()


def test_pipelined_requests_are_answered_in_order(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(b"".join(request("POST", f"/{n}", host, body=b"x" * n) for n in range(5)))
        answers = [client.read() for _ in range(5)]
    assert [b'"target": "/%d"' % n in a.body for n, a in enumerate(answers)] == [True] * 5


def large_answer():
    body = b"0123456789abcdef" * 65536
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def test_pipelined_requests_with_large_answers_are_answered_whole(gateway, origin, host):
    origin.answer("/", large_answer())
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(request("GET", "/", host) * 20)
        assert [len(client.read().body) for _ in range(20)] == [1 << 20] * 20


def test_client_that_leaves_between_pipelined_answers_harms_nobody(gateway, origin, host):
    origin.answer("/", large_answer())
    gateway.put_route("r", host, origin.url)
    for _ in range(20):
        with gateway.client() as client:
            client.send(request("GET", "/", host) * 3)
            client.read()
    with gateway.client() as client:
        assert client.ask("GET", "/", host).status == 200


def test_connection_close_is_honoured(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        answer = client.ask("GET", "/", host, "Connection: close")
        assert (answer.status, answer.headers.get("Connection")) == (200, "close")
        assert client.closed_by_peer()


def test_http_1_0_client_gets_a_plain_body_and_a_close(gateway, origin, host):
    origin.answer("/", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  + raw.chunked(b"one", b"two"))
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        answer = client.read()
        assert (answer.status, answer.body) == (200, b"onetwo")
        assert not answer.headers.has("Transfer-Encoding")
        assert client.closed_by_peer()
    assert origin.requests[0].version == "HTTP/1.1"


def test_http_1_0_keep_alive(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    asked = f"GET / HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\n\r\n".encode()
    with gateway.client() as client:
        for _ in range(2):
            client.send(asked)
            answer = client.read()
            assert (answer.status, answer.headers.get("Connection")) == (200, "keep-alive")


def test_empty_line_before_a_request_is_ignored(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(b"\r\n" + request("GET", "/", host))
        assert client.read().status == 200


def test_request_that_trickles_in_is_served(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        for byte in request("POST", "/slow", host, body=b"abc"):
            client.send(bytes([byte]))
        assert client.read().status == 200
    assert origin.requests[0].target == "/slow"
