"""Choosing a target: every way to balance, cookies that stick, targets that fail and come back."""
import collections
import concurrent.futures
import json
import re

import pytest

from support.origin import Origin, response
from support.wait import until


def who(answer):
    assert answer.status == 200, answer
    return json.loads(answer.body)["origin"]


def is_said(gateway, event, url):
    return f'"{event}","route":"r","target":"{url}"' in gateway.log()


def soon(**health):
    """Ejected after one failure, for a short time."""
    return {"health": {"interval": "100ms", "unhealthy_after": 1, **health}}


# Ways to choose

def test_unknown_ways_are_refused_by_name(gateway, origin, host):
    body = {"hosts": [host], "certificate": "none",
            "upstream": {"targets": [{"url": origin.url}], "balance": "best"}}
    answer = gateway.api("PUT", "/v1/routes/r", body)
    assert answer.status == 422
    assert answer.fields() == ["/upstream/balance"]
    assert "least_conn" in answer.text


def test_least_busy_target_gets_the_next_request(gateway, make_origin, host):
    busy, idle = make_origin(), make_origin()
    held = []
    for target in (busy, idle):
        target.on("/hold", lambda connection, request: held.append(connection) or True)
    gateway.put_route("r", host, [busy.url, idle.url], upstream={"balance": "least_conn"})
    with gateway.client() as client:
        client.send(f"GET /hold HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        until(lambda: held, "the request to arrive")
        holder = held[0].server
        for _ in range(6):
            assert who(gateway.get(host)) != holder.url
        held[0].send(response(200, "OK"))
        assert client.read().status == 200


@pytest.mark.parametrize("balance", ["hash_uri", "hash_cookie:sid", "hash_ip"])
def test_same_key_same_target_on_every_worker(gateway, make_origin, host, balance):
    targets = [make_origin() for _ in range(3)]
    gateway.put_route("r", host, [t.url for t in targets], upstream={"balance": balance})
    seen = collections.defaultdict(set)
    for n in range(72):    # so many keys never all meet at one of three by chance
        key = "ip" if balance == "hash_ip" else n % 24
        seen[key].add(who(gateway.get(host, f"/{key}", f"Cookie: a=1; sid={key}")))
    assert all(len(urls) == 1 for urls in seen.values())
    if balance != "hash_ip":
        assert len(set.union(*seen.values())) > 1


def test_random_two_uses_all(gateway, make_origin, host):
    targets = [make_origin() for _ in range(3)]
    gateway.put_route("r", host, [t.url for t in targets], upstream={"balance": "random_two"})
    until(lambda: who(gateway.get(host)) and all(t.requests for t in targets),
          "every target to be drawn")


# Sticky cookies

def cookie_of(answer):
    return answer.headers.get("Set-Cookie")


def stick(gateway, host, targets, **more):
    gateway.put_route("r", host, targets, upstream={"sticky": {"cookie": "gw", **more}})


def test_cookie_keeps_a_client_with_its_target_through_edits_and_restarts(make_gateway,
                                                                          make_origin, host):
    gateway = make_gateway().start()
    targets = [make_origin() for _ in range(3)]
    urls = [t.url for t in targets]
    stick(gateway, host, urls, max_age="8h")
    first = gateway.get(host)
    cookie = cookie_of(first)
    assert re.fullmatch(r"gw=[\w-]{22}; Path=/; Max-Age=28800; HttpOnly; SameSite=Lax", cookie)
    pair = "Cookie: " + cookie.split(";")[0]
    stick(gateway, host, list(reversed(urls)))
    gateway.stop()
    gateway.start()
    for _ in range(6):
        answer = gateway.get(host, "/", pair)
        assert who(answer) == who(first)
        assert cookie_of(answer) is None


def test_cookies_of_two_routes_do_not_tell_that_they_share_a_target(gateway, make_origin, host):
    target = make_origin()
    for name, path in (("r", "/"), ("s", "/app")):
        gateway.put_route(name, host, [target.url], path=path,
                          upstream={"sticky": {"cookie": "gw"}})
    cookies = [cookie_of(gateway.get(host, path)).split(";")[0] for path in ("/", "/app")]
    assert cookies[0] != cookies[1]
    # A client sends both below the longer path: each route finds its own.
    both = f"Cookie: {cookies[1]}; {cookies[0]}"
    assert [cookie_of(gateway.get(host, path, both)) for path in ("/", "/app")] == [None, None]


def test_cookie_is_secure_over_https_and_hidden_from_the_target(gateway, make_origin, host):
    targets = [make_origin(), make_origin()]
    stick(gateway, host, [t.url for t in targets])
    cookie = cookie_of(gateway.get_tls(host))
    assert cookie.endswith("; Secure")
    pair = cookie.split(";")[0]
    gateway.get(host, "/seen", f"Cookie: a=1; {pair}; b=2")
    gateway.get(host, "/alone", f"Cookie: {pair}")
    [seen] = [r for t in targets for r in t.seen("/seen")]
    assert seen.headers.get("Cookie") == "a=1; b=2"
    [alone] = [r for t in targets for r in t.seen("/alone")]
    assert alone.headers.get("Cookie") is None


def test_stale_or_forged_cookie_is_replaced(gateway, make_origin, host):
    old, new = make_origin(), make_origin()
    stick(gateway, host, [old.url])
    stale = cookie_of(gateway.get(host)).split(";")[0]
    stick(gateway, host, [new.url])
    for value in (stale, "gw=http://127.0.0.1:1", "gw="):
        answer = gateway.get(host, "/", f"Cookie: {value}")
        assert who(answer) == new.url
        assert cookie_of(answer).startswith("gw=")


def test_draining_target_serves_those_who_stick_to_it_alone(gateway, make_origin, host):
    leaving, staying = make_origin(), make_origin()
    stick(gateway, host, [leaving.url])
    pair = "Cookie: " + cookie_of(gateway.get(host)).split(";")[0]
    stick(gateway, host, [{"url": leaving.url, "drain": True}, staying.url])
    for _ in range(4):
        assert who(gateway.get(host, "/", pair)) == leaving.url
        assert who(gateway.get(host)) == staying.url


def test_client_of_a_dead_target_is_moved_and_told(gateway, make_origin, host):
    targets = {t.url: t for t in (make_origin(), make_origin())}
    stick(gateway, host, list(targets))
    first = gateway.get(host)
    targets.pop(who(first)).close()
    answer = gateway.get(host, "/", "Cookie: " + cookie_of(first).split(";")[0])
    assert who(answer) in targets
    assert cookie_of(answer) not in (None, cookie_of(first))


# Targets that fail

def test_failing_target_is_left_out_and_readmitted_by_one_request(gateway, make_origin, host):
    good, bad = make_origin(), make_origin()
    port = bad.port
    gateway.put_route("r", host, [good.url, bad.url], upstream=soon())
    bad.close()
    until(lambda: gateway.get(host).status == 200 and is_said(gateway, "target_down", bad.url),
          "the dead one to be out")
    back = Origin(port=port)
    try:
        until(lambda: who(gateway.get(host)) == back.url, "the target to be back")
        until(lambda: is_said(gateway, "target_up", bad.url), "the log to say so")
    finally:
        back.close()


def test_all_down_is_503_at_once_with_a_time_to_come_back(gateway, make_origin, host):
    targets = [make_origin(), make_origin()]
    gateway.put_route("r", host, [t.url for t in targets],
                      upstream={"retries": 0, **soon(interval="1h")})
    for target in targets:
        target.close()
    for _ in targets:
        assert gateway.get(host).status == 502
    answer = gateway.get(host)
    assert answer.status == 503
    assert 0 < int(answer.headers.get("Retry-After")) <= 3600
    assert b"127.0.0.1" not in answer.body
    gateway.wait_log("targets_down")


def test_sole_target_is_never_left_out(gateway, host, dead_port):
    gateway.put_route("r", host, f"http://127.0.0.1:{dead_port}", upstream=soon(interval="1h"))
    for _ in range(5):
        answer = gateway.get(host)
        assert answer.status == 502
        assert answer.headers.get("Retry-After") is None


def test_backup_serves_while_the_others_are_down_and_no_longer(gateway, make_origin, host):
    main, backup = make_origin(), make_origin()
    port = main.port
    gateway.put_route("r", host, [main.url, {"url": backup.url, "backup": True}],
                      upstream=soon())
    assert who(gateway.get(host)) == main.url
    main.close()
    for _ in range(4):
        assert who(gateway.get(host)) == backup.url
    again = Origin(port=port)
    try:
        until(lambda: who(gateway.get(host)) == again.url, "the main target to serve again")
        assert who(gateway.get(host)) == again.url
    finally:
        again.close()


def test_state_is_kept_through_an_edit(gateway, make_origin, host):
    good, bad = make_origin(), make_origin()
    urls = [good.url, bad.url]
    gateway.put_route("r", host, urls, upstream=soon(interval="1h"))
    port = bad.port
    bad.close()
    until(lambda: gateway.get(host).status == 200
          and is_said(gateway, "target_down", bad.url),
          "the dead one to be out")
    back = Origin(port=port)
    try:
        gateway.put_route("r", host, list(reversed(urls)), upstream=soon(interval="2h"))
        for _ in range(4):
            assert who(gateway.get(host)) == good.url
    finally:
        back.close()


def test_an_edit_of_how_targets_are_reached_ends_an_ejection(gateway, make_origin, host):
    good, bad = make_origin(), make_origin()
    urls = [good.url, bad.url]
    gateway.put_route("r", host, urls, upstream=soon(interval="1h"))
    port = bad.port
    bad.close()
    until(lambda: gateway.get(host).status == 200
          and is_said(gateway, "target_down", bad.url),
          "the dead one to be out")
    back = Origin(port=port)
    try:
        gateway.put_route("r", host, urls, upstream={**soon(interval="1h"),
                                                     "timeouts": {"connect": "7s"}})
        assert {who(gateway.get(host)) for _ in range(4)} == {good.url, back.url}
    finally:
        back.close()


# What is repeated

def test_answers_of_targets_are_passed_on_not_repeated(gateway, make_origin, host):
    targets = [make_origin(), make_origin()]
    for target in targets:
        target.answer("/", response(503, "Service Unavailable", body=b"busy"))
    gateway.put_route("r", host, [t.url for t in targets])
    assert gateway.get(host).status == 503
    assert sum(len(t.requests) for t in targets) == 1


def test_idempotent_request_goes_to_the_next_target_when_one_breaks_off(gateway, make_origin,
                                                                         host):
    good, bad = make_origin(), make_origin()
    bad.answer("/", b"", close=True)
    gateway.put_route("r", host, [good.url, bad.url])
    for _ in range(4):
        assert who(gateway.get(host)) == good.url
    assert bad.requests


def test_body_that_has_left_is_not_sent_twice(gateway, make_origin, host):
    targets = [make_origin(), make_origin()]
    for target in targets:
        target.answer("/", b"", close=True)
    gateway.put_route("r", host, [t.url for t in targets])
    assert gateway.ask("PUT", "/", host, body=b"x").status == 502
    assert sum(len(t.requests) for t in targets) == 1


def test_restart_of_a_target_under_load_fails_no_idempotent_request(gateway, make_origin, host):
    steady, restarted = make_origin(), make_origin()
    port = restarted.port
    gateway.put_route("r", host, [steady.url, restarted.url], upstream=soon())
    stop = []

    def ask():
        answers = collections.Counter()
        with gateway.client() as client:
            while not stop:
                answers[client.ask("GET", "/", host).status] += 1
        return answers

    with concurrent.futures.ThreadPoolExecutor() as pool:
        clients = [pool.submit(ask) for _ in range(4)]
        try:
            for _ in range(3):
                before = len(restarted.requests)
                until(lambda: len(restarted.requests) > before + 20, "traffic at the target")
                restarted.close()
                served = len(steady.requests)
                until(lambda: len(steady.requests) > served + 50, "traffic at the other")
                restarted = Origin(port=port)
        finally:
            stop.append(True)
        answers = sum((c.result() for c in clients), collections.Counter())
    restarted.close()
    assert set(answers) == {200}, answers
