"""Reads HTTP/1.1 in the one spelling that the gateway writes; anything else is BAD.

It shares no code with the other readers of these tests, which are tolerant.
"""
import re
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

WHOLE, PARTIAL, OPEN, BAD = "whole", "partial", "open", "bad"
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ((?:[^\x00-\x08\x0a-\x20\x7f]"
                    rb"(?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?)\Z")
_REQUEST = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ (?:/[^\x00-\x20\x7f]*|\*) HTTP/1\.1\Z")
_STATUS = re.compile(rb"HTTP/1\.1 ([1-9][0-9][0-9]) [^\x00-\x08\x0a-\x1f\x7f]*\Z")
_SIZE = re.compile(rb"(?:0|[1-9a-f][0-9a-f]*)\Z")
_LENGTH = re.compile(rb"(?:0|[1-9][0-9]*)\Z")


class Message:
    def __init__(self):
        self.start, self.fields, self.trailers = b"", [], []
        self.body, self.end, self.status = b"", PARTIAL, 0

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]


class _Stop(Exception):
    def __init__(self, end):
        super().__init__(end)
        self.end = end


class _Reader:
    def __init__(self, data):
        self.rest = data

    def line(self):
        at = self.rest.find(b"\r\n")
        if at < 0:
            raise _Stop(PARTIAL)
        line, self.rest = self.rest[:at], self.rest[at + 2:]
        return line

    def fields(self, into):
        while (line := self.line()) != b"":
            found = _FIELD.match(line)
            if not found:
                raise _Stop(BAD)
            into.append(found.groups())

    def take(self, count, message):
        piece, self.rest = self.rest[:count], self.rest[count:]
        message.body += piece
        if len(piece) < count:
            raise _Stop(PARTIAL)

    def chunks(self, message):
        while True:
            size = self.line()
            if not _SIZE.match(size):
                raise _Stop(BAD)
            if size == b"0":
                return self.fields(message.trailers)
            self.take(int(size, 16), message)
            if len(self.rest) < 2:
                raise _Stop(PARTIAL)
            if self.line() != b"":
                raise _Stop(BAD)

    def message(self, message, is_request, is_to_head):
        message.start = self.line()
        found = (_REQUEST if is_request else _STATUS).match(message.start)
        if not found:
            raise _Stop(BAD)
        message.status = 0 if is_request else int(found.group(1))
        self.fields(message.fields)
        if is_request and len(message.all(b"host")) != 1:
            raise _Stop(BAD)
        self.body(message, is_request, is_to_head)
        raise _Stop(WHOLE)

    def body(self, message, is_request, is_to_head):
        lengths, codings = message.all(b"content-length"), message.all(b"transfer-encoding")
        has_none = 0 < message.status < 200 or message.status == 204
        if len(lengths) + len(codings) > (0 if has_none else 1):
            raise _Stop(BAD)
        if has_none or is_to_head or message.status == 304:
            return
        if codings:
            if codings != [b"chunked"]:
                raise _Stop(BAD)
            self.chunks(message)
        elif lengths:
            if not _LENGTH.match(lengths[0]):
                raise _Stop(BAD)
            self.take(int(lengths[0]), message)
        elif not is_request:
            message.body, self.rest = self.rest, b""
            raise _Stop(OPEN)


def read(data, is_request, is_to_head=False):
    """The first message of data: (message, what follows it)."""
    reader, message = _Reader(data), Message()
    try:
        reader.message(message, is_request, is_to_head)
    except _Stop as stop:
        message.end = stop.end
    return message, reader.rest


def _is_added_date(name, value):
    """Date as the gateway makes it up: now. The dates of the rows are long past."""
    if name != b"Date" or not value.endswith(b"GMT"):
        return False
    return abs(parsedate_to_datetime(value.decode()) - datetime.now(timezone.utc)) < \
        timedelta(hours=1)


def normal(data, methods=None, has_tunnel=False):
    """Messages in a form to compare: added fields dropped, chunks joined, tunnels as they are.
    Requests, of which one may begin a tunnel; or, if `methods` are given, the answers to
    requests of these."""
    is_request, out = methods is None, []
    while data:
        message, rest = read(data, is_request, _next_is_head(methods))
        if message.end == BAD:
            return out + ["not canonical", data]
        fields = [f for f in message.fields if is_request or not _is_added_date(*f)]
        out.append((message.start, fields, message.trailers, message.end, message.body))
        is_tunnel = message.status == 101 or has_tunnel and message.all(b"upgrade")
        if is_tunnel or message.end != WHOLE:
            return out + [rest] if rest else out
        if message.status >= 200:
            methods = methods[1:]
        data = rest
    return out


def _next_is_head(methods):
    return bool(methods) and methods[0] == b"HEAD"


def answers(data, methods):
    """The answers to requests of these methods, in order, and the end of the last."""
    out = []
    while data:
        message, data = read(data, False, _next_is_head(methods))
        out.append(message)
        if message.status == 101 or message.end != WHOLE:
            break
        if message.status >= 200:
            methods = methods[1:]
    return out
