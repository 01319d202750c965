"""Whether conditions of the configuration hold, for the facts of an item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import re2

from shared.schemas.configuration.conditions import Condition

Facts = Mapping[str, object]
"""What is known of an item: dotted names with text, numbers, booleans, or lists of them; None and missing are the same."""
Holds = Callable[[Facts], bool]

_NONE: Final = ("", None)


class LookedUp(Mapping[str, object]):
    """Facts of an event's data, each looked up when a condition asks for it: most conditions ask for one or two. `paths`: the attributes
    that lead to each.
    """

    __slots__ = ("_data", "_paths")

    def __init__(self, data: object, paths: Mapping[str, Sequence[str]]) -> None:
        self._data, self._paths = data, paths

    def __getitem__(self, name: str) -> object:
        value: Any = self._data
        for part in self._paths[name]:
            value = getattr(value, part, None)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def always(_: Facts) -> bool:
    """The condition of what has none."""
    return True


def compile_condition(condition: Condition | None) -> Holds:
    """The condition as a function of the facts; without a condition one that always holds."""
    if condition is None:
        return always
    if condition.all_of is not None:
        return _all([compile_condition(each) for each in condition.all_of])
    if condition.any_of is not None:
        return _any([compile_condition(each) for each in condition.any_of])
    if condition.none_of is not None:
        return _not(compile_condition(condition.none_of))
    return _field(condition)


def _all(conditions: list[Holds]) -> Holds:
    return lambda facts: all(holds(facts) for holds in conditions)


def _any(conditions: list[Holds]) -> Holds:
    return lambda facts: any(holds(facts) for holds in conditions)


def _not(holds: Holds) -> Holds:
    return lambda facts: not holds(facts)


def _field(condition: Condition) -> Holds:
    name = condition.field or ""
    if condition.exists is not None:
        wanted = condition.exists
        return lambda facts: (len(_values(facts, name)) > 0) is wanted
    compare = _comparison(condition)
    return lambda facts: any(compare(value) for value in _values(facts, name))


def _values(facts: Facts, name: str) -> list[object]:
    value = facts.get(name)
    several = value if isinstance(value, (list, tuple, set, frozenset)) else (value,)
    return [each for each in several if each not in _NONE]


def _comparison(condition: Condition) -> Callable[[object], bool]:
    if condition.equals is not None:
        return _one_of((condition.equals,))
    if condition.one_of is not None:
        return _one_of(condition.one_of)
    if condition.contains is not None:
        piece = condition.contains.casefold()
        return lambda value: isinstance(value, str) and piece in value.casefold()
    if condition.matches is not None:
        expression = re2.compile(condition.matches)
        return lambda value: isinstance(value, str) and expression.search(value) is not None
    low, high = condition.at_least, condition.at_most
    return lambda value: _is_number(value) and (low is None or value >= low) and (high is None or value <= high)  # type: ignore[operator]


def _one_of(wanted: Iterable[object]) -> Callable[[object], bool]:
    keys = frozenset(map(_key, wanted))
    return lambda value: _key(value) in keys


def _key(value: object) -> tuple[str, object]:
    """What equal values have in common: 1 and 1.0 are equal, but neither is True."""
    if isinstance(value, str):
        return "text", value.casefold()
    return ("number" if _is_number(value) else type(value).__name__), value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
