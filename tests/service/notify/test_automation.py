"""Messages that automation rules ask for (AUTO-1)."""

from __future__ import annotations

import pytest

from shared.ids import derive
from shared.schemas.events import RuleFired
from tests.service.notify.harness import NotifyService, an_event

CASE = derive("a case")


@pytest.mark.requirement("AUTO-1")
@pytest.mark.parametrize("kind", ["case", "lead"])
def test_a_firing_alerts_whom_it_names_and_writes_to_the_customer_once(notify: NotifyService, kind: str) -> None:
    data = RuleFired.model_validate(
        {
            "rule": "gas",
            "name": "Gas at once",
            "on": "case.opened",
            "cause_id": derive("cause"),
            "case_id": CASE,
            "depth": 1,
            "firing_id": derive("firing"),
            "item": {"kind": kind, "id": CASE, "unit": "repairs", "customer": {"contact_id": None, "email": "carla@customer.example"}},
            "actions": [
                {"do": "alert", "outcome": "asked", "to": ["leader"], "user": "max", "template": "alert", "channel": "email"},
                {"do": "send", "outcome": "asked", "template": "acknowledge", "channel": "email"},
                {"do": "send", "outcome": "asked", "template": "acknowledge", "channel": "sms"},
                {"do": "set_urgency", "outcome": "asked", "urgency": "high"},
            ],
        }
    )
    fired = an_event(data, data.firing_id, CASE)
    notify.take(fired)
    notify.take(fired)
    assert sorted(notify.rows("select template, recipient, audience, definition from deliveries")) == [
        ("acknowledge", "carla@customer.example", "customer", "rule.gas"),
        ("alert", "lena@housing.example", "staff", "rule.gas"),
        ("alert", "max@housing.example", "staff", "rule.gas"),
    ]
    assert notify.rows("select distinct item_kind, facts::json->>'item' from deliveries") == [(kind, kind)]
