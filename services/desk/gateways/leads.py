"""Leads by case's API, with the token of whoever looks at the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.desk import metrics
from services.desk.domain.customers import Note
from services.desk.domain.leads import Lead, Terms, terms_of
from services.desk.domain.records import Communication
from services.desk.gateways.asking import Asking, moment_of
from services.desk.gateways.records import communication_of

MOST_LEADS = 50
"""Leads on one page, and notes on one lead's."""


@dataclass(frozen=True, slots=True)
class LeadList:
    """A page of leads; `next`: the place that the next one begins at, None for the last."""

    leads: tuple[Lead, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class LeadStep:
    """A form that was sent: for which lead, as seen at which revision, and by which key it is done once."""

    lead: UUID
    revision: int
    key: UUID


class Leads:
    """Reads and commands; every method raises `Away` and `Refused`. Safe for use by many threads."""

    def __init__(self, url: str, timeout_seconds: float = 10.0) -> None:
        self._asking = Asking(url, metrics.CASE_API_SECONDS, "lead", timeout_seconds)

    def close(self) -> None:
        """Close the connections."""
        self._asking.close()

    def terms(self, token: str) -> Terms:
        """What leads choose from, with names."""
        return terms_of(self._asking.ask("GET", "/lead-types", token))

    def some(self, token: str, filters: Mapping[str, str]) -> LeadList:
        """Leads that the caller may see, by the API's own filters, `sort` and `cursor`."""
        content = self._asking.ask("GET", "/leads", token, params={"limit": str(MOST_LEADS)} | dict(filters))
        return LeadList(tuple([_lead(item) for item in content["items"]]), content["next"])

    def one(self, token: str, lead: UUID) -> Lead:
        """One lead with its history."""
        return _lead(self._asking.ask("GET", f"/leads/{lead}", token))

    def notes(self, token: str, lead: UUID) -> tuple[Note, ...]:
        """Its notes, the newest first."""
        items = self._asking.ask("GET", f"/leads/{lead}/notes", token, params={"limit": str(MOST_LEADS)})["items"]
        return tuple([Note(item["text"], item["author"], datetime.fromisoformat(item["written_at"])) for item in items])

    def communications(self, token: str, lead: UUID) -> tuple[Communication, ...]:
        """Messages about it and the answers to them, the oldest first."""
        items = self._asking.ask("GET", f"/leads/{lead}/communications", token)["items"]
        return tuple([communication_of(item) for item in items])

    def take(self, token: str, step: LeadStep, action: str, content: Mapping[str, str] | None) -> None:
        """Take a step: `accept`, `status`, `win`, `lose`, `cancel` or `notes`, with the command's body."""
        headers = {"Idempotency-Key": f"desk-lead-{action}-{step.key}"}
        if action != "notes":
            # A note is welcome whatever has changed meanwhile.
            headers["If-Match"] = f'"{step.revision}"'
        self._asking.ask("POST", f"/leads/{step.lead}/{action}", token, content=content, headers=headers)


def _lead(item: Mapping[str, Any]) -> Lead:
    customer = item["customer"]
    return Lead(
        id=UUID(item["id"]),
        number=item["number"],
        revision=int(item["revision"]),
        type=item["type"],
        title=item["title"],
        description=item["description"],
        source=item["source"],
        communication=_id(item["communication_id"]),
        contact=_id(customer["contact_id"]),
        account=_id(customer["account_id"]),
        account_number=customer["account_number"] or "",
        customer_name=customer["name"] or "",
        customer_email=customer["email"] or "",
        customer_phone=customer["phone"] or "",
        state=item["state"],
        status=item["status"],
        priority=int(item["priority"]),
        importance=int(item["importance"]),
        category=item["category"] or "",
        unit=item["unit"],
        owner=item["owner"] or "",
        lost_reason=item["lost_reason"] or "",
        reason=item["reason"] or "",
        opened_at=datetime.fromisoformat(item["opened_at"]),
        started_at=moment_of(item["started_at"]),
        closed_at=moment_of(item["closed_at"]),
        expected_at=moment_of(item["expected_completion_at"]),
        estimated_at=moment_of(item["estimated_completion_at"]),
        interests=tuple([(one["kind"], one["code"]) for one in item["interests"]]),
        competitors=tuple([(one["name"], one["website"] or "") for one in item["competitors"]]),
        history=tuple(item.get("history") or ()),
    )


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None
