"""Writing alerts as events of `casestream.sla`, ready for Kafka."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha1
from typing import Any, Final

import orjson

from services.sla.domain.clocks import Alert, AlertType, ClockKind, Moment, Reason
from services.sla.domain.records import Facts, ItemKind
from shared.calendars.openings import moment
from shared.ids import NAMESPACE
from shared.schemas import events
from shared.schemas.envelope import CONTENT_TYPE

SOURCE: Final = b"/casestream/sla"
_NAMESPACE: Final = NAMESPACE.bytes

TYPES: Final[dict[AlertType, type[events.ClockState]]] = {
    AlertType.DUE_SOON: events.ClockDueSoon,
    AlertType.OVERDUE: events.ClockOverdue,
    AlertType.ESCALATED: events.ClockEscalated,
    AlertType.EXPIRED: events.ClockExpired,
    AlertType.LAG_OVER: events.ClockLagOver,
    AlertType.START_LATE: events.ClockStartLate,
    AlertType.WITHDRAWN: events.ClockWithdrawn,
    AlertType.CLOSED: events.ClockClosed,
}
_TYPE_NAMES: Final = {kind: payload.event_type.encode() for kind, payload in TYPES.items()}
CLOCK_NAMES: Final = {kind: kind.name.lower() for kind in ClockKind}
ITEM_NAMES: Final = {
    ItemKind.CASE: events.ItemKind.CASE.value,
    ItemKind.TASK: events.ItemKind.TASK.value,
    ItemKind.COMMUNICATION: events.ItemKind.COMMUNICATION.value,
    ItemKind.LEAD: events.ItemKind.LEAD.value,
}

REASON_NAMES: Final = {int(reason): reason.name.lower() for reason in Reason}

Written = tuple[bytes, bytes, list[tuple[str, str | bytes | None]]]
"""Key, value and headers of a Kafka message."""


def alert_id(clock: str, alert: Alert) -> str:
    """The id of an alert: one for each clock, rung, repetition and due instant: told again, it changes nothing for its readers."""
    if alert.type == AlertType.CLOSED:
        return derived("clock-closed", clock, alert.due_at, alert.fired_at)
    prefix = "withdrawn" if alert.type == AlertType.WITHDRAWN else "alert"
    return _rung_id(prefix, clock, alert)


def _rung_id(prefix: str, clock: str, alert: Alert) -> str:
    return derived(prefix, clock, alert.rung, alert.repetition, alert.due_at)


def derived(*parts: object) -> str:
    """The text of `shared.ids.derive(*parts)`, in a third of its time: thousands of clocks fall due in one second."""
    digest = sha1(_NAMESPACE + "\x1f".join([str(part) for part in parts]).encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


@lru_cache(10_000)
def _text(at: Moment) -> str:
    return moment(at).isoformat()


def write_alert(kind: ItemKind, item: str, facts: Facts, config_version: int, alert: Alert, traceparent: bytes = b"") -> Written:
    """The Kafka message of an alert. `item`: a UUID as text. `traceparent` empty: a trace begins here."""
    clock = derived("clock", item, CLOCK_NAMES[alert.clock.kind])
    event, fired_at = alert_id(clock, alert), _text(alert.fired_at)
    data: dict[str, Any] = {
        "clock_id": clock,
        "kind": CLOCK_NAMES[alert.clock.kind],
        "item_kind": ITEM_NAMES[kind],
        "item_id": item,
        "case_id": facts.case_id or None,
        "number": facts.number,
        "title": facts.title,
        "owner": {"kind": facts.owner_kind, "code": facts.owner} if facts.owner_kind else None,
        "assignee": facts.assignee or None,
        "unit": facts.unit,
        "priority": facts.priority,
        "method": facts.method,
        "subject": facts.subject,
        "started_at": _text(alert.clock.started_at),
        "due_at": _text(alert.due_at),
        "fired_at": fired_at,
        "late": alert.late,
        "rung": alert.rung,
        "repetition": alert.repetition,
    }
    if alert.type == AlertType.CLOSED:
        data |= _closed(alert)
    elif alert.type == AlertType.ESCALATED:
        data["tell"] = alert.tell
    elif alert.type == AlertType.WITHDRAWN:
        data["alert_id"] = _rung_id("alert", clock, alert)
    headers: list[tuple[str, str | bytes | None]] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.encode()),
        ("ce_type", _TYPE_NAMES[alert.type]),
        ("ce_source", SOURCE),
        ("ce_subject", clock.encode()),
        ("ce_time", fired_at.encode()),
        ("ce_revision", str(alert.revision).encode()),
        ("ce_configversion", str(config_version).encode()),
        ("traceparent", traceparent or f"00-{event.replace('-', '')}-{clock.replace('-', '')[:16]}-01".encode()),
        ("content-type", CONTENT_TYPE),
    ]
    return (facts.case_id or item).encode(), orjson.dumps(data), headers


def _closed(alert: Alert) -> dict[str, Any]:
    """The ledger of a clock that stopped."""
    suspensions = alert.clock.suspensions
    return {
        "outcome": alert.outcome,
        "budget_seconds": alert.clock.budget / 1e6,
        "used_seconds": alert.used / 1e6,
        "suspended": [
            {"from_at": _text(since), "until_at": _text(alert.fired_at if until is None else until), "reason": REASON_NAMES[reason]}
            for since, until, reason in suspensions
        ],
    }
