"""The rules of clocks: what starts, pauses, moves and closes them, and when they alert. Pure: events and now in, changes and alerts out.

Moments are integers here, microseconds since 1970-01-01 UTC, as in `shared.calendars.openings`: a million clocks are kept as packed bytes,
and most of what happens to them needs no calendar.
"""
