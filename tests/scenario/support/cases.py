"""Reads the tables of tests/protocol; README.md there tells the format."""
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "protocol"
PLAIN = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
_SPEAKERS = {">": "client says", "]": "target got", "<": "target says", "}": "client got"}
_MARKS = {">!": "client ends", "]!": "target ended", "<!": "target ends", "}!": "client ended"}
_ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "s": b" ", "\\": b"\\"}
_ESCAPE = re.compile(r"\\(?:([rnt0s\\])|x([0-9a-fA-F]{2})|\{(\d+)\*([^}]*)\})")


class Case:
    """One row; `steps` is a list of [what, bytes]."""

    def __init__(self, name, words):
        self.name, self.words = name, words
        self.steps, self.statuses, self.end, self.wire = [], [], None, None
        self.may_see_all = self.is_never_all = self.ends_in_page = False

    def __repr__(self):
        return self.name

    def has(self, what):
        return any(step[0] == what for step in self.steps)

    @property
    def target_answers_itself(self):
        return not self.has("target says") and not self.has("target ends")

    def said(self, what):
        return b"".join(data for step, data in self.steps if step == what)


def unescape(text):
    """Bytes of a text with visible escapes."""
    out, at = b"", 0
    for found in _ESCAPE.finditer(text):
        simple, byte, count, unit = found.groups()
        out += text[at:found.start()].encode("latin-1")
        if simple:
            out += _ESCAPES[simple]
        elif byte:
            out += bytes([int(byte, 16)])
        else:
            out += unescape(unit) * int(count)
        at = found.end()
    rest = text[at:]
    assert "\\" not in rest, f"an unknown escape: {text}"
    return out + rest.encode("latin-1")


def _take_line(case, line):
    speaker, mark = line[0], line[1:2]
    if mark in ("", " ", "|"):
        data = unescape(line[2:]) + b"\r\n" if mark != "|" else unescape(line[3:])
        what = _SPEAKERS[speaker]
        if case.steps and case.steps[-1][0] == what:
            case.steps[-1][1] += data
        else:
            case.steps.append([what, data])
    elif mark == ".":
        case.steps.append([_SPEAKERS[speaker], b""])
    elif line in _MARKS:
        case.steps.append([_MARKS[line], b""])
    else:
        setattr(case, {"]*": "may_see_all", "]~": "is_never_all", "}*": "ends_in_page"}[line],
                True)


def _finish(case, words):
    for word in words:
        if word.isdigit():
            case.statuses.append(int(word))
        elif word in ("kept", "closed", "cut"):
            case.end = word
        else:
            assert word in ("reused", "dropped"), word
            case.wire = word
    assert case.end, f"{case}: what became of the connection?"
    if not case.has("client says"):
        case.steps.insert(0, ["client says", PLAIN])
        case.may_see_all = True


def read(path):
    """The rows of one file."""
    rows, case = [], None
    for line in path.read_text(encoding="latin-1").split("\n"):
        if line == "" or line[0] == "#":
            continue
        if line[0] == "@":
            name, *sections = line[1:].split(" ")
            assert sections and sections[0][0].isdigit(), f"{name} names no section"
            case = Case(f"{path.stem}/{name}", sections)
            rows.append(case)
        elif line[0] == "=":
            _finish(case, line[2:].split(" "))
        else:
            _take_line(case, line)
    return rows


def read_all():
    """The rows of all files that the binary can judge."""
    rows = [case for path in sorted(FOLDER.glob("*.cases")) for case in read(path)]
    return [case for case in rows if "codecs" not in case.words]
