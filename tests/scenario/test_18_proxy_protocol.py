"""PROXY headers: from a trusted load balancer in front, forged, broken or slow ones, real
HAProxy and nginx in front and behind."""
import contextlib
import ipaddress
import selectors
import time

import pytest

from support import ports, raw
from support import proxy_header as proxy
from support.gatehouse import ANY_TLS
from support.haproxy import Haproxy
from support.process import Process
from support.raw import request
from support.wait import PATIENCE, until

BALANCER, OTHER = "127.0.0.1", "127.0.0.9"      # trusted, and not
CLIENT, CLIENT_PORT = "203.0.113.66", 56789
PLAIN_AND_TLS = pytest.mark.parametrize("over_tls", [False, True])
GET = request("GET", "/", "a.test")


@pytest.fixture
def edge(gateway):
    """The gateway with both listeners on 127.0.0.1 behind a balancer there."""
    gateway.must("PATCH", "/v1/settings", {
        "trusted_proxies": [BALANCER],
        "proxy_protocol": [f"127.0.0.1:{gateway.http}", f"127.0.0.1:{gateway.https}"]})
    return gateway


def connect(gateway, first, over_tls=False, source=BALANCER, host="127.0.0.1"):
    """A connection that begins with these pieces."""
    if over_tls:
        return raw.Client(gateway.https, host, ANY_TLS, "a.test", source=source, first=first)
    return raw.Client(gateway.http, host, source=source, first=first)


def said_of_client(origin, number=0):
    """Address and port of the client, as the target was told."""
    fields = origin.requests[number].headers
    assert fields.all("X-Real-IP") == fields.all("X-Forwarded-For")
    return fields.get("X-Forwarded-For"), fields.get("X-Port")


def put_route(gateway, origin, host="a.test", **more):
    gateway.put_route("r", host, origin.url,
                      request_headers={"set": {"X-Port": "{client_port}"}}, **more)


HEADERS = {
    "v1 TCP4": (proxy.v1(CLIENT, CLIENT_PORT), CLIENT),
    "v1 TCP6": (proxy.v1("2001:db8::66", CLIENT_PORT), "2001:db8::66"),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", None),
    "v1 UNKNOWN with more": (b"PROXY UNKNOWN ffff:f...f:ffff 65535 65535\r\n", None),
    "v1 of 107 bytes": (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", None),
    "v2 TCP4": (proxy.v2(CLIENT, CLIENT_PORT), CLIENT),
    "v2 TCP6": (proxy.v2("2001:db8::66", CLIENT_PORT), "2001:db8::66"),
    "v2 mapped": (proxy.v2(f"::ffff:{CLIENT}", CLIENT_PORT), CLIENT),
    "v2 LOCAL": (proxy.block(proxy.LOCAL, proxy.UNSPEC, b""), None),
    "v2 LOCAL with a body": (proxy.block(proxy.LOCAL, proxy.TCP4, bytes(12)), None),
    "v2 UNSPEC": (proxy.block(proxy.PROXY, proxy.UNSPEC, b"anything"), None),
    "v2 unix": (proxy.block(proxy.PROXY, proxy.UNIX, bytes(216)), None),
    "v2 with extensions": (proxy.v2(CLIENT, CLIENT_PORT, proxy.extension(2, b"a.test")
                                    + proxy.extension(0x20, b"\x01" + bytes(4))
                                    + proxy.extension(0xee, b"")), CLIENT),
    "v2 with a checksum": (proxy.with_checksum(proxy.v2(CLIENT, CLIENT_PORT)), CLIENT),
    "v2 of 4 KiB": (proxy.v2(CLIENT, CLIENT_PORT, proxy.extension(4, bytes(4096 - 31))),
                    CLIENT),
}


@PLAIN_AND_TLS
@pytest.mark.parametrize("name", HEADERS)
def test_client_is_who_the_balancer_says(edge, origin, name, over_tls):
    """LOCAL and UNKNOWN tell of nobody: then it is the balancer itself."""
    header, client_ip = HEADERS[name]
    put_route(edge, origin)
    with connect(edge, [header], over_tls) as client:
        own_port = client.sock.getsockname()[1]
        for _ in range(2):          # the second on the same connection
            assert client.ask("GET", "/", "a.test", "X-Forwarded-For: 198.51.100.1"
                              if client_ip else "X-Other: 1").status == 200
    for number in range(2):
        assert said_of_client(origin, number) == (
            (client_ip, str(CLIENT_PORT)) if client_ip else (BALANCER, str(own_port)))
        assert "198.51.100.1" not in str(origin.requests[number].headers)
    until(lambda: f'"client":"{client_ip or BALANCER}"' in edge.log(), "the access line")


@PLAIN_AND_TLS
@pytest.mark.parametrize("name", ["v1 TCP6", "v2 with extensions"])
def test_header_may_come_byte_by_byte(edge, origin, name, over_tls):
    header, client_ip = HEADERS[name]
    put_route(edge, origin)
    with connect(edge, [header[i:i + 1] for i in range(len(header))], over_tls) as client:
        assert client.ask("GET", "/", "a.test").status == 200
    assert said_of_client(origin) == (client_ip, str(CLIENT_PORT))


@pytest.mark.parametrize("name", ["v1 TCP4", "v2 TCP4"])
def test_header_and_requests_may_come_together(edge, origin, name):
    put_route(edge, origin)
    with connect(edge, [HEADERS[name][0] + GET * 3]) as client:
        assert [client.read().status for _ in range(3)] == [200] * 3
    assert {said_of_client(origin, n)[0] for n in range(3)} == {CLIENT}


@pytest.mark.parametrize("at", [1, 5, 6, 11, 12, 13, 15, 16, 27])
@pytest.mark.parametrize("name", ["v1 TCP4", "v2 TCP4"])
def test_header_may_come_in_two_parts(edge, origin, name, at):
    header = HEADERS[name][0]
    put_route(edge, origin)
    with connect(edge, [header[:at]]) as client:
        # The gateway has nothing to answer to the first part; another client proves it looked.
        with connect(edge, [header]) as other:
            assert other.ask("GET", "/", "a.test").status == 200
        client.send(header[at:] + GET)
        assert client.read().status == 200
    assert said_of_client(origin, 1) == (CLIENT, str(CLIENT_PORT))


BROKEN = {
    "no header but a request": GET,
    "a ClientHello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "garbage": b"\xff" * 64,
    "almost a line": b"PROXX TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
    "another family": b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
    "a port too large": b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
    "an address of the other family": b"PROXY TCP4 ::1 1.2.3.4 1 2\r\n",
    "two spaces": b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
    "a bare line feed": b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n" + GET,
    "a line without end": b"PROXY UNKNOWN " + b"x" * 200,
    "another version": proxy.SIGNATURE + b"\x11\x11\0\x0c" + bytes(12),
    "another command": proxy.SIGNATURE + b"\x22\x11\0\x0c" + bytes(12),
    "a block too short": proxy.block(proxy.PROXY, proxy.TCP4, bytes(11)),
    "an oversized block": proxy.SIGNATURE + b"\x21\x11\xff\xff" + bytes(12),
    "an extension beyond the end": proxy.v2(CLIENT, 1, b"\x02\x00\x09x"),
    "a wrong checksum": proxy.v2(CLIENT, 1, proxy.extension(3, b"abcd")),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_header_closes_the_connection_and_says_why(gateway, origin, name):
    number = list(BROKEN).index(name) + 10
    peer = f"127.0.2.{number}"
    gateway.must("PATCH", "/v1/settings", {
        "trusted_proxies": ["127.0.2.0/24"],
        "proxy_protocol": [f"127.0.0.1:{gateway.http}"]})
    put_route(gateway, origin)
    with connect(gateway, [BROKEN[name]], source=peer) as client:
        assert client.read_until_closed() == b""
    until(lambda: any("proxy_header_refused" in line and f'"peer":"{peer}"' in line
                      for line in gateway.log().splitlines()), "the log to say so")
    (line,) = [line for line in gateway.log().splitlines() if f'"peer":"{peer}"' in line]
    assert "the PROXY header is missing or malformed" in line
    assert f'"listener":"127.0.0.1:{gateway.http}"' in line
    assert origin.requests == []


def test_end_in_the_middle_of_a_header_says_why(edge):
    before = edge.log().count("proxy_header_refused")
    with connect(edge, [HEADERS["v2 TCP4"][0][:20]]) as client:
        client.end_of_sending()
        assert client.read_until_closed() == b""
    until(lambda: edge.log().count("proxy_header_refused") > before, "the log to say so")


def test_health_check_that_connects_and_leaves_is_no_news(edge, origin):
    """Balancers do it every second; it must not fill the log."""
    put_route(edge, origin)
    before = edge.log().count("proxy_header_refused")
    for _ in range(5):
        connect(edge, []).close()
    with connect(edge, [HEADERS["v1 TCP4"][0]]) as client:
        assert client.ask("GET", "/", "a.test").status == 200
    assert edge.log().count("proxy_header_refused") == before


@PLAIN_AND_TLS
def test_who_is_not_trusted_is_served_as_he_is(edge, origin, over_tls):
    put_route(edge, origin)
    with connect(edge, [], over_tls, source=OTHER) as client:
        assert client.ask("GET", "/", "a.test").status == 200
    assert said_of_client(origin)[0] == OTHER


@pytest.mark.parametrize("name", ["v1 TCP4", "v2 TCP4"])
def test_header_of_an_untrusted_peer_is_not_believed(edge, origin, name):
    put_route(edge, origin)
    with connect(edge, [HEADERS[name][0] + GET], source=OTHER) as client:
        assert client.read().status == 400
        assert client.closed_by_peer()
    with pytest.raises((OSError, raw.Closed)):
        connect(edge, [HEADERS[name][0]], over_tls=True, source=OTHER)
    assert origin.requests == []


def test_header_on_another_listener_is_a_bad_request(edge, origin):
    """The settings name the listeners on 127.0.0.1; the ones on [::1] are as they were."""
    edge.must("PATCH", "/v1/settings", {"trusted_proxies": [BALANCER, "::1"]})
    put_route(edge, origin)
    with connect(edge, [HEADERS["v1 TCP4"][0] + GET], source="::1", host="::1") as client:
        assert client.read().status == 400
    assert origin.requests == []
    with connect(edge, [], source="::1", host="::1") as client:
        assert client.ask("GET", "/", "a.test").status == 200


def test_named_client_that_is_a_trusted_proxy_may_speak_for_its_own(edge, origin):
    edge.must("PATCH", "/v1/settings", {"trusted_proxies": [BALANCER, CLIENT]})
    put_route(edge, origin)
    with connect(edge, [HEADERS["v2 TCP4"][0]]) as client:
        assert client.ask("GET", "/", "a.test", "X-Forwarded-For: 198.51.100.1").status == 200
    assert said_of_client(origin)[0] == "198.51.100.1"


def test_setting_works_at_once_and_ends_at_once(edge, origin):
    put_route(edge, origin)
    with connect(edge, [HEADERS["v1 TCP4"][0]]) as client:
        assert client.ask("GET", "/", "a.test").status == 200
        edge.must("PATCH", "/v1/settings", {"proxy_protocol": []})
        assert edge.get("a.test").status == 200
        # The connection is what it has been.
        assert client.ask("GET", "/", "a.test").status == 200
    assert [said_of_client(origin, n)[0] for n in range(3)] == [CLIENT, BALANCER, CLIENT]


def test_slow_headers_are_cut_off_and_disturb_nobody(edge, origin):
    """A byte now and then does not buy more time."""
    put_route(edge, origin)
    header = HEADERS["v1 TCP6"][0]
    slow = [connect(edge, [header[:6]]) for _ in range(50)]
    try:
        with connect(edge, [header]) as client:
            for _ in range(50):
                assert client.ask("GET", "/", "a.test").status == 200
        with selectors.DefaultSelector() as selector:
            for one in slow:
                selector.register(one.sock, selectors.EVENT_READ, iter(header[6:-1]))
            deadline = time.monotonic() + PATIENCE
            while selector.get_map() and time.monotonic() < deadline:
                for key, _ in selector.select(0.5):
                    with contextlib.suppress(ConnectionResetError):     # bytes were unread
                        assert key.fileobj.recv(1) == b""
                    selector.unregister(key.fileobj)
                for key in list(selector.get_map().values()):
                    byte = next(key.data, None)
                    if byte is not None:
                        with contextlib.suppress(ConnectionError):
                            key.fileobj.send(bytes([byte]))
            assert not selector.get_map(), "a slow header was not cut off"
    finally:
        for one in slow:
            one.close()
    assert "the PROXY header did not come in time" in edge.log()


# Names of listeners

def test_listener_that_is_not_there_is_warned_of(edge, dead_port):
    def warnings():
        return edge.must("GET", "/v1/status")["warnings"]

    assert warnings() == []
    absent = f"127.0.0.1:{dead_port}"
    edge.must("PATCH", "/v1/settings", {"proxy_protocol": [f"127.0.0.1:{edge.http}", absent]})
    (sentence,) = warnings()
    assert absent in sentence and "proxy_protocol" in sentence
    shown = edge.cli("status")
    assert absent in shown.stdout and shown.returncode == 0
    edge.wait_log("proxy_protocol_without_listener")
    edge.must("PATCH", "/v1/settings", {"proxy_protocol": []})
    assert warnings() == []
    assert absent not in edge.cli("status").stdout.split("Last errors")[0]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost:80", ":0x50", "127.0.0.1:65536", ""])
def test_name_of_no_listener_is_refused(gateway, name):
    answer = gateway.api("PATCH", "/v1/settings", {"proxy_protocol": [name]})
    assert answer.status == 422 and answer.fields() == ["/proxy_protocol/0"]


# Real balancers in front

FRONT = """
listen v1
    mode tcp
    bind 127.0.0.1:{v1}
    server gateway 127.0.0.1:{http} send-proxy check inter 100ms
listen v2
    mode tcp
    bind 127.0.0.1:{v2}
    server gateway 127.0.0.1:{http} send-proxy-v2 check check-send-proxy inter 100ms
listen v1tls
    mode tcp
    bind 127.0.0.1:{v1tls}
    server gateway 127.0.0.1:{https} send-proxy
listen v2tls
    mode tcp
    bind 127.0.0.1:{v2tls}
    server gateway 127.0.0.1:{https} send-proxy-v2-ssl proxy-v2-options crc32c,unique-id
listen http
    mode http
    bind 127.0.0.1:{web}
    server gateway 127.0.0.1:{http} send-proxy-v2
"""


@pytest.fixture(scope="module")
def haproxy(shared_gateway, new_directory):
    gateway = shared_gateway.get()
    server = Haproxy(new_directory("haproxy") / "run", FRONT, "v1", "v2", "v1tls", "v2tls",
                     "web", http=gateway.http, https=gateway.https)
    yield server
    server.stop()


@pytest.mark.parametrize("way", ["v1", "v2", "v1tls", "v2tls", "web"])
def test_haproxy_in_front(edge, haproxy, origin, way):
    put_route(edge, origin)
    refused = edge.log().count("proxy_header_refused")
    with raw.Client(haproxy.ports[way], tls=ANY_TLS if way.endswith("tls") else None,
                    server_name="a.test", source=OTHER) as client:
        port = client.sock.getsockname()[1]
        for _ in range(3):
            assert client.ask("GET", "/", "a.test").status == 200
    assert {said_of_client(origin, n) for n in range(3)} == {(OTHER, str(port))}
    assert edge.log().count("proxy_header_refused") == refused      # nor its health checks


NGINX = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 64; }}
stream {{
    server {{
        listen 127.0.0.1:{plain};
        proxy_pass 127.0.0.1:{http};
        proxy_protocol on;
    }}
    server {{
        listen 127.0.0.1:{tls};
        proxy_pass 127.0.0.1:{https};
        proxy_protocol on;
    }}
}}
"""


@PLAIN_AND_TLS
def test_nginx_in_front(edge, new_directory, origin, over_tls):
    put_route(edge, origin)
    directory, plain, tls = new_directory("nginx-stream"), ports.reserve(), ports.reserve()
    conf = directory / "nginx.conf"
    conf.write_text(NGINX.format(directory=directory, plain=plain, tls=tls, http=edge.http,
                                 https=edge.https))
    nginx = Process(["/usr/sbin/nginx", "-p", directory, "-c", conf], directory / "output.log")
    try:
        nginx.until_ready(lambda: ports.accepts(tls))
        with raw.Client(tls if over_tls else plain, tls=ANY_TLS if over_tls else None,
                        server_name="a.test", source=OTHER) as client:
            port = client.sock.getsockname()[1]
            assert client.ask("PUT", "/", "a.test", body=b"x" * 100_000).status == 200
        assert said_of_client(origin) == (OTHER, str(port))
        assert origin.requests[0].length == 100_000
    finally:
        nginx.stop()
        ports.release(plain, tls)


# Targets that want to know

BEHIND = """
listen plain
    mode http
    bind 127.0.0.1:{plain} accept-proxy
    bind [::1]:{plain} accept-proxy
    http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst] %[dst_port]"
listen tls
    mode http
    bind 127.0.0.1:{tls} accept-proxy ssl crt {pem}
    http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst] %[dst_port]"
"""


@pytest.fixture(scope="module")
def demanding(new_directory, pki):
    """HAProxy as a target that serves nobody without a PROXY header."""
    directory, pair = new_directory("haproxy-target"), pki.leaf("localhost")
    pem = directory / "pair.pem"
    pem.write_text(pair.chain_pem + pair.key_pem)
    server = Haproxy(directory / "run", BEHIND, "plain", "tls", pem=pem)
    yield server
    server.stop()


def unmapped(text):
    """The address as its own family writes it."""
    address = ipaddress.ip_address(text)
    return str(getattr(address, "ipv4_mapped", None) or address)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("way", ["plain", "tls", "::1"])
def test_target_behind_hears_of_the_named_client(edge, demanding, pki, version, way):
    """In with one header, out with another: both speak of the same client, and of where it went."""
    where = {"plain": f"http://127.0.0.1:{demanding.ports['plain']}",
             "tls": f"https://localhost:{demanding.ports['tls']}",
             "::1": f"http://[::1]:{demanding.ports['plain']}"}[way]
    edge.put_route("r", "a.test", where, upstream={
        "proxy_protocol": version, "tls": {"verify": "ca", "ca": pki.ca().pem}
        if way == "tls" else {}})
    for address in (CLIENT, "2001:db8::66"):
        with connect(edge, [proxy.v2(address, CLIENT_PORT)]) as client:
            for _ in range(2):
                answer = client.ask("GET", "/", "a.test")
                assert answer.status == 200, answer
                seen, port, asked, asked_port = answer.body.decode().split()
                assert (unmapped(seen), int(port)) == (address, CLIENT_PORT)
                assert (unmapped(asked), int(asked_port)) == (
                    proxy.destination_of(address), proxy.DESTINATION_PORT)


def test_target_that_demands_a_header_serves_nobody_without(gateway, demanding):
    gateway.put_route("r", "a.test", f"http://127.0.0.1:{demanding.ports['plain']}")
    assert gateway.get("a.test").status in (400, 502)
