"""Cases that belong together, by the case service's API: reading them, merging, splitting, and undoing both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.desk import metrics
from services.desk.domain.records import CASE_STATE_WORDS
from services.desk.gateways.asking import Asking, Refused


@dataclass(frozen=True, slots=True)
class RelatedCase:
    """A case that has to do with another. `undo`: the merge or split that made it so."""

    relation: str
    id: UUID
    number: str
    subject: str
    title: str
    state: str
    opened_at: datetime
    undo: UUID | None

    @property
    def state_word(self) -> str:
        """The life-cycle state for people."""
        return CASE_STATE_WORDS.get(self.state, self.state)


@dataclass(frozen=True, slots=True)
class Step:
    """A form that was sent: for which case, as seen at which revision, and by which key it is done once."""

    case: UUID
    revision: int
    key: UUID

    def headers(self, action: str) -> dict[str, str]:
        """Those of the command."""
        return {"If-Match": f'"{self.revision}"', "Idempotency-Key": f"desk-{action}-{self.key}"}


class RelatedCases:
    """The commands. Each raises `Away` and `Refused`."""

    def __init__(self, url: str) -> None:
        self._api = Asking(url, metrics.CASE_API_SECONDS, "case")

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def revision(self, token: str, case: UUID) -> int:
        """The case's revision."""
        return int(self._api.ask("GET", f"/cases/{case}", token)["revision"])

    def of_case(self, token: str, case: UUID) -> tuple[RelatedCase, ...]:
        """What the caller may see of the cases that have to do with this one."""
        return tuple([_related(item) for item in self._api.ask("GET", f"/cases/{case}/related", token)["items"]])

    def merge(self, token: str, step: Step, number: str, reason: str) -> None:
        """Merge the case into the one with this number."""
        found: list[Mapping[str, Any]] = self._api.ask("GET", "/cases", token, params={"number": number})["items"]
        if not found:
            raise Refused(f"There is no case {number} that you can see. A case number looks like C-2026-000123.")
        content = {"into": found[0]["id"], "reason": reason}
        self._api.ask("POST", f"/cases/{step.case}/merge", token, content=content, headers=step.headers("merge"))

    def split(self, token: str, step: Step, communications: Sequence[UUID], subject: str, title: str) -> UUID:
        """Move communications to a new case; its id."""
        content = {"communications": [str(id) for id in communications], "subject": subject, "title": title}
        answer = self._api.ask("POST", f"/cases/{step.case}/split", token, content=content, headers=step.headers("split"))
        return UUID(answer["id"])

    def undo(self, token: str, step: Step, what: str, id: UUID) -> None:
        """Undo a merge (`what` is `merges`) or a split (`splits`)."""
        self._api.ask("POST", f"/case-{what}/{id}/undo", token, headers={"Idempotency-Key": f"desk-undo-{step.key}-{id}"})


def _related(item: Mapping[str, Any]) -> RelatedCase:
    return RelatedCase(
        relation=item["relation"],
        id=UUID(item["id"]),
        number=item["number"],
        subject=item["subject"],
        title=item["title"],
        state=item["state"],
        opened_at=datetime.fromisoformat(item["opened_at"]),
        undo=UUID(item["undo"]) if item["undo"] else None,
    )
