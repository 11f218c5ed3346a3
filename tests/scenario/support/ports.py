"""Free loopback ports that stay free until the server they were chosen for takes them.

A reserved port is bound, on both loopback addresses, but never listens. The kernel then gives
it to nobody who asks for any port, while a server that names it (with SO_REUSEADDR, as servers
do) gets it. Until that server is up, a connection to the port is refused: a reserved port is
also a handy "target that is down".
"""
import socket

LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_TRIES = 100
_held = {}       # port -> the sockets that hold it


def reserve():
    """A TCP port free on 127.0.0.1 and [::1]; held until release()."""
    for _ in range(_TRIES):
        sockets = []
        port = 0
        try:
            for family, address in LOOPBACK:
                sockets.append(_hold(family, address, port))
                port = sockets[0].getsockname()[1]
        except OSError:
            for s in sockets:
                s.close()
            continue
        _held[port] = sockets
        return port
    raise AssertionError("no port is free on both 127.0.0.1 and [::1]")


def release(*ports):
    """Let go of reserved ports."""
    for port in ports:
        for s in _held.pop(port, ()):
            s.close()


def udp_and_tcp():
    """A port free for UDP and TCP on 127.0.0.1, not held: a DNS server binds it exclusively."""
    for _ in range(_TRIES):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                continue
            return udp.getsockname()[1]
    raise AssertionError("no port is free for both UDP and TCP")


def accepts(port, host="127.0.0.1"):
    """Does somebody accept connections there now?"""
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


def _hold(family, address, port):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        s.bind((address, port))
    except OSError:
        s.close()
        raise
    return s
