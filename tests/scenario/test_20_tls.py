"""TLS to clients: which certificate, which version, what happens to unknown names."""
import socket
import ssl

import pytest

from support import pki as pki_tools
from support import raw
from support.raw import request
from support.wait import PATIENCE


# Which certificate

def test_certificate_by_sni(gateway, origin, pki, host):
    pairs = {f"{name}.{host}": pki.leaf(f"{name}.{host}") for name in ("a", "b")}
    pairs[f"*.{host}"] = pki.leaf(f"*.{host}")
    for number, (name, pair) in enumerate(pairs.items()):
        certificate = gateway.import_certificate(pair)
        gateway.put_route(f"r{number}", name, origin.url, certificate=certificate["id"])
    for asked, served in ((f"a.{host}", f"a.{host}"), (f"b.{host}", f"b.{host}"),
                          (f"A.{host}".upper(), f"a.{host}"), (f"c.{host}", f"*.{host}")):
        assert gateway.served_certificate(asked) == pairs[served].der, asked


def test_whole_chain_is_served(gateway, origin, pki, host):
    pair = pki.leaf(host)
    certificate = gateway.must("POST", "/v1/certificates", {
        "chain_pem": pair.pem + pki.ca().pem, "key_pem": pair.key_pem})
    assert certificate["chain_pem"].count("BEGIN CERTIFICATE") == 2
    gateway.put_route("r", host, origin.url, certificate=certificate["id"])
    answer = gateway.get_tls(host, context=raw.trusting(pki.ca().pem))
    assert answer.status == 200


def test_stand_in_serves_a_host_whose_certificate_is_not_there_yet(gateway, origin, host):
    gateway.put_route("r", host, origin.url, certificate="auto")
    served = gateway.served_certificate(host)
    text = pki_tools.describe(served)
    assert text.split("Issuer:")[1].split("\n")[0] == text.split("Subject:")[1].split("\n")[0]
    assert gateway.get_tls(host).status == 200


def test_new_certificate_of_a_route_is_served_at_once(gateway, origin, pki, host):
    first, second = pki.leaf(host), pki.leaf(host, f"www.{host}")
    gateway.put_route("r", host, origin.url,
                      certificate=gateway.import_certificate(first)["id"])
    with gateway.tls_client(host) as old:
        assert old.certificate() == first.der
        change = {"certificate": gateway.import_certificate(second)["id"]}
        gateway.must("PATCH", "/v1/routes/r", change)
        for _ in range(8):
            assert gateway.served_certificate(host) == second.der
        assert old.ask("GET", "/", host).status == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_replaced_certificate_is_served_at_once(gateway, origin, pki, host, method):
    first, second = pki.leaf(host), pki.leaf(host, f"www.{host}")
    created = gateway.api("PUT", "/v1/certificates/site", {
        "chain_pem": first.chain_pem, "key_pem": first.key_pem})
    assert created.status == 201
    gateway.put_route("r", host, origin.url, certificate="site")
    with gateway.tls_client(host) as old:
        assert old.certificate() == first.der
        replaced = gateway.api(method, "/v1/certificates/site", {
            "chain_pem": second.chain_pem, "key_pem": second.key_pem})
        assert (replaced.status, replaced.json["revision"]) == (200, 2)
        for _ in range(8):
            assert gateway.served_certificate(host) == second.der
        assert old.ask("GET", "/", host).status == 200


def test_rsa_certificate(gateway, origin, pki, host, tmp_path):
    key, cert = tmp_path / "rsa.key", tmp_path / "rsa.pem"
    pki_tools.openssl("req", "-config", pki.config, "-x509", "-newkey", "rsa:2048", "-nodes",
                      "-keyout", key, "-out", cert, "-days", 30, "-subj", f"/CN={host}",
                      "-addext", f"subjectAltName=DNS:{host}")
    certificate = gateway.must("POST", "/v1/certificates", {
        "chain_pem": cert.read_text(), "key_pem": key.read_text()})
    gateway.put_route("r", host, origin.url, certificate=certificate["id"])
    assert gateway.served_certificate(host) == pki_tools.der(cert.read_text())


# Unknown names

def test_handshake_for_an_unknown_name_is_rejected(gateway, origin, pki, host):
    certificate = gateway.import_certificate(pki.leaf(host))
    gateway.put_route("r", host, origin.url, certificate=certificate["id"])
    assert gateway.must("GET", "/v1/settings")["unknown_host"] == "reject"
    assert gateway.refuses_handshake(f"unknown.{host}")
    assert not gateway.refuses_handshake(host)


def test_nobodys_certificate_is_shown_to_an_unknown_name(gateway, origin, pki, host):
    certificate = gateway.import_certificate(pki.leaf(host))
    gateway.put_route("r", host, origin.url, certificate=certificate["id"])
    gateway.must("PATCH", "/v1/settings", {"unknown_host": "404"})
    assert host not in pki_tools.describe(gateway.served_certificate(f"unknown.{host}"))


# Versions

TLS = ssl.TLSVersion


@pytest.mark.parametrize("version", [TLS.TLSv1_2, TLS.TLSv1_3])
def test_version_is_spoken(gateway, origin, host, version):
    gateway.put_route("r", host, origin.url)
    context = raw.any_certificate(minimum=version, maximum=version)
    with gateway.tls_client(host, context) as client:
        assert client.sock.version() == version.name.replace("_", ".")
        assert client.ask("GET", "/", host).status == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [TLS.TLSv1, TLS.TLSv1_1])
def test_older_version_is_refused(gateway, origin, host, version):
    gateway.put_route("r", host, origin.url)
    context = raw.any_certificate(minimum=version, maximum=version)
    assert gateway.refuses_handshake(host, context)


def test_tls_min_version_1_3(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    only_1_2 = raw.any_certificate(maximum=TLS.TLSv1_2)
    assert not gateway.refuses_handshake(host, only_1_2)
    gateway.must("PATCH", "/v1/settings", {"tls_min_version": "1.3"})
    assert gateway.refuses_handshake(host, only_1_2)
    assert gateway.get_tls(host).status == 200


def test_http_1_1_is_chosen_by_alpn(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    context = raw.any_certificate()
    context.set_alpn_protocols(["http/1.1"])
    with gateway.tls_client(host, context) as client:
        assert client.sock.selected_alpn_protocol() == "http/1.1"
        assert client.ask("GET", "/", host).status == 200


def test_unknown_alpn_is_not_agreed_to(gateway, origin, host):
    """RFC 7301 3.2: refuse, or go on without ALPN; never pretend."""
    gateway.put_route("r", host, origin.url)
    context = raw.any_certificate()
    context.set_alpn_protocols(["smtp"])
    if not gateway.refuses_handshake(host, context):
        with gateway.tls_client(host, context) as client:
            assert client.sock.selected_alpn_protocol() is None


@pytest.mark.parametrize("version", [TLS.TLSv1_2, TLS.TLSv1_3])
def test_session_is_resumed(gateway, origin, host, version):
    gateway.put_route("r", host, origin.url)
    context = raw.any_certificate(minimum=version, maximum=version)
    with gateway.tls_client(host, context) as client:
        assert client.ask("GET", "/", host).status == 200
        session = client.sock.session
        assert session is not None and session.has_ticket
    for _ in range(4):                       # whichever worker takes it: they share ticket keys
        with raw.Client(gateway.https) as client:
            client.sock = context.wrap_socket(client.sock, server_hostname=host,
                                              session=session)
            assert client.sock.session_reused
            assert client.ask("GET", "/", host).status == 200


# Disturbances

@pytest.mark.parametrize("sent", [
    pytest.param(b"", id="nothing"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="plain HTTP"),
    pytest.param(b"\x16\x03\x01\xff\xff" + b"\x01" * 1000, id="garbage in a handshake record"),
    pytest.param(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", id="half a ClientHello"),
    pytest.param(bytes(range(256)) * 8, id="noise"),
])
def test_what_is_no_handshake_is_let_go(gateway, origin, host, sent):
    gateway.put_route("r", host, origin.url)
    with raw.Client(gateway.https) as client:
        client.try_send(sent)
        client.end_of_sending()
        client.read_until_closed()
    assert gateway.get_tls(host).status == 200


def test_clients_that_hang_up_after_the_handshake_do_no_harm(gateway, origin, host):
    gateway.put_route("r", host, origin.url)
    for _ in range(20):
        gateway.tls_client(host).close()
    assert gateway.get_tls(host).status == 200


def test_end_in_the_middle_of_a_record_is_an_end(gateway, origin, host):
    """Part of a record and then FIN: nothing more can come, so nobody waits for it."""
    gateway.put_route("r", host, origin.url)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = raw.any_certificate().wrap_bio(incoming, outgoing, server_hostname=host)
    with socket.create_connection(("127.0.0.1", gateway.https), timeout=PATIENCE) as sock:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
        sock.sendall(outgoing.read())
        tls.write(request("GET", "/", host))
        record = outgoing.read()
        sock.sendall(record[:len(record) // 2])
        sock.shutdown(socket.SHUT_WR)
        try:
            while sock.recv(65536):
                pass
        except ConnectionResetError:
            pass
    assert origin.requests == []
