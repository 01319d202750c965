"""What a bounce means: for the delivery that came back, and for the address it went to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_OURS = re.compile(rf"<{_UUID}\.({_UUID})@[^<>@\s]+>", re.IGNORECASE)
_DEAD = re.compile(r"5\.(?:0\.0|1\.(?:0|1|2|3|6|10)|2\.1|4\.4)")
"""No such mailbox or domain, moved, disabled, or refused without a word. A full mailbox or a policy may pass."""


_REFUSED = re.compile(r"5\d\d (5\.(?:1\.(?:1|2|3|6|10)|2\.1))(?![0-9.])")
"""The same of an answer while the message is handed over. Less counts there: it may be our own relay that answers, and mean itself."""


def dead_status_in(answer: str) -> str:
    """The status (RFC 3463) with which a server refused a message for good since nothing arrives at its address; empty: it did not."""
    found = _REFUSED.match(answer)
    return found[1] if found else ""


class Verdict(NamedTuple):
    """A delivery that came back."""

    delivery_id: UUID
    message_id: str
    status: str
    is_dead: bool
    """Whether its address is not to be written to again."""


def judge(message_id: str, reported: Iterable[tuple[str, str]]) -> Verdict | None:
    """The verdict on the message that bounced; None: it was not ours, or was only delayed.

    `reported`: action and status (RFC 3464) for each recipient. Ours go to one recipient each, so whom the report names (after
    forwarding, perhaps) does not matter: nobody can have another's address marked.
    """
    ours = _OURS.fullmatch(message_id)
    if ours is None:
        return None
    failed = [status for action, status in reported if action == "failed" and status.startswith("5.")]
    if not failed:
        return None
    dead = [status for status in failed if _DEAD.fullmatch(status)]
    return Verdict(UUID(ours[1]), message_id, (dead or failed)[0], bool(dead))
