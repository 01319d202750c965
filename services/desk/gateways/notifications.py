"""What somebody was told, and how they choose to be, by notify's API with the token of whoever looks at the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.desk import metrics
from services.desk.domain.notifications import Chosen, Notification, chosen_of, notification_of
from services.desk.gateways.asking import Asking

ON_A_PAGE = "30"


class Notifications:
    """Every method raises `Away` and `Refused`. Safe for use by many threads."""

    def __init__(self, notify_url: str, timeout_seconds: float = 10.0) -> None:
        self._asking = Asking(notify_url, metrics.NOTIFY_API_SECONDS, "choice", timeout_seconds)

    def close(self) -> None:
        """Close the connections."""
        self._asking.close()

    def unread(self, token: str) -> int:
        """How many are unread."""
        return int(self._asking.ask("GET", "/notifications/unread", token)["unread"])

    def listed(self, token: str, *, unread: bool, after: str) -> tuple[list[Notification], str]:
        """A page of them, the newest first, and where the next begins; empty: there is none."""
        params = {"limit": ON_A_PAGE} | ({"unread": "true"} if unread else {}) | ({"cursor": after} if after else {})
        content = self._asking.ask("GET", "/notifications", token, params=params)
        return [notification_of(one) for one in content["items"]], content["next"] or ""

    def read(self, token: str, *, one: UUID | None = None, until: int | None = None) -> None:
        """This one was read, or all up to a place."""
        content = {"ids": [str(one)]} if one is not None else {"until": until}
        self._asking.ask("POST", "/notifications/read", token, content=content)

    def preferences(self, token: str) -> Chosen:
        """How whoever asks is told."""
        return chosen_of(self._asking.ask("GET", "/preferences", token))

    def choose(self, token: str, wanted: Mapping[str, Any], revision: int) -> Chosen:
        """Be told like this; refused where that was changed since this revision."""
        return chosen_of(self._asking.ask("PUT", "/preferences", token, headers={"If-Match": f'"{revision}"'}, content=wanted))
