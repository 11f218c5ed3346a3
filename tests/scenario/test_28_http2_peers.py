"""HTTP/2 with other people's programs: nginx, h2o, Caddy and nghttpd as targets, nghttp and a
browser as clients."""
import base64
import hashlib
import json
import signal
import subprocess
import threading

import pytest

from support.http2 import Client, head
from support.http2_targets import COMMANDS, Http2Target
from support.load import Load
from support.origin import response
from support.process import Process
from support.raw import request
from support.wait import until

SIZE = 1_500_000


@pytest.fixture(scope="module")
def files(new_directory):
    directory = new_directory("files")
    directory.chmod(0o777)
    (directory / "large").write_bytes(bytes(range(250)) * (SIZE // 250))
    for n in range(100):
        (directory / f"{n}.txt").write_text(f"file {n}")
    for path in (directory, *directory.parents):
        if path.stat().st_mode & 0o5 != 0o5 and path != directory:
            path.chmod(path.stat().st_mode | 0o5)       # for servers that give up being root
    return directory


@pytest.fixture(params=[(name, over_tls) for name in COMMANDS for over_tls in (True, False)
                        if (name, over_tls) != ("h2o", False)],     # it has no clear text
                ids=lambda p: f"{p[0]}-{'tls' if p[1] else 'h2c'}", scope="module")
def target(request, new_directory, files, pki):
    name, over_tls = request.param
    pair = pki.leaf("localhost", "127.0.0.1") if over_tls else None
    made = Http2Target(name, new_directory(name) / "run", files, pair)
    made.name = name
    yield made
    made.stop()


@pytest.fixture
def behind(gateway, host, target):
    """The host's route leads to the target, over HTTP/2 or not at all."""
    gateway.put_route("r", host, target.url,
                      upstream={"protocol": "2", "tls": {"verify": "off"}})
    return target


only_nginx = pytest.mark.parametrize("target", [("nginx", True), ("nginx", False)], indirect=True,
                                     ids=["tls", "h2c"])


def test_answers_of_every_kind(gateway, host, behind):
    with gateway.client() as client:
        large = client.ask("GET", "/large", host)
        assert (large.status, len(large.body)) == (200, SIZE)
        told = client.ask("HEAD", "/large", host)
        assert (told.status, told.headers.get("Content-Length"), told.body) == \
            (200, str(SIZE), b"")
        assert client.ask("GET", "/nothing", host).status == 404
        part = client.ask("GET", "/large", host, "Range: bytes=10-19")
        assert (part.status, part.body) == (206, bytes(range(10, 20))) or behind.name == "nghttpd"
        tag = large.headers.get("ETag") or ""
        same = client.ask("GET", "/large", host, f"If-None-Match: {tag}")
        assert same.status == 304 or not tag


def test_a_hundred_at_once(gateway, host, behind):
    with Client(gateway.https, host) as client:
        streams = [client.request(head(host, f"/{n}.txt")) for n in range(100)]
        for n, stream in enumerate(streams):
            assert client.answer(stream).body == f"file {n}".encode()


def test_under_load(gateway, host, behind):
    done = subprocess.run(["h2load", "-n", "300", "-c", "5", "-m", "20",
                           f"--connect-to=127.0.0.1:{gateway.https}",
                           f"https://{host}:{gateway.https}/42.txt"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert "300 succeeded, 0 failed, 0 errored" in done.stdout, done.stdout


def test_given_up_in_the_middle(gateway, host, behind):
    with Client(gateway.https, host, window=False) as client:
        for _ in range(10):
            stream = client.request(head(host, "/large"))
            client.until(lambda: client.answers[stream].headers is not None)
            client.cancel(stream)
    with Client(gateway.https, host) as client:
        assert len(client.ask(host, "/large").body) == SIZE


@only_nginx
def test_uploads_reach_nginx(gateway, host, behind, files):
    body = bytes(range(256)) * 20_000
    with Client(gateway.https, host) as client:
        path = f"/put/{behind.port}"
        assert client.answer(client.request(head(host, path, "PUT"), body)).status == 201
        assert (files / path[1:]).read_bytes() == body


@only_nginx
def test_reload_of_nginx_loses_no_request(gateway, host, behind):
    """GOAWAY of its old processes, under load."""
    load = Load(gateway.client, request("GET", "/7.txt", host),
                lambda answer: (answer.status, answer.body) == (200, b"file 7"))
    with load:
        for _ in range(3):
            load.wait_more(100)
            behind.process.signal(signal.SIGHUP)
        load.wait_more(300)
    assert load.failures == []


def test_nghttp_loads_a_page(gateway, origin):
    """With its priorities, and what the page names."""
    page = "".join(f'<img src="/{n}.png">' for n in range(20)).encode()
    origin.answer("/page", response(200, "OK", "Content-Type: text/html", body=page))
    gateway.put_route("r", "localhost", origin.url)
    done = subprocess.run(["nghttp", "--get-assets", "--null-out", "--stat", "--no-verify-peer",
                           f"https://localhost:{gateway.https}/page"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.count(" 200 ") == 21, done.stdout + done.stderr


# A browser

PAGE = b"""<!doctype html><meta charset=utf-8><title>lab</title><script>
const text = async (path, more) => (await fetch(path, more)).text();
const chat = () => new Promise((yes, no) => {
    const socket = new WebSocket(`wss://${location.host}/chat`);
    socket.onopen = () => socket.send("over HTTP/2");
    socket.onmessage = event => { yes(event.data); socket.close(); };
    socket.onerror = () => no("no WebSocket");
});
const run = async () => {
    const large = text("/large");
    const small = await Promise.all([...Array(200).keys()].map(n => text("/small?" + n)));
    const seen = {
        small: small.filter(body => body === "small").length,
        large: (await large).length,
        upload: await text("/upload", {method: "PUT", body: new Uint8Array(5000000)}),
        chat: await chat(),
    };
    seen.protocols = [...new Set(performance.getEntriesByType("resource").map(
        entry => entry.nextHopProtocol))];
    return seen;
};
run().catch(error => ({error: String(error)})).then(seen =>
    fetch("/result", {method: "POST", body: JSON.stringify(seen)}));
</script>"""


def echo_websocket(connection, asked):
    """One text frame, back as it came (RFC 6455 5.2)."""
    key = asked.headers.get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                    b"Upgrade: websocket\r\n" + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
    data = b""
    while len(data) < 6 or len(data) < 6 + (data[1] & 127):
        data += connection.read_some()
    length = data[1] & 127
    text = bytes(byte ^ data[2 + n % 4] for n, byte in enumerate(data[6:6 + length]))
    connection.send(bytes([0x81, length]) + text)
    while connection.read_some():
        pass
    return False


def test_chromium(gateway, origin, host, tmp_path):
    """200 small files and a large one at once, an upload, and a WebSocket, all on HTTP/2."""
    result, came = [], threading.Event()

    def on_result(connection, asked):
        result.append(json.loads(connection.read_body(asked)[0]))
        connection.send(response(200, "OK"))
        came.set()
        return True

    def on_upload(connection, asked):
        length = len(connection.read_body(asked)[0])
        connection.send(response(200, "OK", body=str(length).encode()))
        return True

    origin.answer("/", response(200, "OK", "Content-Type: text/html", body=PAGE))
    origin.answer("/small", response(200, "OK", body=b"small"))
    origin.answer("/large", response(200, "OK", body=b"x" * 8_000_000))
    origin.on("/upload", on_upload)
    origin.on("/chat", echo_websocket)
    origin.on("/result", on_result)
    gateway.put_route("r", host, origin.url)
    browser = Process(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
                       "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                       "--disable-component-update", "--disable-sync", "--no-proxy-server",
                       "--ignore-certificate-errors", f"--user-data-dir={tmp_path}/profile",
                       f"--host-resolver-rules=MAP {host} 127.0.0.1",
                       f"https://{host}:{gateway.https}/"], tmp_path / "log",
                      env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    try:
        until(lambda: came.is_set() or not browser.running(), "the page's result", 20)
        assert result, browser.output()[-3000:]
    finally:
        browser.kill()
    assert result == [{"small": 200, "large": 8_000_000, "upload": "5000000",
                       "chat": "over HTTP/2", "protocols": ["h2"]}]
    gateway.wait_log('"path":"/chat","version":"2.0"')
