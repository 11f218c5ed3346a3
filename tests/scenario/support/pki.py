"""Keys and certificates, made with the openssl command: a lab CA, leaves, self-signed ones."""
import datetime
import hashlib
import ssl
import subprocess
from pathlib import Path

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
_BARE_CONFIG = "[req]\ndistinguished_name=dn\n[dn]\n"    # no extensions but those asked for


def openssl(*args, stdin=None):
    """Run openssl, return its standard output (bytes); fail with what it said."""
    done = subprocess.run(["openssl", *map(str, args)], input=stdin, capture_output=True)
    assert done.returncode == 0, f"openssl {' '.join(map(str, args))}: {done.stderr.decode()}"
    return done.stdout


def spki_sha256(pem):
    """SHA-256 of the SubjectPublicKeyInfo of a PEM certificate, in hex."""
    public = openssl("x509", "-noout", "-pubkey", stdin=pem.encode())
    public_der = openssl("pkey", "-pubin", "-outform", "DER", stdin=public)
    return hashlib.sha256(public_der).hexdigest()


def der(pem):
    """The first certificate of a PEM text, in DER."""
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(pem[:pem.index(end) + len(end)])


def describe(der_bytes):
    """What `openssl x509 -text` prints, for a failed assertion and for a rough look."""
    return openssl("x509", "-inform", "DER", "-noout", "-text", stdin=der_bytes).decode()


def serial(der_bytes):
    """The serial number in lower-case hex without leading zeros."""
    said = openssl("x509", "-inform", "DER", "-noout", "-serial", stdin=der_bytes).decode()
    return said.strip().split("=", 1)[1].lower().lstrip("0")


class Pair:
    """A certificate and its key as PEM files; `chain` is the leaf followed by its issuer."""

    def __init__(self, cert, key, issuer=None):
        self.cert, self.key = cert, key
        self.pem, self.key_pem = cert.read_text(), key.read_text()
        self.chain_pem = self.pem + (issuer.pem if issuer else "")
        self.chain = cert.with_suffix(".chain.pem")
        self.chain.write_text(self.chain_pem)

    @property
    def der(self):
        return der(self.pem)

    @property
    def pin(self):
        return spki_sha256(self.pem)

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


class Pki:
    """A directory of pairs. The same request gives the same pair, so that tests share them."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.config = self.directory / "req.conf"
        self.config.write_text(_BARE_CONFIG)
        self.pairs = {}

    def ca(self, name="Scenario Lab CA"):
        """A root CA."""
        return self._pair(("ca", name), self._make_root, name)

    def leaf(self, *names, ca=None):
        """A server certificate for DNS names and IP addresses, signed by the lab CA."""
        ca = ca or self.ca()
        return self._pair(("leaf", ca.cert, names), self._make_leaf, names, ca)

    def expired(self, *names):
        """As leaf(), valid for one day of the year 2020."""
        return self.lasting(*names, begin="20200101000000Z", end="20200102000000Z")

    def with_days_left(self, days, *names):
        """As leaf(), with so many days left of 90."""
        now = datetime.datetime.now(datetime.timezone.utc)
        end = now + datetime.timedelta(days=days)
        begin = end - datetime.timedelta(days=90)
        return self.lasting(*names, begin=begin.strftime("%Y%m%d%H%M%SZ"),
                            end=end.strftime("%Y%m%d%H%M%SZ"))

    def lasting(self, *names, begin, end):
        """As leaf(), from one moment (YYYYMMDDhhmmssZ) to another."""
        return self._pair(("lasting", names, begin, end), self._make_lasting, names, self.ca(),
                          begin, end)

    def self_signed(self, *names):
        """A server certificate that vouches for itself."""
        return self._pair(("self", names), self._make_self_signed, names)

    def _pair(self, what, make, *args):
        if what not in self.pairs:
            stem = self.directory / f"{what[0]}-{len(self.pairs)}"
            self.pairs[what] = make(stem.with_suffix(".pem"), stem.with_suffix(".key"), *args)
        return self.pairs[what]

    def _make_root(self, cert, key, name):
        openssl("req", "-config", self.config, "-x509", *_KEY, "-days", 3650,
                "-keyout", key, "-out", cert, "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
                "keyUsage=critical,keyCertSign,cRLSign")
        return Pair(cert, key)

    def _make_leaf(self, cert, key, names, ca):
        request, extensions = self._request(cert, key, names)
        openssl("x509", "-req", "-in", request, "-CA", ca.cert, "-CAkey", ca.key, "-days", 825,
                "-set_serial", f"0x{hashlib.sha256(str(cert).encode()).hexdigest()[:16]}",
                "-extfile", extensions, "-out", cert)
        return Pair(cert, key, ca)

    def _make_lasting(self, cert, key, names, ca, begin, end):
        request, extensions = self._request(cert, key, names)
        database = cert.with_suffix(".index")
        database.touch()
        conf = cert.with_suffix(".conf")
        conf.write_text("[ca]\ndefault_ca=lab\n[lab]\n"
                        f"database={database}\nnew_certs_dir={self.directory}\n"
                        "rand_serial=yes\ndefault_md=sha256\npolicy=any\n"
                        "[any]\ncommonName=optional\n")
        openssl("ca", "-batch", "-config", conf, "-in", request, "-cert", ca.cert,
                "-keyfile", ca.key, "-startdate", begin, "-enddate", end,
                "-extfile", extensions, "-notext", "-out", cert)
        return Pair(cert, key, ca)

    def _make_self_signed(self, cert, key, names):
        openssl("req", "-config", self.config, "-x509", *_KEY, "-days", 825,
                "-keyout", key, "-out", cert, "-subj", f"/CN={names[0]}", "-addext",
                f"subjectAltName={_alt_names(names)}")
        return Pair(cert, key)

    def _request(self, cert, key, names):
        request, extensions = cert.with_suffix(".csr"), cert.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={_alt_names(names)}\n"
                              "extendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
        openssl("req", "-config", self.config, *_KEY, "-keyout", key, "-out", request,
                "-subj", f"/CN={names[0]}")
        return request, extensions


def _alt_names(names):
    def kind(name):
        return "IP" if ":" in name or name.replace(".", "").isdigit() else "DNS"
    return ",".join(f"{kind(name)}:{name}" for name in names)
