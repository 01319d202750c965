"""Whether a change to a published type of event is one that its readers and writers can live with.

While a release rolls out, old readers meet new events, and for as long as a topic keeps them, new readers meet old ones. So within one
version of a type only this may change: words for people, and fields that are added and need not be there. Anything else is refused, in both
directions: a field gone, required where it was not, or no longer required; another type, format, pattern, bound or default; a value more or
fewer in an enumeration (an old reader cannot decode the new value); a type of event gone. It is made as a new version beside the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

FOR_PEOPLE = frozenset({"$schema", "$id", "$defs", "title", "description", "examples", "deprecated"})
"""Keywords without a meaning to programs; definitions count where they are referred to."""
UNORDERED = frozenset({"enum", "required", "type"})


def breaking_changes(published: Mapping[str, Schema], current: Mapping[str, Schema]) -> list[str]:
    """What is incompatible between two sets of types (name -> JSON Schema), one line each; empty: all of it may be published."""
    problems = [f"{name}: the type is gone" for name in published if name not in current]
    for name, schema in published.items():
        if name in current:
            problems += [f"{name}: {problem}" for problem in schema_changes(schema, current[name])]
    return problems


def schema_changes(published: Schema, current: Schema) -> list[str]:
    """What is incompatible between two versions of one schema, each with the place where it is."""
    return list(_Comparison(published, current).at("", published, current))


class _Comparison:
    def __init__(self, published: Schema, current: Schema) -> None:
        self._roots = (published, current)
        self._seen: set[tuple[str, str]] = set()

    def at(self, place: str, old: Any, new: Any) -> Iterator[str]:
        """The differences of two schemas that stand at the same place."""
        references = (str(old.get("$ref", "")), str(new.get("$ref", "")))
        if any(references):
            if references in self._seen:
                return
            self._seen.add(references)
            old, new = _resolved(self._roots[0], old), _resolved(self._roots[1], new)
        yield from self._fields(place, old, new)
        for keyword in sorted((old.keys() | new.keys()) - FOR_PEOPLE - {"properties", "required"}):
            yield from self._keyword(place, keyword, old.get(keyword), new.get(keyword))
        self._seen.discard(references)

    def _fields(self, place: str, old: Schema, new: Schema) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        was, now = set(old.get("required", ())), set(new.get("required", ()))
        for field, shape in before.items():
            inner = f"{place}.{field}".lstrip(".")
            if field not in after:
                yield f"{inner}: the field is gone"
                continue
            if (field in was) != (field in now):
                yield f"{inner}: the field {'is required now' if field in now else 'may be absent now'}"
            yield from self.at(inner, shape, after[field])
        for field in sorted((after.keys() - before.keys()) & now):
            yield f"{f'{place}.{field}'.lstrip('.')}: a new field must have a default"

    def _keyword(self, place: str, keyword: str, old: Any, new: Any) -> Iterator[str]:
        if isinstance(old, dict) and isinstance(new, dict) and keyword != "default":
            yield from self.at(f"{place}[]", old, new)
        elif isinstance(old, list) and isinstance(new, list) and keyword not in UNORDERED and len(old) == len(new) and keyword != "default":
            for one, other in zip(old, new, strict=True):
                yield from self.at(place, one, other)
        elif _comparable(keyword, old) != _comparable(keyword, new):
            yield f"{place or 'data'}: {keyword} was {_shown(old)}, is {_shown(new)}"


def _comparable(keyword: str, value: Any) -> Any:
    return sorted(map(str, value)) if keyword in UNORDERED and isinstance(value, list) else value


def _resolved(root: Schema, schema: Schema) -> Schema:
    """The schema with what it refers to in place of the reference."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    beside = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
    return {**root.get("$defs", {})[str(reference).rpartition("/")[2]], **beside}


def _shown(value: Any) -> str:
    return "absent" if value is None else repr(value)
