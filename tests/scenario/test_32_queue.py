"""Requests beyond max_connections wait in line: in which order, what ends the wait, what helps."""
import json
import socket
import struct
import threading

import pytest

from support.origin import response
from support.raw import request
from support.wait import PATIENCE, until

RETRY = "Retry-After"


class Held:
    """A target that answers /held only when it is told to."""

    def __init__(self, origin):
        self.origin, self.go_on = origin, threading.Event()
        origin.on("/held", self.answer)

    def answer(self, connection, _):
        self.go_on.wait(PATIENCE)
        connection.send(response(200, "OK", body=b"held"))
        return True


@pytest.fixture
def held(make_origin):
    made = Held(make_origin())
    yield made
    made.go_on.set()


def limited(gateway, host, targets, size=100, timeout="20s", most=1, **more):
    return gateway.put_route("r", host, targets,
                             upstream={"max_connections": most,
                                       "queue": {"size": size, "timeout": timeout}, **more})


def waiting(gateway):
    routes = gateway.must("GET", "/v1/status")["routes"]
    return next(r["waiting"] for r in routes if r["id"] == "r")


def until_waiting(gateway, count):
    until(lambda: waiting(gateway) == count, f"{count} requests to wait")


def start(gateway, host, target):
    """A request that is sent, on a connection of its own."""
    client = gateway.client()
    client.send(request("GET", target, host))
    return client


def occupy(gateway, host, target):
    client = start(gateway, host, "/held")
    target.origin.wait_for("/held")
    return client


def line_up(gateway, host, count):
    clients = []
    for n in range(count):
        clients.append(start(gateway, host, f"/{n}"))
        until_waiting(gateway, n + 1)
    return clients


def paths(target):
    return [r.path for r in target.origin.requests]


def test_first_come_first_served(make_gateway, no_ca, held, host):
    gateway = make_gateway(workers=1).start()       # of several workers each takes its turn
    gateway.must("PATCH", "/v1/acme", no_ca)
    limited(gateway, host, held.origin.url)
    clients = [occupy(gateway, host, held), *line_up(gateway, host, 4)]
    assert paths(held) == ["/held"]
    held.go_on.set()
    assert [c.read().status for c in clients] == [200] * 5
    assert paths(held) == ["/held", "/0", "/1", "/2", "/3"]


def test_full_line_refuses_at_once(gateway, held, host):
    limited(gateway, host, held.origin.url, size=2)
    first = occupy(gateway, host, held)
    clients = line_up(gateway, host, 2)
    refused = gateway.get(host)
    assert (refused.status, refused.headers.get(RETRY)) == (503, "1")
    assert len(held.origin.requests) == 1
    held.go_on.set()
    assert [c.read().status for c in (first, *clients)] == [200] * 3


def test_wait_ends(gateway, held, host):
    limited(gateway, host, held.origin.url, timeout="50ms")
    first = occupy(gateway, host, held)
    refused = gateway.get(host)
    assert (refused.status, refused.headers.get(RETRY)) == (503, "1")
    held.go_on.set()
    assert first.read().status == 200
    assert gateway.get(host).status == 200


def end_of_sending(client):
    client.end_of_sending()
    assert client.read().status == 503      # to whoever has only half left


def reset(client):
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("leave", [lambda client: client.close(), end_of_sending, reset],
                         ids=["close", "half", "reset"])
def test_client_that_leaves_gives_its_place_away(make_gateway, no_ca, held, host, leave):
    lines = "access.log"
    gateway = make_gateway("--access-log-format", "json")
    gateway.argv += ["--access-log", gateway.directory / lines]
    gateway.start()
    gateway.must("PATCH", "/v1/acme", no_ca)
    limited(gateway, host, held.origin.url, size=1)
    first = occupy(gateway, host, held)
    leaver, = line_up(gateway, host, 1)
    leave(leaver)
    until_waiting(gateway, 0)
    stayer, = line_up(gateway, host, 1)
    held.go_on.set()
    assert (first.read().status, stayer.read().status) == (200, 200)
    assert paths(held) == ["/held", "/0"]
    logged = until(lambda: [json.loads(line) for line in
                            (gateway.directory / lines).read_text().splitlines()
                            if '"ended_in"' in line], "the line of who has left")
    assert [(line["ended_by"], line["ended_in"]) for line in logged] == [("client", "queue")]


@pytest.mark.parametrize("most", [3, None])
def test_higher_limit_helps_who_waits(gateway, held, host, most):
    limited(gateway, host, held.origin.url)
    first = occupy(gateway, host, held)
    clients = line_up(gateway, host, 2)
    gateway.must("PATCH", "/v1/routes/r", {"upstream": {"max_connections": most}})
    assert [c.read().status for c in clients] == [200] * 2
    held.go_on.set()
    assert first.read().status == 200


def test_target_that_passes_its_probe_serves_who_waits(gateway, held, make_origin, host):
    other = make_origin()
    other.answer("/up", response(500, "No"))
    held.origin.answer("/up", response(200, "OK"))
    limited(gateway, host, [held.origin.url, other.url],
            health={"path": "/up", "interval": "100ms", "unhealthy_after": 1,
                    "healthy_after": 1})
    until(lambda: f'"target_down","route":"r","target":"{other.url}"' in gateway.log(),
          "the probe to fail")
    first = occupy(gateway, host, held)
    clients = line_up(gateway, host, 1)
    other.answer("/up", response(200, "OK"))
    assert clients[0].read().status == 200
    assert other.seen("/0") and not held.go_on.is_set()
    held.go_on.set()
    assert first.read().status == 200


def test_trial_serves_who_waits(gateway, held, make_origin, host):
    """Nothing rings when an ejection is over, and no trial is spent on a target that is full."""
    other = make_origin()
    other.on("/bad", lambda connection, _: None)          # closes without an answer
    limited(gateway, host, [held.origin.url, other.url], retries=0, sticky={"cookie": "s"},
            health={"interval": "300ms", "unhealthy_after": 1})
    cookie = until(lambda: next((a.headers.get("Set-Cookie").split(";")[0]
                                 for a in [gateway.get(host)]
                                 if json.loads(a.body)["origin"] == other.url), None),
                   "a cookie of the other target")
    assert gateway.get(host, "/bad", f"Cookie: {cookie}").status == 502
    first = occupy(gateway, host, held)
    client = start(gateway, host, "/waits")
    assert client.read().status == 200
    assert other.seen("/waits")
    held.go_on.set()
    assert first.read().status == 200
