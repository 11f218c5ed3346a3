"""The proxies that are compared, each with one worker in front of the same target.

All serve TLS 1.2 and 1.3 for localhost on one port: paths under /tls/ go to the target over
verified TLS, all others in plain text; connections to the target are kept alive, bodies are
streamed and nothing is logged per request. If a configuration is unfair to its program, mend it here.
"""
import os
import shutil
import subprocess
from pathlib import Path

from lab import Gateway, accepts, free_port, wait_for

UPLOADS = "/dev/shm"        # what is uploaded lands in memory, not on a disk


class Pki:
    """A CA and one certificate for localhost, P-256."""

    def __init__(self, directory):
        self.ca, self.cert, self.key = (directory / n for n in ("ca.pem", "cert.pem", "key.pem"))
        self.both = directory / "both.pem"
        ca_key, request = directory / "ca-key.pem", directory / "request.pem"
        new_key = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:P-256", "-nodes"]
        run = lambda *argv: subprocess.run(list(map(str, argv)), check=True, capture_output=True)
        run(*new_key, "-x509", "-subj", "/CN=Bench CA", "-days", 3650, "-keyout", ca_key,
            "-out", self.ca)
        run(*new_key, "-subj", "/CN=localhost", "-keyout", self.key, "-out", request)
        names = directory / "names"
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        run("openssl", "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key,
            "-CAcreateserial", "-days", 3650, "-extfile", names, "-out", self.cert)
        self.both.write_text(self.cert.read_text() + self.key.read_text())


class Program:
    """A running program, pinned to one CPU."""

    def __init__(self, argv, cpu, port, log, env=None):
        self.port = port
        with open(log, "wb") as out:
            self.process = subprocess.Popen(["taskset", "-c", str(cpu), *map(str, argv)],
                                            stdout=out, stderr=out, env={**os.environ, **(env or {})})
        try:
            wait_for(lambda: self.process.poll() is not None or accepts(port), log, 20)
        except SystemExit:
            self.stop()
            raise
        if self.process.poll() is not None:
            raise SystemExit(f"{argv[0]} did not start; see {log}:\n{Path(log).read_text()[-2000:]}")

    def pids(self):
        return family(self.process.pid)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def family(pid):
    """A process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


NGINX_TEMPORARY = "".join(f"{kind}_temp_path {{d}}/{kind}; " for kind in (
    "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))


class Target:
    """nginx with the files that are asked for, in plain text and over TLS."""

    def __init__(self, directory, pki, cpu):
        self.plain, self.tls, d = free_port(), free_port(), directory / "target"
        files = d / "files"
        (files / "tls").mkdir(parents=True)
        self.uploads = Path(UPLOADS) / f"gatehouse-bench-{os.getpid()}"
        self.uploads.mkdir(mode=0o777)
        self.uploads.chmod(0o777)
        for name, size in (("1k", 1 << 10), ("64k", 1 << 16), ("100m", 100 << 20), ("tls/1k", 1 << 10)):
            (files / name).write_bytes(os.urandom(size))
        self.upload = files / "100m"
        conf = d / "nginx.conf"
        conf.write_text(f"""
            worker_processes 1; daemon off; pid {d}/pid; error_log stderr warn;
            events {{ worker_connections 16384; }}
            http {{
              access_log off; sendfile on; open_file_cache max=100; client_max_body_size 0;
              keepalive_requests 1000000000; keepalive_timeout 600s;
              {NGINX_TEMPORARY.format(d=d)}
              server {{
                listen 127.0.0.1:{self.plain} backlog=4096;
                listen 127.0.0.1:{self.tls} ssl backlog=4096;
                ssl_certificate {pki.cert}; ssl_certificate_key {pki.key};
                root {files};
                location /put/ {{ root {self.uploads}; dav_methods PUT; create_full_put_path on;
                                  client_body_temp_path {self.uploads}/temporary; }}
              }}
            }}
            """)
        self.program = Program(["nginx", "-c", conf, "-e", "stderr"], cpu, self.plain, d / "log")

    def stop(self):
        self.program.stop()
        shutil.rmtree(self.uploads, ignore_errors=True)


def nginx(d, pki, target, cpu):
    port, conf = free_port(), d / "nginx.conf"
    conf.write_text(f"""
        worker_processes 1; daemon off; pid {d}/pid; error_log stderr warn;
        events {{ worker_connections 16384; }}
        http {{
          access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
          client_max_body_size 0; {NGINX_TEMPORARY.format(d=d)}
          upstream plain {{ server 127.0.0.1:{target.plain}; keepalive 256; keepalive_requests 1000000000; }}
          upstream tls {{ server 127.0.0.1:{target.tls}; keepalive 256; keepalive_requests 1000000000; }}
          proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
          proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto https;
          proxy_request_buffering off; proxy_max_temp_file_size 0;
          server {{
            listen 127.0.0.1:{port} ssl http2 backlog=4096;
            ssl_certificate {pki.cert}; ssl_certificate_key {pki.key};
            ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:10m;
            location / {{ proxy_pass http://plain; }}
            location /tls/ {{ proxy_pass https://tls; proxy_ssl_verify on; proxy_ssl_name localhost;
                              proxy_ssl_trusted_certificate {pki.ca}; }}
          }}
        }}
        """)
    return Program(["nginx", "-c", conf, "-e", "stderr"], cpu, port, d / "log")


def haproxy(d, pki, target, cpu):
    port, conf = free_port(), d / "haproxy.cfg"
    conf.write_text("\n".join([
        "global", " nbthread 1", " maxconn 8000",
        "defaults", " mode http", " timeout connect 5s", " timeout client 600s",
        " timeout server 600s", " http-reuse always", " option forwardfor",
        "frontend f", f" bind 127.0.0.1:{port} ssl crt {pki.both} alpn h2,http/1.1 backlog 4096",
        " http-request set-header X-Forwarded-Proto https",
        " use_backend tls if { path_beg /tls/ }", " default_backend plain",
        "backend plain", f" server a 127.0.0.1:{target.plain}",
        "backend tls", f" server a 127.0.0.1:{target.tls} ssl verify required ca-file {pki.ca} "
                       "sni str(localhost) verifyhost localhost", ""]))
    return Program(["haproxy", "-db", "-f", conf], cpu, port, d / "log")


def h2o(d, pki, target, cpu):
    port, conf = free_port(), d / "h2o.conf"
    conf.write_text(f"""
num-threads: 1
max-connections: 16384
error-log: /dev/stderr
http1-request-timeout: 600
proxy.timeout.keepalive: 600000
proxy.preserve-host: ON
listen:
  host: 127.0.0.1
  port: {port}
  ssl: {{ certificate-file: {pki.cert}, key-file: {pki.key}, minimum-version: TLSv1.2 }}
hosts:
  default:
    paths:
      "/": {{ proxy.reverse.url: "http://127.0.0.1:{target.plain}/" }}
      "/tls/":
        proxy.reverse.url: "https://localhost:{target.tls}/tls/"
        proxy.ssl.verify-peer: ON
        proxy.ssl.cafile: {pki.ca}
""")
    return Program(["h2o", "-m", "worker", "-c", conf], cpu, port, d / "log")


def caddy(d, pki, target, cpu):
    port, conf = free_port(), d / "Caddyfile"
    conf.write_text(f"""
{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
}}
https://localhost:{port} {{
    bind 127.0.0.1
    tls {pki.cert} {pki.key}
    handle /tls/* {{
        reverse_proxy https://127.0.0.1:{target.tls} {{
            transport http {{
                tls_trusted_ca_certs {pki.ca}
                tls_server_name localhost
                keepalive_idle_conns_per_host 256
            }}
        }}
    }}
    handle {{
        reverse_proxy 127.0.0.1:{target.plain} {{
            transport http {{
                keepalive_idle_conns_per_host 256
            }}
        }}
    }}
}}
""")
    own = {"GOMAXPROCS": "1", "HOME": str(d), "XDG_DATA_HOME": str(d), "XDG_CONFIG_HOME": str(d)}
    argv = ["caddy", "run", "--config", conf, "--adapter", "caddyfile"]
    return Program(argv, cpu, port, d / "log", own)


def hitch(d, pki, target, cpu):
    """TLS in front of TCP, without HTTP: close to the floor of one hop."""
    port, conf = free_port(), d / "hitch.conf"
    conf.write_text(f"""
frontend = "[127.0.0.1]:{port}"
backend = "[127.0.0.1]:{target.plain}"
pem-file = "{pki.both}"
workers = 1
backlog = 4096
daemon = off
quiet = on
alpn-protos = "http/1.1"
user = "{'_hitch' if os.getuid() == 0 else ''}"
""")
    return Program(["hitch", f"--config={conf}"], cpu, port, d / "log")


class Ours:
    """This project's binary, configured over its API."""

    def __init__(self, binary, d, pki, target, cpu):
        data = d / "data"
        data.mkdir(mode=0o700)
        self.gateway = Gateway(binary, str(data), workers=1, cpu=cpu)
        self.gateway.__enter__()
        self.port = self.gateway.https
        put = lambda path, body: self.gateway.must("PUT", path, body)
        cert = self.gateway.must("POST", "/v1/certificates", {
            "chain_pem": pki.cert.read_text(), "key_pem": pki.key.read_text()})["id"]
        common = {"hosts": ["localhost"], "certificate": cert}
        put("/v1/routes/plain", {**common, "upstream": {
            "targets": [{"url": f"http://127.0.0.1:{target.plain}"}]}})
        put("/v1/routes/tls", {**common, "path": "/tls", "upstream": {
            "targets": [{"url": f"https://127.0.0.1:{target.tls}"}],
            "tls": {"verify": "ca", "ca": pki.ca.read_text(), "server_name": "localhost"}}})

    def pids(self):
        return family(self.gateway.process.pid)

    def stop(self):
        self.gateway.__exit__()


PEERS = {"nginx": nginx, "haproxy": haproxy, "h2o": h2o, "caddy": caddy, "hitch": hitch}


def installed():
    return [name for name in PEERS if shutil.which(name)]
