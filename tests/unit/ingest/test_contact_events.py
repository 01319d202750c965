"""Contact events of other systems as communications."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest.domain.contacts import contact_event_id, contact_key_id, normal_handle
from services.ingest.handlers.contacts import ContactRefused, communication_of, contact_rules
from shared.handles import BadHandle
from shared.schemas.events import BODY_LIMIT_BYTES, CommunicationReceived, ContactEvent
from shared.schemas.parts import Handle, ScriptAnswer
from tests.support.configuration import METHODS, a_configuration

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
LARGEST_MESSAGE = 1_000_000
"""What a Kafka client sends by default, in bytes."""
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
    contact = a_contact(**changes)
    return communication_of(contact, contact_event_id(contact.source_system, contact.external_id), RULES, "GB", NOW, None)


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


SURGERY: dict[str, Any] = {
    "code": "surgery",
    "name": "Surgery",
    "directions": ["inbound"],
    "locations": ["Library"],
    "default_subject_line": "A visit",
    "security_script": ["Was a document shown?"],
}
SHOWN = ScriptAnswer(script="security", prompt="Was a document shown?", answer="Yes\x00")


def visit(**changes: Any) -> CommunicationReceived:
    contact = a_contact(**({"method": "surgery"} | changes))
    return communication_of(
        contact, contact_key_id("desk", "1"), contact_rules(a_configuration(methods=[*METHODS, SURGERY])), "GB", NOW, None
    )


@pytest.mark.requirement("COM-2")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"location": "Pub"}, "the location is none of communication method surgery"),
        ({"scripts": (SHOWN, SHOWN.model_copy(update={"prompt": "Who?"}))}, "script answer 2 is not in the security script"),
        ({"scripts": (SHOWN.model_copy(update={"script": "pre"}),)}, "script answer 1 is not in the pre script"),
        ({"method": "telephone", "scripts": (SHOWN,)}, "security script of communication method telephone"),
    ],
)
def test_a_contact_agrees_with_the_places_and_scripts_of_its_method(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ContactRefused, match=reason):
        visit(**changes)


@pytest.mark.requirement("COM-1", "COM-2")
def test_a_contact_brings_its_place_and_answers_and_takes_its_methods_subject() -> None:
    data = visit(location="Library", scripts=(SHOWN,), subject_line=" ")
    assert (data.location, data.subject_line) == ("Library", "A visit")
    assert data.script_answers == (SHOWN.model_copy(update={"answer": "Yes"}),)
    assert visit(subject_line="Tap").subject_line == "Tap"
    assert visit().location == ""
    assert visit(method="telephone", location="By the river").location == "By the river"


@pytest.mark.requirement("COM-6")
def test_a_key_names_a_contact_within_its_source_only() -> None:
    ids = {contact_key_id("desk", "1"), contact_key_id("desk", "1"), contact_key_id("kiosk", "1"), contact_event_id("desk", "1")}
    assert len(ids) == 3


def test_the_longest_contact_fits_into_an_event() -> None:
    answers = tuple(ScriptAnswer(script="pre", prompt="\U0001f6b0" * 1000, answer="\U0001f6b0" * 2000) for _ in range(50))
    method = SURGERY | {"pre_script": [answers[0].prompt]}
    rules = contact_rules(a_configuration(methods=[*METHODS, method]))
    contact = a_contact(method="surgery", scripts=answers, text='"' * 1_000_000, subject_line='"' * 998)
    data = communication_of(contact, contact_key_id("desk", "1"), rules, "GB", NOW, None)
    assert len(data.model_dump_json().encode()) < LARGEST_MESSAGE


def test_texts_are_cleaned_and_kept_within_an_event() -> None:
    data = made(text="a\x00" + "ä" * BODY_LIMIT_BYTES, subject_line="x\x00y")
    assert data.text_truncated
    assert len(data.text.encode()) <= BODY_LIMIT_BYTES
    assert data.text.startswith("aä")
    assert data.subject_line == "xy"
