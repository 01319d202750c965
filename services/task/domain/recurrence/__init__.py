"""When recurring rules occur, as pure functions: by their zone's wall time, moved or skipped on closed days (EDGE-7)."""

from services.task.domain.recurrence.occurrences import Occurrence, due_occurrences, next_occurrence, occurrences, place
from services.task.domain.recurrence.schedule import OnClosed, Schedule, schedule_of

__all__ = ["Occurrence", "OnClosed", "Schedule", "due_occurrences", "next_occurrence", "occurrences", "place", "schedule_of"]
