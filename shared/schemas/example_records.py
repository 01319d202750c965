"""The records that the examples of events are about: what every event on one of them has in common. Nobody in them is real."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

RECEIVED = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)


def id_of(name: str) -> UUID:
    """The id of what has this name."""
    return uuid5(NAMESPACE_URL, f"https://casestream.example/{name}")


CASE, TASK, COMMUNICATION, CONVERSATION = id_of("case"), id_of("task"), id_of("communication"), id_of("conversation")

CUSTOMER = {"contact_id": id_of("contact"), "name": "Joan Example", "email": "joan@tenant.example"}
THE_CASE = {
    "case_id": CASE,
    "number": "C-2026-000042",
    "subject": "water-leak",
    "title": "Water through the kitchen ceiling",
    "communication_id": COMMUNICATION,
    "conversation_id": CONVERSATION,
    "method": "email",
    "customer": CUSTOMER,
    "state": "pending",
    "status": "new",
    "urgency": "high",
    "impact": "medium",
    "priority": "normal",
    "unit": "repairs",
    "opened_at": RECEIVED,
    "expected_completion_at": RECEIVED + timedelta(days=3),
}
THE_TASK = {
    "task_id": TASK,
    "case_id": CASE,
    "case_number": "C-2026-000042",
    "case_title": "Water through the kitchen ceiling",
    "subject": "water-leak",
    "definition": "inspect-leak",
    "subject_line": "Inspect the leak",
    "description": "Find where the water comes from and make it safe.",
    "state": "pending",
    "owner": {"kind": "role", "code": "plumber"},
    "unit": "repairs",
    "priority": "high",
    "customer": CUSTOMER,
    "planned_at": RECEIVED,
    "triggered_at": RECEIVED,
    "due_at": RECEIVED + timedelta(hours=4),
}
CLOCK = {
    "clock_id": id_of("clock"),
    "kind": "due",
    "item_kind": "task",
    "item_id": TASK,
    "case_id": CASE,
    "number": "C-2026-000042",
    "title": "Inspect the leak",
    "owner": {"kind": "role", "code": "plumber"},
    "unit": "repairs",
    "priority": "high",
    "method": "email",
    "subject": "water-leak",
    "started_at": RECEIVED,
    "due_at": RECEIVED + timedelta(hours=4),
    "fired_at": RECEIVED + timedelta(hours=3, minutes=12),
}
RECORDED = {
    "communication_id": COMMUNICATION,
    "conversation_id": CONVERSATION,
    "method": "email",
    "case_ids": (CASE,),
    "customer": CUSTOMER,
    "subject_line": "Water through the kitchen ceiling",
    "direction": "inbound",
    "occurred_at": RECEIVED,
}
DELIVERY = {
    "delivery_id": id_of("delivery"),
    "case_id": CASE,
    "item_kind": "task",
    "item_id": TASK,
    "definition": "task-assigned",
    "channel": "email",
    "recipient": "sam.plumber@housing.example",
    "message_id": "<a1b2c3@housing.example>",
    "state": "sent",
}
ACCOUNT = {
    "account_id": id_of("account"),
    "number": "A-000017",
    "name": "12 Harbour Street",
    "kind": "tenancy",
    "area": "north",
    "changed_by": "sam.agent",
}
LEAD = {
    "lead_id": id_of("lead"),
    "number": "L-2026-000007",
    "lead_type": "garage-letting",
    "title": "A garage near Elm Road",
    "source": "website",
    "customer": CUSTOMER,
    "customer_phone": "+441632960123",
    "state": "pending",
    "status": "new",
    "priority": 5,
    "importance": 3,
    "category": "garages",
    "unit": "lettings",
    "competitors": ("Example Self Storage",),
    "interests": ({"kind": "type", "code": "garage"},),
    "opened_at": RECEIVED,
    "expected_completion_at": RECEIVED + timedelta(days=14),
}
RULE = {
    "rule": "emergencies",
    "name": "Emergencies at once",
    "on": "case.opened",
    "cause_id": id_of("opened"),
    "case_id": CASE,
    "depth": 1,
}
APPROVAL = {
    "approval_id": id_of("approval"),
    "case_id": CASE,
    "case_number": "C-2026-000042",
    "case_title": "Water through the kitchen ceiling",
    "task_id": TASK,
    "subject_line": "Fix the leak",
    "unit": "repairs",
    "before": "completion",
    "what": "A new pump, 180 euros",
    "approver": "lena.lead",
    "asked_by": "sam.plumber",
    "asked_at": RECEIVED + timedelta(hours=3),
    "held_since": RECEIVED + timedelta(hours=3),
    "state": "asked",
    "changed_by": "sam.plumber",
}
BOOKING = {
    "booking_id": id_of("booking"),
    "resource": "van-2",
    "resource_name": "Van 2",
    "unit": "repairs",
    "task_id": TASK,
    "case_id": CASE,
    "case_number": "C-2026-000042",
    "subject_line": "Inspect the leak",
    "starts_at": RECEIVED + timedelta(hours=1),
    "ends_at": RECEIVED + timedelta(hours=3),
    "state": "booked",
    "made_by": "amira.hassan",
    "changed_by": "amira.hassan",
}
