"""Why something changes, and what is to be told of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.task.handlers.compile import Compiled
from shared.schemas.envelope import Payload


class Cause(NamedTuple):
    """What makes a change: the event or command, when, and who is behind it."""

    id: UUID
    at: datetime
    by: str = "system"
    traceparent: str = ""


class Emission(NamedTuple):
    """An event to be, with the state as it was at that moment."""

    payload: Payload
    aggregate_id: UUID
    key: UUID
    revision: int
    cause: Cause
    config_version: int
    ordinal: int


CompiledOf = Callable[[int], Compiled]
"""The compiled configuration of a version (0: the newest)."""
