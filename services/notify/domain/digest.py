"""What a digest says: its items by case, the newest first. Text and HTML say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import NamedTuple
from uuid import UUID

from services.notify.domain.news import desk_path, headline
from services.notify.domain.tags import Names
from shared.languages import moments

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


class Line(NamedTuple):
    """What is said of an item: what it is, when it was and is due, and where the desk shows it; empty: there is no link."""

    said: str
    times: str
    link: str


class Digest(NamedTuple):
    """A digest in words. `cases`: the heading of each with its lines; `further`: names and addresses of pages of the desk."""

    subject_line: str
    beginning: str
    cases: tuple[tuple[str, tuple[Line, ...]], ...]
    more: str
    further: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """As plain text."""
        lines = [self.beginning, ""]
        for heading, found in self.cases:
            lines.append(heading)
            for line in found:
                lines.append(f"- {line.said} ({line.times})")
                if line.link:
                    lines.append(f"  {line.link}")
            lines.append("")
        if self.more:
            lines += [self.more, ""]
        lines += [f"{name}: {link}" for name, link in self.further]
        return "\n".join(lines).rstrip() + "\n"

    def html(self, link_colour: str) -> str:
        """As markup within a letter, its links in this colour."""

        def link(to: str, words: str) -> str:
            return f'<a href="{escape(to)}" style="color:{link_colour}">{escape(words)}</a>' if to else escape(words)

        parts = [f'<p style="margin:0 0 16px">{escape(self.beginning)}</p>']
        for heading, found in self.cases:
            parts.append(f'<h2 style="margin:20px 0 6px;font-size:17px;line-height:24px">{escape(heading)}</h2>')
            items = [f'<li style="margin:0 0 8px">{link(one.link, one.said)}<br>{escape(one.times)}</li>' for one in found]
            parts.append(f'<ul style="margin:0 0 16px;padding:0 0 0 20px">{"".join(items)}</ul>')
        if self.more:
            parts.append(f'<p style="margin:0 0 16px">{escape(self.more)}</p>')
        if self.further:
            parts.append(f'<p style="margin:20px 0 16px">{"<br>".join(link(to, name) for name, to in self.further)}</p>')
        return "\n".join(parts)


def word_digest(items: Sequence[Item], more: int, desk_url: str, names: Names) -> Digest:
    """The digest of these items, given the newest first. `more`: further items that are only counted.

    Its words are `names.words` where they have them. Without the desk's address there are no links.
    """
    words, desk = names.words, desk_url.rstrip("/")

    def word(text: str) -> str:
        return words.get(text, text)

    cases: dict[UUID, list[Item]] = {}
    for item in items:
        cases.setdefault(item.case_id or item.item_id, []).append(item)
    numbers = {item.number for item in items}
    of = f": {items[0].number}" if len(cases) == 1 and len(numbers) == 1 and items[0].number else ""
    pages = (("All notifications", "/notifications"), ("How you are told", "/preferences")) if desk else ()
    return Digest(
        subject_line=f"{word('Digest')} ({len(items) + more}){of}",
        beginning=word("This was gathered for you since your last digest:"),
        cases=tuple((_heading(found), tuple(_line(item, desk, names, words) for item in found)) for found in cases.values()),
        more=f"{word('Further ones, which the desk lists')}: {more}" if more else "",
        further=tuple((word(name), f"{desk}{path}") for name, path in pages),
    )


def _heading(found: Sequence[Item]) -> str:
    first = found[0]
    return " ".join(part for part in (first.number, first.title) if part) or first.about


def _line(item: Item, desk: str, names: Names, words: Mapping[str, str]) -> Line:
    occasion, written = headline(item.on), moments(names.language, names.zone)
    occasion = words.get(occasion, occasion)
    said = occasion if item.number and item.about == item.title else f"{occasion}: {item.about}"
    times = written(item.at.isoformat())
    if item.due_at:
        times += f"; {words.get('due', 'due')} {written(item.due_at)}"
    return Line(said, times, f"{desk}{desk_path(item.item_kind, item.item_id)}" if desk else "")
