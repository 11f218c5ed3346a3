"""What the tests of the admin API say over and over."""
import datetime
import re

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
TARGET = "http://127.0.0.1:9"


def parse_time(text):
    """An RFC 3339 time of the API."""
    assert RFC3339.match(text), text
    return datetime.datetime.strptime(text.split(".")[0].rstrip("Z"), "%Y-%m-%dT%H:%M:%S")


def minimal(*hosts, **more):
    """The shortest route there is; everything else has a default."""
    return {"hosts": list(hosts) or ["a.test"], "certificate": "none",
            "upstream": {"targets": [{"url": TARGET}]}, **more}


def assert_problem(answer, status):
    """A problem document as RFC 9457 has it."""
    assert answer.status == status, answer
    assert answer.headers.get("Content-Type").split(";")[0] == "application/problem+json"
    problem = answer.json
    assert problem["status"] == status
    assert problem["type"] and problem["title"] and problem["detail"]
    return problem
