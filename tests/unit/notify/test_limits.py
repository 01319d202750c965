"""How many messages an address gets about a case, which addresses are not written to, and when a message is of no use."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.notify.domain.limits import Earlier, Frequent, too_many
from services.notify.domain.occasions import Delivery
from services.notify.domain.recipients import Directory, plan_deliveries
from services.notify.domain.suppressions import Suppression, suppressed
from services.notify.handlers.definitions import holding, limits_of, policy_of
from services.notify.handlers.occasions import TASKS
from tests.service.notify.harness import a_task
from tests.support.configuration import COMMUNICATIONS, a_configuration
from tests.unit.notify.test_recipients import STAFF, UNITS, a_definition, addresses, an_occasion

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CASE = UUID(int=3)


def deliveries(count: int, email: str = "ann@mail.example") -> list[Delivery]:
    """As many messages to a customer about one case."""
    found = []
    for number in range(count):
        occasion = an_occasion(cause=UUID(int=1000 + number), customer_email=email)
        found += plan_deliveries(occasion, [a_definition("customer")], Directory(STAFF, UNITS), "housing.example")
    return found


@pytest.mark.requirement("EDGE-2")
def test_what_is_above_the_cap_for_a_case_is_found_in_order_and_told_once() -> None:
    pair = (CASE, "ann@mail.example")
    all_of_them = deliveries(5)
    assert too_many(all_of_them, {}, 3) == ({one.id for one in all_of_them[3:]}, {pair})
    assert too_many(all_of_them, {pair: Earlier(2, False)}, 3) == ({one.id for one in all_of_them[1:]}, {pair})
    assert too_many(all_of_them, {pair: Earlier(3, True)}, 3) == ({one.id for one in all_of_them}, set())
    assert too_many(deliveries(3, "ANN@mail.example") + deliveries(3, "bob@mail.example"), {}, 3) == (set(), set())


@pytest.mark.requirement("EDGE-2", "EDGE-9")
def test_an_escalation_counts_and_is_never_too_many() -> None:
    steps = [one._replace(occasion=one.occasion._replace(on="clock.escalated")) for one in deliveries(3)]
    assert too_many([*steps, *deliveries(2)], {}, 2) == ({one.id for one in deliveries(2)}, {(CASE, "ann@mail.example")})


def test_an_address_is_suppressed_by_itself_or_by_its_domain_but_not_by_another_one() -> None:
    entries = {
        one.address: one
        for one in (
            Suppression("ann@mail.example", "bounced", "5.1.1"),
            Suppression("*@mail.example", "by_hand"),
            Suppression("*@x.example", "complained"),
        )
    }
    found = suppressed(["ann@mail.example", "bob@mail.example", "bob@sub.mail.example", "bob@xx.example"], entries)
    assert {address: entry.address for address, entry in found.items()} == {
        "ann@mail.example": "ann@mail.example",
        "bob@mail.example": "*@mail.example",
    }
    assert found["ann@mail.example"].error == "not sent: the address has bounced for good (5.1.1)"
    assert found["bob@mail.example"].error == "not sent: it was suppressed (its whole domain)"


@pytest.mark.requirement("NOTE-1")
def test_alerts_are_of_use_for_three_days_and_the_rest_for_as_long_as_its_definition_says() -> None:
    told = [{**one, "useless_after": "2 hours"} if one["code"] == "task-assigned" else one for one in COMMUNICATIONS]
    definitions = {one.code: one for found in policy_of(a_configuration(communications=told)).definitions.values() for one in found}
    occasion = an_occasion(at=NOW)
    assert definitions["overdue"].expiry(occasion) == NOW + timedelta(days=3)
    assert definitions["task-assigned"].expiry(occasion) == NOW + timedelta(hours=2)
    assert definitions["opened"].expiry(occasion) is None
    (planned,) = plan_deliveries(occasion, [definitions["task-assigned"]], Directory(STAFF, UNITS), "housing.example")
    assert planned.expires_at == NOW + timedelta(hours=2)


@pytest.mark.requirement("NOTE-2")
def test_a_definition_is_for_events_that_fulfil_its_condition() -> None:
    when = {"all": [{"field": "task.unit", "equals": "repairs"}, {"not": {"field": "task.priority", "equals": "low"}}]}
    told = {"code": "when", "name": "When", "on": "task.triggered", "when": when, "to": ["leader"], "template": "alert"}
    definitions = policy_of(a_configuration(communications=[*COMMUNICATIONS, told])).definitions["task.triggered"]

    def codes(**changes: object) -> list[str]:
        event = a_task(**changes)
        assert type(event.data) in TASKS
        return [one.code for one in holding(definitions, "task.triggered", event.data)]

    assert codes() == ["task-triggered", "when"]
    assert codes(priority="low") == codes(unit="neighbourhood") == ["task-triggered"]


@pytest.mark.requirement("NOTE-2")
def test_a_role_is_those_of_the_items_unit_who_have_it() -> None:
    assert addresses(an_occasion(unit="repairs"), a_definition("role:plumber")) == ["paul"]
    assert addresses(an_occasion(unit="neighbourhood"), a_definition("role:plumber")) == ["nils"]
    assert addresses(an_occasion(), a_definition("user:nils", "role:nothing", "user:gone")) == ["nils"]


def test_steps_of_an_escalation_may_be_twice_as_many_where_nothing_else_is_said() -> None:
    def caps(**section: object) -> tuple[int | None, int]:
        limits = limits_of(a_configuration(sending_limits=section))
        return limits.to_one_an_hour, limits.pressing_to_one_an_hour

    assert caps() == (None, 0)
    assert caps(to_one_an_hour=30) == (30, 60)
    assert caps(to_one_an_hour=30, escalated_to_one_an_hour=40) == (30, 40)


@pytest.mark.requirement("EDGE-2")
def test_only_cases_about_which_an_address_had_several_messages_are_asked_for_unless_the_cap_is_small() -> None:
    frequent = Frequent()
    assert frequent.cases(deliveries(4), 50) == set()
    assert frequent.cases(deliveries(1), 50) == set()
    assert frequent.cases(deliveries(3, "bob@mail.example"), 50) == set()
    assert frequent.cases(deliveries(1), 50) == {CASE}
    assert Frequent().cases(deliveries(1), 10) == {CASE}
