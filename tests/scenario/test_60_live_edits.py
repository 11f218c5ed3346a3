"""Changes while traffic flows: live when acknowledged, on every worker; felt by nobody else."""
import json
import threading

import pytest

from support.gatehouse import route
from support.load import Load
from support.origin import response
from support.raw import request
from support.wait import PATIENCE

ROUTES = 50
CONNECTIONS = 6      # new connections per check: the kernel spreads them over the workers


def served_by(gateway, host, count=CONNECTIONS):
    """Which origins answer that host on several new connections; None: the gateway itself."""
    answers = [gateway.get(host) for _ in range(count)]
    return {json.loads(a.body)["origin"] if a.status == 200 else None for a in answers}


def test_50_routes_added_changed_and_removed_under_load(gateway, make_origin, pki, host):
    one, two = make_origin(), make_origin()
    certificate = gateway.import_certificate(pki.leaf(f"steady.{host}", f"tls.{host}"))
    gateway.put_route("steady", f"steady.{host}", one.url)
    gateway.put_route("steady-tls", f"tls.{host}", one.url, certificate=certificate["id"])

    def right(answer):
        return answer.status == 200 and json.loads(answer.body)["origin"] == one.url

    plain = Load(gateway.client, request("GET", "/", f"steady.{host}"), right, threads=2)
    tls = Load(lambda: gateway.tls_client(f"tls.{host}"), request("GET", "/", f"tls.{host}"),
               right, threads=2)
    with plain, tls:
        for load in (plain, tls):
            load.wait_more(20)
        for number in range(ROUTES):
            gateway.put_route(f"edit-{number}", f"e{number}.{host}", one.url)
            assert served_by(gateway, f"e{number}.{host}", 2) == {one.url}
        for number in range(ROUTES):
            gateway.must("PATCH", f"/v1/routes/edit-{number}",
                         {"upstream": {"targets": [{"url": two.url}]}})
            assert served_by(gateway, f"e{number}.{host}", 2) == {two.url}
        for number in range(ROUTES):
            gateway.must("DELETE", f"/v1/routes/edit-{number}")
            assert served_by(gateway, f"e{number}.{host}", 2) == {None}
        for load in (plain, tls):
            load.wait_more(20)
    assert plain.failures == [] and tls.failures == []
    assert plain.answered > 100 and tls.answered > 40
    assert len(gateway.items("routes")) == 2


def test_new_connections_never_fail_while_routes_change(gateway, origin, host):
    """As above with a connection per request: listeners are not touched by a change."""
    gateway.put_route("steady", host, origin.url)
    stop, failures, answered = threading.Event(), [], []

    def knock():
        while not stop.is_set():
            try:
                answered.append(gateway.get(host, "/", "Connection: close").status)
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=knock) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(ROUTES):
        gateway.put_route(f"edit-{number}", f"e{number}.{host}", origin.url)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == [] and set(answered) == {200}


def test_acknowledged_change_is_live_on_every_worker(gateway, make_origin, host):
    targets = [make_origin(), make_origin()]
    for turn in range(20):
        wanted = targets[turn % 2].url
        gateway.put_route("r", host, wanted)
        assert served_by(gateway, host) == {wanted}


def test_kept_alive_connection_follows_changes(gateway, make_origin, host):
    targets = [make_origin(), make_origin()]
    with gateway.client() as client:
        for turn in range(10):
            gateway.put_route("r", host, targets[turn % 2].url)
            answer = client.ask("GET", "/", host)
            assert json.loads(answer.body)["origin"] == targets[turn % 2].url
        gateway.must("DELETE", "/v1/routes/r")
        assert client.ask("GET", "/", host).status == 404


def slow_answer(origin, path):
    """Answer half of a body at once, the rest when the returned event is set."""
    go_on = threading.Event()

    def handler(connection, _):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        assert go_on.wait(PATIENCE)
        connection.send(b"def")
        return True

    origin.on(path, handler)
    return go_on


@pytest.mark.parametrize("edit", [
    pytest.param(lambda g, other: g.put_route("other", "other.test", other),
                 id="another route"),
    pytest.param(lambda g, other: g.must("PATCH", "/v1/routes/r", {
        "upstream": {"targets": [{"url": other}]}}), id="its own target"),
    pytest.param(lambda g, other: g.must("DELETE", "/v1/routes/r"), id="its own route deleted"),
    pytest.param(lambda g, other: g.must("PATCH", "/v1/settings", {"tls_min_version": "1.3"}),
                 id="settings"),
])
def test_exchange_in_flight_ends_as_it_began(gateway, make_origin, origin, host, edit):
    go_on = slow_answer(origin, "/slow")
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(request("GET", "/slow", host))
        assert client.read_head().status == 200
        assert client.read_exactly(3) == b"abc"
        edit(gateway, make_origin().url)
        go_on.set()
        assert client.read_exactly(3) == b"def"


def test_tunnel_survives_changes_of_other_routes(gateway, origin, host):
    def echo(connection, _):
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                        b"Upgrade: echo\r\n\r\n")
        while (data := connection.read_some()):
            connection.send(data)

    origin.on("/tunnel", echo)
    gateway.put_route("r", host, origin.url)
    with gateway.client() as client:
        client.send(request("GET", "/tunnel", host, "Connection: Upgrade", "Upgrade: echo"))
        assert client.read_head().status == 101
        for number in range(20):
            gateway.put_route("other", f"o{number}.{host}", origin.url)
            client.send(b"ping%d" % number)
            assert client.read_exactly(len(b"ping%d" % number)) == b"ping%d" % number


def test_refused_change_disturbs_nothing(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    assert gateway.api("PATCH", "/v1/routes/r", {"upstream": {"targets": []}}).status == 422
    claim = route(host, "http://127.0.0.1:9")
    assert gateway.api("PUT", "/v1/routes/s", claim).status == 409
    assert served_by(gateway, host) == {origin.url}


def test_writers_at_the_same_time_are_all_heard(gateway, origin, host):
    """Ten clients write at once: all routes are there, each of them is served."""
    names = [f"w{number}" for number in range(40)]

    def write(mine):
        for name in mine:
            gateway.put_route(name, f"{name}.{host}", origin.url)

    threads = [threading.Thread(target=write, args=(names[n::10],)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r["id"] for r in gateway.items("routes")) == sorted(names)
    assert all(served_by(gateway, f"{name}.{host}", 1) == {origin.url} for name in names)


def test_racing_edits_of_one_route_with_if_match_lose_no_update(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    wins = []

    def compete(name):
        for number in range(5):
            while True:
                read = gateway.api("GET", "/v1/routes/r")
                added = {"request_headers": {"set": {f"X-{name}-{number}": "1"}}}
                done = gateway.api("PATCH", "/v1/routes/r", added, If_Match=read.etag)
                if done.status == 200:
                    wins.append(done.json["revision"])
                    break
                assert done.status == 412

    threads = [threading.Thread(target=compete, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wins) == list(range(2, 22))
    assert len(gateway.must("GET", "/v1/routes/r")["request_headers"]["set"]) == 20


def test_many_routes(gateway, origin, host):
    """2,000 routes in one document; single edits among them are live as ever."""
    document = gateway.must("GET", "/v1/config")
    document["routes"] = [{"id": f"m{number}", "hosts": [f"m{number}.{host}"],
                           "certificate": "none", "https": "optional",
                           "upstream": {"targets": [{"url": origin.url}]}}
                          for number in range(2000)]
    gateway.must("PUT", "/v1/config", document)
    origin.answer("/new", response(200, "OK", body=b"new"))
    for number in (0, 999, 1999):
        assert gateway.get(f"m{number}.{host}").status == 200
        gateway.must("PATCH", f"/v1/routes/m{number}", {"path": "/new"})
        assert gateway.get(f"m{number}.{host}").status == 404
        assert gateway.get(f"m{number}.{host}", "/new").body == b"new"
    gateway.must("PUT", "/v1/config", {**document, "routes": []})
