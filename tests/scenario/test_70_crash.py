"""kill -9 at many instants: acknowledged writes are there, an issuance goes on where it was."""
import contextlib
import re
import sqlite3
import threading

import pytest

from support import raw
from support.gatehouse import REPOSITORY, route
from support.wait import until


def assert_database_is_sound(gateway):
    path = gateway.data / "gatehouse.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# In the middle of writes

class Writer(threading.Thread):
    """Writes routes one after the other and notes those that were acknowledged."""

    def __init__(self, gateway, name, target):
        super().__init__(daemon=True)
        self.gateway, self.writer_name, self.target = gateway, name, target
        self.acknowledged, self.deleted = {}, set()
        self.changed = threading.Condition()

    def run(self):
        number = 0
        try:
            while True:
                number += 1
                id = f"{self.writer_name}-{number}"
                made = self.gateway.api("PUT", f"/v1/routes/{id}",
                                        route(f"{id}.test", self.target))
                assert made.status == 201
                self._note(id, made.json)
                if number % 3 == 0:
                    changed = self.gateway.api("PATCH", f"/v1/routes/{id}",
                                               {"path": "/changed"})
                    assert changed.status == 200
                    self._note(id, changed.json)
                if number % 5 == 0:
                    assert self.gateway.api("DELETE", f"/v1/routes/{id}").status == 204
                    self._note(id, None)
        except Exception as error:      # killed: what was not answered may be lost
            self.ended = error

    def _note(self, id, made):
        with self.changed:
            if made is None:
                self.acknowledged.pop(id)
                self.deleted.add(id)
            else:
                self.acknowledged[id] = made
            self.changed.notify_all()

    def wait_for(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.acknowledged) >= count, 60)


@pytest.mark.parametrize("count", [1, 7, 20, 45])
def test_every_acknowledged_write_is_there_after_kill(make_gateway, origin, count):
    gateway = make_gateway().start()
    writers = [Writer(gateway, name, origin.url) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.wait_for(count)
    gateway.kill()
    for writer in writers:
        writer.join(60)
        assert not isinstance(writer.ended, AssertionError)
    gateway.start()
    there = {r["id"]: r for r in gateway.items("routes")}
    for writer in writers:
        last = f"{writer.writer_name}-{max(int(i.split('-')[1]) for i in writer.acknowledged)}"
        for id, made in writer.acknowledged.items():
            if id != last:              # the last one may have been changed or deleted unheard
                assert there[id] == made
        assert not writer.deleted & there.keys()
        some = next(iter(writer.acknowledged.values()))
        assert gateway.get(some["hosts"][0], some["path"]).status == 200
    gateway.stop()
    assert_database_is_sound(gateway)


def test_killed_again_and_again(make_gateway, origin):
    gateway = make_gateway()
    for number in range(5):
        gateway.start()
        gateway.put_route(f"r{number}", f"r{number}.test", origin.url)
        gateway.kill()
    gateway.start()
    assert len(gateway.items("routes")) == 5


def test_killed_at_start_up(make_gateway, origin):
    """Before it is ready: the first start makes files, none of them may be left half made."""
    gateway = make_gateway()
    for appeared in ("master.key", "gatehouse.db", "admin.sock"):
        process = gateway.launch()
        process.until_ready(lambda: (gateway.data / appeared).exists())
        gateway.kill()
    gateway.start()
    gateway.put_route("r", "r.test", origin.url)
    assert gateway.get("r.test").status == 200


def test_imported_key_survives(make_gateway, origin, pki):
    gateway = make_gateway().start()
    pair = pki.leaf("kept.test")
    certificate = gateway.import_certificate(pair)
    gateway.put_route("r", "kept.test", origin.url, certificate=certificate["id"])
    gateway.kill()
    gateway.start()
    assert gateway.served_certificate("kept.test") == pair.der


# In the middle of an issuance

KILL_POINTS = [
    # what is held, and whether the CA has seen it
    ("directory", "before"), ("new_account", "before"), ("new_account", "after"),
    ("new_order", "before"), ("new_order", "after"), ("authorization", "after"),
    ("challenge", "before"), ("challenge", "after"), ("finalize", "before"),
    ("finalize", "after"), ("certificate", "before"), ("certificate", "after"),
]
ORDER_IS_KNOWN_FROM = KILL_POINTS.index(("authorization", "after"))
VALIDATED_WHILE_DEAD = ("challenge", "after")     # the CA finds nobody: the order is lost
FINALIZED_FROM = KILL_POINTS.index(("finalize", "after"))


@pytest.mark.parametrize("kind, when", KILL_POINTS)
def test_issuance_goes_on_after_kill(make_gateway, pebble, interposer, origin, host,
                                     kind, when):
    gateway = make_gateway(http_port=pebble.http_port).start()
    gateway.must("PUT", "/v1/acme", pebble.settings(interposer.directory_url))
    interposer.hold(kind, when)
    gateway.put_route("auto", host, origin.url, certificate="auto")
    interposer.wait_held()
    gateway.kill()
    interposer.let_go(drop=True)
    gateway.start()
    gateway.wait_certificate(host, "active")
    assert gateway.get_tls(host, context=raw.trusting(pebble.root)).status == 200
    position = KILL_POINTS.index((kind, when))
    if position >= ORDER_IS_KNOWN_FROM and (kind, when) != VALIDATED_WHILE_DEAD:
        assert interposer.count("new_order") == 1       # resumed, not begun again
    if position >= FINALIZED_FROM:
        assert interposer.count("finalize") == 1        # the key of the request was not lost


STATES = re.findall(r"^ORDER_STATE\(\w+,\s*(\w+)",
                    (REPOSITORY / "acme" / "order_states.def").read_text(), re.M)


def die_at(gateway, place):
    """Wait until it has killed itself there; what is not a sanitized build never does."""
    def look():
        certificates = gateway.items("certificates") if gateway.process.running() else []
        return not gateway.process.running() or any(c["serial"] for c in certificates)

    def ended():
        try:
            return look()
        except OSError:
            return not gateway.process.running()

    until(ended, f"the end at {place}")
    if place != "sent-install" and gateway.process.running():
        pytest.skip("this build has no crash points")
    until(lambda: not gateway.process.running(), f"the end at {place}")


# An order is never stored while it is merely looked up.
PLACES = [f"{when}-{state}" for state in STATES for when in ("saved", "sent")
          if (when, state) != ("saved", "resume")]


@pytest.mark.parametrize("place", PLACES)
def test_issuance_goes_on_after_death_at_every_named_step(make_gateway, pebble, origin, host,
                                                          place):
    gateway = make_gateway(http_port=pebble.http_port)
    is_second_death = place == "sent-resume"    # only an order that was begun comes there
    gateway.env["ACME_CRASH_AT"] = "saved-submit" if is_second_death else place
    gateway.start()
    gateway.must("PUT", "/v1/acme", pebble.settings())
    gateway.put_route("auto", host, origin.url, certificate="auto")
    die_at(gateway, gateway.env["ACME_CRASH_AT"])
    if is_second_death:
        gateway.env["ACME_CRASH_AT"] = place
        gateway.launch()
        until(lambda: not gateway.process.running(), f"the end at {place}")
    del gateway.env["ACME_CRASH_AT"]
    gateway.start()
    gateway.wait_certificate(host, "active")
    assert gateway.get_tls(host, context=raw.trusting(pebble.root)).status == 200
    gateway.stop()
    assert_database_is_sound(gateway)


@pytest.mark.parametrize("kind", ["new_order", "challenge", "finalize", "certificate"])
def test_issuance_goes_on_after_a_lost_reply(make_gateway, pebble, interposer, origin, host,
                                             kind):
    """As above with a network that breaks instead of a process that dies."""
    gateway = make_gateway(http_port=pebble.http_port).start()
    gateway.must("PUT", "/v1/acme", pebble.settings(interposer.directory_url))
    interposer.hold(kind, "after")
    made = gateway.put_route("auto", host, origin.url, certificate="auto")
    interposer.wait_held()
    interposer.let_go(drop=True)

    def settled():
        now = gateway.certificate_of(host)
        return now if now["state"] in ("failed", "active") else None

    certificate = until(settled, "an end of this attempt")
    if certificate["state"] == "failed":
        gateway.must("POST", f"/v1/certificates/{certificate['id']}/renew")
    gateway.wait_certificate(host, "active")
    assert made["id"] in gateway.certificate_of(host)["used_by"]


def test_renewal_goes_on_after_kill_with_the_old_certificate_serving(
        make_gateway, pebble, interposer, origin, host):
    gateway = make_gateway(http_port=pebble.http_port).start()
    gateway.must("PUT", "/v1/acme", pebble.settings(interposer.directory_url))
    gateway.put_route("auto", host, origin.url, certificate="auto")
    first = gateway.wait_certificate(host, "active")
    served = gateway.served_certificate(host)
    interposer.hold("finalize", "after")
    gateway.must("POST", f"/v1/certificates/{first['id']}/renew")
    interposer.wait_held()
    gateway.kill()
    interposer.hold("order", "before")
    gateway.start()
    interposer.wait_held()
    assert gateway.served_certificate(host) == served
    interposer.let_go()
    gateway.process.until_ready(
        lambda: gateway.certificate_of(host)["serial"] != first["serial"], "another serial")
    assert gateway.served_certificate(host) != served
