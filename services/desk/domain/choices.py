"""What forms let people choose from: subjects, urgencies, methods, people, roles, units, services, resources of the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

MACHINES = frozenset({"web_forms", "x_accounts", "mail_accounts"})
"""Sections whose methods machines feed."""


class Choice(NamedTuple):
    """One of a list; `hint` may be empty."""

    code: str
    name: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Method:
    """A communication method by which staff enter contacts."""

    code: str
    name: str
    hint: str
    locations: tuple[str, ...]
    default_subject_line: str
    scripts: tuple[tuple[str, tuple[str, ...]], ...]
    """`pre` and `security`, with their prompts; only those that have some."""


class Person(NamedTuple):
    """A member of staff."""

    user: str
    name: str
    unit: str


class Bookable(NamedTuple):
    """An active resource."""

    code: str
    name: str
    kind: str
    unit: str
    user: str
    """Of a person; else empty."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to choose from, in the configuration's order."""

    subjects: tuple[Choice, ...] = ()
    urgencies: tuple[Choice, ...] = ()
    impacts: tuple[Choice, ...] = ()
    methods: tuple[Method, ...] = ()
    staff: tuple[Person, ...] = ()
    """Those who are active, by name."""
    roles: tuple[Choice, ...] = ()
    units: tuple[Choice, ...] = ()
    services: tuple[Choice, ...] = ()
    resources: tuple[Bookable, ...] = ()

    def method(self, code: str) -> Method | None:
        """The method with this code."""
        return next((method for method in self.methods if method.code == code), None)


def choices_of(document: Mapping[str, Any]) -> Choices:
    """From a configuration as data; an empty one has nothing to choose from.

    Of the methods those are left out that are not for inbound contacts, and those that only machines feed.
    """
    if not document:
        return Choices()
    prioritisation = document["prioritisation"]
    fed = {item["method"] for section in MACHINES for item in document.get(section) or ()}
    return Choices(
        _choices(document["subjects"]),
        _choices(prioritisation["urgencies"]),
        _choices(prioritisation["impacts"]),
        tuple([_method(item) for item in document["methods"] if "inbound" in item["directions"] and item["code"] not in fed]),
        tuple(sorted([Person(u["user"], u["name"], u["unit"]) for u in document["users"] if u.get("active", True)], key=_by_name)),
        _choices(document["roles"]),
        _choices(document["units"]),
        # What an earlier release published has none of these.
        _choices(document.get("services") or ()),
        tuple([_bookable(item) for item in document.get("resources") or () if item.get("active", True)]),
    )


def _by_name(person: Person) -> str:
    return person.name.casefold()


def _bookable(item: Mapping[str, Any]) -> Bookable:
    return Bookable(item["code"], item["name"], item["kind"], item["unit"], item.get("user") or "")


def _choices(items: Sequence[Mapping[str, Any]]) -> tuple[Choice, ...]:
    return tuple([Choice(item["code"], item["name"], item.get("description") or "") for item in items])


def _method(item: Mapping[str, Any]) -> Method:
    scripts = (("pre", tuple(item.get("pre_script") or ())), ("security", tuple(item.get("security_script") or ())))
    return Method(
        item["code"],
        item["name"],
        item.get("description") or "",
        tuple(item.get("locations") or ()),
        item.get("default_subject_line") or "",
        tuple([script for script in scripts if script[1]]),
    )
