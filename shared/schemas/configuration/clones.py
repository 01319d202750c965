"""Task definitions that are clones of others: whatever they do not say themselves is as there (TASK-1)."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import Any

from shared.schemas.configuration.category_rules import report_circle
from shared.schemas.configuration.document import MAX_CHARACTERS, Document

_OWN = ("code", "clone_of")
"""What a clone never has from the other."""


def fill_in_clones(document: Document) -> None:
    """Give every clone what it has from the definition that it clones, which may be a clone itself. Before anything else is checked.

    Clones that lead in a circle are reported; of what there is not, by the check of references.
    """
    listed = document.data.get("task_definitions")
    definitions = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    clones = [item for item in definitions if isinstance(item.get("clone_of"), str)]
    by_code: dict[str, dict[str, Any]] = {}
    for item in definitions:
        if isinstance(item.get("code"), str):
            by_code.setdefault(item["code"], item)
    originals = {code: [item["clone_of"]] for code, item in by_code.items() if isinstance(item.get("clone_of"), str)}
    if not report_circle(document, ("task_definitions",), originals, "the clones lead in a circle, so nothing says what they are"):
        by_code = {}
    else:
        place = {code: number for number, code in enumerate(TopologicalSorter(originals).static_order())}
        clones.sort(key=lambda item: place.get(str(item.get("code")), len(place)))  # what they clone is filled in before they are
    left = MAX_CHARACTERS
    for item in clones:
        original = by_code.get(item["clone_of"], _NOTHING)
        more = {key: value for key, value in original.items() if key not in _OWN and key not in item}
        left -= _size(more)
        if left < 0:
            document.problem(("task_definitions",), f"what clones have from others comes to more than {MAX_CHARACTERS} characters")
            more = _NOTHING
        item.update(more)


_NOTHING: dict[str, Any] = {"name": "clone", "complete_within": "1 day"}
"""What a clone is given that cannot be filled in: that it lacks the rest is not to be reported as well."""


def _size(value: Any) -> int:
    """About how many characters it takes."""
    if isinstance(value, dict):
        return sum(len(str(key)) + _size(member) for key, member in value.items())
    if isinstance(value, list):
        return sum(_size(member) + 1 for member in value)
    return len(value) if isinstance(value, str) else 8
