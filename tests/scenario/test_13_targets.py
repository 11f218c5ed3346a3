"""Targets: both address families, unix sockets, names, HTTPS with every kind of verification,
and what a target that is down, slow or wrong does to its own route and to no other."""
import json
import socket
import threading

import pytest

from support import raw
from support.origin import response
from support.wait import until

LAB_NAMES = ("backend.test", "localhost", "127.0.0.1", "::1")


def reported_origin(answer):
    assert answer.status == 200, answer
    return json.loads(answer.body)["origin"]


def assert_reason_is_known(gateway, route_id, words):
    """The reason stands in the log and in both forms of the status, not on the public page."""
    gateway.wait_log(words)
    status = gateway.must("GET", "/v1/status")
    assert words in json.dumps(status)
    shown = gateway.cli("status")
    assert shown.returncode == 0
    assert words in shown.stdout and route_id in shown.stdout


# Where a target is

@pytest.mark.parametrize("client_address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("target_address", ["127.0.0.1", "::1"])
def test_every_family_of_client_reaches_every_family_of_target(gateway, make_origin, host,
                                                               client_address, target_address):
    target = make_origin(host=target_address)
    gateway.put_route("r", host, target.url)
    with gateway.client(client_address) as client:
        assert reported_origin(client.ask("GET", "/", host)) == target.url


def test_ipv4_client_reaches_an_https_target_on_ipv6(gateway, nginx, host):
    gateway.put_route("r", host, nginx(*LAB_NAMES).url("[::1]"),
                      upstream={"tls": {"verify": "off"}})
    assert gateway.get_tls(host).status == 200


def test_unix_socket(gateway, make_origin, host, tmp_path):
    target = make_origin(path=tmp_path / "app.sock")
    gateway.put_route("r", host, target.url)
    assert reported_origin(gateway.get(host)) == target.url


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_name_is_resolved_and_each_of_its_addresses_tried(gateway, make_origin, host, address):
    known = {info[4][0] for info in socket.getaddrinfo("localhost", None)}
    if address not in known:
        pytest.skip(f"localhost is not {address} on this machine")
    target = make_origin(host=address)
    gateway.put_route("r", host, f"http://localhost:{target.port}")
    assert reported_origin(gateway.get(host)) == target.url


def test_name_that_does_not_resolve_is_the_trouble_of_one_route(gateway, origin, host):
    gateway.put_route("broken", f"broken.{host}", "http://no-such-name.invalid:80")
    gateway.put_route("fine", f"fine.{host}", origin.url)
    broken = gateway.get(f"broken.{host}")
    assert broken.status == 502
    assert b"no-such-name" not in broken.body
    assert gateway.get(f"fine.{host}").status == 200
    assert_reason_is_known(gateway, "broken", "does not resolve")


# Several targets

def test_targets_take_turns(gateway, make_origin, host):
    targets = [make_origin() for _ in range(3)]
    gateway.put_route("r", host, [t.url for t in targets])
    for _ in range(30):
        assert gateway.get(host).status == 200
    assert all(t.requests for t in targets)


def test_target_that_refuses_connections_is_passed_over(gateway, origin, host, dead_port):
    gateway.put_route("r", host, [f"http://127.0.0.1:{dead_port}", origin.url])
    for _ in range(10):
        assert gateway.ask("POST", "/", host, body=b"x").status == 200
    assert len(origin.requests) == 10


def test_request_that_may_have_had_an_effect_is_not_repeated(gateway, make_origin, host):
    targets = [make_origin(), make_origin()]
    for target in targets:
        target.answer("/pay", b"", close=True)
    gateway.put_route("r", host, [t.url for t in targets])
    assert gateway.ask("POST", "/pay", host, body=b"100").status == 502
    assert sum(len(t.requests) for t in targets) == 1


# A connection that was kept, and that the target closes at the next request

@pytest.mark.parametrize("method, body, status, count",
                         [("GET", None, 200, 2), ("HEAD", None, 200, 2), ("DELETE", None, 200, 2),
                          ("POST", None, 502, 1), ("POST", b"100", 502, 1),
                          ("PUT", None, 200, 2), ("PUT", b"100", 502, 1),
                          ("PATCH", b"100", 502, 1), ("LOCK", None, 502, 1)])
def test_only_what_does_no_harm_twice_is_repeated(gateway, origin, host, method, body, status,
                                                  count):
    def handler(connection, request):
        connection.read_body(request)
        if len(origin.seen("/pay")) == 1:
            return False
        connection.send(response(200, "OK"))
        return True

    origin.on("/pay", handler)
    gateway.put_route("r", host, origin.url, upstream={"retries": 0})
    with gateway.client() as client:
        assert client.ask("GET", "/", host).status == 200
        assert client.ask(method, "/pay", host, body=body).status == status
    assert len(origin.seen("/pay")) == count


# A target that is the gateway itself

def test_target_that_leads_back_is_502_instead_of_going_round(gateway, host):
    gateway.put_route("r", host, f"http://127.0.0.1:{gateway.http}")
    assert gateway.get(host).status == 502
    gateway.wait_log("target_loop")


def test_target_that_leads_to_another_route_is_asked(gateway, origin, host):
    gateway.put_route("r", host, f"http://127.0.0.1:{gateway.http}", host_header="inner.test")
    gateway.put_route("inner", "inner.test", origin.url)
    assert reported_origin(gateway.get(host)) == origin.url


# Targets of another trade

@pytest.mark.parametrize("banner", [b"SSH-2.0-OpenSSH_9.2\r\n", b"220 mail.test ESMTP\r\n",
                                    b"\x16\x03\x01"], ids=["ssh", "smtp", "tls"])
def test_target_that_speaks_first_is_502(gateway, host, banner):
    """It may wait for us to greet in turn: nobody waits for it."""
    def greet():
        while True:
            try:
                guest, _ = listener.accept()
            except OSError:
                return
            guest.sendall(banner)
            guests.append(guest)

    guests = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=greet, daemon=True).start()
        gateway.put_route("r", host, f"http://127.0.0.1:{listener.getsockname()[1]}",
                          upstream={"retries": 0})
        answer = gateway.get(host)
        listener.shutdown(socket.SHUT_RDWR)
    for guest in guests:
        guest.close()
    assert answer.status == 502
    gateway.wait_log("target_bad_response")


# HTTPS targets

@pytest.fixture
def lab(nginx, pki):
    """An nginx by the lab CA, and what the cases below choose from."""
    class Lab:
        target = nginx(*LAB_NAMES)
        pair = pki.leaf(*LAB_NAMES)
        ca = pki.ca().pem
        other_ca = pki.ca("Another CA").pem
        other_pin = pki.self_signed("other.test").pin
    return Lab


@pytest.mark.parametrize("tls", [
    pytest.param(lambda lab: {"verify": "ca", "ca": lab.ca}, id="its CA"),
    pytest.param(lambda lab: {"verify": "ca", "ca": lab.other_ca + lab.ca},
                 id="its CA among others"),
    pytest.param(lambda lab: {"verify": "ca", "ca": lab.ca, "server_name": "backend.test"},
                 id="its CA and another of its names"),
    pytest.param(lambda lab: {"verify": "pin", "pin_sha256": [lab.pair.pin]}, id="its pin"),
    pytest.param(lambda lab: {"verify": "pin", "pin_sha256": [lab.other_pin, lab.pair.pin]},
                 id="its pin among others"),
    pytest.param(lambda lab: {"verify": "off"}, id="off"),
])
def test_https_target_is_trusted_by(gateway, lab, host, tls):
    gateway.put_route("r", host, lab.target.url("localhost"), upstream={"tls": tls(lab)})
    answer = gateway.get(host)
    assert answer.status == 200
    name = tls(lab).get("server_name") or "localhost"
    assert f"sni={name} host={host} proto=http" in answer.body.decode()


@pytest.mark.parametrize("tls, words", [
    pytest.param(lambda lab: {}, "not trusted", id="system, the default"),
    pytest.param(lambda lab: {"verify": "system"}, "not trusted", id="system"),
    pytest.param(lambda lab: {"verify": "ca", "ca": lab.other_ca}, "not trusted",
                 id="another CA"),
    pytest.param(lambda lab: {"verify": "pin", "pin_sha256": [lab.other_pin]}, "pin",
                 id="another pin"),
    pytest.param(lambda lab: {"verify": "ca", "ca": lab.ca, "server_name": "wrong.test"},
                 "another name", id="another name"),
])
def test_https_target_is_refused_and_the_reason_known(gateway, lab, host, tls, words):
    gateway.put_route("doubtful", host, lab.target.url("localhost"),
                      upstream={"tls": tls(lab)})
    answer = gateway.get(host)
    assert answer.status == 502
    assert words.encode() not in answer.body
    assert_reason_is_known(gateway, "doubtful", words)


def test_address_is_found_in_the_certificate(gateway, lab, host):
    gateway.put_route("r", host, lab.target.url("127.0.0.1"),
                      upstream={"tls": {"verify": "ca", "ca": lab.ca}})
    assert gateway.get(host).status == 200


def test_expired_certificate_is_refused(gateway, make_origin, pki, host):
    target = make_origin(tls=pki.expired("localhost").server_context())
    gateway.put_route("r", host, f"https://localhost:{target.port}",
                      upstream={"tls": {"verify": "ca", "ca": pki.ca().pem}})
    assert gateway.get(host).status == 502
    assert target.requests == []


def test_pin_trusts_a_self_signed_certificate(gateway, make_origin, pki, host):
    pair = pki.self_signed("whoever.test")
    target = make_origin(tls=pair.server_context())
    gateway.put_route("r", host, target.url,
                      upstream={"tls": {"verify": "pin", "pin_sha256": [pair.pin]}})
    assert reported_origin(gateway.get(host)) == target.url


def test_system_trust_is_that_of_the_machine(make_gateway, make_origin, pki):
    pair = pki.leaf("localhost")
    target = make_origin(tls=pair.server_context())
    gateway = make_gateway(env={"SSL_CERT_FILE": str(pki.ca().cert)}).start()
    gateway.put_route("r", "system.test", f"https://localhost:{target.port}")
    assert gateway.get("system.test").status == 200


def test_connection_to_an_https_target_is_reused(gateway, make_origin, pki, host):
    pair = pki.self_signed("localhost")
    target = make_origin(tls=pair.server_context())
    gateway.put_route("r", host, target.url, upstream={"tls": {"verify": "off"}})
    with gateway.client() as client:
        for _ in range(10):
            assert client.ask("GET", "/", host).status == 200
    assert target.accepted == 1


def test_corrected_pin_works_at_once(gateway, lab, host):
    tls = {"verify": "pin", "pin_sha256": [lab.other_pin]}
    gateway.put_route("r", host, lab.target.url(), upstream={"tls": tls})
    assert gateway.get(host).status == 502
    gateway.must("PATCH", "/v1/routes/r", {"upstream": {"tls": {"pin_sha256": [lab.pair.pin]}}})
    assert gateway.get(host).status == 200


def test_tightened_verification_does_not_reuse_a_connection_made_before(gateway, lab, host):
    gateway.put_route("r", host, lab.target.url(), upstream={"tls": {"verify": "off"}})
    with gateway.client() as client:
        assert client.ask("GET", "/", host).status == 200
        gateway.must("PATCH", "/v1/routes/r", {"upstream": {"tls": {
            "verify": "pin", "pin_sha256": [lab.other_pin]}}})
        assert client.ask("GET", "/", host).status == 502


def test_https_to_a_target_without_tls_is_502(gateway, host):
    """The gateway's own plain port serves as the target: it answers a ClientHello with 400."""
    gateway.put_route("r", host, f"https://127.0.0.1:{gateway.http}",
                      upstream={"tls": {"verify": "off"}})
    assert gateway.get(host).status == 502


# Targets in trouble

def test_target_that_is_down_is_502(gateway, host, dead_port):
    gateway.put_route("down", host, f"http://127.0.0.1:{dead_port}")
    answer = gateway.get(host)
    assert answer.status == 502
    assert str(dead_port) not in answer.body.decode()
    assert_reason_is_known(gateway, "down", "connect")


def test_unix_socket_that_is_not_there_is_502(gateway, host, tmp_path):
    gateway.put_route("r", host, f"unix:{tmp_path}/nobody.sock")
    answer = gateway.get(host)
    assert answer.status == 502
    assert "nobody.sock" not in answer.body.decode()


def test_target_that_comes_back_is_used_again(gateway, make_origin, host, dead_port):
    gateway.put_route("r", host, f"http://127.0.0.1:{dead_port}")
    assert gateway.get(host).status == 502
    make_origin(port=dead_port)
    until(lambda: gateway.get(host).status == 200, "the target to be used again")


def test_target_that_does_not_accept_is_504(gateway, host):
    """A listener with a full queue answers no SYN: to the gateway it is a host that is gone."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for s in waiting:
            s.setblocking(False)
            s.connect_ex(listener.getsockname())
        gateway.put_route("r", host, "http://127.0.0.1:%d" % listener.getsockname()[1],
                          upstream={"timeouts": {"connect": "300ms"}, "retries": 0})
        assert gateway.get(host).status == 504
        for s in waiting:
            s.close()


def test_broken_target_does_not_end_the_clients_connection(gateway, origin, host, dead_port):
    gateway.put_route("bad", host, f"http://127.0.0.1:{dead_port}", path="/bad")
    gateway.put_route("good", host, origin.url)
    with gateway.client() as client:
        assert client.ask("GET", "/bad", host).status == 502
        assert client.ask("GET", "/", host).status == 200


@pytest.mark.parametrize("value, arrives", [
    pytest.param("preserve", "{host}", id="preserve"),
    pytest.param("inner.test", "inner.test", id="a value of its own"),
])
def test_host_header(gateway, origin, host, value, arrives):
    gateway.put_route("r", host, origin.url, host_header=value)
    assert gateway.get(host).status == 200
    fields = origin.requests[0].headers
    assert fields.all("Host") == [arrives.format(host=host)]
    assert fields.all("X-Forwarded-Host") == [host]


def test_target_asked_by_many_clients_at_once(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    clients = [gateway.client() for _ in range(100)]
    for number, client in enumerate(clients):
        client.send(raw.request("GET", f"/{number}", host))
    for number, client in enumerate(clients):
        assert json.loads(client.read().body)["target"] == f"/{number}"
        client.close()
