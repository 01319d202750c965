"""Settings of the task service: those that every process has."""

from __future__ import annotations

from shared.settings import ProcessSettings


class TaskSettings(ProcessSettings):
    """`CASESTREAM_*`, as every process has them; nothing of its own so far."""
