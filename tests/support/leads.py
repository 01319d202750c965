"""Builders for tests of leads: an organisation with lead types that have the corners, and a lead."""

from __future__ import annotations

from itertools import count
from typing import Any

from services.case.domain.leads.lead import Lead, LeadLifeCycle
from shared.ids import derive
from shared.schemas.configuration import Configuration
from tests.support.case import NOW, a_case_configuration

LEADS: dict[str, Any] = {
    "statuses": [
        {"code": "new", "name": "New", "state": "pending"},
        {"code": "talking", "name": "Talking", "state": "in_progress"},
        {"code": "viewing", "name": "Viewing", "state": "in_progress"},
        {"code": "won", "name": "Won", "state": "won"},
        {"code": "lost", "name": "Lost", "state": "lost"},
        {"code": "dropped", "name": "Dropped", "state": "cancelled"},
    ],
    "categories": [
        {"code": "homes", "name": "Homes"},
        {"code": "flats", "name": "Flats", "parent": "homes"},
        {"code": "garages", "name": "Garages"},
    ],
    "lost_reasons": [{"code": "price", "name": "Price"}, {"code": "elsewhere", "name": "Went elsewhere"}],
    "source_labels": {"custom_1": "Estate agent"},
    "priority_labels": [{"level": 10, "label": "Today"}],
    "types": [
        {
            "name": "Shared ownership",
            "unit": "neighbourhood",
            "complete_within": "10 working days",
            "priority": 7,
            "importance": 8,
            "conversion": {"classification": "leaseholder", "credit_rating": "B"},
            "categories": ["homes"],
            "default_category": "homes",
            "default_lost_reason": "elsewhere",
            "competitors": {"automatic": True, "known": [{"name": "Example Homes", "website": "https://homes.example"}]},
            "interests": {"automatic": True, "types": ["flat"]},
            "activity_types": ["call-back"],
        },
        {"name": "Garage letting", "code": "garage", "creating_units": ["contact-centre", "repairs"]},
        {
            "name": "Market rent",
            "code": "rent",
            "transitions": [
                {"from_status": "new", "to_status": "talking"},
                {"from_status": "talking", "to_status": "new"},
                {"from_status": "talking", "to_status": "lost", "units": ["repairs"]},
                {"from_status": "lost", "to_status": "talking", "users": ["max"], "reopens": True},
            ],
        },
    ],
}
_numbers = count(1)


def a_lead_configuration(**changes: Any) -> Configuration:
    """The tests' organisation with three lead types: one that converts, one for some units, one with transition rules."""
    return a_case_configuration(leads=LEADS, **changes)


def a_lead(**changes: Any) -> Lead:
    """A pending lead of type `garage` with the unit `repairs` that nobody has yet."""
    number = next(_numbers)
    lead = Lead(
        id=derive("test lead", number),
        number=f"L-2026-{number:06d}",
        revision=1,
        config_version=1,
        type="garage",
        title="A garage near Elm Road",
        description="",
        source="website",
        communication_id=None,
        contact_id=derive("test contact", number),
        account_id=None,
        customer_name="Joan Example",
        customer_email="joan@customer.example",
        customer_phone="",
        state=LeadLifeCycle.PENDING,
        status="new",
        status_before=None,
        priority=5,
        importance=5,
        category="",
        unit="repairs",
        owner=None,
        lost_reason="",
        reason="",
        opened_at=NOW,
        started_at=None,
        closed_at=None,
        expected_completion_at=None,
        estimated_completion_at=None,
        changed_at=NOW,
        changed_by="rita",
        import_id=None,
    )
    return lead._replace(**changes)
