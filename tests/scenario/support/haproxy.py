"""A real HAProxy, in front of the gateway or behind it."""
from support import ports
from support.process import Process

_CONF = """
global
    maxconn 200
defaults
    timeout connect 10s
    timeout client 30s
    timeout server 30s
{sections}
"""


class Haproxy:
    """Runs these sections; {name} in them, for each of the names, is a port of its own."""

    def __init__(self, directory, sections, *names, **values):
        directory.mkdir(parents=True)
        self.ports = {name: ports.reserve() for name in names}
        conf = directory / "haproxy.cfg"
        conf.write_text(_CONF.format(sections=sections.format(**self.ports, **values)))
        self.process = Process(["/usr/sbin/haproxy", "-db", "-f", conf],
                               directory / "output.log")
        self.process.until_ready(lambda: all(map(ports.accepts, self.ports.values())))

    def stop(self):
        self.process.kill()
        ports.release(*self.ports.values())
