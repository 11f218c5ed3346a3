"""gRPC through the gateway: a real client and a real server, each over TLS and in clear text."""
import os
import queue
import threading
from concurrent import futures

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # other tests start processes

import grpc     # noqa: E402 pylint: disable=wrong-import-position
import pytest   # noqa: E402 pylint: disable=wrong-import-position

from support.wait import PATIENCE, until    # noqa: E402 pylint: disable=wrong-import-position

LARGEST = [("grpc.max_receive_message_length", 16 << 20),
           ("grpc.max_send_message_length", 16 << 20), ("grpc.enable_http_proxy", 0)]


class Service:
    """Every kind of call; messages are bytes."""

    def __init__(self, credentials=None):
        self.pool = futures.ThreadPoolExecutor(70)
        self.server = grpc.server(self.pool, options=LARGEST)
        self.cancelled, self.arrived = threading.Event(), threading.Event()
        kinds = {
            "Echo": grpc.unary_unary_rpc_method_handler(self.echo),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Wait": grpc.unary_unary_rpc_method_handler(self.wait),
            "Count": grpc.unary_stream_rpc_method_handler(self.count),
            "Join": grpc.stream_unary_rpc_method_handler(self.join),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
        }
        self.server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("lab.Service", kinds)])
        where = "127.0.0.1:0"
        port = self.server.add_insecure_port(where) if credentials is None \
            else self.server.add_secure_port(where, credentials)
        self.url = f"{'h2c' if credentials is None else 'https'}://127.0.0.1:{port}"
        self.server.start()

    def stop(self):
        self.server.stop(None).wait()
        self.pool.shutdown()

    @staticmethod
    def echo(message, context):
        metadata = dict(context.invocation_metadata())
        context.send_initial_metadata([("x-came", metadata.get("x-went", ""))])
        context.set_trailing_metadata([("x-length", str(len(message))), ("x-raw-bin", b"\0\xff")])
        return message

    @staticmethod
    def fail(message, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not \u00fcberall: 100 %")

    def wait(self, message, context):
        context.add_callback(self.cancelled.set)
        self.arrived.set()
        self.cancelled.wait(PATIENCE)
        return message

    @staticmethod
    def count(message, context):
        for number in range(int(message)):
            yield str(number).encode()

    @staticmethod
    def join(messages, context):
        return b",".join(messages)

    @staticmethod
    def chat(messages, context):
        for message in messages:
            yield message.upper()
        context.set_trailing_metadata([("x-end", "of chat")])


@pytest.fixture(scope="module")
def services(pki):
    """By scheme."""
    pair = pki.leaf("localhost", "127.0.0.1")
    credentials = grpc.ssl_server_credentials([(pair.key.read_bytes(), pair.chain.read_bytes())])
    made = {"https": Service(credentials), "h2c": Service()}
    yield made
    for service in made.values():
        service.stop()


@pytest.fixture(params=["https", "h2c"], ids=["tls-target", "h2c-target"])
def service(request, services, gateway, pki, host):
    """The one behind the host's route."""
    found = services[request.param]
    found.cancelled.clear()
    found.arrived.clear()
    tls = {"verify": "ca", "ca": pki.ca().cert.read_text()}
    certificate = gateway.import_certificate(pki.leaf(host))["id"]
    gateway.put_route("r", host, found.url, certificate=certificate,
                      upstream={"protocol": "2", "tls": tls})
    return found


@pytest.fixture(params=["tls", "h2c"], ids=["tls-client", "h2c-client"])
def channel(request, gateway, service, pki, host):
    if request.param == "h2c":
        made = grpc.insecure_channel(f"127.0.0.1:{gateway.http}",
                                     [*LARGEST, ("grpc.default_authority", host)])
    else:
        trust = grpc.ssl_channel_credentials(pki.ca().cert.read_bytes())
        made = grpc.secure_channel(f"127.0.0.1:{gateway.https}", trust,
                                   [*LARGEST, ("grpc.ssl_target_name_override", host)])
    with made:
        yield made


def test_unary(channel):
    echo = channel.unary_unary("/lab.Service/Echo")
    answer, call = echo.with_call(b"hello", metadata=[("x-went", "there")], timeout=PATIENCE)
    assert answer == b"hello"
    assert dict(call.initial_metadata())["x-came"] == "there"
    trailers = dict(call.trailing_metadata())
    assert (trailers["x-length"], trailers["x-raw-bin"]) == ("5", b"\0\xff")
    assert call.code() == grpc.StatusCode.OK


def test_large_messages(channel):
    message = os.urandom(4 << 20)
    assert channel.unary_unary("/lab.Service/Echo")(message, timeout=PATIENCE) == message


def test_many_calls_on_one_channel(channel):
    echo = channel.unary_unary("/lab.Service/Echo")
    calls = [echo.future(f"message {n}".encode() * n, timeout=PATIENCE) for n in range(50)]
    assert [call.result() for call in calls] == [f"message {n}".encode() * n for n in range(50)]


def test_streams_each_way(channel):
    count = channel.unary_stream("/lab.Service/Count")
    assert list(count(b"1000", timeout=PATIENCE)) == [str(n).encode() for n in range(1000)]
    join = channel.stream_unary("/lab.Service/Join")
    assert join((b"x" * n for n in range(300)), timeout=PATIENCE) == \
        b",".join(b"x" * n for n in range(300))


def test_conversation(channel):
    """Each message is answered before the next is sent: nothing waits for an end."""
    said = queue.Queue()
    call = channel.stream_stream("/lab.Service/Chat")(iter(said.get, None), timeout=PATIENCE)
    for word in [b"one", b"two", b"three"]:
        said.put(word)
        assert next(call) == word.upper()
    said.put(None)
    assert list(call) == []
    assert dict(call.trailing_metadata())["x-end"] == "of chat"


def test_status_without_an_answer(channel):
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/lab.Service/Fail")(b"", timeout=PATIENCE)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == "not \u00fcberall: 100 %"
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/lab.Service/Unknown")(b"", timeout=PATIENCE)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_cancelled_by_the_client(channel, service):
    call = channel.unary_unary("/lab.Service/Wait").future(b"", timeout=PATIENCE)
    assert service.arrived.wait(PATIENCE)
    call.cancel()
    assert service.cancelled.wait(PATIENCE)


def test_deadline(channel, service):
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/lab.Service/Wait")(b"", timeout=0.2)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    until(service.cancelled.is_set, "the end of the call at the server")


def test_target_that_is_not_there(gateway, dead_port, host, channel):
    """A client of gRPC makes UNAVAILABLE of a 502 or 503."""
    gateway.put_route("r", host, f"h2c://127.0.0.1:{dead_port}")
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/lab.Service/Echo")(b"", timeout=PATIENCE)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
