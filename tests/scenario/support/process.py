"""A server process of the tests: its output in a file, and never left behind."""
import signal
import subprocess

from support.wait import PATIENCE, until

# The kernel kills the child when the test run dies, however it dies.
_LEASH = ["setpriv", "--pdeathsig", "KILL", "--"]


class Process:
    """One running program; `log` is the path of what it wrote to stdout and stderr."""

    def __init__(self, argv, log, env=None, **popen):
        self.name = str(argv[0]).rsplit("/", 1)[-1]
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen([*_LEASH, *map(str, argv)], stdin=subprocess.DEVNULL,
                                          stdout=out, stderr=out, env=env,
                                          start_new_session=True, **popen)
        self.pid = self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def output(self):
        return self.log.read_text(errors="replace")

    def until_ready(self, look, what=None):
        """Wait until look() is true; fail at once, with its output, if the process ends."""
        def look_while_alive():
            assert self.running(), f"{self.name} ended at start-up:\n{self.output()[-4000:]}"
            return look()
        return until(look_while_alive, what or f"{self.name} to be ready")

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, patience=PATIENCE):
        """The exit status; negative for a signal."""
        return self.popen.wait(patience)

    def stop(self):
        """Terminate and reap; kill what does not listen. Returns the exit status."""
        if self.running():
            self.signal(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def kill(self):
        """SIGKILL, and reap."""
        self.popen.kill()
        return self.popen.wait()
