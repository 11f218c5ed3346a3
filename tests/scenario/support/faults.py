"""A way between gateway and CA on which things go wrong as told, and a CA that knows more.

On top of the interposer: drop, truncate, delay or rewrite what passes, by kind of request; and
the renewal information (RFC 9773) that Debian's pebble does not have.
"""
import base64
import datetime
import json
import threading
import time

from support.interposer import Interposer
from support.wait import PATIENCE, until

PROBLEM = ("Content-Type", "application/problem+json; charset=utf-8")
JSON = ("Content-Type", "application/json")


def problem(status, type, detail, *headers, **more):
    """An answer of a CA that refuses."""
    body = {"type": f"urn:ietf:params:acme:error:{type}", "detail": detail, **more}
    return status, [PROBLEM, *headers], json.dumps(body).encode()


def rfc3339(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime(
        "%Y-%m-%dT%H:%M:%SZ")


def payload_of(body):
    """What a signed request says; None for POST-as-GET."""
    text = json.loads(body)["payload"]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))) if text else None


class Faults(Interposer):
    """Faults are rules, tried in turn: rule(kind, request, body) gives None or what to do."""

    def __init__(self, pebble, pki):
        self.rules = []
        self.rewrites = {}           # kind -> function of the parsed answer, changes it
        self.orders = []             # what newOrder asked for
        self.window = None           # (start, end) of every certificate; None: no such service
        self.page = None
        self.asked_about = []        # names of certificates
        self.info_answer = None      # in place of a window
        self.lock = threading.Lock()
        super().__init__(pebble, pki)

    # what may go wrong

    def _times(self, kind, times, action):
        left = [times]

        def rule(asked, _request, _body):
            with self.lock:
                if asked != kind or left[0] == 0:
                    return None
                left[0] -= 1
                return action

        self.rules.append(rule)

    def drop(self, kind, when, times=1):
        """Lose requests "before" the CA has seen them, or its answers "after"."""
        self._times(kind, times, (f"drop {when}", None))

    def truncate(self, kind, times=1):
        """Break answers off in the middle of the body."""
        self._times(kind, times, ("truncate", None))

    def delay(self, kind, seconds, times=1):
        self._times(kind, times, ("delay", seconds))

    def answer(self, kind, answer, times=-1):
        """Answer in the CA's place; -1: for ever."""
        self._times(kind, times, ("answer", answer))

    def answer_replacing(self, answer):
        """Answer so to orders that say what they replace."""
        self.rules.append(lambda kind, _, body: ("answer", answer) if kind == "new_order"
                          and "replaces" in payload_of(body) else None)

    def rewrite(self, kind, change):
        """change(document) may change the JSON of answers with status 2xx, in place."""
        self.rewrites[kind] = change

    def mend(self):
        self.rules.clear()
        self.rewrites.clear()

    # renewal information

    def suggest(self, start, end, page=None):
        """From now on a window, as seconds from now; the directory says that there are such."""
        now = time.time()
        self.window, self.page = (rfc3339(now + start), rfc3339(now + end)), page

    def wait_asked(self, count):
        until(lambda: len(self.asked_about) >= count, f"{count} questions about renewal")

    def _renewal_info(self, path):
        self.asked_about.append(path.rsplit("/", 1)[1])
        if self.info_answer is not None:
            return self.info_answer
        start, end = self.window
        info = {"suggestedWindow": {"start": start, "end": end}}
        if self.page:
            info["explanationURL"] = self.page
        return 200, [JSON, ("Retry-After", "60")], json.dumps(info).encode()

    # passing on

    def _pass_on(self, request, body):
        kind = self.kind_of(request.path)
        if kind == "new_order":
            self.orders.append(payload_of(body))
        what, more = next((found for rule in list(self.rules)
                           if (found := rule(kind, request, body))), (None, None))
        if what == "drop before":
            self.note(kind)
            request.close_connection = True
            return
        if what == "delay":
            time.sleep(min(more, PATIENCE))
        if kind == "renewal_info" and what is None:
            what, more = "answer", self._renewal_info(request.path)
        request.fault = what
        if what == "answer":
            self.note(kind)
            self._reply(request, *more)
            return
        super()._pass_on(request, body)

    def _ask_pebble(self, request, body):
        status, headers, answer = super()._ask_pebble(request, body)
        kind = self.kind_of(request.path)
        change = self.rewrites.get(kind)
        if status < 300 and answer and (change or kind == "directory"):
            document = json.loads(answer)
            if kind == "directory" and self.window:
                document["renewalInfo"] = f"https://localhost:{self.port}/renewal-info"
            if change:
                change(document)
            answer = json.dumps(document).encode()
        return status, headers, answer

    def _reply(self, request, status, headers, body):
        fault = getattr(request, "fault", None)
        if fault == "drop after":
            request.close_connection = True
        elif fault == "truncate":
            request.send_response_only(status)
            for name, value in headers:
                request.send_header(name, value)
            request.send_header("Content-Length", str(len(body) + 1))
            request.end_headers()
            request.wfile.write(body[:len(body) // 2])
            request.close_connection = True
        else:
            super()._reply(request, status, headers, body)
