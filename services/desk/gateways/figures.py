"""Figures by case's API, with the token of whoever looks at the page."""

from __future__ import annotations

from typing import Any

from services.desk import metrics
from services.desk.gateways.asking import Asking


class FiguresReader:
    """Reads. Raises `Away` and `Refused`. Safe for use by many threads."""

    def __init__(self, case_url: str, timeout_seconds: float = 10.0) -> None:
        self._asking = Asking(case_url, metrics.CASE_API_SECONDS, "figure", timeout_seconds)

    def close(self) -> None:
        """Close the connections."""
        self._asking.close()

    def open_cases(self, token: str) -> dict[str, Any]:
        """The figures of open cases within the caller's reach, as the API shows them."""
        found: dict[str, Any] = self._asking.ask("GET", "/figures", token)
        return found
