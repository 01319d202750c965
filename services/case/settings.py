"""Settings of the case service: those that every process has."""

from __future__ import annotations

from shared.settings import ProcessSettings


class Settings(ProcessSettings):
    """`CASESTREAM_*`, as every process has them; nothing of its own so far."""
