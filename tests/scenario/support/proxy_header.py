"""PROXY protocol headers, versions 1 and 2, as a load balancer writes them."""
import ipaddress
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
UNSPEC, TCP4, UDP4, TCP6, UNIX = 0x00, 0x11, 0x12, 0x21, 0x31


DESTINATION_PORT = 443


def destination_of(source):
    """The address that a client on that one is said to have connected to."""
    return "2001:db8::1" if ":" in source else "192.0.2.1"


def v1(source, port):
    """The line for a client on that address and port."""
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {destination_of(source)} {port} {DESTINATION_PORT}\r\n".encode()


def block(command, family, body):
    """A version 2 header around that body."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


def v2(source, port, extensions=b""):
    """The block for a client on that address and port."""
    address = ipaddress.ip_address(source)
    destination = ipaddress.ip_address(destination_of(source))
    return block(PROXY, TCP6 if address.version == 6 else TCP4,
                 address.packed + destination.packed + struct.pack("!HH", port, DESTINATION_PORT)
                 + extensions)


def extension(kind, value):
    """One TLV."""
    return struct.pack("!BH", kind, len(value)) + value


def with_checksum(header):
    """A version 2 header with a CRC-32C extension added."""
    length = len(header) - 16 + 7
    bare = header[:14] + struct.pack("!H", length) + header[16:] + extension(3, bytes(4))
    return bare[:-4] + struct.pack("!I", _crc32c(bare))


def _crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff
