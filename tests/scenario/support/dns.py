"""A name server on a loopback port whose every answer a test decides: addresses and their TTL,
a refusal, or silence. One message per datagram; it knows A, AAAA and CNAME."""
import ipaddress
import socket
import struct
import threading

from support.wait import PATIENCE

A, CNAME, AAAA = 1, 5, 28
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
_TYPES = {4: A, 6: AAAA}


class Dns:
    """`address` is what --resolver takes. An unknown name does not exist."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.changed = threading.Condition()
        self.zone = {}          # (name, type) -> (code or None for silence, records)
        self.queries = []       # (name, type), in order
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        """Wakes the thread with a datagram of no length."""
        wake, self.zone = self.socket.getsockname(), None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", wake)

    # what it says

    def has(self, name, *addresses, ttl=1):
        """The name has these addresses, of either family, and no others."""
        found = {A: [], AAAA: []}
        for text in addresses:
            address = ipaddress.ip_address(text)
            found[_TYPES[address.version]].append((_TYPES[address.version], ttl, address.packed))
        for kind, records in found.items():
            self.zone[name, kind] = (NOERROR, records)

    def is_alias(self, name, other, ttl=1):
        """The name is another name, whose addresses are told along with it."""
        for kind in (A, AAAA):
            code, records = self.zone[other, kind]
            self.zone[name, kind] = (code, [(CNAME, ttl, _encode(other)), *records])

    def fails(self, name, code, kinds=(A, AAAA)):
        """Questions after it get that code."""
        for kind in kinds:
            self.zone[name, kind] = (code, [])

    def is_silent(self, name, kinds=(A, AAAA)):
        """Questions after it get no answer."""
        for kind in kinds:
            self.zone[name, kind] = (None, [])

    # what it was asked

    def asked(self, name):
        """How often somebody asked for that name."""
        with self.changed:
            return sum(asked == name for asked, _ in self.queries)

    def wait_asked(self, name, count=1):
        """Wait until it was asked so often."""
        with self.changed:
            assert self.changed.wait_for(
                lambda: sum(asked == name for asked, _ in self.queries) >= count,
                PATIENCE), f"nobody asks for {name}"

    def _serve(self):
        while True:
            data, peer = self.socket.recvfrom(4096)
            if self.zone is None:
                self.socket.close()
                return
            question = _read_question(data)
            if question is None:
                continue
            name, kind, end = question
            with self.changed:
                self.queries.append((name, kind))
                self.changed.notify_all()
            code, records = self.zone.get((name, kind), (NXDOMAIN, []))
            if code is not None:
                self.socket.sendto(_answer(data, end, code, records), peer)


def _encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _read_question(data):
    """(name, type, where it ends) of the only question; None for anything else."""
    if len(data) < 12 or data[4:6] != b"\0\1":
        return None
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode().lower())
        at += 1 + data[at]
    return ".".join(labels), int.from_bytes(data[at + 1:at + 3], "big"), at + 5


def _answer(query, end, code, records):
    """Each record belongs to the name asked for, or to what the alias before it names."""
    flags = 0x8180 | code
    out = query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + query[12:end]
    owner = b"\xc0\x0c"
    for kind, ttl, data in records:
        out += owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data
        owner = data if kind == CNAME else owner
    return out
