"""From what the configuration says of deadlines to who is told what, and when: the rules of sla and of notify one after the other."""

from __future__ import annotations

from typing import Any

import pytest

from services.notify.domain.recipients import Directory, plan_deliveries
from services.notify.handlers.occasions import CLOCKS
from services.notify.handlers.queueing import policy_of
from services.sla.domain.cases import CaseFact
from services.sla.domain.clocks import AlertType
from services.sla.domain.records import ItemKind
from services.sla.handlers.alerts import write_alert
from services.sla.handlers.policies import build_policy
from shared.calendars.openings import moment
from shared.messaging import StaticReference
from shared.schemas.configuration import Configuration
from shared.schemas.envelope import decode
from shared.schemas.events import PAYLOADS
from tests.support.configuration import SUBJECTS, TASK_DEFINITIONS, a_configuration
from tests.unit.sla.rules import CASE, TASK, Life, a_case_fact, a_task_fact, at

LADDER = {
    "due_soon_before": "2 working days",
    "repeat_overdue_every": "3 working days",
    "repeat_overdue_times": 1,
    "escalations": [
        {"at": 0.5, "tell": ["owner"]},
        {"before": "2 working hours", "tell": ["owner", "leader"]},
        {"after": "4 working hours", "tell": ["leader"]},
        {"after": "2 working days", "tell": ["leader", "manager"]},
    ],
}
TOLD = [
    {"code": "due-soon", "name": "Due soon", "on": "clock.due-soon", "to": ["assignee"], "template": "alert"},
    {"code": "overdue", "name": "Overdue", "on": "clock.overdue", "to": ["assignee", "leader"], "template": "alert"},
    {"code": "escalated", "name": "Escalated", "on": "clock.escalated", "to": ["escalation"], "template": "alert"},
]


def story(configuration: Configuration, life: Life, kind: ItemKind) -> list[tuple[str, str, list[str]]]:
    """Each alert with its time (UTC), the definition by which it is told, and to whom."""
    reference, definitions = StaticReference(configuration), policy_of(configuration)
    directory = Directory(reference.staff, reference.units)
    lines = []
    assert life.record is not None
    for alert in life.told:
        item = str(TASK if kind is ItemKind.TASK else CASE)
        key, value, headers = write_alert(kind, item, life.record.facts, 1, alert)
        plain = {name: text for name, text in headers if isinstance(text, bytes)}
        event = decode(key, plain, value, PAYLOADS[plain["ce_type"].decode()])
        for on in CLOCKS[type(event.data)].names(event.data) if type(event.data) in CLOCKS else ():
            occasion = CLOCKS[type(event.data)].read(on, event, 1)
            planned = plan_deliveries(occasion, definitions.definitions.get(on, ()), directory, "housing.example")
            who = [delivery.recipient.address.partition("@")[0] for delivery in planned]
            lines.append((f"{moment(alert.fired_at):%a %d %H:%M}", event.data.rung, who))
    return lines


def living(**sla: Any) -> tuple[Configuration, Life]:
    configuration = a_configuration(sla=sla, communications=TOLD)
    return configuration, Life(build_policy(configuration))


FACTS = a_case_fact().facts
RITAS = type(FACTS)(**{name: getattr(FACTS, name) for name in FACTS.__struct_fields__} | {"assignee": "rita", "subject": "enquiry"})


def opened(revision: int = 1, **changes: Any) -> CaseFact:
    """Rita's case, opened on Monday the 2nd at ten: five working days later is the next Monday at ten."""
    ten = at("2026-03-02 10:00")
    return a_case_fact(revision, **{"at": ten, "opened_at": ten, "facts": RITAS} | changes)


@pytest.mark.requirement("SLA-1", "SLA-2", "EDGE-9")
def test_a_deadline_climbs_the_ladder_that_its_target_names_and_each_step_tells_whom_it_says_once() -> None:
    configuration, life = living(
        ladders=[{"code": "statutory", "name": "Statutory", **LADDER}],
        targets=[{"clock": "response", "within": "5 working days", "unit": "repairs", "ladder": "statutory"}],
    )
    life.event(opened())
    life.until(at("2026-03-20 17:00"))
    assert story(configuration, life, ItemKind.CASE) == [
        ("Wed 04 14:00", "escalated", ["rita"]),
        ("Thu 05 10:00", "due-soon", ["rita"]),
        ("Fri 06 16:00", "escalated", ["rita", "lena"]),
        ("Mon 09 10:00", "overdue", ["rita", "lena"]),
        ("Mon 09 14:00", "escalated", ["lena"]),
        ("Wed 11 10:00", "escalated", ["lena", "max"]),
        ("Thu 12 10:00", "overdue", ["rita", "lena"]),
    ]


@pytest.mark.requirement("SLA-2", "EDGE-9")
def test_a_pause_moves_what_has_not_fired_and_an_answer_ends_it() -> None:
    configuration, life = living(
        ladders=[{"code": "statutory", "name": "Statutory", **LADDER}],
        targets=[{"clock": "response", "within": "5 working days", "ladder": "statutory"}],
    )
    life.event(opened())
    life.until(at("2026-03-04 17:00"))
    life.event(opened(2, at=at("2026-03-04 17:00"), waiting_for_customer=True))
    life.until(at("2026-03-11 09:00"))
    life.event(opened(3, at=at("2026-03-11 09:00")))
    responded = at("2026-03-12 16:30")
    life.until(responded)
    life.event(opened(4, at=responded, state="responded", responded_at=responded))
    life.until(at("2026-04-20 17:00"))
    assert story(configuration, life, ItemKind.CASE) == [
        ("Wed 04 14:00", "escalated", ["rita"]),
        ("Wed 11 10:00", "due-soon", ["rita"]),
        ("Thu 12 16:00", "escalated", ["rita", "lena"]),
    ]
    assert [(alert.type, alert.outcome) for alert in life.told if alert.type == AlertType.CLOSED] == [(AlertType.CLOSED, "met")]


@pytest.mark.requirement("SLA-2", "EDGE-9")
def test_a_task_climbs_the_ladder_of_its_definition() -> None:
    steep = {"code": "steep", "name": "Steep", "escalations": [{"at": 1, "tell": ["manager"]}]}
    definition = TASK_DEFINITIONS[0] | {"ladder": "steep"}
    configuration = a_configuration(
        sla={"ladder": LADDER, "ladders": [steep]},
        task_definitions=[definition, *TASK_DEFINITIONS[1:]],
        subjects=SUBJECTS,
        communications=TOLD,
    )
    life = Life(build_policy(configuration))
    facts = type(FACTS)(**{name: getattr(RITAS, name) for name in FACTS.__struct_fields__} | {"definition": definition["code"]})
    life.event(a_task_fact(due_at=at("2026-03-02 17:00"), facts=facts))
    life.until(at("2026-03-20 17:00"))
    told = story(configuration, life, ItemKind.TASK)
    assert sorted((rung, who) for _, rung, who in told) == [
        ("due-soon", ["rita"]),
        ("escalated", ["max"]),
        ("overdue", ["rita", "lena"]),
    ]
