"""Addresses, and whole domains, that are not written to, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

REASONS = ("bounced", "complained", "unsubscribed", "by_hand")
WHOLE_DOMAIN = "*@"
"""What the entry of a domain begins with; subdomains are domains of their own."""
_WORDS = {"complained": "its owner complained", "unsubscribed": "its owner wants no messages", "by_hand": "it was suppressed"}


class Suppression(NamedTuple):
    """An entry of the list. `address` in small letters, or `*@` and a domain; `status`: what a bounce reported, as RFC 3463 has it."""

    address: str
    reason: str
    status: str = ""
    note: str = ""
    until: datetime | None = None

    @property
    def error(self) -> str:
        """What is said of a delivery that is not sent because of it."""
        if self.reason == "bounced":
            return f"not sent: the address has bounced for good ({self.status})"
        whole = " (its whole domain)" if self.address.startswith(WHOLE_DOMAIN) else ""
        return f"not sent: {_WORDS.get(self.reason, self.reason)}{whole}"


def entries_for(address: str) -> tuple[str, str]:
    """The entries that an address, in small letters, is suppressed by: its own, and that of its domain."""
    return address, WHOLE_DOMAIN + address.rpartition("@")[2]


def suppressed(addresses: Iterable[str], entries: Mapping[str, Suppression]) -> dict[str, Suppression]:
    """Those of the addresses, in small letters, that are not written to, each with the entry that says so; its own comes first."""
    found: dict[str, Suppression] = {}
    for address in addresses:
        for entry in entries_for(address):
            if entry in entries:
                found[address] = entries[entry]
                break
    return found
