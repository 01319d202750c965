"""What is done when a customer for whom a case waits keeps silent (EDGE-10)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.schemas.configuration.document import Document, Path
from shared.schemas.configuration.references import find
from shared.schemas.events import Code

DurationText = Annotated[str, StringConstraints(pattern=r"^[1-9]\d* (working )?(second|minute|hour|day|week|month|year)s?$")]
CLOSING = ("completed", "cancelled")


class Chase(BaseModel):
    """The customer is reminded after each `after` of silence, `reminders` times; `close_after` later the case is closed.

    Times are those of the organisation's calendar. With neither reminders nor `close_after` nothing is done.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: DurationText | None = None
    reminders: int = Field(default=1, ge=0, le=20)
    close_after: DurationText | None = None
    """After the last reminder; none: the case is never closed by itself."""
    close_status: Code | None = None
    """The status in which it is closed; none: a pending case gets the default one of cancelled, another that of completed."""


def check_chases(document: Document) -> None:
    """Reminders have their time, and the status that closes a case does."""
    states = {item.value["code"]: item.value.get("state") for item in find(document.data, "statuses[]") if _has_code(item.value)}
    for item in (*find(document.data, "chase"), *find(document.data, "subjects[].chase")):
        if isinstance(item.value, dict):
            _check(document, item.path, item.value, states)
    for item in find(document.data, "subjects[]"):
        subject = item.value if isinstance(item.value, dict) else {}
        chase, allowed = subject.get("chase"), subject.get("statuses")
        status = chase.get("close_status") if isinstance(chase, dict) else None
        if isinstance(status, str) and isinstance(allowed, list) and allowed and status not in allowed:
            document.problem((*item.path, "chase", "close_status"), f"{status!r} is not among the statuses of the subject; add it there")


def _check(document: Document, path: Path, chase: dict[str, Any], states: dict[str, Any]) -> None:
    if chase.get("after") is None and chase.get("reminders") != 0:
        document.problem(path, "say `after` how long the customer is reminded, or `reminders: 0`")
    status = chase.get("close_status")
    if not isinstance(status, str):
        return
    if chase.get("close_after") is None:
        document.problem((*path, "close_status"), "nothing is closed without `close_after`; add that, or remove this")
    if states.get(status, CLOSING[0]) not in CLOSING:
        document.problem((*path, "close_status"), f"the status {status!r} stands for {states[status]}, which closes no case")


def _has_code(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("code"), str)
