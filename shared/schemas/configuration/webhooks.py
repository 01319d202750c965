"""Outgoing webhooks: which events another system is told of, and where (FACE-1, EDGE-18)."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated

from pydantic import Field, StringConstraints

from shared.schemas import topics
from shared.schemas.configuration.document import Document
from shared.schemas.configuration.references import find
from shared.schemas.configuration.section import Named
from shared.schemas.events import PAYLOADS
from shared.schemas.events.texts import Code

WebhookUrl = Annotated[str, StringConstraints(pattern=r"^https://[A-Za-z0-9.\[\]:_-]+(/[!\x22$-~]*)?(\?[!\x22$-~]*)?$", max_length=2000)]
EventPattern = Annotated[str, StringConstraints(pattern=r"^casestream(\.[a-z0-9-]+)*(\.\*)?$", max_length=100)]

TOPICS = (topics.CASES, topics.TASKS, topics.SLA, topics.NOTIFICATIONS)
"""The topics whose events a webhook may have."""
OFFERED: tuple[str, ...] = tuple(sorted(name for name, payload in PAYLOADS.items() if payload.topic in TOPICS))
"""Every type of event that a webhook may have."""


class Webhook(Named):
    """Another system that is told of events over HTTPS, signed, each subscriber in order."""

    url: WebhookUrl
    events: tuple[EventPattern, ...] = Field(min_length=1, max_length=100)
    """Types of events, such as `casestream.case.opened.v1`, or the beginning of some, such as `casestream.case.*`."""
    units: tuple[Code, ...] = ()
    """Only what is in the hands of these units; none listed means all, also what is in nobody's."""


def types_of(pattern: str) -> tuple[str, ...]:
    """The types of events that a pattern stands for. What is published again for a new reader has to be named: a wildcard leaves it out."""
    if not pattern.endswith(".*"):
        return (pattern,) if pattern in OFFERED else ()
    return tuple(name for name in OFFERED if name.startswith(pattern[:-1]) and ".republished." not in name)


def check_webhooks(document: Document) -> None:
    """Each pattern stands for at least one type of event."""
    for found in find(document.data, "webhooks[].events[]"):
        # What has not even the form of one is told of already.
        if isinstance(found.value, str) and found.value.startswith("casestream.") and not types_of(found.value):
            near = get_close_matches(found.value, OFFERED, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]!r}?" if near else "docs/events.md lists them, those of cases, tasks, sla and notifications"
            document.problem(found.path, f"no webhook can have events {found.value!r}; {hint}")
