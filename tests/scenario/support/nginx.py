"""A real nginx as an HTTPS target."""
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
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        listen [::1]:{port} ssl;
        ssl_certificate {pair.chain};
        ssl_certificate_key {pair.key};
        location / {{
            default_type text/plain;
            return 200 "sni=$ssl_server_name host=$http_host proto=$http_x_forwarded_proto";
        }}
    }}
}}
"""


class HttpsTarget:
    """nginx with that certificate; its answer names the SNI and the Host that reached it."""

    def __init__(self, directory, pair):
        directory.mkdir(parents=True)
        self.port = ports.reserve()
        conf = directory / "nginx.conf"
        conf.write_text(_CONF.format(directory=directory, port=self.port, pair=pair))
        self.process = Process(["/usr/sbin/nginx", "-p", directory, "-c", conf],
                               directory / "output.log")
        self.process.until_ready(lambda: ports.accepts(self.port))

    def url(self, host="127.0.0.1"):
        return f"https://{host}:{self.port}"

    def stop(self):
        self.process.stop()
        ports.release(self.port)
