"""Real servers that speak HTTP/2, as targets: each serves one directory over TLS or in clear text."""
import os

from support import ports
from support.process import Process


def nginx(directory, files, port, pair):
    tls = f"ssl_certificate {pair.chain}; ssl_certificate_key {pair.key};" if pair else ""
    spools = "".join(f"{kind}_temp_path {directory}/{kind}; " for kind in
                     ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
    (directory / "conf").write_text(f"""
        {'user root;' if os.getuid() == 0 else ''}
        daemon off; pid {directory}/pid; error_log {directory}/error.log; worker_processes 1;
        events {{ worker_connections 512; }}
        http {{
            access_log off; {spools}
            server {{
                listen 127.0.0.1:{port} {'ssl ' if pair else ''}http2; {tls}
                root {files};
                location /put/ {{ dav_methods PUT; create_full_put_path on; client_max_body_size 0; }}
            }}
        }}
        """)
    return ["/usr/sbin/nginx", "-p", directory, "-c", directory / "conf", "-e", "stderr"]


def h2o(directory, files, port, pair):
    tls = f"\n  ssl: {{ certificate-file: {pair.chain}, key-file: {pair.key} }}" if pair else ""
    (directory / "conf").write_text(f"""
error-log: /dev/stderr
num-threads: 1
listen:
  host: 127.0.0.1
  port: {port}{tls}
hosts:
  default:
    paths:
      "/": {{ file.dir: {files} }}
""")
    return ["h2o", "-m", "worker", "-c", directory / "conf"]


def caddy(directory, files, port, pair):
    where = f"https://:{port}" if pair else f"http://:{port}"
    (directory / "conf").write_text(f"""
{{
    admin off
    auto_https off
    storage file_system {directory}/storage
    servers {{
        protocols h1 h2 h2c
    }}
}}
{where} {{
    {f'tls {pair.chain} {pair.key}' if pair else ''}
    bind 127.0.0.1
    root * {files}
    file_server
}}
""")
    return ["caddy", "run", "--config", directory / "conf", "--adapter", "caddyfile"]


def nghttpd(directory, files, port, pair):
    tls = [] if pair else ["--no-tls"]
    return ["nghttpd", "-d", files, "-a", "127.0.0.1", *tls, port,
            *([pair.key, pair.chain] if pair else [])]


COMMANDS = {"nginx": nginx, "h2o": h2o, "caddy": caddy, "nghttpd": nghttpd}


class Http2Target:
    """One of COMMANDS; without a pair it speaks clear text."""

    def __init__(self, name, directory, files, pair=None):
        directory.mkdir(parents=True)
        self.port = ports.reserve()
        self.url = f"{'https' if pair else 'h2c'}://127.0.0.1:{self.port}"
        self.process = Process(COMMANDS[name](directory, files, self.port, pair),
                               directory / "log")
        self.process.until_ready(lambda: ports.accepts(self.port))

    def stop(self):
        self.process.stop()
        ports.release(self.port)
