"""Between the gateway and its targets: client certificates, resumed TLS, PROXY headers, and
checks."""
import pytest

from support import ports
from support.process import Process

_CONF = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    keepalive_timeout 0;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {pair.chain};
        ssl_certificate_key {pair.key};
        ssl_client_certificate {ca};
        ssl_verify_client optional_no_ca;     # the lab's CA signs servers only
        ssl_protocols {protocols};
        location / {{
            if ($ssl_client_serial = "") {{ return 403; }}
            return 200 "$ssl_client_serial reused=$ssl_session_reused";
        }}
    }}
    server {{
        listen 127.0.0.1:{proxied} proxy_protocol;
        location / {{ return 200
            "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port"; }}
    }}
}}
"""


class _Nginx:
    def __init__(self, directory, pki, protocols):
        directory.mkdir(parents=True)
        self.tls, self.proxied = ports.reserve(), ports.reserve()
        conf = directory / "nginx.conf"
        conf.write_text(_CONF.format(directory=directory, pair=pki.leaf("localhost"),
                                     ca=pki.ca().cert, tls=self.tls, proxied=self.proxied,
                                     protocols=protocols))
        self.process = Process(["/usr/sbin/nginx", "-p", directory, "-c", conf],
                               directory / "output.log")
        self.process.until_ready(lambda: ports.accepts(self.tls))

    def stop(self):
        self.process.stop()
        ports.release(self.tls)
        ports.release(self.proxied)


@pytest.fixture(params=["TLSv1.2", "TLSv1.3"])
def strict(request, new_directory, pki):
    """nginx that asks for a client certificate, or for a PROXY header on another port."""
    server = _Nginx(new_directory("strict") / "run", pki, request.param)
    yield server
    server.stop()


def test_client_certificate_is_presented_and_tls_resumed(make_gateway, strict, pki):
    gateway = make_gateway(workers=1).start()
    imported = gateway.import_certificate(pki.self_signed("client.test"))
    tls = {"verify": "ca", "ca": pki.ca().pem, "certificate": imported["id"]}
    gateway.put_route("r", "a.test", f"https://localhost:{strict.tls}", upstream={"tls": tls})
    answers = [gateway.get("a.test").body.decode() for _ in range(3)]
    serial = imported["serial"].upper()
    assert answers == [f"{serial} reused=."] + [f"{serial} reused=r"] * 2
    refused = gateway.api("DELETE", f"/v1/certificates/{imported['id']}")
    assert refused.status == 409


def test_without_the_certificate_the_target_refuses(gateway, strict, host, pki):
    gateway.put_route("r", host, f"https://localhost:{strict.tls}",
                      upstream={"tls": {"verify": "ca", "ca": pki.ca().pem}})
    assert gateway.get(host).status == 403


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_target_hears_whose_connection_it_is(gateway, strict, host, version):
    gateway.put_route("r", host, f"http://127.0.0.1:{strict.proxied}",
                      upstream={"proxy_protocol": version})
    with gateway.client() as client:
        for _ in range(2):
            address, port, server_port = client.ask("GET", "/", host).body.decode().split()
            assert (address, int(server_port)) == ("127.0.0.1", gateway.http)
            assert 0 < int(port) < 65536
