"""JSON Schema (2020-12), as far as our OpenAPI document uses it, and no further: an unknown
keyword is an error, so that no rule goes unchecked."""
import re

NOTES = {"description", "default", "examples", "format", "writeOnly", "title"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def _is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


class Schemas:
    """The schemas of one document."""

    def __init__(self, document):
        self.document = document

    def resolve(self, node):
        while "$ref" in node:
            at = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                at = at[part]
            node = at
        return node

    def faults(self, schema, value, at=""):
        """Where the value is not as the schema says: "/a/0: why"."""
        schema, found = self.resolve(schema), []
        for keyword, rule in schema.items():
            if keyword not in NOTES:
                check = getattr(self, "_" + keyword)
                found += [fault if fault.startswith("/") else f"{at or '/'}: {fault}"
                          for fault in check(rule, value, at, schema)]
        return found

    def _type(self, rule, value, at, schema):
        names = rule if isinstance(rule, list) else [rule]
        if not any(_is_type(value, name) for name in names):
            yield f"{value!r} is not of type {rule}"

    def _enum(self, rule, value, at, schema):
        if value not in rule:
            yield f"{value!r} is none of {rule}"

    def _required(self, rule, value, at, schema):
        if isinstance(value, dict):
            yield from (f"{name} is missing" for name in rule if name not in value)

    def _properties(self, rule, value, at, schema):
        for name in rule.keys() & value.keys() if isinstance(value, dict) else ():
            yield from self.faults(rule[name], value[name], f"{at}/{name}")

    def _additionalProperties(self, rule, value, at, schema):
        known = schema.get("properties", {})
        for name in value if isinstance(value, dict) else ():
            if name not in known and rule is False:
                yield f"{name} is not known"
            elif name not in known and rule is not True:
                yield from self.faults(rule, value[name], f"{at}/{name}")

    def _items(self, rule, value, at, schema):
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from self.faults(rule, item, f"{at}/{index}")

    def _oneOf(self, rule, value, at, schema):
        fitting = sum(not self.faults(choice, value, at) for choice in rule)
        if fitting != 1:
            yield f"{fitting} choices fit, not one"

    def _pattern(self, rule, value, at, schema):
        if isinstance(value, str) and not re.search(rule, value):
            yield f"{value!r} is not like {rule}"

    def _minimum(self, rule, value, at, schema):
        if isinstance(value, int) and value < rule:
            yield f"{value} is less than {rule}"

    def _maximum(self, rule, value, at, schema):
        if isinstance(value, int) and value > rule:
            yield f"{value} is more than {rule}"

    def _maxLength(self, rule, value, at, schema):
        if isinstance(value, str) and len(value) > rule:
            yield f"is longer than {rule}"

    def _minItems(self, rule, value, at, schema):
        if isinstance(value, list) and len(value) < rule:
            yield f"has fewer items than {rule}"

    def _maxItems(self, rule, value, at, schema):
        if isinstance(value, list) and len(value) > rule:
            yield f"has more items than {rule}"

    def _maxProperties(self, rule, value, at, schema):
        if isinstance(value, dict) and len(value) > rule:
            yield f"has more members than {rule}"


class Interface(Schemas):
    """The operations of an OpenAPI document: what is asked and answered must be as it says."""

    def _operation(self, method, path):
        path = path.split("?")[0]
        for pattern, operations in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", r"[^/]+", pattern), path):
                return operations[method.lower()]
        raise LookupError(path)

    def request_faults(self, method, path, body):
        content = self._operation(method, path)["requestBody"]["content"]
        return self.faults(content["application/json"]["schema"], body)

    def answer_faults(self, method, path, answer):
        """Of its status, type and body; a status that is not listed has to be a problem's."""
        listed = self._operation(method, path)["responses"]
        told = self.resolve(listed.get(str(answer.status), listed["default"]))
        if answer.status < 400 and str(answer.status) not in listed:
            return [f"status {answer.status} is not listed"]
        if "content" not in told:
            return [f"{answer.status} has a body"] if answer.body else []
        kind = answer.headers.get("Content-Type").split(";")[0]
        if kind not in told["content"]:
            return [f"{kind} is not listed"]
        schema = told["content"][kind]["schema"]
        return self.faults(schema, answer.json if kind.endswith("json") else answer.text)
