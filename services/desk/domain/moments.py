"""Times as forms have them."""

from __future__ import annotations

from datetime import datetime, tzinfo


def moment_in(text: str, zone: tzinfo) -> datetime | None:
    """What somebody entered, in the organisation's time unless it names a zone; None: it is no time."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)
