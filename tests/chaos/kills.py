"""Killing processes of a platform, and what must hold afterwards."""

from __future__ import annotations

import contextlib
from collections import Counter
from threading import Event

from services.cli.stack.errors import NotRunningError
from services.cli.stack.platform import Stack
from shared.schemas import topics
from tests.chaos.flow import check_revisions, events_on, message_ids, outbox_sizes, quiet_counts, settled_counts
from tests.support import eventually

MAILS = 1000
SENDER = "notify-send-0"
CONNECTIONS = 4
"""Those that the sender keeps open by default: so many messages can be on the wire when it is killed."""
PATIENCE = 240.0

never = Event()


def kill(stack: Stack, name: str) -> bool:
    """kill -9, when it runs just now."""
    with contextlib.suppress(NotRunningError, ProcessLookupError):
        stack.kill(name)
        return True
    return False


def check(stack: Stack, wanted: Counter[str], repeats_allowed: int) -> int:
    """Everything is there, once; returns how many messages were sent a second time."""
    settled_counts(stack, lambda counts: all(counts[name] >= count for name, count in wanted.items()), PATIENCE)
    found = quiet_counts(stack)
    assert {name: found[name] for name in wanted} == dict(wanted)
    assert found["dead_letters"] == 0
    caught = message_ids(stack)
    assert len(caught) == found["deliveries"]
    again = sum(caught.values()) - len(caught)
    assert again <= repeats_allowed, f"{again} messages were sent again; {repeats_allowed} could be on the wire"
    assert not any(outbox_sizes(stack).values())
    for topic in (topics.COMMUNICATIONS, topics.CASES, topics.TASKS, topics.NOTIFICATIONS):
        check_revisions(events_on(stack, topic))
    eventually(lambda: all(process.state == "running" for process in stack.processes()), 60)
    return again
