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
    "approval:ask": "Ask a colleague to approve something before a task or a case goes on.",
    "approval:decide-for-others": "Decide, delegate and withdraw approvals in somebody's stead, and pass over them; each with a reason.",
    "absence:manage": "Say when others are away and who stands in; see who has how much to do.",
    "audit:read": "See who looked at a case whose subject is sensitive.",
    "booking:confirm": "Confirm or decline requests for resources of one's unit.",
    "booking:make": "Book a resource for a task or case, move and cancel bookings.",
    "case:read": "See cases, their history and their contacts; not what was written.",
    "case:merge": "Merge cases, split them, undo both; attach cases to a major case, and write to all its customers.",
    "case:progress": "Set a case's status and priority, accept it, amend its answer; join a communication to it, record script answers.",
    "case:assign": "Give a case or a lead to another unit or user.",
    "case:bulk": "Change many cases at once, as far as one may change each.",
    "case:create": "Open cases by hand from a communication.",
    "case:delete": "Delete a case that was opened by mistake, while nothing refers to it, and see what was deleted.",
    "case:hold": "Put a case on legal hold, and end that.",
    "clock:read": "See the clocks on cases and tasks.",
    "clock:simulate": "Try another configuration on the clocks that there were.",
    "communication:deliver": "Hand a raw email in for a nominated account.",
    "communication:erase": "Erase a communication's texts and files for privacy.",
    "communication:read": "See communications.",
    "configuration:apply": "Apply a new version of the organisation's configuration.",
    "configuration:read": "See the configuration and its versions.",
    "contact:edit": "Make and change contacts and accounts, and say whose a communication is.",
    "contact:enter": "Enter a contact by hand, in one's own name.",
    "contact:erase": "Erase a person for privacy, with all that is theirs.",
    "contact:export": "Have all that is kept of a person given out.",
    "contact:merge": "Merge contacts who are one person, and undo that.",
    "contact-event:write": "Report that a customer made contact (upstream systems).",
    "dead-letter:read": "See messages that a service could not work on.",
    "dead-letter:replay": "Edit such a message and have it worked on again.",
    "delivery:read": "See messages to people and what became of them.",
    "delivery:revive": "See addresses that mail bounced from for good, and have them written to again.",
    "feedback:read": "See what customers thought of cases.",
    "feedback:write": "Hand in a customer's feedback (upstream systems).",
    "notification:manage": "See and set how others are told of things.",
    "notification:own": "Choose how one is told of things, and see what one was told.",
    "product:check": "Check the warranty of a product, have it replaced, judge a return.",
    "message:send": "Write to the customer of a case; with lead:progress of a lead; with case:read to a contact.",
    "note:write": "Write notes on cases, contacts and accounts.",
    "lead:import": "Import leads from a file.",
    "lead:progress": "Create leads, edit them, set their status, accept them, win and lose them, write notes on them.",
    "lead:read": "See leads, their history and their notes.",
    "republish": "Have a service publish the current state of its records again.",
    "rule:read": "See automation rules, what they did, and what one would do.",
    "resource:read": "See resources, when they are free, and their bookings.",
    "service:waive": "Waive a mandatory service on a task, for a reason, and require it again.",
    "staff:read": "See staff and business units.",
    "status:read": "See counts and the health of the services.",
    "suppression:manage": "See and change which addresses and domains are not written to.",
    "task:assign": "Give a task to another user, role or unit.",
    "task:create": "Add a follow-up task, or a task to a case by its definition.",
    "task:progress": "Start, complete, pend or cancel a task, change its due date, accept it.",
    "task:read": "See tasks.",
    "task-rule:read": "See what task rules would make.",
    "template:preview": "See what a template would say, filled from a case.",
    "time:record": "Record time spent on tasks, add services to them.",
    "webhook:manage": "Pause and resume webhooks, have events told to them again or passed over.",
    "webhook:read": "See webhooks, how they are doing and which events they were told of.",
    "tokens:issue": "Have an access token issued for a user (machines only).",
}
"""Every permission there is, and what it allows."""

MACHINE_ONLY = frozenset({"tokens:issue", "contact-event:write", "communication:deliver", "feedback:write"})
"""Permissions that only a machine's token may carry in practice: no standard role grants them."""


EVERYBODY = frozenset({"notification:own"})
"""What every role of staff permits, also one that lists its permissions without it."""


@dataclass(frozen=True, slots=True)
class StandardRole:
    """A role as it comes with the product."""

    name: str
    permissions: frozenset[str]
    scope: Scope


_AGENT = frozenset(
    {
        "approval:ask",
        "case:read",
        "case:create",
        "case:progress",
        "clock:read",
        "communication:read",
        "contact:edit",
        "contact:enter",
        "delivery:read",
        "message:send",
    }
    | {"feedback:read", "lead:progress", "lead:read", "note:write", "product:check", "staff:read"}
    | {"task:read", "task:progress", "task:create"}
    | {"time:record", "booking:make", "resource:read"}
    | EVERYBODY
)
_LEADER = _AGENT | {
    "approval:decide-for-others",
    "booking:confirm",
    "absence:manage",
    "case:assign",
    "case:bulk",
    "case:delete",
    "case:merge",
    "contact:merge",
    "lead:import",
    "rule:read",
    "service:waive",
    "task:assign",
    "task-rule:read",
    "template:preview",
    "status:read",
    "configuration:read",
}
_OPERATOR = EVERYBODY | frozenset(
    {"status:read", "dead-letter:read", "dead-letter:replay", "republish", "configuration:read", "webhook:read", "webhook:manage"}
    | {"suppression:manage"}
)

STANDARD_ROLES: dict[str, StandardRole] = {
    "field-worker": StandardRole(
        "Field worker", EVERYBODY | {"task:read", "task:progress", "time:record", "case:read", "clock:read"}, "own"
    ),
    "agent": StandardRole("Agent", _AGENT, "unit"),
    "team-leader": StandardRole("Team leader", _LEADER, "unit"),
    "manager": StandardRole("Manager", _LEADER | {"clock:simulate"}, "all"),
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
        return Grant(listed | EVERYBODY, scope or (standard.scope if standard else "unit"))
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
