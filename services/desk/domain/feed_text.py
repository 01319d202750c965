"""Writing the closed days of feeds into the YAML text of a configuration, and leaving the rest of it as it is, comments too."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any, Final

import yaml

_WIDTH: Final = 120
Days = Mapping[tuple[str, str], Sequence[date]]
"""The closed days of each feed, by the calendar's code and the feed's address."""


def days_of(document: Mapping[str, Any]) -> dict[tuple[str, str], tuple[date, ...]]:
    """The closed days that a version says of its feeds. `document`: its content, as data."""
    return {
        (calendar["code"], feed["url"]): tuple(date.fromisoformat(day) for day in feed.get("days", ()))
        for calendar in document.get("calendars", ())
        for feed in calendar.get("feeds", ())
    }


def with_days(text: str, days: Days) -> str | None:
    """`text` with these days at their feeds. None where it is written so that they have no place in it, as with aliases."""
    edits: list[tuple[int, int, str]] = []
    for code, feed in _feeds(yaml.compose(text, Loader=yaml.CSafeLoader)):
        keys = {key.value: (key, value) for key, value in feed.value if isinstance(key, yaml.ScalarNode)}
        if "url" not in keys:
            return None
        key, url = keys["url"]
        found = days.get((code, str(url.value)))
        if found is None:
            continue
        listed = _listed(found, feed.start_mark.column + 2)
        if "days" in keys:
            before, value = keys["days"]
            edits.append((before.end_mark.index, _end(value), f": {listed}"))
        elif feed.flow_style:
            edits.append((url.end_mark.index, url.end_mark.index, f", days: {listed}"))
        else:
            end = text.find("\n", url.end_mark.index)
            end = len(text) if end < 0 else end
            edits.append((end, end, f"\n{' ' * key.start_mark.column}days: {listed}"))
    edits.sort()
    if any(later[0] < earlier[1] or later == earlier for earlier, later in pairwise(edits)):
        return None
    for start, end, content in reversed(edits):
        text = text[:start] + content + text[end:]
    return text


def _feeds(root: yaml.Node | None) -> Iterator[tuple[str, yaml.MappingNode]]:
    """Each feed, with the code of its calendar."""
    for calendar in _items(_value(root, "calendars")):
        code = _value(calendar, "code")
        for feed in _items(_value(calendar, "feeds")):
            if isinstance(code, yaml.ScalarNode) and isinstance(feed, yaml.MappingNode):
                yield str(code.value), feed


def _value(node: yaml.Node | None, name: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for key, value in node.value if isinstance(key, yaml.ScalarNode) and key.value == name), None)


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _end(node: yaml.Node) -> int:
    """Where a node's text ends. A block is told to end where the next thing begins; its last item ends earlier."""
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    end: int = node.end_mark.index
    return end


def _listed(days: Sequence[date], indent: int) -> str:
    text = f"[{', '.join(day.isoformat() for day in days)}]"
    return f"\n{' ' * indent}".join(textwrap.wrap(text, max(20, _WIDTH - indent), break_on_hyphens=False, break_long_words=False))
