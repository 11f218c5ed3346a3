"""A steady load of requests, to prove that something else disturbs none of them."""
import threading

from support import raw


class Load:
    """Threads that ask one URL over and over on kept-alive connections, and count.

    `open_client` makes a connection; `check(response)` says whether an answer is right."""

    def __init__(self, open_client, request, check, threads=4):
        self.open_client, self.request, self.check = open_client, request, check
        self.changed = threading.Condition()
        self.answered, self.failures, self.stopping = 0, [], False
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        for thread in self.threads:
            thread.join()

    def wait_more(self, count):
        """Wait until `count` more requests have been answered, or one has failed."""
        with self.changed:
            goal = self.answered + count
            self.changed.wait_for(lambda: self.answered >= goal or self.failures, 60)

    def _run(self):
        try:
            with self.open_client() as client:
                while not self.stopping:
                    client.send(self.request)
                    response = client.read()
                    if not self.check(response):
                        raise AssertionError(repr(response))
                    with self.changed:
                        self.answered += 1
                        self.changed.notify_all()
        except (OSError, raw.Closed, AssertionError, ValueError) as error:
            with self.changed:
                self.failures.append(error)
                self.changed.notify_all()
