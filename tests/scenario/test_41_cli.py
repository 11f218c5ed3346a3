"""The command line: every command of the contract, exit statuses, tables and --json."""
import json
import os
import pty
import re
import subprocess

import pytest

from support.gatehouse import binary, clean_environment, run_cli

TARGET = "http://127.0.0.1:9"
COLOUR = "\x1b["


def succeed(gateway, *args, **options):
    """Run a command that has to succeed; give what it printed."""
    done = gateway.cli(*args, **options)
    assert done.returncode == 0, (args, done.stdout, done.stderr)
    return done.stdout


def succeed_json(gateway, *args):
    return json.loads(succeed(gateway, *args, "--json"))


def fail(gateway, *args):
    """Run a command that has to fail with status 1; give its words."""
    done = gateway.cli(*args)
    assert done.returncode == 1, (args, done.stdout, done.stderr)
    assert done.stderr.strip()
    return done.stderr


def items(said):
    """A listing in JSON is the API's: a list in `items`, or the list itself."""
    return said["items"] if isinstance(said, dict) else said


# Wrong usage

@pytest.mark.parametrize("args", [
    (), ("nonsense",), ("route",), ("route", "nonsense"), ("route", "show"), ("route", "rm"),
    ("route", "add"), ("route", "add", "a.test"), ("route", "set"), ("route", "set", "x"),
    ("route", "set", "x", "no-equals-sign"), ("route", "list", "too", "many"),
    ("route", "list", "--nonsense"), ("cert", "import"), ("cert", "import", "--cert", "x"),
    ("cert", "renew"), ("cert", "revoke", "x"), ("stream", "show"), ("acme", "nonsense"),
    ("acme", "set"), ("import",), ("token", "create"), ("token", "rm"), ("status", "x"),
    ("run", "--workers", "many"), ("run", "--workers", "0"), ("run", "--http", "nonsense"),
    ("run", "--http", "127.0.0.1:99999"), ("run", "--https", "[::1:80"), ("run", "--nonsense"),
    ("run", "--log-level", "loud"), ("run", "extra"), ("run", "--data"),
], ids=lambda args: " ".join(args) or "no command")
def test_wrong_usage_is_status_2_and_says_what_is_right(args, tmp_path):
    data = tmp_path / "data"
    done = run_cli(*args, env={"GATEHOUSE_DATA": str(data)})
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.strip()
    assert not data.exists()


# Help and version

def test_version():
    done = run_cli("version")
    assert done.returncode == 0
    assert re.match(r"gatehouse \d+\.\d+\.\d+", done.stdout)


COMMANDS = ("run", "route", "stream", "cert", "acme", "status", "export", "import", "token",
            "version")


def test_help_lists_every_command():
    done = run_cli("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for command in COMMANDS:
        assert re.search(rf"^\s*(gatehouse )?{command}\b", done.stdout, re.M), command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    done = run_cli(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert command in done.stdout


@pytest.mark.parametrize("flag", ["--data", "--http", "--https", "--admin", "--workers",
                                  "--user", "--log-level", "--access-log"])
def test_flag_of_run_is_shown_with_its_environment_twin(flag):
    done = run_cli("run", "--help")
    twin = "GATEHOUSE_" + flag.strip("-").replace("-", "_").upper()
    assert flag in done.stdout and twin in done.stdout


# Routes

def test_route_add_takes_host_and_targets(gateway):
    succeed(gateway, "route", "add", "shop.test", TARGET)
    (route,) = gateway.items("routes")
    assert (route["hosts"], route["path"]) == (["shop.test"], "/")
    assert [t["url"] for t in route["upstream"]["targets"]] == [TARGET]
    assert route["certificate"] == "auto"


def test_route_add_takes_a_path_and_several_targets(gateway):
    succeed(gateway, "route", "add", "shop.test/app", TARGET, "http://127.0.0.1:10")
    (route,) = gateway.items("routes")
    assert (route["hosts"], route["path"]) == (["shop.test"], "/app")
    assert [t["url"] for t in route["upstream"]["targets"]] == [TARGET, "http://127.0.0.1:10"]


def test_route_add_verify_flags(gateway, pki):
    pair = pki.self_signed("backend.test")
    succeed(gateway, "route", "add", "pin.test", "https://127.0.0.1:9", "--verify", "pin",
            "--pin", pair.pin)
    succeed(gateway, "route", "add", "ca.test", "https://127.0.0.1:9", "--verify", "ca",
            "--ca", pki.ca().cert, "--server-name", "backend.test")
    succeed(gateway, "route", "add", "off.test", "https://127.0.0.1:9", "--verify", "off")
    tls = {route["hosts"][0]: route["upstream"]["tls"] for route in gateway.items("routes")}
    assert (tls["pin.test"]["verify"], len(tls["pin.test"]["pin_sha256"])) == ("pin", 1)
    assert (tls["ca.test"]["verify"], tls["ca.test"]["ca"]) == ("ca", pki.ca().pem)
    assert tls["ca.test"]["server_name"] == "backend.test"
    assert tls["off.test"]["verify"] == "off"


def test_route_list(gateway):
    for name in ("one", "two"):
        gateway.put_route(name, f"{name}.test", TARGET)
    table = succeed(gateway, "route", "list")
    for word in ("one", "one.test", "two", "two.test", TARGET):
        assert word in table
    heading = table.splitlines()[0]
    assert heading == heading.upper() and "ID" in heading
    listed = items(succeed_json(gateway, "route", "list"))
    assert [route["id"] for route in listed] == ["one", "two"]


def test_empty_list_is_no_error(gateway):
    succeed(gateway, "route", "list")
    assert items(succeed_json(gateway, "route", "list")) == []


def test_route_show(gateway):
    made = gateway.put_route("shop", "shop.test", TARGET)
    assert "shop.test" in succeed(gateway, "route", "show", "shop")
    assert succeed_json(gateway, "route", "show", "shop") == made


@pytest.mark.parametrize("setting, pointer, value", [
    ("enabled=false", ("enabled",), False),
    ("path=/app", ("path",), "/app"),
    ("https=only", ("https",), "only"),
    ("max_body=10MiB", ("max_body",), "10MiB"),
    ("upstream.retries=0", ("upstream", "retries"), 0),
    ("upstream.timeouts.idle=5s", ("upstream", "timeouts", "idle"), "5s"),
    ("upstream.tls.verify=off", ("upstream", "tls", "verify"), "off"),
])
def test_route_set(gateway, setting, pointer, value):
    gateway.put_route("shop", "shop.test", TARGET)
    succeed(gateway, "route", "set", "shop", setting)
    node = gateway.must("GET", "/v1/routes/shop")
    for name in pointer:
        node = node[name]
    assert node == value


def test_route_set_takes_several_and_is_all_or_nothing(gateway):
    before = gateway.put_route("shop", "shop.test", TARGET)
    assert "path" in fail(gateway, "route", "set", "shop", "https=only", "path=bad")
    assert gateway.must("GET", "/v1/routes/shop") == before
    succeed(gateway, "route", "set", "shop", "https=only", "path=/good")
    after = gateway.must("GET", "/v1/routes/shop")
    assert (after["https"], after["path"]) == ("only", "/good")


def test_route_rm(gateway):
    gateway.put_route("shop", "shop.test", TARGET)
    succeed(gateway, "route", "rm", "shop")
    assert gateway.items("routes") == []


def test_failures_are_told_in_words(gateway):
    gateway.put_route("the-first", "shop.test", TARGET)
    assert "the-first" in fail(gateway, "route", "add", "shop.test", TARGET)
    for command in (("route", "show"), ("route", "rm"), ("cert", "show"), ("cert", "rm"),
                    ("cert", "renew"), ("stream", "show"), ("token", "rm")):
        assert "nobody" in fail(gateway, *command, "nobody")
    assert "nonsense" in fail(gateway, "route", "set", "the-first", "nonsense=1")
    said = fail(gateway, "route", "add", "a b", "ftp://x")
    assert "/hosts/0" in said and "/upstream/targets/0/url" in said


# Certificates, streams, ACME, status

def test_certificates(gateway, pki):
    pair = pki.leaf("cli.test", "www.cli.test")
    succeed(gateway, "cert", "import", "--cert", pair.chain, "--key", pair.key)
    (made,) = gateway.items("certificates")
    table = succeed(gateway, "cert", "list")
    assert made["id"] in table and "cli.test" in table and "active" in table
    assert items(succeed_json(gateway, "cert", "list"))[0]["id"] == made["id"]
    assert "www.cli.test" in succeed(gateway, "cert", "show", made["id"])
    assert succeed_json(gateway, "cert", "show", made["id"])["serial"] == made["serial"]
    fail(gateway, "cert", "renew", made["id"])
    fail(gateway, "cert", "revoke", made["id"], "--reason", "superseded")
    succeed(gateway, "cert", "rm", made["id"])
    assert gateway.items("certificates") == []


@pytest.mark.parametrize("missing", ["--cert", "--key"])
def test_import_of_a_file_that_is_not_there(gateway, pki, missing):
    pair = pki.leaf("cli.test")
    files = {"--cert": pair.chain, "--key": pair.key, missing: "/no/such/file"}
    said = fail(gateway, "cert", "import", *[part for item in files.items() for part in item])
    assert "/no/such/file" in said


def test_streams(gateway):
    succeed(gateway, "stream", "list")
    assert items(succeed_json(gateway, "stream", "list")) == []
    assert "not available" in fail(gateway, "stream", "add", ":5349", "tcp://127.0.0.1:9")


def test_acme(gateway, no_ca, pki):
    assert no_ca["directory"] in succeed(gateway, "acme", "show")
    succeed(gateway, "acme", "set", f"ca_bundle=@{pki.ca().cert}", "key_type=ecdsa-p384",
            "contact=mailto:a@example.org")
    shown = succeed_json(gateway, "acme", "show")
    assert (shown["ca_bundle"], shown["key_type"]) == (pki.ca().pem, "ecdsa-p384")
    assert shown["contact"] == ["mailto:a@example.org"]
    assert "key_type" in fail(gateway, "acme", "set", "key_type=dsa")
    assert "/no/such/file" in fail(gateway, "acme", "set", "ca_bundle=@/no/such/file")
    gateway.must("PUT", "/v1/acme", no_ca)
    done = gateway.cli("acme", "account")
    assert done.returncode in (0, 1) and done.stdout + done.stderr


def test_status(gateway, origin, host):
    gateway.put_route("shop", host, origin.url)
    shown = succeed(gateway, "status")
    for word in (str(gateway.http), str(gateway.https), "shop", f"127.0.0.1:{origin.port}"):
        assert word in shown
    assert "listeners" in succeed_json(gateway, "status")


def test_version_as_a_flag():
    assert run_cli("--version").stdout == run_cli("version").stdout


@pytest.mark.parametrize("flags, sentence", [
    pytest.param(["--user", "no-such-user"], "gatehouse run: no-such-user: there is no such user",
                 id="unknown user"),
    pytest.param([], "another gatehouse uses the data directory", id="data in use"),
])
def test_refused_start_is_told_in_a_sentence(gateway, flags, sentence):
    done = run_cli("run", "--data", gateway.data, "--http", "127.0.0.1:0", "--https",
                   "127.0.0.1:0", "--admin", "off", *flags)
    assert done.returncode == 1
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("gatehouse run: ")]
    assert sentence in said


def test_help_of_run_is_printed_whatever_else_is_wrong():
    done = run_cli("run", "--help", env={"GATEHOUSE_WORKERS": "none"})
    assert (done.returncode, done.stderr) == (0, "")


# Configuration

def test_export_and_import(gateway, tmp_path):
    gateway.put_route("shop", "shop.test", TARGET)
    document = json.loads(succeed(gateway, "export"))
    assert [r["id"] for r in document["routes"]] == ["shop"]
    path = tmp_path / "config.json"
    succeed(gateway, "export", path)
    assert json.loads(path.read_text()) == document
    gateway.must("DELETE", "/v1/routes/shop")
    succeed(gateway, "import", path, "--dry-run")
    assert gateway.items("routes") == []
    succeed(gateway, "import", path)
    assert [r["id"] for r in gateway.items("routes")] == ["shop"]


@pytest.mark.parametrize("text, words", [("{", "JSON"), ('{"colour": 1}', "colour")])
def test_import_of_nonsense_changes_nothing(gateway, tmp_path, text, words):
    gateway.put_route("shop", "shop.test", TARGET)
    path = tmp_path / "config.json"
    path.write_text(text)
    for dry in ((), ("--dry-run",)):
        assert words in fail(gateway, "import", path, *dry)
    assert [r["id"] for r in gateway.items("routes")] == ["shop"]


# Tokens, and the API over TCP

def test_tokens(gateway):
    created = succeed_json(gateway, "token", "create", "--name", "deploy", "--scope", "read",
                           "--scope", "write", "--expires", "30d")
    assert set(created["scopes"]) == {"read", "write"}
    assert gateway.tcp_api("GET", "/v1/routes", token=created["token"]).status == 200
    table = succeed(gateway, "token", "list")
    assert "deploy" in table and created["token"] not in table
    succeed(gateway, "token", "rm", created["id"])
    assert gateway.tcp_api("GET", "/v1/routes", token=created["token"]).status == 401


def test_created_token_is_printed_for_people(gateway):
    said = succeed(gateway, "token", "create", "--name", "people")
    (token,) = re.findall(r"gh_[A-Za-z0-9_-]{20,}", said)
    assert gateway.tcp_api("GET", "/v1/routes", token=token).status == 200


@pytest.mark.parametrize("by", ["flags", "environment"])
def test_server_and_token(gateway, by):
    token = gateway.create_token("remote", "write")["token"]
    gateway.put_route("shop", "shop.test", TARGET)
    url = f"http://127.0.0.1:{gateway.admin}"
    if by == "flags":
        done = run_cli("route", "list", "--server", url, "--token", token)
    else:
        done = run_cli("route", "list", env={"GATEHOUSE_SERVER": url, "GATEHOUSE_TOKEN": token})
    assert done.returncode == 0 and "shop.test" in done.stdout
    refused = run_cli("route", "list", "--server", url, "--token", "gh_wrong")
    assert refused.returncode == 1 and "token" in refused.stderr


def test_data_by_environment(gateway):
    gateway.put_route("shop", "shop.test", TARGET)
    done = run_cli("route", "list", env={"GATEHOUSE_DATA": str(gateway.data)})
    assert done.returncode == 0 and "shop.test" in done.stdout


def test_no_gateway_is_told_with_what_to_do(tmp_path, dead_port):
    for where in (("--data", tmp_path), ("--server", f"http://127.0.0.1:{dead_port}")):
        done = run_cli("route", "list", *where)
        assert done.returncode == 1
    assert "gatehouse run" in run_cli("route", "list", "--data", tmp_path).stderr


# Settings of `run` by environment

def test_run_is_configured_by_environment(make_gateway):
    gateway = make_gateway()
    gateway.env.update(GATEHOUSE_DATA=str(gateway.data), GATEHOUSE_WORKERS="1",
                       GATEHOUSE_HTTP=f"127.0.0.1:{gateway.http}",
                       GATEHOUSE_HTTPS=f"127.0.0.1:{gateway.https}",
                       GATEHOUSE_ADMIN=f"127.0.0.1:{gateway.admin}",
                       GATEHOUSE_LOG_LEVEL="debug")
    gateway.argv = [binary(), "run"]
    gateway.start()
    assert gateway.get("nobody.test").status == 404
    assert gateway.tcp_api("GET", "/healthz").status == 200


def test_flag_beats_environment(make_gateway, dead_port):
    gateway = make_gateway()
    gateway.env.update(GATEHOUSE_HTTP=f"127.0.0.1:{dead_port}")
    gateway.start()
    assert gateway.get("nobody.test").status == 404


# Colours

def on_a_terminal(gateway, *args, **env):
    """What a command prints when its output is a terminal."""
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in clean_environment().items() if k != "NO_COLOR"}
    done = subprocess.run([str(binary()), *args, "--data", str(gateway.data)], stdout=theirs,
                          stderr=theirs, stdin=theirs, timeout=60,
                          env={**environment, "TERM": "xterm-256color", **env})
    os.close(theirs)
    assert done.returncode == 0
    said = b""
    try:
        while (data := os.read(ours, 65536)):
            said += data
    except OSError:
        pass
    finally:
        os.close(ours)
    return said.decode()


def test_no_color_is_honoured_on_a_terminal(gateway, pki):
    gateway.import_certificate(pki.leaf("cli.test"))
    for command in (("cert", "list"), ("status",)):
        assert COLOUR not in on_a_terminal(gateway, *command, NO_COLOR="1")
        assert "cli.test" in on_a_terminal(gateway, *command)


def test_no_colours_in_a_pipe(gateway, pki):
    gateway.import_certificate(pki.leaf("cli.test"))
    done = subprocess.run([str(binary()), "status", "--data", str(gateway.data)],
                          capture_output=True, text=True, timeout=60,
                          env={k: v for k, v in clean_environment().items() if k != "NO_COLOR"})
    assert done.returncode == 0 and COLOUR not in done.stdout
