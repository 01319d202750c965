"""What the tests of outages share: a host's clock, and what was told in few words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.schemas.events import TaskLifeCycle, TaskState, TaskStatusChanged
from tests.service.sla.harness import SlaStreams


class HostClock:
    """The clock of a host, which may be set."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def set_by(self, span: timedelta) -> None:
        """Set it forward, or back."""
        self._ahead += span


def completed(task: TaskState, at: datetime) -> TaskStatusChanged:
    return TaskStatusChanged(**task.model_dump() | {"state": TaskLifeCycle.COMPLETED, "completed_at": at})


def told(sla: SlaStreams) -> list[tuple[str, str, int]]:
    """Name of the item's title, rung and repetition of everything told, in order."""
    return [(event.type.split(".")[2], event.data.title, event.data.repetition) for event in sla.alerts()]
