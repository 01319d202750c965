"""What one transaction knows, as those see it who act within it without changing tasks: see `work.Work`."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.task.domain.case import Case
from services.task.domain.task import Task
from services.task.handlers.causes import CompiledOf
from services.task.handlers.compile import Compiled


class Known(Protocol):
    """The part of `Work` that is only looked at."""

    compiled: CompiledOf
    now: datetime
    cases: dict[UUID, Case]

    @property
    def tasks(self) -> dict[UUID, Task]:
        """Those that were loaded or made."""
        ...

    def configuration_of(self, task: Task) -> Compiled:
        """The configuration that the task was planned under."""
        ...
