"""How much somebody may send to a public page: so many an hour from one address, counted in this process's memory."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

HOUR = timedelta(hours=1)
MOST_SENDERS = 50_000
"""So many are remembered; of more, those who were longest silent are forgotten."""


class Allowance:
    """Counts what each address sends. Used on one thread."""

    def __init__(self, an_hour: int) -> None:
        self._an_hour = an_hour
        self._sent: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def wait(self, address: str, now: datetime) -> timedelta:
        """How long `address` has to wait before one more counts; nothing is counted."""
        begun, count = self._sent.get(sender_of(address), (now, 0))
        return begun + HOUR - now if count >= self._an_hour and now - begun < HOUR else timedelta(0)

    def take(self, address: str, now: datetime) -> timedelta:
        """Count one more from `address`; how long it has to wait first. Zero: it counts."""
        sender = sender_of(address)
        begun, count = self._sent.get(sender, (now, 0))
        if now - begun >= HOUR:
            begun, count = now, 0
        if count >= self._an_hour:
            return begun + HOUR - now
        self._sent[sender] = begun, count + 1
        self._sent.move_to_end(sender)
        if len(self._sent) > MOST_SENDERS:
            self._sent.popitem(last=False)
        return timedelta(0)


def sender_of(address: str) -> str:
    """Whose address it is: of IPv6, a whole /64 belongs to one connection."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> 64 << 64))
