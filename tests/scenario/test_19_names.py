"""Targets with names: both families, changes after the TTL, names that stop resolving, and
name servers that fail or fall silent. The name server is ours; the gateway asks it alone."""
import json
import socket

import pytest

from support.dns import A, AAAA, NXDOMAIN, SERVFAIL, Dns
from support.gatehouse import Gatehouse
from support.origin import Origin, response
from support.wait import until

TTL = 1         # seconds: what the gateway makes of any lower one, too


@pytest.fixture(scope="module")
def dns():
    server = Dns()
    yield server
    server.close()


# Each worker asks for itself: with one of them a test knows what is known.
@pytest.fixture(scope="module")
def shared(new_directory, no_ca, dns):
    gateway = Gatehouse(new_directory("gateway"), "--resolver", dns.address, workers=1).start()
    gateway.must("PATCH", "/v1/acme", no_ca)
    yield gateway
    gateway.dispose()


@pytest.fixture
def resolving(shared):
    """A gateway that asks our name server."""
    yield shared
    shared.check_alive()
    shared.clear()


@pytest.fixture
def name(host):
    """A name of the test's own for its target; none of it is in any cache."""
    return f"target.{host}"


@pytest.fixture
def pair(make_origin):
    """Two origins on the same port of two addresses."""
    first = make_origin()
    return first, make_origin(host="127.0.0.2", port=first.port)


@pytest.fixture
def black_hole():
    """A function that swallows every SYN to that port on ::1."""
    held = []

    def dig(port):
        listener = socket.socket(socket.AF_INET6)
        held.append(listener)
        listener.bind(("::1", port))
        listener.listen(0)
        for _ in range(4):
            held.append(socket.socket(socket.AF_INET6))
            held[-1].setblocking(False)
            held[-1].connect_ex(("::1", port))

    yield dig
    for s in held:
        s.close()


def who(answer):
    assert answer.status == 200, answer
    return json.loads(answer.body)["origin"]


def target_of(gateway, id):
    """What the status says of a route and of its only target."""
    (route,) = [r for r in gateway.must("GET", "/v1/status")["routes"] if r["id"] == id]
    return route, route["targets"][0]


def put(gateway, host, name, port, id="r", **timeouts):
    gateway.put_route(id, host, f"http://{name}:{port}", upstream={
        "retries": 0, **({"timeouts": timeouts} if timeouts else {})})


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.3", "::1"])
def test_name_resolves_in_either_family(resolving, dns, make_origin, name, host, address):
    target = make_origin(host=address)
    dns.has(name, address, ttl=60)
    put(resolving, host, name, target.port)
    for _ in range(5):
        assert who(resolving.get(host)) == target.url
    assert dns.asked(name) == 2     # once for each family


def test_alias_is_followed_for_its_own_time(resolving, dns, pair, name, host):
    old, new = pair
    dns.has(f"old.{name}", "127.0.0.1", ttl=3600)
    dns.has(f"new.{name}", "127.0.0.2", ttl=3600)
    dns.is_alias(name, f"old.{name}", ttl=TTL)
    put(resolving, host, name, old.port)
    assert who(resolving.get(host)) == old.url
    dns.is_alias(name, f"new.{name}", ttl=TTL)
    until(lambda: who(resolving.get(host)) == new.url, "the move of the alias")


@pytest.mark.parametrize("ttl", [0, TTL])
def test_traffic_moves_with_the_name(resolving, dns, pair, name, host, ttl):
    """Also that of clients and connections which are there already."""
    old, new = pair
    dns.has(name, "127.0.0.1", ttl=ttl)
    put(resolving, host, name, old.port)
    with resolving.client() as client:
        assert who(client.ask("GET", "/", host)) == old.url
        dns.has(name, "127.0.0.2", ttl=ttl)
        until(lambda: who(client.ask("GET", "/", host)) == new.url, "the move of an old client")
        until(lambda: who(resolving.get(host)) == new.url, "the move of new ones")
        count = len(old.requests)
        for _ in range(20):
            assert who(client.ask("GET", "/", host)) == new.url
            assert who(resolving.get(host)) == new.url
    assert len(old.requests) == count


def test_address_that_joins_takes_no_connection_from_the_other(resolving, dns, pair, name, host):
    """The old address is still one of the name's: what is open there goes on."""
    old, new = pair
    dns.has(name, "127.0.0.1")
    put(resolving, host, name, old.port)
    with resolving.client() as client:
        assert who(client.ask("GET", "/", host)) == old.url
        accepted = old.accepted
        before = dns.asked(name)
        dns.has(name, "127.0.0.1", "127.0.0.2")
        until(lambda: who(client.ask("GET", "/", host)) and dns.asked(name) > before + 1,
              "the name to be asked for again")
        for _ in range(5):
            assert who(client.ask("GET", "/", host)) == old.url
    assert old.accepted == accepted


def test_request_under_way_survives_the_move(resolving, dns, pair, name, host):
    old, new = pair
    held = []
    old.on("/hold", lambda connection, request: held.append(connection) or True)
    dns.has(name, "127.0.0.1")
    put(resolving, host, name, old.port)
    with resolving.client() as client:
        client.send(f"GET /hold HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        until(lambda: held, "the request to arrive")
        dns.has(name, "127.0.0.2")
        until(lambda: who(resolving.get(host)) == new.url, "the move")
        held[0].send(response(200, "OK", body=b"late"))
        assert client.read().body == b"late"


def test_names_that_stop_resolving_keep_their_addresses_and_recover(resolving, dns, origin,
                                                                    name, host):
    """NXDOMAIN and SERVFAIL, side by side: said in the log, once, and in the status."""
    codes = {"gone": NXDOMAIN, "broken": SERVFAIL}
    for id in codes:
        dns.has(f"{id}.{name}", "127.0.0.1", ttl=TTL)
        put(resolving, f"{id}.{host}", f"{id}.{name}", origin.port, id)
        assert who(resolving.get(f"{id}.{host}")) == origin.url
    for id, code in codes.items():
        dns.fails(f"{id}.{name}", code)

    def all_stale(is_stale):
        for id in codes:
            assert who(resolving.get(f"{id}.{host}")) == origin.url
        return all((target_of(resolving, id)[1]["stale_since"] is not None) == is_stale
                   for id in codes)

    until(lambda: all_stale(True), "the status to tell of it")
    for id in codes:
        url = f"http://{id}.{name}:{origin.port}"
        route, _ = target_of(resolving, id)
        assert route["state"] == "degraded"
        assert any(url in words and "no longer resolves" in words for words in route["reasons"])
        resolving.wait_log(f'"target_name_stale","target":"{url}"')
        dns.has(f"{id}.{name}", "127.0.0.1", ttl=60)
    assert "no longer resolves" in resolving.cli("status").stdout
    until(lambda: all_stale(False), "the status to forget it")
    for id in codes:
        url = f"http://{id}.{name}:{origin.port}"
        resolving.wait_log(f'"target_name_resolves_again","target":"{url}"')
        assert resolving.log().count(f'"target_name_stale","target":"{url}"') == 1
        assert target_of(resolving, id)[0]["state"] == "ok"


def test_name_server_that_falls_silent_delays_nobody(resolving, dns, origin, name, host):
    """The addresses have expired, the question is open: requests do not wait for it."""
    dns.has(name, "127.0.0.1", ttl=TTL)
    origin.answer("/", response(200, "OK", "Connection: close", body=b"{}"), close=True)
    put(resolving, host, name, origin.port, connect="500ms")
    assert resolving.get(host).status == 200
    before = dns.asked(name)
    dns.is_silent(name)
    until(lambda: resolving.get(host).status == 200 and dns.asked(name) > before,
          "the name to be asked for again")
    for _ in range(50):
        assert resolving.get(host).status == 200


def test_dead_ipv6_costs_little(resolving, dns, origin, name, host, black_hole):
    """The connection would fail at its limit if IPv4 were tried only after IPv6 had failed."""
    black_hole(origin.port)
    dns.has(name, "::1", "127.0.0.1", ttl=60)
    origin.answer("/", response(200, "OK", "Connection: close", body=b"{}"), close=True)
    put(resolving, host, name, origin.port, connect="5s")
    for _ in range(3):
        assert resolving.get(host).status == 200


def test_refused_ipv6_is_followed_by_ipv4(resolving, dns, origin, name, host):
    dns.has(name, "::1", "127.0.0.1", ttl=60)
    put(resolving, host, name, origin.port)
    assert who(resolving.get(host)) == origin.url


def test_living_ipv6_is_preferred(resolving, dns, origin, make_origin, name, host):
    six = make_origin(host="::1", port=origin.port)
    dns.has(name, "127.0.0.1", "::1", ttl=60)
    put(resolving, host, name, origin.port)
    for _ in range(4):
        assert who(resolving.get(host)) == six.url


def test_family_whose_question_fails_does_not_spoil_the_other(resolving, dns, origin, name,
                                                              host):
    dns.has(name, "127.0.0.1", ttl=60)
    dns.fails(name, SERVFAIL, kinds=[AAAA])
    put(resolving, host, name, origin.port)
    assert who(resolving.get(host)) == origin.url


@pytest.mark.parametrize("family, address", [(AAAA, "127.0.0.1"), (A, "::1")])
def test_family_whose_question_is_lost_does_not_hold_up_the_other(resolving, dns, make_origin,
                                                                  name, host, family, address):
    """The look-up as a whole would only end long after the limit for connecting."""
    target = make_origin(host=address)
    dns.has(name, address, ttl=60)
    dns.is_silent(name, kinds=[family])
    put(resolving, host, name, target.port, connect="2s")
    assert who(resolving.get(host)) == target.url


def test_name_server_silent_at_the_start(resolving, dns, origin, name, host):
    """Only this route suffers, the client learns in time, and it heals by itself."""
    dns.is_silent(name)
    put(resolving, host, name, origin.port, "named", connect="300ms")
    resolving.put_route("other", f"other.{host}", origin.url)
    answer = resolving.get(host)
    assert answer.status == 504 and name.encode() not in answer.body
    resolving.wait_log('"ended_in":"resolve"')
    assert resolving.get(f"other.{host}").status == 200
    dns.has(name, "127.0.0.1", ttl=60)
    until(lambda: resolving.get(host).status == 200, "the route to heal")


def test_name_that_comes_into_being_is_used(resolving, dns, origin, name, host):
    put(resolving, host, name, origin.port)
    answer = resolving.get(host)
    assert answer.status == 502 and name.encode() not in answer.body
    route, target = target_of(resolving, "r")
    assert target["last_error"]["error"] == "target_dns"
    asked = dns.asked(name)
    for _ in range(20):
        assert resolving.get(host).status == 502
    assert dns.asked(name) <= asked + 2     # not once per request
    dns.has(name, "127.0.0.1", ttl=60)
    until(lambda: resolving.get(host).status == 200, "the name to be found")


def test_all_addresses_of_a_name_are_tried(resolving, dns, name, host, make_origin):
    """The first two refuse; the last one serves."""
    target = make_origin(host="127.0.0.7")
    dns.has(name, "127.0.0.5", "127.0.0.6", "127.0.0.7", ttl=60)
    put(resolving, host, name, target.port)
    assert who(resolving.get(host)) == target.url


def test_target_restarted_at_another_address_is_found(resolving, dns, name, host):
    """As containers are: the old address refuses from one moment to the next."""
    first = Origin()
    dns.has(name, "127.0.0.1", ttl=TTL)
    put(resolving, host, name, first.port)
    assert resolving.get(host).status == 200
    first.close()
    second = Origin(host="127.0.0.2", port=first.port)
    try:
        dns.has(name, "127.0.0.2", ttl=TTL)
        until(lambda: resolving.get(host).status == 200, "the target to be found")
    finally:
        second.close()
