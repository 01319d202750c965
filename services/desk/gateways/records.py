"""Cases and communications by case's API, and mails' HTML by ingest's, with the token of whoever looks at the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.desk import metrics
from services.desk.domain.records import Answer, Case, Communication, Delivery, File, KeyDates, ScriptAnswer
from services.desk.domain.undeliverable import Undeliverable
from services.desk.gateways.asking import Asking, Fetched, moment_of

MOST_CASES = 50
"""Cases on one page."""


@dataclass(frozen=True, slots=True)
class CaseList:
    """A page of cases; `next`: the place that the next one begins at, None for the last."""

    cases: tuple[Case, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class ShownHtml:
    """A mail's HTML, made safe. `pictures_left_out`: of the internet, of other kinds, or too many. `is_cut`: the rest is missing."""

    html: str
    pictures_left_out: int
    is_cut: bool


class Records:
    """Reads; every method raises `Away` and `Refused`. Safe for use by many threads."""

    def __init__(self, case_url: str, ingest_url: str, timeout_seconds: float = 10.0) -> None:
        self._cases = Asking(case_url, metrics.CASE_API_SECONDS, "case", timeout_seconds)
        self._communications = Asking(case_url, metrics.CASE_API_SECONDS, "communication", timeout_seconds)
        self._mails = Asking(ingest_url, metrics.INGEST_API_SECONDS, "mail", timeout_seconds)

    def close(self) -> None:
        """Close the connections."""
        for asking in (self._cases, self._communications, self._mails):
            asking.close()

    def cases(self, token: str, **filters: str) -> CaseList:
        """Cases that the caller may see, by the API's own filters, `sort` and `cursor`."""
        content = self._cases.ask("GET", "/cases", token, params={"limit": str(MOST_CASES)} | filters)
        return CaseList(tuple(case_of(item) for item in content["items"]), content["next"])

    def case(self, token: str, case: UUID) -> Case:
        """One case with its communications."""
        return case_of(self._cases.ask("GET", f"/cases/{case}", token))

    def communication(self, token: str, communication: UUID) -> dict[str, Any]:
        """One communication as the API shows it; `communication_of` reads it."""
        found: dict[str, Any] = self._communications.ask("GET", f"/communications/{communication}", token)
        return found

    def html(self, token: str, sha256: str) -> ShownHtml:
        """The HTML of the mail with this digest."""
        found = self._mails.ask("GET", f"/mails/{sha256}/html", token)
        return ShownHtml(found["html"], int(found["pictures_left_out"]), bool(found["is_cut"]))

    def file(self, token: str, communication: UUID, position: int) -> Fetched:
        """One file of a communication."""
        return self._communications.fetch(f"/communications/{communication}/files/{position}", token)

    def raw(self, token: str, communication: UUID) -> Fetched:
        """The message as it came."""
        return self._communications.fetch(f"/communications/{communication}/raw", token)


def communication_of(item: Mapping[str, Any]) -> Communication:
    """A communication from what the API shows."""
    return Communication(
        id=UUID(item["id"]),
        direction=item["direction"],
        method=item["method"],
        location=item["location"],
        account=item["channel_account"],
        sender_kind=item["sender_kind"],
        sender=item["sender"],
        sender_name=item["sender_name"],
        recipients=tuple(item["recipients"]),
        subject_line=item["subject_line"],
        effect=item["effect"],
        robot=item["robot"],
        reason=item["reason"],
        is_old=bool(item.get("old")) or item["effect"] == "history",
        is_expired=item["expired_at"] is not None,
        occurred_at=datetime.fromisoformat(item["occurred_at"]),
        received_at=datetime.fromisoformat(item["received_at"]),
        suggested_case=UUID(item["suggested_case"]) if item["suggested_case"] else None,
        case_ids=tuple(UUID(id) for id in item["case_ids"]),
        text=item.get("body") or "",
        is_text_cut=bool(item.get("body_truncated")),
        own_text_length=item.get("own_text_length"),
        message_id=item["message_id"],
        raw_sha256=item.get("raw_sha256"),
        script_answers=tuple(ScriptAnswer(one["script"], one["prompt"], one["answer"]) for one in item.get("script_answers") or ()),
        files=tuple(_file(file) for file in item.get("attachments") or ()),
        is_erased=item.get("erased_at") is not None,
        task=UUID(item["task_id"]) if item.get("task_id") else None,
        lead=UUID(item["lead_id"]) if item.get("lead_id") else None,
        delivery=_delivery(item["delivery"]) if item.get("delivery") else None,
    )


def _delivery(item: Mapping[str, Any]) -> Delivery:
    return Delivery(item["state"], item["error"], datetime.fromisoformat(item["at"]), item["definition"])


def _file(item: Mapping[str, Any]) -> File:
    return File(
        int(item["position"]), item["filename"], item["content_type"], int(item["size"]), item["danger"], item.get("sha256") is not None
    )


def case_of(item: Mapping[str, Any]) -> Case:
    """A case from what the API shows."""
    customer = item["customer"]
    return Case(
        id=UUID(item["id"]),
        number=item["number"],
        subject=item["subject"],
        title=item["title"],
        state=item["state"],
        status=item["status"],
        priority=item["priority"],
        urgency=item["urgency"],
        impact=item["impact"],
        unit=item["unit"],
        owner=item["owner"] or "",
        contact=UUID(customer["contact_id"]) if customer["contact_id"] else None,
        customer_name=customer["name"] or "",
        customer_email=customer["email"] or "",
        is_waiting_for_customer=item["waiting_for_customer"],
        needs_review=item["needs_review"],
        reason=item["reason"],
        opened_at=datetime.fromisoformat(item["opened_at"]),
        responded_at=moment_of(item["responded_at"]),
        completed_at=moment_of(item["completed_at"]),
        due_at=moment_of(item["expected_completion_at"]),
        communications=tuple(communication_of(one) for one in reversed(item.get("communications") or ())),
        revision=int(item["revision"]),
        category=item["category"],
        awaiting_acceptance=item.get("awaiting_acceptance") or "",
        answers=tuple(_answer(one) for one in item.get("answers") or ()),
        key_dates=_key_dates(item["key_dates"]) if item.get("key_dates") else None,
        merged_into=UUID(item["merged_into"]) if item.get("merged_into") else None,
        communication_id=UUID(item["communication_id"]),
        heard_at=moment_of(item.get("customer_updated_at")),
        undeliverable=tuple(undeliverable_of(one) for one in item.get("undeliverable") or ()),
    )


def undeliverable_of(item: Mapping[str, Any]) -> Undeliverable:
    """A handle that messages came back from, from what the API shows."""
    return Undeliverable(item["kind"], item["value"], datetime.fromisoformat(item["since"]), item["status"])


def _answer(item: Mapping[str, Any]) -> Answer:
    return Answer(
        item["stage"],
        item["category"],
        item["text"],
        item["requires_acceptance"],
        item["given_by"],
        datetime.fromisoformat(item["given_at"]),
        item["accepted"],
        item["accepted_by"] or "",
        item["comment"],
    )


def _key_dates(item: Mapping[str, Any]) -> KeyDates:
    return KeyDates(moment_of(item["expected_completion_at"]), moment_of(item["estimated_completion_at"]), item["time_overdue"] or 0)
