"""Waiting for something to become true: the only place in the scenario tests that polls."""
import time

PATIENCE = 30    # seconds; a bound for a broken run, not a figure that any test depends on
_PAUSE = 0.01    # between two looks


def until(look, what, patience=PATIENCE):
    """Call look() until it gives something true and return that; fail with `what` otherwise."""
    end = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience} s in vain: {what}")
        time.sleep(_PAUSE)
