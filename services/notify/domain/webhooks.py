"""Outgoing webhooks: who is told of an event, how a message is signed, when a failed one is tried again (EDGE-18).

Signing is as the Standard Webhooks specification has it, so that receivers can use any library for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from services.notify.domain.retry import BackOff

PREFIX = "whsec_"
SHORTEST_SECRET, LONGEST_SECRET = 24, 64
"""Bytes of a secret, by the specification."""


class BadSecret(Exception):
    """There is no usable secret; the text says why, without what was found."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one webhook takes: types of events; and of which units, none for all."""

    code: str
    types: frozenset[str]
    units: frozenset[str] = frozenset()


class Subscriptions:
    """The webhooks of one version of the configuration."""

    def __init__(self, all_of_them: Sequence[Subscription]) -> None:
        self._by_type: dict[str, list[Subscription]] = {}
        for one in all_of_them:
            for name in sorted(one.types):
                self._by_type.setdefault(name, []).append(one)

    def takes(self, event_type: str) -> bool:
        """Whether anybody takes events of this type."""
        return event_type in self._by_type

    def takers(self, event_type: str, unit: str) -> list[str]:
        """The codes of the webhooks that take such an event. `unit`: in whose hands the thing is; empty: nobody's."""
        return [one.code for one in self._by_type.get(event_type, ()) if not one.units or unit in one.units]


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """The secrets in a file: one a line, `whsec_` and base64, the newest first. Raises `BadSecret`."""
    found = []
    for line in text.split():
        try:
            secret = base64.b64decode(line.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadSecret("a line is not `whsec_` with base64") from error
        if not SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET:
            raise BadSecret(f"a secret has {len(secret)} bytes; it needs {SHORTEST_SECRET} to {LONGEST_SECRET}")
        found.append(secret)
    if not found:
        raise BadSecret("the file is empty")
    return tuple(found)


def signed_headers(secrets: Iterable[bytes], message_id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers that a receiver checks. `at`: seconds since 1970 of this attempt. Each secret makes a signature."""
    content = b"%b.%d.%b" % (message_id.encode(), at, body)
    signatures = [base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode() for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


class Ending(StrEnum):
    """How an attempt ended."""

    TAKEN = "taken"
    FAILED = "failed"
    GONE = "gone"
    """The receiver says that it wants no more, ever (410)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of an attempt. `status` 0: there was no answer. `retry_after`: seconds that the receiver asked to wait."""

    ending: Ending
    status: int
    error: str = ""
    retry_after: float | None = None


def reply_of(status: int, headers: Mapping[str, str]) -> Reply:
    """What an answer means. Anything but success is tried again, also a redirect: where it leads was not agreed on."""
    if 200 <= status < 300:
        return Reply(Ending.TAKEN, status)
    wait = headers.get("Retry-After", "")
    seconds = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 10 else None
    return Reply(Ending.GONE if status == 410 else Ending.FAILED, status, f"HTTP {status}", seconds)


BACK_OFF = BackOff(timedelta(seconds=5), timedelta(hours=1))
LONGEST_WISH = timedelta(hours=6)
"""The longest that a receiver's wish to wait is followed without asking again."""


def next_try(failures: int, failing_for: timedelta, give_up_after: timedelta, reply: Reply, jitter: float) -> timedelta | None:
    """How long to wait after the failure of this number (from 1) in a row; None: no more, somebody has to look.

    `failing_for`: since the first of them.
    """
    if reply.ending is Ending.GONE or failing_for >= give_up_after:
        return None
    pause = BACK_OFF.pause(failures, jitter)
    return pause if reply.retry_after is None else max(pause, min(timedelta(seconds=reply.retry_after), LONGEST_WISH))
