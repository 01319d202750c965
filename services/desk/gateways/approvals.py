"""Approvals, by the task service's API, with the token of whoever looks at the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from services.desk import metrics
from services.desk.domain.approvals import Approval, Step
from services.desk.gateways.asking import Asking, moment_of

Show = Literal["waiting", "asked", "declined"]
FILTERS: dict[Show, dict[str, str]] = {
    "waiting": {"approver": "me", "state": "asked"},
    "asked": {"asker": "me", "state": "asked"},
    "declined": {"asker": "me", "state": "declined"},
}
MOST = 100
"""Approvals on one page."""
COUNT_SECONDS = 2.0
"""How long a page waits for the number in its navigation."""


@dataclass(frozen=True, slots=True)
class ApprovalList:
    """The oldest first; `next`: where others begin, if there are any."""

    approvals: tuple[Approval, ...]
    next: str = ""


class Approvals:
    """Reads and decides approvals. Each raises `Away` and `Refused`. Safe for use by many threads."""

    def __init__(self, url: str) -> None:
        self._asking = Asking(url, metrics.TASK_API_SECONDS, "approval")
        self._counting = Asking(url, metrics.TASK_API_SECONDS, "approval", COUNT_SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self._asking.close()
        self._counting.close()

    def waiting(self, token: str) -> int:
        """How many wait for the caller; 100: that many or more."""
        return int(self._counting.ask("GET", "/approvals/counts", token)["waiting"])

    def listed(self, token: str, show: Show, after: str = "") -> ApprovalList:
        """Those that wait for the caller, or that they asked for."""
        return self._some(token, FILTERS[show] | ({"cursor": after} if after else {}))

    def of_case(self, token: str, case: UUID) -> ApprovalList:
        """Those of a case and its tasks."""
        return self._some(token, {"case_id": str(case)})

    def of_task(self, token: str, task: UUID) -> ApprovalList:
        """Those of a task."""
        return self._some(token, {"task_id": str(task)})

    def one(self, token: str, approval: UUID) -> Approval:
        """One, with its history."""
        return _approval(self._asking.ask("GET", f"/approvals/{approval}", token))

    def take(self, token: str, approval: UUID, action: str, revision: int, key: UUID, content: Mapping[str, str]) -> None:
        """Do something about one that the caller saw at `revision`; the same `key` again does nothing more."""
        headers = {"If-Match": f'"{revision}"', "Idempotency-Key": f"desk-{action}-{key}"}
        self._asking.ask("POST", f"/approvals/{approval}/{action}", token, content=dict(content), headers=headers)

    def ask(self, token: str, of: Literal["cases", "tasks"], id: UUID, approver: str, what: str, key: UUID) -> None:
        """Ask for one, before this case or task is completed."""
        headers = {"Idempotency-Key": f"desk-ask-{key}"}
        self._asking.ask("POST", f"/{of}/{id}/approvals", token, content={"approver": approver, "what": what}, headers=headers)

    def _some(self, token: str, params: Mapping[str, str]) -> ApprovalList:
        found = self._asking.ask("GET", "/approvals", token, params={"limit": str(MOST), **params})
        return ApprovalList(tuple([_approval(item) for item in found["items"]]), found["next"] or "")


def _approval(item: Mapping[str, Any]) -> Approval:
    return Approval(
        id=UUID(item["id"]),
        revision=int(item["revision"]),
        case=UUID(item["case_id"]) if item["case_id"] else None,
        case_number=item["case_number"],
        case_title=item["case_title"],
        task=UUID(item["task_id"]) if item["task_id"] else None,
        subject_line=item["subject_line"],
        before=item["before"],
        what=item["what"],
        approver=item["approver"],
        asked_by=item["asked_by"],
        asked_at=datetime.fromisoformat(item["asked_at"]),
        held_since=datetime.fromisoformat(item["held_since"]),
        state=item["state"],
        blocks=item["blocks"],
        decided_by=item["decided_by"] or "",
        decided_at=moment_of(item["decided_at"]),
        comment=item["comment"],
        delegated_from=item["delegated_from"] or "",
        reminders=item["reminders"],
        in_sight=item.get("in_sight", False),
        history=tuple([_step(step) for step in item.get("history") or ()]),
    )


def _step(step: Mapping[str, Any]) -> Step:
    changes: Mapping[str, tuple[Any, Any]] = step["changes"]

    def became(name: str) -> str:
        return str(changes[name][1] or "") if name in changes else ""

    event = step["event"].removeprefix("casestream.approval.").removesuffix(".v1")
    return Step(
        datetime.fromisoformat(step["at"]), step["changed_by"], event, became("state"), became("approver"), became("comment"), step["note"]
    )
