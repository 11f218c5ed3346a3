"""What is delivered: the installed files, the hardening of the release binary, the words of the
quickstart. What needs a build that is not there is skipped, with the reason."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.gatehouse import REPOSITORY, binary
from support.wait import PATIENCE

RELEASE = Path(os.environ.get("GATEHOUSE_RELEASE")
               or REPOSITORY / "build" / "release" / "gateway" / "gatehouse")


def run(*argv):
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A prefix into which the build of the binary under test was installed."""
    build = binary().parents[1]
    if not (build / "cmake_install.cmake").exists() or not shutil.which("cmake"):
        pytest.skip(f"{build} is no build folder, or there is no cmake")
    prefix = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", build, "--prefix", prefix)
    return prefix


@pytest.mark.parametrize("path, mode", [
    ("sbin/gatehouse", 0o755),
    ("share/man/man8/gatehouse.8", 0o644),
    ("share/man/man5/gatehouse-api.5", 0o644),
    ("share/doc/gatehouse/LICENSE", 0o644),
    ("lib/systemd/system/gatehouse.service", 0o644),
])
def test_installed_file(installed, path, mode):
    file = installed / path
    assert file.is_file()
    assert file.stat().st_mode & 0o777 == mode


def test_nothing_else_is_installed(installed):
    assert sum(path.is_file() for path in installed.rglob("*")) == 5


def test_installed_unit_names_the_installed_binary(installed):
    unit = (installed / "lib/systemd/system/gatehouse.service").read_text()
    assert re.search(r"^ExecStart=/\S*/sbin/gatehouse run", unit, re.M), unit


def test_installed_binary_runs(installed):
    assert run(installed / "sbin/gatehouse", "version").strip()


@pytest.fixture(scope="module")
def release():
    """What readelf says of the release binary."""
    if not RELEASE.exists() or not shutil.which("readelf"):
        pytest.skip(f"{RELEASE} is not built (cmake --preset release), or there is no readelf")
    return run("readelf", "--wide", "--file-header", "--program-headers", "--dynamic",
               "--dyn-syms", RELEASE)


@pytest.mark.parametrize("pattern", [
    pytest.param(r"Type:\s+DYN", id="position independent"),
    pytest.param(r"FLAGS_1.*\bPIE\b", id="an executable, not a library"),
    pytest.param(r"FLAGS_1.*\bNOW\b", id="all symbols bound at start"),
    pytest.param(r"GNU_RELRO", id="tables read-only afterwards"),
    pytest.param(r"GNU_STACK.* RW ", id="no executable stack"),
    pytest.param(r"__stack_chk_fail", id="stack protector"),
    pytest.param(r"__\w+_chk\b", id="checked string functions"),
])
def test_release_binary_is_hardened(release, pattern):
    assert re.search(pattern, release)


def test_release_binary_has_no_writable_code_and_no_search_path(release):
    assert not re.search(r"LOAD.* RWE ", release)
    assert "RPATH" not in release and "RUNPATH" not in release


def test_quickstart_explains_itself_and_does_nothing_else():
    assert "--build-only" in run(REPOSITORY / "contrib" / "quickstart", "--build-only", "--help")
