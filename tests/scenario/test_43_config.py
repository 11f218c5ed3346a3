"""The whole configuration as one document: export, import in one transaction, dry run."""
import json

import pytest

TARGET = "http://127.0.0.1:9"
CHANGING = ("revision", "created_at", "updated_at")


def make(number, **more):
    return {"id": f"route-{number}", "hosts": [f"h{number}.test"], "certificate": "none",
            "upstream": {"targets": [{"url": TARGET}]}, **more}


def essence(document):
    """A document without what every write changes."""
    def strip(node):
        if isinstance(node, dict):
            return {k: strip(v) for k, v in node.items() if k not in CHANGING}
        return [strip(v) for v in node] if isinstance(node, list) else node
    return strip(document)


@pytest.fixture
def filled(gateway, pki):
    """A gateway with some of everything."""
    certificate = gateway.import_certificate(pki.leaf("config.test"))
    for number in range(3):
        gateway.must("POST", "/v1/routes", make(number))
    gateway.must("POST", "/v1/routes", make(3, certificate=certificate["id"], https="only"))
    gateway.must("PATCH", "/v1/settings", {"drain_timeout": "7s"})
    return gateway


def test_document_has_five_parts_and_no_secret(filled, pki):
    answer = filled.api("GET", "/v1/config")
    assert {"settings", "acme", "routes", "streams", "certificates"} <= answer.json.keys()
    assert len(answer.json["routes"]) == 4
    assert "PRIVATE KEY" not in answer.text
    assert pki.leaf("config.test").key_pem.splitlines()[1] not in answer.text


def test_document_can_be_put_back(filled):
    document = filled.must("GET", "/v1/config")
    for number in range(4):
        filled.must("DELETE", f"/v1/routes/route-{number}")
    filled.must("POST", "/v1/routes", make(9))
    filled.must("PUT", "/v1/settings", {})
    filled.must("PUT", "/v1/config", document)
    assert essence(filled.must("GET", "/v1/config")) == essence(document)


def test_put_replaces_everything(filled):
    document = filled.must("GET", "/v1/config")
    document["routes"] = [make(5)]
    filled.must("PUT", "/v1/config", document)
    assert [r["id"] for r in filled.items("routes")] == ["route-5"]


def test_part_of_a_document_leaves_the_rest_alone(filled):
    before = filled.must("GET", "/v1/config")
    filled.must("PUT", "/v1/config", {"settings": {"drain_timeout": "9s"}})
    after = filled.must("GET", "/v1/config")
    assert after["settings"]["drain_timeout"] == "9s"
    assert {**after, "settings": None} == {**before, "settings": None}
    filled.must("PUT", "/v1/config", {"routes": []})
    assert filled.must("GET", "/v1/config")["settings"] == after["settings"]
    assert filled.items("routes") == []


def test_document_of_one_gateway_makes_another_like_it(filled, make_gateway):
    document = filled.must("GET", "/v1/config")
    document["routes"] = [r for r in document["routes"] if r["certificate"] == "none"]
    document["certificates"] = []
    other = make_gateway().start()
    other.must("PUT", "/v1/config", document)
    assert essence(other.items("routes")) == essence(document["routes"])
    assert other.must("GET", "/v1/settings")["drain_timeout"] == "7s"


def test_dry_run_changes_nothing(filled):
    before = filled.api("GET", "/v1/config")
    document = {**before.json, "routes": [make(5)]}
    answer = filled.api("PUT", "/v1/config?dry_run=true", document)
    assert answer.status == 200
    after = filled.api("GET", "/v1/config")
    assert (after.json, after.etag) == (before.json, before.etag)


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
@pytest.mark.parametrize("change, pointer", [
    pytest.param(lambda d: d["routes"].append(make(5, path="bad")), "/routes/4/path",
                 id="bad field of one route"),
    pytest.param(lambda d: d["routes"][1].update(colour=1), "/routes/1/colour",
                 id="unknown field"),
    pytest.param(lambda d: d.update(colour=1), "/colour", id="unknown part"),
    pytest.param(lambda d: d["settings"].update(tls_min_version="1.0"),
                 "/settings/tls_min_version", id="bad setting"),
    pytest.param(lambda d: d["acme"].update(directory="x"), "/acme/directory",
                 id="bad ACME setting"),
    pytest.param(lambda d: d["routes"].append("x"), "/routes/4", id="route of another type"),
    pytest.param(lambda d: d.update(routes={}), "/routes", id="routes of another type"),
])
def test_one_fault_refuses_the_whole_document(filled, query, change, pointer):
    before = filled.must("GET", "/v1/config")
    document = json.loads(json.dumps(before))
    change(document)
    answer = filled.api("PUT", f"/v1/config{query}", document)
    assert answer.status == 422
    assert answer.fields() == [pointer]
    assert filled.must("GET", "/v1/config") == before


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_conflict_inside_the_document_is_refused(filled, query):
    before = filled.must("GET", "/v1/config")
    document = {**before, "routes": [make(5), make(6, hosts=["h5.test"])]}
    answer = filled.api("PUT", f"/v1/config{query}", document)
    assert answer.status in (409, 422)
    assert "route-5" in answer.text
    assert filled.must("GET", "/v1/config") == before


def test_if_match_guards_the_whole(filled):
    read = filled.api("GET", "/v1/config")
    filled.must("PATCH", "/v1/routes/route-1", {"path": "/changed"})
    assert filled.api("PUT", "/v1/config", read.json, If_Match=read.etag).status == 412
    assert filled.must("GET", "/v1/routes/route-1")["path"] == "/changed"
    fresh = filled.api("GET", "/v1/config")
    assert fresh.etag != read.etag
    assert filled.api("PUT", "/v1/config", read.json, If_Match=fresh.etag).status == 200


def test_large_document(gateway):
    """More than the 1 MiB that other bodies may have."""
    document = gateway.must("GET", "/v1/config")
    document["routes"] = [make(number) for number in range(3000)]
    for entry in document["routes"]:
        entry["request_headers"] = {"set": {"X-Padding": "x" * 300}}
    assert len(json.dumps(document)) > (1 << 20)
    gateway.must("PUT", "/v1/config", document)
    assert len(gateway.items("routes")) == 3000
    gateway.must("PUT", "/v1/config", {**document, "routes": []})
    assert gateway.items("routes") == []
