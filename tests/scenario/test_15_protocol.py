"""The tables of tests/protocol against the binary: every byte a target sees, and a client gets."""
import socket

import pytest

from support import cases, raw
from support.gatehouse import Gatehouse
from support.stage import Run, Stage

ROWS = cases.read_all()
SMALL = [row for row in ROWS
         if sum(len(data) for _, data in row.steps) < 600 and "whole" not in row.words]
# A sample. What ends its direction needs a TLS client that can do so; test_20_tls.py has one.
OVER_TLS = [row for row in ROWS if not row.has("client ends")][::5]


@pytest.fixture(scope="module")
def lab(new_directory, no_ca):
    """A gateway of one worker, so that every connection to the target is in one pool, and a
    route for all hosts."""
    gateway, stage = Gatehouse(new_directory("gateway"), workers=1).start(), Stage()
    gateway.must("PATCH", "/v1/acme", no_ca)
    gateway.put_route("all", "*", stage.url, upstream={"retries": 0})
    gateway.put_route("small", "small.test", stage.url, max_body="16B")
    yield gateway, stage
    stage.close()
    gateway.dispose()


def plain(gateway):
    sock = socket.create_connection(("127.0.0.1", gateway.http))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def play(lab, row, connect=plain, bytewise=False):
    gateway, stage = lab
    try:
        Run(stage, row, lambda: connect(gateway), bytewise).play()
        gateway.check_alive()
    finally:
        stage.clear()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(lab, row):
    play(lab, row)


@pytest.mark.parametrize("row", SMALL, ids=str)
def test_row_byte_by_byte(lab, row):
    play(lab, row, bytewise=True)


@pytest.mark.parametrize("row", OVER_TLS, ids=str)
def test_row_over_tls(lab, row):
    context = raw.any_certificate()
    play(lab, row, lambda gateway: context.wrap_socket(
        socket.create_connection(("127.0.0.1", gateway.https)), server_hostname="a.test"))
