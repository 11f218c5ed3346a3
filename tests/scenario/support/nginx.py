"""Real nginx as a target."""
import signal

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
        {server}
    }}
}}
"""

_HTTPS = """
        listen 127.0.0.1:{port} ssl;
        listen [::1]:{port} ssl;
        ssl_certificate {pair.chain};
        ssl_certificate_key {pair.key};
        location / {{
            default_type text/plain;
            return 200 "sni=$ssl_server_name host=$http_host proto=$http_x_forwarded_proto";
        }}
"""

_HTTP = """
        listen 127.0.0.1:{port};
        keepalive_requests 7;
        default_type text/plain;
        location / {{
            return 200 "{port} $http_cookie";
        }}
"""


class _Nginx:
    """A process with one server on one port."""

    def __init__(self, directory, server, **values):
        directory.mkdir(parents=True)
        self.directory, self.port = directory, ports.reserve()
        (directory / "nginx.conf").write_text(
            _CONF.format(directory=directory, server=server.format(port=self.port, **values)))
        self.start()

    def start(self):
        self.process = Process(["/usr/sbin/nginx", "-p", self.directory, "-c",
                                self.directory / "nginx.conf"], self.directory / "output.log")
        self.process.until_ready(lambda: ports.accepts(self.port))

    def stop(self):
        self.process.stop()
        ports.release(self.port)


class HttpsTarget(_Nginx):
    """nginx with that certificate; its answer names the SNI and the Host that reached it."""

    def __init__(self, directory, pair):
        super().__init__(directory, _HTTPS, pair=pair)

    def url(self, host="127.0.0.1"):
        return f"https://{host}:{self.port}"


class HttpTarget(_Nginx):
    """nginx without TLS; its answer names its port and the cookies that reached it. It closes
    each connection after a few requests, and with it whatever follows them."""

    def __init__(self, directory):
        super().__init__(directory, _HTTP)
        self.url = f"http://127.0.0.1:{self.port}"

    def restart(self, number=signal.SIGQUIT):
        """SIGQUIT ends it in order, SIGKILL does not."""
        self.process.signal(number)
        self.process.wait()
        self.start()
