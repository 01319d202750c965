"""What staff do with a case, by the case service's API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.desk import metrics
from services.desk.gateways.asking import Asking


@dataclass(frozen=True, slots=True)
class CaseStep:
    """A form that was sent: for which case, as seen at which revision, and by which key it is done once."""

    case: UUID
    revision: int
    key: UUID

    def headers(self, action: str) -> dict[str, str]:
        """Those of the command."""
        return {"If-Match": f'"{self.revision}"', "Idempotency-Key": f"desk-{action}-{self.key}"}


class CaseSteps:
    """Reads what there is to choose from, and commands. Each raises `Away` and `Refused`."""

    def __init__(self, url: str) -> None:
        self._api = Asking(url, metrics.CASE_API_SECONDS, "case")

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def choices(self, token: str, case: UUID) -> dict[str, Any]:
        """What the case's next step may choose from, as the case service says it."""
        found: dict[str, Any] = self._api.ask("GET", f"/cases/{case}/choices", token)
        return found

    def take(self, token: str, step: CaseStep, action: str, content: Mapping[str, Any]) -> None:
        """Take a step: `answers`, `acceptance`, `revoke-links` or `status`, with the command's body."""
        self._api.ask("POST", f"/cases/{step.case}/{action}", token, content=dict(content), headers=step.headers(action))
