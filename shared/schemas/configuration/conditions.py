"""Conditions, as rules and workflows have them: all, any or none of further conditions, or one field compared with a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Self

import re2
from pydantic import Field, StringConstraints, field_validator, model_validator

from shared.schemas.configuration.document import Document, Path
from shared.schemas.configuration.section import Section

Value = bool | int | float | str
FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)*$", max_length=100)]
OPERATORS = ("equals", "one_of", "contains", "matches", "at_least", "at_most", "exists")
DEEPEST = 8
"""Conditions within conditions."""


class Condition(Section):
    """Exactly one of: `all`, `any` or `not` of further conditions; or a `field` with exactly one comparison.

    A field that has no value fulfils no comparison but `exists: false`. Of a field with several values one has to fulfil it.
    Text is compared without regard to capitals.
    """

    all_of: tuple[Condition, ...] | None = Field(default=None, alias="all", min_length=1, max_length=50)
    any_of: tuple[Condition, ...] | None = Field(default=None, alias="any", min_length=1, max_length=50)
    none_of: Condition | None = Field(default=None, alias="not")
    field: FieldName | None = None
    equals: Value | None = None
    one_of: tuple[Value, ...] | None = Field(default=None, min_length=1, max_length=1000)
    contains: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None
    """A piece of a text."""
    matches: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None
    """An RE2 expression, found anywhere in a text."""
    at_least: int | float | None = None
    at_most: int | float | None = None
    exists: bool | None = None

    @field_validator("matches")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re2.compile(pattern)
            except re2.error as error:
                raise ValueError(f"it is no RE2 expression: {error}") from None
        return pattern

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        groups = [name for name, given in (("all", self.all_of), ("any", self.any_of), ("not", self.none_of)) if given is not None]
        compared = [name for name in OPERATORS if getattr(self, name) is not None]
        if len(groups) + (self.field is not None) != 1:
            raise ValueError("give exactly one of: all, any, not, field")
        if groups and compared:
            raise ValueError(f"{compared[0]} needs a field")
        if self.field is not None and len(compared) != 1:
            raise ValueError(f"compare {self.field} by exactly one of: {', '.join(OPERATORS)}")
        return self


Condition.model_rebuild()


def check_fields(document: Document, path: Path, condition: Any, known: Mapping[str, str], depth: int = 0) -> None:
    """Report fields of a raw condition (a mapping of the YAML) that are not among `known`, and conditions that are nested too deep."""
    if not isinstance(condition, dict):
        return
    if depth > DEEPEST:
        document.problem(path, f"conditions are nested deeper than {DEEPEST}; take them apart")
        return
    field = condition.get("field")
    if isinstance(field, str) and field not in known:
        near = get_close_matches(field, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
        document.problem((*path, "field"), f"there is no field {field}; {hint}")
    for step, inner in _inner(condition):
        check_fields(document, (*path, *step), inner, known, depth + 1)


def _inner(condition: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    for group in ("all", "any"):
        members = condition.get(group)
        if isinstance(members, list):
            yield from (((group, position), member) for position, member in enumerate(members))
    if "not" in condition:
        yield ("not",), condition["not"]
