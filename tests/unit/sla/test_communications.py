from __future__ import annotations

import pytest
from msgspec.structs import replace

from services.sla.domain.communications import CommunicationFact, apply_activity, apply_communication
from services.sla.domain.firing import fire
from services.sla.domain.records import Facts
from shared.ids import derive
from tests.unit.sla.rules import POLICY, at

TWEET = CommunicationFact(
    str(derive("m")), str(derive("v")), 1, 1, at("2026-03-02 09:00"), True, False, Facts(method="tweet", conversation=str(derive("v")))
)


@pytest.mark.requirement("COM-8")
def test_a_communication_without_activity_expires_and_one_with_later_activity_waits_on() -> None:
    outcome = apply_communication(None, TWEET, POLICY, TWEET.occurred_at)
    assert outcome is not None
    record = outcome.record
    assert record is not None
    due = at("2026-03-04 09:00")
    assert record.next_at == due
    waits = fire(record, due, 0, POLICY, at("2026-03-03 12:00"))
    assert waits.alerts == []
    assert waits.record is not None
    assert waits.record.next_at == at("2026-03-05 12:00")
    expired = fire(record, due, 0, POLICY, TWEET.occurred_at)
    assert [alert.type for alert in expired.alerts] == ["expired"]
    assert expired.record is not None
    assert expired.record.forget_at is not None
    again = apply_communication(expired.record, replace(TWEET, revision=2), POLICY, due)
    assert again is None


@pytest.mark.requirement("COM-8")
def test_what_staff_do_with_a_communication_neither_moves_its_expiry_nor_starts_another() -> None:
    later = at("2026-03-03 09:00")
    first = apply_communication(None, TWEET, POLICY, TWEET.occurred_at)
    conversation = apply_activity(None, TWEET, POLICY, TWEET.occurred_at)
    assert first is not None
    opened = replace(TWEET, revision=2, facts=replace(TWEET.facts, case_id=str(derive("case"))))

    second = apply_communication(first.record, opened, POLICY, later)

    assert second is not None
    assert second.record is not None
    assert first.record is not None
    assert (second.record.clocks, second.record.facts.case_id) == (first.record.clocks, opened.facts.case_id)
    assert apply_activity(conversation, opened, POLICY, later) is None
    gone = fire(second.record, at("2026-03-04 09:00"), 0, POLICY, TWEET.occurred_at).record
    assert apply_communication(gone, replace(opened, revision=4, is_expired=True), POLICY, at("2026-03-05 09:00")) is None
    # Also when its record is forgotten: no clock starts.
    forgotten = apply_communication(None, replace(opened, revision=4, is_expired=True), POLICY, at("2026-05-05 09:00"))
    assert forgotten is not None
    assert forgotten.record is not None
    assert (forgotten.record.clocks, forgotten.alerts) == ((), [])


@pytest.mark.requirement("COM-8")
def test_what_has_no_expiry_rule_is_not_kept() -> None:
    mail = replace(TWEET, facts=replace(TWEET.facts, method="email"))
    assert apply_communication(None, mail, POLICY, mail.occurred_at) is None
    assert apply_activity(None, mail, POLICY, mail.occurred_at) is None
    assert apply_communication(None, replace(TWEET, is_inbound=False), POLICY, TWEET.occurred_at) is None


def test_a_conversation_remembers_its_latest_activity_whatever_the_order() -> None:
    first = apply_activity(None, TWEET, POLICY, at("2026-03-02 10:00"))
    later = replace(TWEET, occurred_at=at("2026-03-03 09:00"), is_inbound=False, facts=replace(TWEET.facts, method="email"))
    active = apply_activity(first, later, POLICY, at("2026-03-03 09:00"))
    assert active is not None
    assert active.clocks[0].started_at == at("2026-03-03 09:00")
    assert apply_activity(active, TWEET, POLICY, at("2026-03-03 10:00")) is None
