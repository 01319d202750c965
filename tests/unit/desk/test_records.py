"""What a communication says of itself on its page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.desk.domain.records import DANGER_WORDS, Communication, File, size_words
from shared import dangers

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def a_communication(**changes: object) -> Communication:
    values: dict[str, object] = {
        "id": uuid4(),
        "direction": "inbound",
        "method": "email",
        "location": "",
        "account": "",
        "sender_kind": "email",
        "sender": "ann@tenant.example",
        "sender_name": "Ann",
        "recipients": (),
        "subject_line": "Leak",
        "effect": "recorded",
        "robot": "none",
        "reason": "",
        "is_old": False,
        "is_expired": False,
        "occurred_at": NOW,
        "received_at": NOW,
        "suggested_case": None,
        "case_ids": (),
        "text": "",
        "is_text_cut": False,
        "own_text_length": None,
        "message_id": "<1@tenant.example>",
        "raw_sha256": None,
        "script_answers": (),
        "files": (),
    }
    return Communication(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "length", "own", "quoted"),
    [
        ("Yes.\n\n> A leak?", 4, "Yes.", "> A leak?"),
        ("Ja \U0001f600!\n\n> A leak?", 5, "Ja \U0001f600!", "> A leak?"),
        ("All mine", None, "All mine", ""),
        ("> Only theirs", 0, "", "> Only theirs"),
        ("All mine", 8, "All mine", ""),
        ("", None, "", ""),
    ],
)
@pytest.mark.requirement("COM-1")
def test_own_text_and_quoted_history_are_told_apart(text: str, length: int | None, own: str, quoted: str) -> None:
    found = a_communication(text=text, own_text_length=length)
    assert (found.own_text, found.quoted) == (own, quoted)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reason": "loop"}, "two machines were answering each other"),
        ({"robot": "auto_reply"}, "an automatic reply"),
        ({"robot": "bounce"}, "could not be delivered"),
        ({"robot": "bulk"}, "a newsletter"),
        ({"is_old": True}, "before this system"),
        ({"direction": "outbound"}, "went to the customer"),
        ({"lead": uuid4()}, "about a lead"),
        ({"lead": uuid4(), "direction": "outbound"}, "went to the customer"),
        ({}, "nobody has chosen a subject"),
    ],
)
@pytest.mark.requirement("COM-7", "EDGE-2")
def test_why_it_opened_no_case_is_said_only_where_it_opened_none(changes: dict[str, object], words: str) -> None:
    assert words in a_communication(**changes).no_case_words
    fed: tuple[UUID, ...] = (uuid4(),)
    assert a_communication(**changes, effect="joins", case_ids=fed).no_case_words == ""


def test_a_trusted_machine_s_mail_is_told_as_such_beside_its_case() -> None:
    found = a_communication(robot="bulk", effect="opens", case_ids=(uuid4(),))
    assert "A machine sent it" in found.robot_words
    assert a_communication(robot="bulk").robot_words == ""


def test_every_danger_that_files_are_flagged_with_has_words_of_its_own() -> None:
    flagged = {value for name, value in vars(dangers).items() if name.isupper() and not name.startswith("_") and isinstance(value, str)}
    assert flagged == DANGER_WORDS.keys()
    assert File(0, "a", "b/c", 1, "something-new").danger_words
    assert File(0, "a", "b/c", 1, "").danger_words == ""


def test_the_time_of_taking_in_is_told_where_it_matters() -> None:
    assert not a_communication(received_at=NOW + timedelta(minutes=2)).came_late
    assert a_communication(received_at=NOW + timedelta(hours=3)).came_late


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (9960, "10 kB"),
        (999_600, "1.0 MB"),
        (3_440_000, "3.4 MB"),
        (5 * 10**12, "5000 GB"),
    ],
)
def test_sizes_are_told_for_people(size: int, words: str) -> None:
    assert size_words(size) == words
