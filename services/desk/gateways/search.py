"""Searching by case's API, with the token of whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.desk import metrics
from services.desk.gateways.asking import Asking

MOST = 20
"""Results on one page."""


@dataclass(frozen=True, slots=True)
class Result:
    """A case, contact or communication that was found. `snippet`: pieces of its text, and whether each is a word that was asked for."""

    kind: str
    id: UUID
    title: str
    details: tuple[str, ...]
    at: datetime
    snippet: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Results:
    """A page of results. `corrected`: misspelt words with those that were searched for; `next`: the place that the next page begins at."""

    items: tuple[Result, ...]
    corrected: Mapping[str, list[str]]
    is_ranked: bool
    next: str | None


class Search:
    """Asks. Safe for use by many threads."""

    def __init__(self, case_url: str, timeout_seconds: float = 10.0) -> None:
        self._asking = Asking(case_url, metrics.CASE_API_SECONDS, "record", timeout_seconds)

    def close(self) -> None:
        """Close the connections."""
        self._asking.close()

    def find(self, token: str, words: str, kind: str, after: str) -> Results:
        """What has all of these words. Raises `Away` and `Refused`."""
        params: dict[str, str | list[str]] = {"q": words, "limit": str(MOST)}
        if kind:
            params["kind"] = kind
        if after:
            params["cursor"] = after
        found = self._asking.ask("GET", "/search", token, params=params)
        return Results(
            tuple(_READ[item["kind"]](item) for item in found["items"]), found["corrected"], found["order"] == "rank", found["next"]
        )


def _case(item: Mapping[str, Any]) -> Result:
    customer = item["customer_name"] or item["customer_email"]
    return Result("case", UUID(item["id"]), item["title"] or item["number"], (item["number"], customer), _at(item["opened_at"]))


def _contact(item: Mapping[str, Any]) -> Result:
    return Result("contact", UUID(item["id"]), item["name"] or item["email"], (item["email"],), _at(item["created_at"]))


def _communication(item: Mapping[str, Any]) -> Result:
    snippet = tuple((piece["text"], bool(piece["match"])) for piece in item.get("snippet") or ())
    sender = item["sender_name"] or item["sender"]
    return Result("communication", UUID(item["id"]), item["subject_line"] or "No subject", (sender,), _at(item["received_at"]), snippet)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


_READ = {"case": _case, "contact": _contact, "communication": _communication}
