"""Several real nginx as the targets of one route: shares, sticky clients, backups, restarts."""
import collections
import signal

import pytest

from support.load import Load
from support.nginx import HttpTarget
from support.raw import request
from support.wait import until


@pytest.fixture
def make_nginx(new_directory):
    servers = []

    def make():
        servers.append(HttpTarget(new_directory("nginx") / str(len(servers))))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


def port_of(answer):
    assert answer.status == 200, answer
    return int(answer.body.split()[0])


def shares(gateway, host, count):
    """How many of that many requests each port got."""
    with gateway.client() as client:
        return collections.Counter(port_of(client.ask("GET", "/", host)) for _ in range(count))


def test_weights_are_the_shares(make_gateway, no_ca, make_nginx, host):
    gateway = make_gateway(workers=1).start()       # each worker counts for itself
    gateway.must("PATCH", "/v1/acme", no_ca)
    heavy, light, parked = make_nginx(), make_nginx(), make_nginx()
    gateway.put_route("r", host, [{"url": heavy.url, "weight": 3}, {"url": light.url, "weight": 1},
                                  {"url": parked.url, "backup": True}])
    assert shares(gateway, host, 80) == {heavy.port: 60, light.port: 20}


def test_sticky_client_stays_through_edits_and_moves_when_its_target_is_gone(gateway, make_nginx,
                                                                           host):
    targets = [make_nginx() for _ in range(3)]

    def put(kept):
        gateway.put_route("r", host, [t.url for t in kept], upstream={
            "sticky": {"cookie": "seat"}, "health": {"unhealthy_after": 1, "interval": "1h"}})

    put(targets)
    first = gateway.get(host)
    cookie = first.headers.get("Set-Cookie").split(";")[0]
    home = port_of(first)

    def ask():
        answer = gateway.get(host, "/", f"Cookie: {cookie}; theirs=1")
        assert answer.body.split(b" ", 1)[1] == b"theirs=1"     # ours is not the target's affair
        return port_of(answer)

    assert {ask() for _ in range(10)} == {home}
    put(targets[::-1])
    assert {ask() for _ in range(10)} == {home}
    put([t for t in targets if t.port != home])
    assert home not in {ask() for _ in range(10)}


def test_backup_serves_until_the_main_target_is_back(gateway, make_nginx, host):
    main, backup = make_nginx(), make_nginx()
    gateway.put_route("r", host, [main.url, {"url": backup.url, "backup": True}], upstream={
        "health": {"path": "/", "interval": "200ms", "unhealthy_after": 1, "healthy_after": 1}})
    assert port_of(gateway.get(host)) == main.port
    main.process.stop()
    assert {port_of(gateway.get(host)) for _ in range(5)} == {backup.port}
    main.start()
    until(lambda: port_of(gateway.get(host)) == main.port, "the main target to serve again")


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGKILL], ids=["quit", "kill"])
@pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
def test_restarts_fail_no_request(gateway, make_nginx, host, over_tls, number):
    """Each connection to a target ends after a few requests as well: nobody notices that either."""
    steady, restarted = make_nginx(), make_nginx()
    gateway.put_route("r", host, [steady.url, restarted.url], upstream={
        "health": {"interval": "100ms", "unhealthy_after": 1}})

    def open_client():
        return gateway.tls_client(host) if over_tls else gateway.client()

    with Load(open_client, request("GET", "/", host), lambda answer: answer.status == 200) as load:
        for _ in range(5):
            load.wait_more(100)
            restarted.restart(number)
        load.wait_more(100)
    assert load.failures == []
    assert load.answered >= 600
    until(lambda: port_of(gateway.get(host)) == restarted.port, "both to be used again")
