"""What a digest says: its items by case, the newest first. Text and HTML say the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notify.domain.news import desk_path, headline
from services.notify.domain.tags import local_time

DIGEST = "digest"
"""The definition and kind of item of the delivery that is a digest."""
MOST_ITEMS = 200
"""More items are only counted: the desk lists them all."""


class Item(NamedTuple):
    """One thing that a digest tells of."""

    on: str
    about: str
    number: str
    title: str
    item_kind: str
    item_id: UUID
    case_id: UUID | None
    at: datetime
    due_at: str = ""


class Worded(NamedTuple):
    """A digest's words."""

    subject_line: str
    text: str
    html: str


def word_digest(name: str, items: Sequence[Item], more: int, desk_url: str, zone: ZoneInfo) -> Worded:
    """The digest of these items, given the newest first, for somebody of this name. `more`: further items that are only counted.

    Without the desk's address there are no links.
    """
    cases: dict[UUID, list[Item]] = {}
    for item in items:
        cases.setdefault(item.case_id or item.item_id, []).append(item)
    count = len(items) + more
    things = "1 notification" if count == 1 else f"{count} notifications"
    desk = desk_url.rstrip("/")
    greeting = f"Hello {name}," if name else "Hello,"
    lead = f"{greeting} since your last digest there {'is' if count == 1 else 'are'} {things}."
    text, html = [lead, ""], [f"<p>{escape(lead)}</p>"]
    for found in cases.values():
        first = found[0]
        heading = " ".join(part for part in (first.number, first.title) if part) or first.about
        text.append(heading)
        html.append(f'<h2 style="font-size:1.1em;margin:1.2em 0 .3em">{escape(heading)}</h2><ul>')
        for item in found:
            said = f"{headline(item.on)}: {item.about}" if item.about != item.title or not item.number else headline(item.on)
            due = f", due {local_time(item.due_at, zone)}" if item.due_at else ""
            at = local_time(item.at.isoformat(), zone)
            text.append(f"- {said}{due} ({at})")
            link = f"{desk}{desk_path(item.item_kind, item.item_id)}" if desk else ""
            if link:
                text.append(f"  {link}")
            shown = f'<a href="{escape(link)}">{escape(said)}</a>' if link else escape(said)
            html.append(f"<li>{shown}{escape(due)} <small>({escape(at)})</small></li>")
        text.append("")
        html.append("</ul>")
    if more:
        rest = f"And {more} more, which the desk lists."
        text += [rest, ""]
        html.append(f"<p>{escape(rest)}</p>")
    if desk:
        text += [f"All notifications: {desk}/notifications", f"How you are told: {desk}/preferences"]
        html.append(f'<p><a href="{escape(desk)}/notifications">All notifications</a></p>')
        html.append(f'<p><a href="{escape(desk)}/preferences">How you are told</a></p>')
    on_cases = f" on {len(cases)} cases" if len(cases) > 1 else f" on {items[0].number}" if items and items[0].number else ""
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"></head>'
    body = f'{head}<body style="font-family:sans-serif;line-height:1.5">{"".join(html)}</body></html>'
    return Worded(f"Digest: {things}{on_cases}", "\n".join(text).rstrip() + "\n", body)
