"""The tour, contrib/demo: it shows what it promises, and leaves nothing behind."""
import os
import pty
import signal
import subprocess

import pytest

from support.gatehouse import REPOSITORY, binary, clean_environment

DEMO = REPOSITORY / "contrib" / "demo"


def environment(directory):
    return clean_environment(GATEHOUSE=str(binary()), TMPDIR=str(directory))


def hear_ctrl_c():
    """As behind a terminal: who runs in the background has it ignored, for ever."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def assert_nothing_left(session, directory):
    """No process of the demo's session, no file of it."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                assert os.getsid(int(entry)) != session
            except ProcessLookupError:
                pass
    assert list(directory.iterdir()) == []


def test_demo_serves_both_sites_with_verified_certificates(tmp_path):
    demo = subprocess.Popen([DEMO], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            stdin=subprocess.DEVNULL, start_new_session=True,
                            env=environment(tmp_path))
    said, _ = demo.communicate(timeout=60)      # what the tour promises
    assert demo.returncode == 0, said
    for words in ("Hello from the shop. I see Host: shop.example",
                  "Hello from the office. I see Host: office.example",
                  "X-Forwarded-Proto: https", "308 https://shop.example"):
        assert words in said, said
    assert "\x1b[" not in said
    assert_nothing_left(demo.pid, tmp_path)


@pytest.mark.parametrize("moment", ["== Two applications", "$ gatehouse route add",
                                    "Ctrl-C ends it"])
def test_ctrl_c_leaves_nothing_behind(tmp_path, moment):
    ours, theirs = pty.openpty()
    demo = subprocess.Popen([DEMO, "--keep"], stdin=theirs, stdout=theirs, stderr=theirs,
                            start_new_session=True, env=environment(tmp_path),
                            preexec_fn=hear_ctrl_c)
    os.close(theirs)
    said = b""
    while moment.encode() not in said:
        said += os.read(ours, 4096)     # an error here: the demo ended before that moment
    os.killpg(demo.pid, signal.SIGINT)          # as a terminal does
    try:
        while os.read(ours, 4096):
            pass
    except OSError:
        pass                                    # nobody holds the terminal any more
    os.close(ours)
    assert demo.wait(30) == 130
    assert_nothing_left(demo.pid, tmp_path)
