"""W3C Trace Context: the `traceparent` of what is being worked on, carried from an email to the message that it caused.

The context is a `contextvar`: a thread pool that copies the context (as the web framework's does) keeps it; a thread
started by hand
begins without one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_current: ContextVar[str] = ContextVar("casestream_traceparent", default="")
# Version 00 has exactly these four fields; a later version may append more, which we carry on without.
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A parsed `traceparent`: ids as lower-case hex."""

    trace_id: str
    parent_id: str
    flags: str

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.parent_id}-{self.flags}"


def parse_traceparent(text: str) -> TraceContext | None:
    """The context in a `traceparent` header, or nothing when the standard says to ignore it."""
    match = _TRACEPARENT.fullmatch(text)
    if match is None:
        return None
    version, trace_id, parent_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more) or not int(trace_id, 16) or not int(parent_id, 16):
        return None
    return TraceContext(trace_id, parent_id, flags)


def new_traceparent() -> str:
    """The `traceparent` of a trace that begins here, sampled."""
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"


def child_traceparent(parent: str) -> str:
    """A `traceparent` with a parent id of its own in the same trace; a new trace when `parent` is none."""
    context = parse_traceparent(parent)
    return new_traceparent() if context is None else f"00-{context.trace_id}-{os.urandom(8).hex()}-{context.flags}"


def current_traceparent() -> str:
    """The `traceparent` of what this thread or task works on; empty when it works on nothing in particular."""
    return _current.get()


def current_trace_id() -> str:
    """The trace id of what this thread or task works on, as log lines carry it; empty when there is none."""
    return _current.get()[3:35]


@contextmanager
def use_traceparent(text: str) -> Iterator[str]:
    """Work on this trace inside the block; on a new one when `text` is empty or no valid `traceparent`. Yields the one
    in use.
    """
    used = text if parse_traceparent(text) else new_traceparent()
    token = _current.set(used)
    try:
        yield used
    finally:
        _current.reset(token)
