"""pebble, the ACME test CA, with pebble-challtestsrv as its DNS: every name is 127.0.0.1."""
import json
import ssl
import urllib.request

from support import ports
from support.process import Process
from support.wait import PATIENCE


class Pebble:
    """One CA. It validates over IPv4, on `http_port`, where the gateway belongs."""

    def __init__(self, directory, pki, nonce_reject=0, blocked=("blocked.example",),
                 lifetime=90 * 86400):
        directory.mkdir(parents=True)
        self.directory = directory
        self.transport_ca = pki.ca().pem
        self.context = ssl.create_default_context(cadata=self.transport_ca)
        self.port, self.management = ports.reserve(), ports.reserve()
        self.http_port, self.mock_port = ports.reserve(), ports.reserve()
        self.dns_port = ports.udp_and_tcp()
        self.env = {"PATH": "/usr/bin:/bin", "PEBBLE_VA_NOSLEEP": "1",
                    "PEBBLE_WFE_NONCEREJECT": str(nonce_reject), "PEBBLE_AUTHZREUSE": "0"}
        server = pki.leaf("localhost", "127.0.0.1")
        self.config = directory / "pebble.json"
        self.config.write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(server.chain), "privateKey": str(server.key),
            "httpPort": self.http_port, "tlsPort": ports.reserve(),
            "ocspResponderURL": "", "externalAccountBindingRequired": False,
            "certificateValidityPeriod": lifetime, "domainBlocklist": list(blocked)}}))
        self.dns = Process(
            ["pebble-challtestsrv", "-dns01", f"127.0.0.1:{self.dns_port}", "-http01", "",
             "-https01", "", "-tlsalpn01", "", "-management", f"127.0.0.1:{self.mock_port}",
             "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""], directory / "challtestsrv.log")
        self.dns.until_ready(lambda: ports.accepts(self.mock_port)
                             and ports.accepts(self.dns_port))
        self.process = None
        self.start()

    @property
    def directory_url(self):
        return f"https://localhost:{self.port}/dir"

    def settings(self, directory=None):
        """The ACME settings that make a gateway use this CA."""
        return {"directory": directory or self.directory_url, "tos_agreed": True,
                "ca_bundle": self.transport_ca, "preflight": "off", "contact": ["mailto:ops@example.org"]}

    def start(self):
        self.process = Process(["pebble", "-config", self.config, "-strict",
                                "-dnsserver", f"127.0.0.1:{self.dns_port}"],
                               self.directory / "pebble.log", env=self.env)
        self.process.until_ready(lambda: ports.accepts(self.management)
                                 and ports.accepts(self.port))
        self.root = self._get(self.management, "/roots/0").decode()

    def stop(self):
        """Stop the CA; its DNS goes on."""
        self.process.stop()

    def restart(self):
        """A CA that has forgotten all accounts and orders, and has a new root."""
        self.stop()
        self.start()

    def dispose(self):
        self.process.stop()
        self.dns.stop()
        ports.release(self.port, self.management, self.http_port, self.mock_port)

    def point(self, host, address):
        """From now on that name leads to that address alone."""
        self.mock("clear-a", host=host)
        self.mock("add-a", host=host, addresses=[address])

    def mock(self, what, **fields):
        """Change the DNS, as pebble-challtestsrv's own documentation says."""
        urllib.request.urlopen(f"http://127.0.0.1:{self.mock_port}/{what}",
                               json.dumps(fields).encode(), timeout=PATIENCE).close()

    def knows_serial(self, serial):
        """Did this CA issue a certificate with that serial number (hex)?"""
        try:
            answer = self._get(self.management, f"/cert-status-by-serial/{serial}")
        except urllib.error.HTTPError:
            return False
        return json.loads(answer)["Status"] == "Valid"

    def _get(self, port, path):
        with urllib.request.urlopen(f"https://localhost:{port}{path}", timeout=PATIENCE,
                                    context=self.context) as answer:
            return answer.read()
