"""What case knows of whoever calls: the contact, open cases, and what was said before (CON-2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.desk import metrics
from services.desk.domain.calls import Stage
from services.desk.gateways.asking import Asking, moment_of

RECENT = 10
"""Communications of a contact on a call's page."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call as case has recorded it; `stage` None: a communication that is no call, or one of which nothing was reported."""

    id: UUID
    direction: str
    method: str
    line: str
    number: str
    caller_name: str
    contact: UUID | None
    candidates: tuple[tuple[UUID, str], ...]
    began_at: datetime
    stage: Stage | None
    answered_at: datetime | None
    answered_by: str
    ended_at: datetime | None
    outcome: str
    seconds: int | None


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A case of the customer's that is not closed."""

    id: UUID
    number: str
    title: str
    status: str
    priority: str
    unit: str
    owner: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Customer:
    """A contact, with their open cases, the highest priority first."""

    id: UUID
    name: str
    email: str
    handles: tuple[str, ...]
    open_cases: tuple[OpenCase, ...]


@dataclass(frozen=True, slots=True)
class Recent:
    """An earlier communication of the customer's."""

    id: UUID
    direction: str
    method: str
    subject_line: str
    received_at: datetime


class Calls:
    """Reads case's records. Safe for use by many threads."""

    def __init__(self, url: str, timeout_seconds: float = 5.0) -> None:
        self._communications = Asking(url, metrics.CASE_API_SECONDS, "call", timeout_seconds)
        self._contacts = Asking(url, metrics.CASE_API_SECONDS, "contact", timeout_seconds)

    def close(self) -> None:
        """Close the connections."""
        self._communications.close()
        self._contacts.close()

    def call(self, token: str, id: UUID) -> CallRecord:
        """A call, and whose it may be."""
        return _record(self._communications.ask("GET", f"/communications/{id}", token))

    def customer(self, token: str, contact: UUID) -> Customer:
        """A contact with open cases, as far as the caller may see them."""
        return _customer(self._contacts.ask("GET", f"/contacts/{contact}", token))

    def recent(self, token: str, contact: UUID, but: UUID) -> tuple[Recent, ...]:
        """The contact's last communications, the newest first, without the one at hand."""
        params: dict[str, str | list[str]] = {"contact_id": str(contact), "limit": str(RECENT + 1)}
        items = self._communications.ask("GET", "/communications", token, params=params)["items"]
        return tuple(_recent(item) for item in items if item["id"] != str(but))[:RECENT]


def _record(item: dict[str, Any]) -> CallRecord:
    call = item.get("call") or {}
    inbound = item["direction"] == "inbound"
    recipients = item.get("recipients") or []
    return CallRecord(
        id=UUID(item["id"]),
        direction=item["direction"],
        method=item["method"],
        line=item["channel_account"],
        number=item["sender"] if inbound or not recipients else recipients[0],
        caller_name=item["sender_name"] if inbound else "",
        contact=UUID(item["contact_id"]) if item.get("contact_id") else None,
        candidates=tuple((UUID(one["id"]), one["name"]) for one in item.get("candidates") or []),
        began_at=moment_of(call.get("rang_at")) or datetime.fromisoformat(item["occurred_at"]),
        stage=call.get("stage"),
        answered_at=moment_of(call.get("answered_at")),
        answered_by=call.get("answered_by") or "",
        ended_at=moment_of(call.get("ended_at")),
        outcome=call.get("outcome") or "",
        seconds=call.get("duration_seconds"),
    )


def _customer(item: dict[str, Any]) -> Customer:
    cases = tuple(
        OpenCase(
            id=UUID(case["id"]),
            number=case["number"],
            title=case["title"],
            status=case["status"],
            priority=case["priority"],
            unit=case["unit"],
            owner=case["owner"] or "",
            opened_at=datetime.fromisoformat(case["opened_at"]),
        )
        for case in item.get("open_cases") or []
    )
    handles = tuple(handle["value"] for handle in item.get("handles") or [])
    return Customer(UUID(item["id"]), item["name"], item["email"], handles, cases)


def _recent(item: dict[str, Any]) -> Recent:
    received_at = datetime.fromisoformat(item["received_at"])
    return Recent(UUID(item["id"]), item["direction"], item["method"], item["subject_line"], received_at)
