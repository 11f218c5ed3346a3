"""Pretty printers for gdb:  (gdb) source contrib/dev/gdb/gatehouse_gdb.py"""
import gdb
import gdb.printing


class StrPrinter:
    """struct str: the bytes it views."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        return self.value["p"].lazy_string(length=int(self.value["len"]))

    def display_hint(self):
        return "string"


class ErrPrinter:
    """struct err: the name of its kind, and the detail where there is one."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        if not self.value["kind"]:
            return "OK"
        name = self.value["kind"]["name"].string()
        detail = int(self.value["detail"])
        return f"{name} ({detail})" if detail else name


def printers():
    found = gdb.printing.RegexpCollectionPrettyPrinter("gatehouse")
    found.add_printer("str", "^str$", StrPrinter)
    found.add_printer("err", "^err$", ErrPrinter)
    return found


gdb.printing.register_pretty_printer(gdb.current_objfile(), printers(), replace=True)
