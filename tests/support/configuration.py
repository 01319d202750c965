"""A small, complete organisation for tests: `a_configuration()`, with sections replaced by keyword."""

from __future__ import annotations

from typing import Any

from shared.schemas.configuration import Configuration
from shared.schemas.configuration.section import Section

UNITS: list[dict[str, Any]] = [
    {"code": "repairs", "name": "Repairs", "email": "repairs@housing.example", "leader": "lena", "manager": "max"},
    {"code": "neighbourhood", "name": "Neighbourhood", "leader": "noor", "manager": "max"},
    {"code": "contact-centre", "name": "Contact centre", "leader": "cora", "manager": "max"},
]
USERS: list[dict[str, Any]] = [
    {"user": "rita", "name": "Rita Repairs", "email": "rita@housing.example", "unit": "repairs", "roles": ["agent"]},
    {"user": "paul", "name": "Paul Plumber", "email": "paul@housing.example", "unit": "repairs", "roles": ["plumber"]},
    {"user": "lena", "name": "Lena Leader", "email": "lena@housing.example", "unit": "repairs", "roles": ["leader"]},
    {"user": "nils", "name": "Nils Nearby", "email": "nils@housing.example", "unit": "neighbourhood", "roles": ["agent"]},
    {"user": "noor", "name": "Noor Noise", "email": "noor@housing.example", "unit": "neighbourhood", "roles": ["leader"]},
    {"user": "cora", "name": "Cora Contact", "email": "cora@housing.example", "unit": "contact-centre", "roles": ["leader"]},
    {"user": "max", "name": "Max Manager", "email": "max@housing.example", "unit": "contact-centre", "roles": ["manager"]},
]
WORK = [
    "case:read",
    "case:create",
    "case:progress",
    "communication:read",
    "contact:enter",
    "contact:edit",
    "message:send",
    "note:write",
    "clock:read",
    "delivery:read",
    "task:read",
    "task:progress",
    "task:create",
    "staff:read",
    "product:check",
    "feedback:read",
]
LEAD = [*WORK, "case:merge", "contact:merge", "case:assign", "task:assign", "status:read"]
ROLES: list[dict[str, Any]] = [
    {"code": "agent", "name": "Agent", "permissions": WORK, "scope": "unit"},
    {"code": "plumber", "name": "Plumber", "permissions": ["task:read", "task:progress"], "scope": "own"},
    {"code": "leader", "name": "Team leader", "permissions": LEAD, "scope": "unit"},
    {"code": "manager", "name": "Manager", "permissions": LEAD, "scope": "all"},
]
_APPROVING = {"agent": ["approval:ask"], "leader": ["approval:ask", "approval:decide-for-others"]}
ROLES_WITH_APPROVALS = [role | {"permissions": [*role["permissions"], *_APPROVING.get(role["code"], [])]} for role in ROLES]
CALENDARS: list[dict[str, Any]] = [
    {
        "code": "office",
        "name": "Office hours",
        "time_zone": "Europe/London",
        "windows": [{"days": ["mon", "tue", "wed", "thu", "fri"], "opens": "09:00", "closes": "17:00"}],
        "holidays": {"country": "GB", "region": "ENG"},
    },
    {"code": "always", "name": "Round the clock", "time_zone": "Europe/London", "round_the_clock": True},
]
METHODS: list[dict[str, Any]] = [
    {"code": "email", "name": "Email", "directions": ["inbound", "outbound"]},
    {"code": "telephone", "name": "Telephone", "directions": ["inbound"], "targets": [{"clock": "response", "within": "1 working hour"}]},
]
TASK_DEFINITIONS: list[dict[str, Any]] = [
    {
        "code": "inspect-leak",
        "name": "Inspect the leak",
        "subject_line": "Inspect the leak at once",
        "messages": {"pending": "Call the customer before you go."},
        "complete_within": "4 hours",
        "calendar": "always",
        "priority": "high",
        "owner": {"role": "plumber"},
    },
    {"code": "fix-leak", "name": "Fix the leak", "complete_within": "2 working days", "owner": {"role": "plumber"}},
    {"code": "call-back", "name": "Call the customer back", "complete_within": "1 working day"},
    {"code": "warn-neighbour", "name": "Warn the neighbour", "complete_within": "3 working days", "owner": {"user": "nils"}},
    {"code": "log-diary", "name": "Send the diary sheets", "complete_within": "1 day", "priority": "low"},
    {"code": "answer", "name": "Answer the customer", "complete_within": "5 working days", "owner": {"unit": "contact-centre"}},
]
SUBJECTS: list[dict[str, Any]] = [
    {
        "code": "leak",
        "name": "Water leak",
        "unit": "repairs",
        "default_urgency": "high",
        "default_impact": "high",
        "temporary_resolution": True,
        "categories": ["plumbing"],
        "default_category": "plumbing",
        "targets": [{"clock": "completion", "within": "1 day", "priority": "high", "calendar": "always", "pauses": False}],
        "workflow": {
            "tasks": ["inspect-leak", "fix-leak", "call-back"],
            "dependencies": [
                {"task": "fix-leak", "after": "inspect-leak"},
                {"task": "call-back", "after": "fix-leak", "lag": "1 day", "max_lag": "3 days"},
            ],
        },
    },
    {
        "code": "noise",
        "name": "Noisy neighbours",
        "unit": "neighbourhood",
        "workflow": {"tasks": ["log-diary", "warn-neighbour"]},
    },
    {"code": "enquiry", "name": "Enquiry", "workflow": {"tasks": ["answer"]}},
]
LEVELS = [{"code": "low", "name": "Low"}, {"code": "normal", "name": "Normal"}, {"code": "high", "name": "High"}]
TABLE = [
    {"urgency": urgency, "impact": impact, "priority": LEVELS[(i + j + 1) // 2]["code"]}
    for i, urgency in enumerate(["low", "normal", "high"])
    for j, impact in enumerate(["low", "normal", "high"])
]
STATUSES: list[dict[str, Any]] = [
    {"code": "new", "name": "New", "state": "pending"},
    {"code": "answered", "name": "Answered", "state": "responded"},
    {"code": "waiting", "name": "Waiting for the customer", "state": "responded", "waiting_for_customer": True},
    {"code": "made-safe", "name": "Made safe", "state": "temporarily_resolved"},
    {"code": "resolved", "name": "Resolved", "state": "finally_resolved"},
    {"code": "closed", "name": "Closed", "state": "completed"},
    {"code": "cancelled", "name": "Cancelled", "state": "cancelled"},
]
DEFAULT_STATUSES = {
    "pending": "new",
    "responded": "answered",
    "temporarily_resolved": "made-safe",
    "finally_resolved": "resolved",
    "completed": "closed",
    "cancelled": "cancelled",
}
TEMPLATES: list[dict[str, Any]] = [
    {
        "code": "new-task",
        "name": "New task",
        "subject_line": "#case_number: #task",
        "text": "A task for you: #task, due #due.",
    },
    {"code": "alert", "name": "Alert", "subject_line": "#case_number needs attention", "text": "#case_title is due #due."},
    {
        "code": "acknowledge",
        "name": "Acknowledgement",
        "subject_line": "We got your message, #case_number",
        "text": "Dear #first_name,\n\nthank you.",
    },
]
COMMUNICATIONS: list[dict[str, Any]] = [
    {"code": "task-triggered", "name": "New task", "on": "task.triggered", "to": ["assignee", "owner"], "template": "new-task"},
    {"code": "task-assigned", "name": "Task given", "on": "task.assigned", "to": ["assignee"], "template": "new-task"},
    {"code": "due-soon", "name": "Due soon", "on": "clock.due-soon", "items": ["task"], "to": ["assignee"], "template": "alert"},
    {"code": "overdue", "name": "Overdue", "on": "clock.overdue", "items": ["task"], "to": ["assignee", "leader"], "template": "alert"},
    {"code": "opened", "name": "Acknowledgement", "on": "case.opened", "to": ["customer"], "template": "acknowledge"},
]
DOCUMENT: dict[str, Any] = {
    "organisation": {
        "name": "Test Homes",
        "mail_domain": "housing.example",
        "time_zone": "Europe/London",
        "calendar": "office",
        "default_unit": "contact-centre",
    },
    "calendars": CALENDARS,
    "units": UNITS,
    "roles": ROLES,
    "users": USERS,
    "methods": METHODS,
    "mail_accounts": [{"address": "contact@housing.example", "method": "email"}],
    "classifications": [{"code": "problem", "name": "Problem", "advice": "Find the cause."}],
    "categories": [
        {"code": "repairs", "name": "Repairs", "classification": "problem"},
        {"code": "plumbing", "name": "Plumbing", "parent": "repairs"},
    ],
    "prioritisation": {
        "urgencies": LEVELS,
        "impacts": LEVELS,
        "priorities": LEVELS,
        "table": TABLE,
        "default_urgency": "normal",
        "default_impact": "normal",
    },
    "statuses": STATUSES,
    "default_statuses": DEFAULT_STATUSES,
    "cancellation_reasons": [
        {"code": "by-request", "name": "Customer's request"},
        {"code": "duplicate", "name": "Duplicate"},
        {"code": "expired", "name": "Expired"},
    ],
    "default_cancellation_reason": "by-request",
    "task_definitions": TASK_DEFINITIONS,
    "subjects": SUBJECTS,
    "routing": {
        "rules": [
            {"subject": "leak", "keywords": ["leak", "leaking", "burst pipe"], "urgency": "high"},
            {"subject": "noise", "pattern": r"(?i)\bnois(e|y)\b|loud music"},
        ],
        "default_subject": "enquiry",
    },
    "sla": {
        "targets": [
            {"clock": "response", "within": "4 working hours"},
            {"clock": "completion", "within": "10 working days"},
        ],
        "ladder": {"due_soon_share": 0.8},
    },
    "templates": TEMPLATES,
    "communications": COMMUNICATIONS,
}
"""The organisation as it would stand in a YAML file."""


def a_document(**changes: Any) -> dict[str, Any]:
    """The organisation as plain data, whole sections replaced by `changes`."""
    return DOCUMENT | changes


def a_configuration(**changes: Any) -> Configuration:
    """A small organisation: three units, seven users, subjects `leak` (three tasks in a row, the last after a lag),
    `noise` (two at
    once) and `enquiry` (the default). `changes` replace whole sections, given as models or as plain data.
    """
    plain = {name: _plain(value) for name, value in changes.items()}
    return Configuration.model_validate(a_document(**plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.model_dump(by_alias=True)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
