"""Customers' feedback by case's API, with the token of whoever looks at the page."""

from __future__ import annotations

from collections.abc import Mapping

from services.desk import metrics
from services.desk.domain.feedback import Group, Said, groups_of, said_of
from services.desk.gateways.asking import Asking

MOST_SAID = 50
"""Feedback with its comments on one page."""


class FeedbackReader:
    """Reads; both methods raise `Away` and `Refused`. Safe for use by many threads."""

    def __init__(self, case_url: str, timeout_seconds: float = 10.0) -> None:
        self._asking = Asking(case_url, metrics.CASE_API_SECONDS, "feedback", timeout_seconds)

    def close(self) -> None:
        """Close the connections."""
        self._asking.close()

    def summary(self, token: str, filters: Mapping[str, str]) -> tuple[Group, ...]:
        """What it comes to, by the API's own filters."""
        return groups_of(self._asking.ask("GET", "/feedback/summary", token, params=filters))

    def said(self, token: str, filters: Mapping[str, str]) -> tuple[tuple[Said, ...], bool]:
        """The newest feedback within `from` and `to`, and whether there is more."""
        within = {name: value for name, value in filters.items() if name != "by"}
        content = self._asking.ask("GET", "/feedback", token, params={"limit": str(MOST_SAID)} | within)
        return said_of(content), content["next"] is not None
