"""What DNS says is looked at before a CA is asked: CAA, by pebble-challtestsrv."""
import pytest


@pytest.fixture
def ask(make_gateway, pebble):
    """A function that makes a gateway with that pre-check, which asks pebble's DNS."""
    def make(preflight):
        gateway = make_gateway(http_port=pebble.http_port).start()
        gateway.must("PUT", "/v1/acme", {**pebble.settings(), "preflight": preflight,
                                         "resolver": f"127.0.0.1:{pebble.dns_port}"})
        return gateway
    return make


def add_route(gateway, host, origin):
    gateway.put_route("app", host, origin.url, certificate="auto")


def forbid(pebble, name):
    pebble.mock("add-caa", host=name, policies=[{"tag": "issue", "value": ";"}])


def test_a_name_without_caa_is_issued(ask, pebble, origin, host):
    gateway = ask("strict")
    add_route(gateway, host, origin)
    gateway.wait_certificate(host, "active")


@pytest.mark.parametrize("at", ["the name", "its parent"])
def test_forbidden_by_caa_is_not_ordered_until_that_changes(ask, pebble, origin, host, at):
    gateway = ask("strict")
    name = host if at == "the name" else f"app.{host}"
    forbid(pebble, host)
    add_route(gateway, name, origin)
    error = gateway.wait_certificate(name, "failed")["last_error"]
    assert f'{host} has CAA issue ";"' in error["detail"]
    assert "certificate_ordered" not in gateway.log()
    pebble.mock("clear-caa", host=host)
    gateway.must("POST", f"/v1/certificates/{gateway.certificate_of(name)['id']}/renew")
    gateway.wait_certificate(name, "active")


def test_with_warn_it_is_told_and_ordered_all_the_same(ask, pebble, origin, host):
    gateway = ask("warn")
    forbid(pebble, host)
    add_route(gateway, host, origin)
    gateway.wait_certificate(host, "active")        # pebble does not look at CAA
    gateway.wait_log("preflight_failed")


def test_with_off_dns_is_not_asked(ask, pebble, origin, host):
    gateway = ask("off")
    forbid(pebble, host)
    add_route(gateway, host, origin)
    gateway.wait_certificate(host, "active")
    assert "preflight" not in gateway.log()


def test_a_name_server_that_fails_proves_nothing(ask, pebble, origin, host):
    gateway = ask("strict")
    pebble.mock("set-servfail", host=host)
    add_route(gateway, f"app.{host}", origin)
    gateway.wait_certificate(f"app.{host}", "active")


def test_a_silent_resolver_proves_nothing(ask, pebble, origin, host, dead_port):
    gateway = ask("strict")
    gateway.must("PATCH", "/v1/acme", {"resolver": f"127.0.0.1:{dead_port}"})
    add_route(gateway, host, origin)
    gateway.wait_certificate(host, "active")
