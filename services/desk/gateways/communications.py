"""What staff do with a communication, by the case service's API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.desk import metrics
from services.desk.gateways.asking import Asking, Refused


@dataclass(frozen=True, slots=True)
class Step:
    """A form that was sent: for which communication, as seen at which revision, and by which key it is done once."""

    communication: UUID
    revision: int
    key: UUID

    def headers(self, action: str) -> dict[str, str]:
        """Those of the command."""
        return {"If-Match": f'"{self.revision}"', "Idempotency-Key": f"desk-{action}-{self.key}"}


class Communications:
    """The commands. Each raises `Away` and `Refused`."""

    def __init__(self, url: str) -> None:
        self._api = Asking(url, metrics.CASE_API_SECONDS, "communication")

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def one(self, token: str, communication: UUID) -> dict[str, Any]:
        """A communication as the case service shows it."""
        found: dict[str, Any] = self._api.ask("GET", f"/communications/{communication}", token)
        return found

    def number_of(self, token: str, case: UUID) -> str:
        """The number of a case; empty: it is none that the caller can see."""
        try:
            return str(self._api.ask("GET", f"/cases/{case}", token)["number"])
        except Refused:
            return ""

    def open_cases(self, token: str, step: Step, subjects: Sequence[str], urgency: str, impact: str) -> list[str]:
        """Open a case under each subject; their numbers. Empty urgency or impact: as the subject has it."""
        levels = {name: value for name, value in (("urgency", urgency), ("impact", impact)) if value}
        content = {"subjects": list(subjects)} | levels
        answer = self._api.ask("POST", f"/communications/{step.communication}/cases", token, content=content, headers=step.headers("cases"))
        return [str(case["number"]) for case in answer["cases"]]

    def join(self, token: str, step: Step, number: str) -> None:
        """Join the communication to the case with this number."""
        found: list[Mapping[str, Any]] = self._api.ask("GET", "/cases", token, params={"number": number})["items"]
        if not found:
            raise Refused(f"There is no case {number} that you can see. A case number looks like C-2026-000123.")
        content = {"case_id": found[0]["id"]}
        self._api.ask("POST", f"/communications/{step.communication}/join", token, content=content, headers=step.headers("join"))

    def choose_contact(self, token: str, step: Step, contact: UUID) -> None:
        """Say whose the communication is."""
        path = f"/communications/{step.communication}/contact"
        self._api.ask("POST", path, token, content={"contact_id": str(contact)}, headers=step.headers("contact"))

    def record_answers(self, token: str, step: Step, answers: Sequence[tuple[str, str]]) -> None:
        """Record what was answered to the prompts."""
        content = {"answers": [{"prompt": prompt, "answer": answer} for prompt, answer in answers]}
        path = f"/communications/{step.communication}/script-answers"
        self._api.ask("POST", path, token, content=content, headers=step.headers("answers"))
