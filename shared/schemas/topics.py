"""Every topic, declared once: who writes it, its key, partitions, retention, compaction.

The partition number of a topic is fixed for life: keys stay where they are. `cases`, `tasks` and `sla` share theirs, because sla joins
them partition by partition.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

PARTITIONS = 8
EVENT_RETENTION = timedelta(days=14)
"""Longer than the longest outage planned for; also the documented deadline of an erasure."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is created. `retention` None means that the topic is compacted and keeps the last value of each key."""

    name: str
    owner: str
    key: str
    description: str
    partitions: int = PARTITIONS
    retention: timedelta | None = EVENT_RETENTION
    max_message_bytes: int = 1_048_576
    segment: timedelta = timedelta(days=1)
    """Kafka deletes or compacts whole segments: how long it writes to one. By a broker's own week, two weeks would become three."""

    def settings(self) -> dict[str, str]:
        """Kafka's topic configuration."""
        common = {"max.message.bytes": str(self.max_message_bytes), "segment.ms": _milliseconds(self.segment)}
        if self.retention is None:
            return common | {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"}
        return common | {"cleanup.policy": "delete", "retention.ms": _milliseconds(self.retention)}


def _milliseconds(span: timedelta) -> str:
    return str(int(span.total_seconds() * 1000))


CONTACT_EVENTS = "casestream.contact-events"
COMMUNICATIONS = "casestream.communications"
CALLS = "casestream.calls"
CASES = "casestream.cases"
TASKS = "casestream.tasks"
SLA = "casestream.sla"
SLA_TIMERS = "casestream.sla.timers"
NOTIFICATIONS = "casestream.notifications"
CONFIGURATION = "casestream.configuration"
DIRECTORY = "casestream.directory"

TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(
            CONTACT_EVENTS,
            "upstream systems",
            "sender or conversation",
            "Contacts that other systems publish; ingest turns them into communications.",
        ),
        Topic(COMMUNICATIONS, "ingest", "conversation id", "Each contact with a customer, once; of calls, how they go on."),
        Topic(
            CALLS,
            "case",
            "communication id",
            "Telephone calls as they change, for whoever answers them: worth nothing a day later.",
            partitions=1,
            retention=timedelta(days=1),
            segment=timedelta(hours=6),
        ),
        Topic(
            CASES,
            "case",
            "case id or lead id (a communication without a case, a contact, an account: its own id)",
            "Cases, communications, contacts, accounts and leads as they change.",
        ),
        Topic(TASKS, "task", "case id or lead id", "Plans and tasks as they change."),
        Topic(SLA, "sla", "case id or lead id", "Alerts: due soon, overdue, expired, lag over, start late, withdrawn, closed."),
        Topic(
            SLA_TIMERS,
            "sla",
            "clock item id",
            "Changelog of sla's clocks; written to the partition number of the input.",
            retention=None,
        ),
        Topic(NOTIFICATIONS, "notify", "case id", "What became of each message."),
        Topic(
            CONFIGURATION,
            "desk",
            "version",
            "Every version of the organisation's configuration.",
            partitions=1,
            retention=None,
            max_message_bytes=8_388_608,
        ),
        Topic(DIRECTORY, "desk", "user or unit", "Staff and business units.", partitions=1, retention=None),
    )
}
