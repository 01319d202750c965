"""Waiting for an effect instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T | None], timeout: float = 20, every: float = 0.05) -> T:
    """Call `check` until it returns something true without a failed assertion, and return that.

    After `timeout` seconds the last failed assertion is raised, or one that shows the last value.
    """
    end = time.monotonic() + timeout
    while True:
        failure: AssertionError | None = None
        value: T | None = None
        try:
            value = check()
            if value:
                return value
        except AssertionError as error:
            failure = error
        if time.monotonic() > end:
            raise failure or AssertionError(f"still {value!r} after {timeout} s: {getattr(check, '__name__', check)}")
        time.sleep(every)
