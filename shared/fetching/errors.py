"""How another system fails us."""

from __future__ import annotations

from typing import Literal

Reason = Literal["unreachable", "credentials", "throttled", "malformed", "refused"]


class GatewayError(Exception):
    """The channel could not be read just now; nothing was skipped. The text is for operators, without personal data and secrets.

    `unreachable`: no connection, a time-out, a server's error. `credentials`: the login was refused, or there is no credential.
    `throttled`: asked too often. `malformed`: the answer cannot be understood. `refused`: understood, and will not be done (no such
    folder, no permission). `retry_after`: seconds that the channel asked to wait.
    """

    def __init__(self, reason: Reason, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.reason: Reason = reason
        self.retry_after = retry_after
