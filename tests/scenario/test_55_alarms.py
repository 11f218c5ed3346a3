"""What the gateway finds out about its certificates by itself, and whom it tells."""
from support import pki as pki_tools
from support.wait import until


def served(gateway, id):
    return gateway.must("GET", f"/v1/certificates/{id}/served")


def wait_served(gateway, id, state="good"):
    def look():
        found = served(gateway, id)
        return found if found["state"] == state else None
    return until(look, f"the check of {id} to be {state}")


# Is it served?

def test_imported_certificate_is_looked_at_after_it_was_activated(gateway, pki, host):
    names = [host, f"*.sub.{host}"]
    id = gateway.import_certificate(pki.leaf(*names))["id"]
    found = wait_served(gateway, id)
    assert found["checked_at"] and found["detail"] is None
    assert "served" in gateway.cli("cert", "show", id).stdout
    status = gateway.must("GET", "/v1/status")["certificates"]
    assert next(c for c in status if c["id"] == id)["served"]["state"] == "good"


def test_each_new_pair_is_looked_at(gateway, pki, host):
    id = gateway.import_certificate(pki.leaf(host))["id"]
    wait_served(gateway, id)
    pair = pki.leaf(host)
    gateway.must("PUT", f"/v1/certificates/{id}",
                 {"chain_pem": pair.chain_pem, "key_pem": pair.key_pem})
    wait_served(gateway, id)
    serial = gateway.must("GET", f"/v1/certificates/{id}")["serial"]
    until(lambda: f'"certificate_served","certificate":"{id}","serial":"{serial}"'
          in gateway.log(), "the new serial in the log")


def test_issued_certificate_is_looked_at(acme_gateway, origin, host):
    acme_gateway.put_route("auto", host, origin.url, certificate="auto")
    certificate = acme_gateway.wait_certificate(host, "active")
    wait_served(acme_gateway, certificate["id"])
    assert pki_tools.serial(acme_gateway.served_certificate(host)) == certificate["serial"]


def test_listener_that_only_proxies_reach_is_looked_at_too(make_gateway, pki, host):
    gateway = make_gateway().start()
    gateway.must("PUT", "/v1/settings", {"trusted_proxies": ["127.0.0.0/8", "::1"],
                                         "proxy_protocol": [f":{gateway.https}"]})
    id = gateway.import_certificate(pki.leaf(host))["id"]
    wait_served(gateway, id)
