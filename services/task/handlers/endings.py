"""What follows, in the same transaction, when tasks end and cases close: minimums are recorded, bookings released (TASK-10)."""

from __future__ import annotations

from collections.abc import Sequence

from services.task.domain.case import Case
from services.task.domain.lifecycle import TaskState
from services.task.domain.task import Task
from services.task.handlers import bookings, time_spent
from services.task.handlers.causes import Cause
from services.task.handlers.known import Known
from shared.storage import Transaction


def settle(tx: Transaction, work: Known, ended: Sequence[tuple[Task, Cause]], closed: Sequence[tuple[Case, Cause]]) -> None:
    """Do so for all that ended or closed in this transaction."""
    completed = [(task, cause) for task, cause in ended if task.state is TaskState.COMPLETED]
    if completed:
        time_spent.apply_minimums(tx, work, completed)
    if ended or closed:
        bookings.release(tx, work, ended, closed)
