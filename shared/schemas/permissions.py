"""The one table of who may do what: read by the APIs, by the configuration's check, by the tests and by the docs page.

A permission is `thing:action`. A role grants permissions, and a scope that says whose rows they reach: the user's own,
those of the user's
unit, or all. The organisation's configuration names its own roles from these permissions; a role there that lists none
takes those of the standard role with its code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Scope = Literal["own", "unit", "all"]
_WIDTH: dict[Scope, int] = {"own": 0, "unit": 1, "all": 2}

PERMISSIONS: dict[str, str] = {
    "case:read": "See cases, their history and their contacts.",
    "case:progress": "Set a case's status and priority, accept it, amend its answer.",
    "case:assign": "Give a case to another unit or user.",
    "clock:read": "See the clocks on cases and tasks.",
    "communication:deliver": "Hand a raw email in for a nominated account.",
    "communication:read": "See communications.",
    "configuration:apply": "Apply a new version of the organisation's configuration.",
    "configuration:read": "See the configuration and its versions.",
    "contact-event:write": "Report that a customer made contact (upstream systems).",
    "dead-letter:read": "See messages that a service could not work on.",
    "dead-letter:replay": "Edit such a message and have it worked on again.",
    "delivery:read": "See messages to people and what became of them.",
    "republish": "Have a service publish the current state of its records again.",
    "staff:read": "See staff and business units.",
    "status:read": "See counts and the health of the services.",
    "task:assign": "Give a task to another user, role or unit.",
    "task:create": "Add a follow-up task.",
    "task:progress": "Start, complete, pend or cancel a task, change its due date, accept it.",
    "task:read": "See tasks.",
    "tokens:issue": "Have an access token issued for a user (machines only).",
}
"""Every permission there is, and what it allows."""

MACHINE_ONLY = frozenset({"tokens:issue", "contact-event:write", "communication:deliver"})
"""Permissions that only a machine's token may carry in practice: no standard role grants them."""


@dataclass(frozen=True, slots=True)
class StandardRole:
    """A role as it comes with the product."""

    name: str
    permissions: frozenset[str]
    scope: Scope


_AGENT = frozenset(
    {"case:read", "case:progress", "clock:read", "communication:read", "delivery:read", "staff:read"}
    | {"task:read", "task:progress", "task:create"}
)
_LEADER = _AGENT | {"case:assign", "task:assign", "status:read", "configuration:read"}
_OPERATOR = frozenset({"status:read", "dead-letter:read", "dead-letter:replay", "republish", "configuration:read"})

STANDARD_ROLES: dict[str, StandardRole] = {
    "field-worker": StandardRole("Field worker", frozenset({"task:read", "task:progress", "case:read", "clock:read"}), "own"),
    "agent": StandardRole("Agent", _AGENT, "unit"),
    "team-leader": StandardRole("Team leader", _LEADER, "unit"),
    "manager": StandardRole("Manager", _LEADER, "all"),
    "operator": StandardRole("Operator", _OPERATOR, "all"),
    "administrator": StandardRole("Administrator", frozenset(PERMISSIONS) - MACHINE_ONLY, "all"),
}
"""Roles that can be used without listing their permissions, by code."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody may do, and on whose rows."""

    permissions: frozenset[str]
    scope: Scope


def combined(grants: Iterable[Grant]) -> Grant:
    """Several roles together: every permission of any, and the widest scope. No role grants nothing."""
    permissions: frozenset[str] = frozenset()
    scope: Scope = "own"
    for grant in grants:
        permissions |= grant.permissions
        if _WIDTH[grant.scope] > _WIDTH[scope]:
            scope = grant.scope
    return Grant(permissions, scope)


def grant_of(code: str, permissions: Iterable[str] = (), scope: Scope | None = None) -> Grant:
    """What the role with this code grants: its own list, or where that is empty the standard role's; unknown ones
    nothing.
    """
    listed = frozenset(permissions)
    standard = STANDARD_ROLES.get(code)
    if listed:
        return Grant(listed, scope or (standard.scope if standard else "unit"))
    if standard is None:
        return Grant(frozenset(), "own")
    return Grant(standard.permissions, scope or standard.scope)


def unknown_permissions(permissions: Iterable[str]) -> list[str]:
    """Those that are not in the table, sorted."""
    return sorted(set(permissions) - PERMISSIONS.keys())


def as_markdown() -> str:
    """The table as a page of the documentation."""
    roles = list(STANDARD_ROLES.items())
    lines = [
        "# Permissions",
        "",
        "Made by `python -m shared.schemas.permissions > docs/permissions.md`; a test keeps it current.",
        "",
        "| permission | what it allows | " + " | ".join(code for code, _ in roles) + " |",
        "|---|---|" + "---|" * len(roles),
    ]
    for permission, meaning in sorted(PERMISSIONS.items()):
        marks = " | ".join("yes" if permission in role.permissions else "" for _, role in roles)
        lines.append(f"| `{permission}` | {meaning} | {marks} |")
    lines.append("| rows reached | | " + " | ".join(role.scope for _, role in roles) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(as_markdown())
