"""How long the files of each communication method, and the texts of each subject's cases, are kept, by the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.calendars import Calendar, Duration, before, parse_duration
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.calendars import calendar_of


@dataclass(frozen=True, slots=True)
class Keeping:
    """Durations by method, and by subject from a case's end; without one it is for ever."""

    durations: Mapping[str, Duration]
    calendar: Calendar
    case_durations: Mapping[str, Duration]

    def case_befores(self, now: datetime) -> dict[str, datetime]:
        """For each subject the time before which cases ended of which nothing written is kept."""
        return {subject: before(duration, now, self.calendar) for subject, duration in self.case_durations.items()}

    def befores(self, now: datetime) -> dict[str, datetime]:
        """For each method the time before which communications were received whose files are no longer kept."""
        return {method: before(duration, now, self.calendar) for method, duration in self.durations.items()}


def keeping_of(configuration: Configuration) -> Keeping:
    """The rules of a configuration version."""
    durations = {method.code: parse_duration(method.keep_files_for) for method in configuration.methods if method.keep_files_for}
    by_subject = {subject.code: parse_duration(subject.keep_for) for subject in configuration.subjects if subject.keep_for}
    [calendar] = [section for section in configuration.calendars if section.code == configuration.organisation.calendar]
    return Keeping(durations, calendar_of(calendar), by_subject)
