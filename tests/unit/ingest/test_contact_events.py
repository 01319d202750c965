"""Contact events of other systems as communications."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest.domain.contacts import BadHandle, normal_handle
from services.ingest.handlers.contacts import ContactRefused, communication_of, contact_rules
from shared.schemas.events import BODY_LIMIT_BYTES, CommunicationReceived, ContactEvent
from shared.schemas.parts import Handle
from tests.support.configuration import METHODS, a_configuration

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
RULES = contact_rules(a_configuration(methods=METHODS))


def a_contact(**changes: Any) -> ContactEvent:
    given: dict[str, Any] = {
        "source_system": "switchboard",
        "external_id": "call-1",
        "method": "telephone",
        "sender": Handle(kind="phone", value="020 7946 0018", name="Ann"),
        "text": "The tap leaks",
        "occurred_at": NOW,
    }
    return ContactEvent(**(given | changes))


def made(**changes: Any) -> CommunicationReceived:
    return communication_of(a_contact(**changes), RULES, "GB", NOW, None)


@pytest.mark.parametrize(
    ("kind", "value", "normal"),
    [
        ("phone", "020 7946 0018", "+442079460018"),
        ("phone", "+49 (0)30 901820", "+4930901820"),
        ("phone", " 0044-20-7946-0018 ", "+442079460018"),
        ("phone", "", ""),
        ("email", " Ann.Lee@Tenant.Example ", "ann.lee@tenant.example"),
        ("x", "@AnnLee", "annlee"),
        ("other", " box 7\x00 ", "box 7"),
    ],
)
def test_handles_take_their_normal_form(kind: str, value: str, normal: str) -> None:
    assert normal_handle(kind, value, "GB") == normal


@pytest.mark.parametrize(
    ("kind", "value"), [("phone", "anonymous"), ("phone", "12"), ("email", "ann"), ("email", "a b@c.example"), ("x", "@")]
)
def test_what_is_no_handle_is_refused_without_repeating_it(kind: str, value: str) -> None:
    with pytest.raises(BadHandle) as refusal:
        normal_handle(kind, value, "GB")
    assert value not in str(refusal.value).split()


@pytest.mark.requirement("COM-6")
def test_a_contact_reported_again_is_the_same_communication() -> None:
    first, again = made(), made(text="The tap still leaks")
    assert first.communication_id == again.communication_id
    assert made(external_id="call-2").communication_id != first.communication_id
    assert made(source_system="portal").communication_id != first.communication_id


def test_a_conversation_is_the_source_systems_own() -> None:
    assert made(conversation="7").conversation_id == made(conversation="7", external_id="call-2").conversation_id
    assert made(conversation="7").conversation_id != made(conversation="7", source_system="portal").conversation_id
    assert made().conversation_id != made(external_id="call-2").conversation_id


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"method": "pigeon"}, "method pigeon is not in the configuration"),
        ({"direction": "outbound"}, "telephone is not for outbound contacts"),
        ({"subjects": ("leak", "ufo")}, "subject ufo is not in the configuration"),
        ({"sender": Handle(kind="phone", value="withheld")}, "phone number"),
    ],
)
def test_what_the_configuration_does_not_know_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ContactRefused, match=reason):
        made(**changes)


def test_texts_are_cleaned_and_kept_within_an_event() -> None:
    data = made(text="a\x00" + "ä" * BODY_LIMIT_BYTES, subject_line="x\x00y")
    assert data.text_truncated
    assert len(data.text.encode()) <= BODY_LIMIT_BYTES
    assert data.text.startswith("aä")
    assert data.subject_line == "xy"
