"""notify's process `send`, which kills itself at a named step: `python -m tests.service.notify.dying STEP NUMBER`, at that step's turn."""

from __future__ import annotations

import functools
import itertools
import os
import signal
import smtplib
import sys
from collections.abc import Callable
from typing import Any

from services.notify.__main__ import send
from services.notify.gateways.smtp import Relay
from services.notify.handlers.composing import Composer
from services.notify.handlers.recording import Teller
from services.notify.storage import deliveries
from services.notify.storage.journal import Journal
from shared.messaging import EventPublisher
from shared.storage import outbox


def _before(*_: object, **__: object) -> bool:
    return True


def _is_a_message(_smtp: object, data: object) -> bool:
    return isinstance(data, bytes) and b"\r\n.\r\n" in data


STEPS: dict[str, tuple[Any, str, bool, Callable[..., bool]]] = {
    # What is called, whether the process dies after it or before, and which of the calls count.
    "claimed": (Composer, "compose", False, _before),
    "begun": (Relay, "begin", True, _before),
    "handed over": (smtplib.SMTP, "send", True, _is_a_message),
    "accepted": (Relay, "finish", True, _before),
    "noted": (Journal, "note", True, _before),
    "not committed": (deliveries, "record", True, _before),
    "recorded": (Teller, "tell", False, _before),
    "told": (EventPublisher, "publish", True, _before),
    "published": (outbox, "delete", False, _before),
}
"""From the claim to the end, in order."""


def die_at(step: str, number: int) -> None:
    """Be killed at the step's turn of this number, as if from outside: nothing is tidied up."""
    owner, name, is_after, counts = STEPS[step]
    whole = getattr(owner, name)
    turns = itertools.count(1)

    @functools.wraps(whole)
    def dying(*args: Any, **options: Any) -> Any:
        is_now = counts(*args) and next(turns) >= number
        if is_now and not is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = whole(*args, **options)
        if is_now:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, dying)


if __name__ == "__main__":
    die_at(sys.argv[1], int(sys.argv[2]))
    send()
