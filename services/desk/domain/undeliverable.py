"""Why messages did not arrive, in words; and handles of customers that nothing arrives at any more (EDGE-2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

RETURN_WORDS = {
    "5.1.0": "the address does not work",
    "5.1.1": "the mailbox does not exist",
    "5.1.2": "the address’s domain does not exist",
    "5.1.3": "the address is written wrongly",
    "5.1.6": "the customer has moved to another address",
    "5.1.10": "the address takes no mail",
    "5.2.1": "the mailbox is switched off",
    "5.2.2": "the mailbox is full",
    "5.2.3": "the message is too large for the mailbox",
    "5.3.4": "the message is too large for the customer’s mail server",
    "5.4.4": "the address’s domain cannot be reached",
    "5.7": "the customer’s mail server does not want it",
}
"""What mail servers' status codes mean (RFC 3463), whole or by their first two numbers."""
GATEWAY_WORDS = {
    "21211": "there is no such number",
    "21610": "the owner of the number wants none",
    "21614": "it is not the number of a mobile telephone",
    "30005": "the number is not known, or not in use",
    "30006": "it is a landline, or its network takes none",
}
"""What Twilio's error codes mean."""
_STATUS = re.compile(r"(?<![0-9.])([45]\.\d{1,3}\.\d{1,3})(?![0-9.])")


def reason_in(error: str) -> str:
    """What the mail server's status in this text means; empty: there is none that we have words for."""
    status = _STATUS.search(error)
    return RETURN_WORDS.get(status[1], RETURN_WORDS.get(status[1].rpartition(".")[0], "")) if status else ""


class Undeliverable(NamedTuple):
    """A customer's handle that messages came back from for good. `status`: what the mail server or gateway reported."""

    kind: str
    value: str
    since: datetime
    status: str

    @property
    def heading(self) -> str:
        """What staff have to know, in short."""
        return "Text messages do not arrive." if self.kind == "phone" else "Mail does not arrive."

    def words(self, when: Callable[[datetime], str]) -> str:
        """What happened; `when` says a time."""
        if self.kind == "phone":
            return f"A text message to {self.value} did not arrive, {when(self.since)}: {self.reason}."
        return f"Mail to {self.value} came back {when(self.since)}: {self.reason}."

    @property
    def reason(self) -> str:
        """Why nothing arrives."""
        return (
            reason_in(self.status)
            or GATEWAY_WORDS.get(self.status)
            or (f"it was reported as {self.status}" if self.status else "no reason is known")
        )

    @property
    def outlook(self) -> str:
        """What follows from it, and what ends it."""
        if self.kind == "phone":
            return "No text message is sent there until somebody says that it works."
        return "Nothing more is sent there until they write from it, or somebody says that it works."
