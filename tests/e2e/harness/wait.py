"""Waiting without guessing: poll until a condition holds or a deadline passes."""
import os
import time

# a slow or sanitized machine gets more time, never a different result
PATIENCE = float(os.environ.get("SMTPGUARD_TEST_PATIENCE", "1"))


def until(condition, seconds=10, what="the condition", pause=0.01):
    """Calls condition() until its value is true, and returns that value."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds * PATIENCE:g} s in vain for {what}; last value: {value!r}")
        time.sleep(pause)
