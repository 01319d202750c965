"""What a form of a contact says, and what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.desk.domain.choices import Choices, Method, choices_of
from services.desk.domain.contact_entry import Entry, contact_of, local_minute
from shared.schemas.configuration.models import Configuration
from tests.support.configuration import a_document

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
SURGERY = Method("surgery", "Surgery", "", ("Library", "Hall"), "Visit", (("security", ("Shown a document?",)),))
LETTER = Method("letter", "Letter", "", (), "", ())
GOOD = Entry(location="Hall", occurred_at="2026-07-01T10:30", name=" Ann  Lee ", handle="020 7946 0018", text="A\r\nleak.")


def test_a_whole_entry_is_a_contact() -> None:
    answers = {("security", "Shown a document?"): " A passport ", ("pre", "Danger?"): " "}
    filled = Entry(**{name: getattr(GOOD, name) for name in ("location", "occurred_at", "name", "handle", "text")}, answers=answers)

    contact, errors = contact_of(filled, SURGERY, LONDON, NOW)

    assert errors == {}
    assert contact == {
        "method": "surgery",
        "location": "Hall",
        "sender": {"kind": "phone", "value": "020 7946 0018", "name": "Ann Lee"},
        "subject_line": "",
        "text": "A\nleak.",
        "occurred_at": "2026-07-01T10:30:00+01:00",
        "subjects": [],
        "scripts": [{"script": "security", "prompt": "Shown a document?", "answer": "A passport"}],
    }


@pytest.mark.parametrize(
    ("changes", "method", "field"),
    [
        ({"location": "Moon"}, SURGERY, "location"),
        ({"location": ""}, SURGERY, "location"),
        ({"occurred_at": "yesterday"}, SURGERY, "occurred_at"),
        ({"occurred_at": "2026-07-01T13:06"}, SURGERY, "occurred_at"),
        ({"name": " ", "handle": ""}, SURGERY, "name"),
        ({"handle_kind": "pigeon"}, SURGERY, "handle_kind"),
        ({"text": "x" * 100_001}, SURGERY, "text"),
        ({"text": " "}, LETTER, "text"),
        ({"answers": {("pre", "Why?"): "x" * 2001}}, SURGERY, "answers"),
    ],
)
def test_what_is_wrong_is_said_by_field(changes: dict[str, Any], method: Method, field: str) -> None:
    given = {name: getattr(GOOD, name) for name in Entry.__dataclass_fields__}
    assert list(contact_of(Entry(**(given | changes)), method, LONDON, NOW)[1]) == [field]


def test_times_are_local_and_a_clock_may_be_a_little_ahead() -> None:
    assert local_minute(NOW, LONDON) == "2026-07-01T13:00"
    ahead = Entry(location="Hall", occurred_at=local_minute(NOW + timedelta(minutes=4), LONDON), name="Ann")
    assert contact_of(ahead, SURGERY, LONDON, NOW)[1] == {}


@pytest.mark.requirement("COM-2", "COM-6")
def test_methods_that_are_not_inbound_or_fed_by_machines_are_not_offered() -> None:
    assert choices_of({}) == Choices()
    letters = [{"code": "letter", "name": "Letter", "directions": ["outbound"]}]
    methods = [*a_document()["methods"], *letters, {"code": "counter", "name": "Counter", "directions": ["inbound"]}]
    document = Configuration.model_validate(a_document(methods=methods)).model_dump(mode="json")

    assert [method.code for method in choices_of(document).methods] == ["telephone", "counter"]
