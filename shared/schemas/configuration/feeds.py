"""iCalendar feeds that name closed days of business calendars (SLA-1)."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field, StringConstraints

from shared.schemas.configuration.document import Document
from shared.schemas.configuration.references import find
from shared.schemas.configuration.section import Section, Text

FeedUrl = Annotated[str, StringConstraints(pattern=r"^https://[A-Za-z0-9.\[\]:_-]+(/[!\x22$-~]*)?$", max_length=2000)]


class Feed(Section):
    """A feed whose all-day events are closed days of the calendar."""

    url: FeedUrl
    only: tuple[Text, ...] = Field(default=(), max_length=20)
    """Events count whose summary, description or categories hold one of these texts; none: all."""
    days: tuple[date, ...] = Field(default=(), max_length=2000)
    """The closed days of the feed. Written by the desk whenever it has read it, so that a version says all that is reckoned by. What stands
    here in a file holds only until the feed was read.
    """


def check_feeds(document: Document) -> None:
    """A calendar round the clock has no feeds, another has each once."""
    for calendar in find(document.data, "calendars[]"):
        section = calendar.value if isinstance(calendar.value, dict) else {}
        feeds = section.get("feeds")
        if not isinstance(feeds, list) or not feeds:
            continue
        if section.get("round_the_clock") is True:
            document.problem((*calendar.path, "feeds"), "a calendar round the clock has no closed days; remove its feeds")
        urls = [feed.get("url") if isinstance(feed, dict) else None for feed in feeds]
        for index, url in enumerate(urls):
            if isinstance(url, str) and url in urls[:index]:
                document.problem((*calendar.path, "feeds", index), "this feed is there before; put all texts into one `only`")
