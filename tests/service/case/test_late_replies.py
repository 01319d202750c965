"""Replies to closed cases: they are recorded, reopen the case, or open a linked one, as the subject says."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from shared.ids import case_id
from shared.schemas.configuration.models import TransitionRule
from shared.schemas.events import CaseOpened, CaseStatusChanged, CommunicationReceived, CommunicationRecorded
from shared.storage import Database
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case_configuration, a_mail, received

REOPENS = (TransitionRule(from_status="closed", to_status="answered", users=("max",), reopens=True),)


def a_service(database: Database, late_reply: str, transitions: tuple[TransitionRule, ...] = REOPENS) -> CaseService:
    configuration = a_case_configuration()
    subjects = tuple(
        subject.model_copy(update={"late_reply": late_reply, "transitions": transitions}) for subject in configuration.subjects
    )
    return CaseService(database, configuration.model_copy(update={"subjects": subjects}))


def opened(service: CaseService, mail: CommunicationReceived) -> UUID:
    return next(event.data.case_id for event in service.receive(received(mail)) if isinstance(event.data, CaseOpened))


def close(service: CaseService, case: UUID, state: str = "completed", at: int = 0) -> None:
    status = {"completed": "closed", "cancelled": "cancelled"}[state]
    with service.database.transaction() as tx:
        tx.execute(
            "update cases set state = %s, status = %s, owner = 'max', completed_at = %s, revision = revision + 1 where id = %s",
            (state, status, NOW + timedelta(minutes=at), case),
        )


def told(service: CaseService, *mails: CommunicationReceived) -> list[tuple[str, object]]:
    """What a batch of these mails says: cases opened and changed, and where each communication went."""
    events = service.receive(*(received(mail) for mail in mails))
    found: list[tuple[str, object]] = []
    for event in events:
        match event.data:
            case CommunicationRecorded():
                found.append(("recorded", event.data.case_ids))
            case CaseOpened():
                found.append(("opened", event.data.case_id))
            case CaseStatusChanged():
                found.append(("status", (event.data.case_id, event.data.status, event.data.reason, event.revision)))
    return found


@pytest.mark.requirement("CASE-8")
def test_by_default_a_late_reply_is_recorded_with_the_case(case_database: Database) -> None:
    service = a_service(case_database, "record")
    mail = a_mail("Leak", "one")
    case = opened(service, mail)
    close(service, case)
    assert told(service, a_mail("Re: Leak", "thanks", reply_to=mail)) == [("recorded", (case,))]
    assert service.rows("select state from cases") == [("completed",)]


@pytest.mark.requirement("NOTE-1", "CASE-8")
@pytest.mark.parametrize(("late_reply", "status"), [("record", "closed"), ("reopen", "answered"), ("open_linked", None)])
def test_who_has_a_closed_case_is_told_of_the_reply_unless_another_case_goes_on_with_it(
    case_database: Database, late_reply: str, status: str | None
) -> None:
    service = a_service(case_database, late_reply)
    mail = a_mail("Leak", "one")
    case = opened(service, mail)
    close(service, case)
    events = service.receive(received(a_mail("Re: Leak", "it leaks again", reply_to=mail)))
    (recorded,) = [event.data for event in events if isinstance(event.data, CommunicationRecorded)]
    told = [(one.item_id, one.owner, one.status) for one in recorded.concerns]
    assert told == ([(case, "max", status)] if status else [])
    later = service.receive(received(a_mail("Re: Leak", "hello?", reply_to=mail)))
    (still,) = [one.item_id for one in later[0].data.concerns]
    assert (still == case) == (late_reply != "open_linked"), "the open one alone"


@pytest.mark.requirement("CASE-8")
def test_a_late_reply_reopens_a_completed_case_once(case_database: Database) -> None:
    service = a_service(case_database, "reopen")
    mail = a_mail("Leak", "one")
    case = opened(service, mail)
    close(service, case)
    replies = [a_mail("Re: Leak", text, reply_to=mail) for text in ("it leaks again", "and more")]

    events = told(service, *replies)

    assert events == [("recorded", (case,)), ("recorded", (case,)), ("status", (case, "answered", "late reply", 3))]
    assert service.rows("select state, status_before, completed_at from cases") == [("responded", "closed", None)]
    assert ("reopened", "closed", "answered", "system") in service.rows("select field, old_value, new_value, changed_by from history")
    assert told(service, a_mail("Re: Leak", "still", reply_to=mail)) == [("recorded", (case,))]


@pytest.mark.requirement("CASE-8", "EDGE-2")
def test_what_does_not_wait_for_an_answer_reopens_nothing(case_database: Database) -> None:
    service = a_service(case_database, "reopen")
    mail = a_mail("Leak", "one")
    case = opened(service, mail)
    close(service, case, "cancelled")
    assert told(service, a_mail("Re: Leak", "hello", reply_to=mail)) == [("recorded", (case,))]
    close(service, case)
    robot = a_mail("Re: Leak", "out of office", reply_to=mail, robot="auto_reply")
    ours = a_mail("Re: Leak", "our answer", reply_to=mail, direction="outbound")
    before = a_mail("Re: Leak", "old", reply_to=mail, old=True)
    assert {what for what, _ in told(service, robot, ours, before)} == {"recorded"}
    assert service.rows("select state from cases") == [("completed",)]


@pytest.mark.requirement("CASE-8")
@pytest.mark.parametrize("late_reply", ["reopen", "open_linked"])
def test_staff_who_answer_our_messages_about_a_closed_case_reopen_nothing(case_database: Database, late_reply: str) -> None:
    service = a_service(case_database, late_reply)
    case = opened(service, a_mail("Leak", "one"))
    close(service, case)
    answer = a_mail("Re: closed", "thanks", sender="max@housing.example", conversation_id=case, in_reply_to="<x@y>", references=("<x@y>",))
    assert told(service, answer) == [("recorded", (case,))]


@pytest.mark.requirement("CASE-8", "COM-5")
def test_what_opens_no_case_by_itself_opens_no_linked_one(case_database: Database) -> None:
    service = a_service(case_database, "open_linked")
    mail = a_mail("Leak", "one")
    case = opened(service, mail)
    close(service, case)
    assert told(service, a_mail("Call", "", conversation_id=mail.conversation_id, message_id="", opens_case=False)) == [
        ("recorded", (case,))
    ]


@pytest.mark.requirement("CASE-8")
def test_without_a_rule_that_reopens_the_reply_is_recorded(case_database: Database) -> None:
    service = a_service(case_database, "reopen", ())
    mail = a_mail("Leak", "one")
    case = opened(service, mail)
    close(service, case)
    assert told(service, a_mail("Re: Leak", "hello", reply_to=mail)) == [("recorded", (case,))]


@pytest.mark.requirement("CASE-8", "CASE-11", "EDGE-1")
@pytest.mark.parametrize("state", ["completed", "cancelled"])
def test_a_late_reply_opens_one_linked_case_that_later_ones_join(case_database: Database, state: str) -> None:
    service = a_service(case_database, "open_linked")
    mail = a_mail("Leak", "one")
    old = opened(service, mail)
    close(service, old, state)
    number = service.rows("select number from cases")[0][0]
    first, second = (a_mail("Re: Leak", text, reply_to=mail) for text in ("it leaks again", "hello?"))
    quoting = a_mail(f"About {number}", "is anybody there?")
    new = case_id(first.communication_id, "leak")

    assert told(service, first, second, quoting) == [
        ("opened", new),
        ("recorded", (new, old)),
        ("recorded", (new, old)),
        ("recorded", (new, old)),
    ]
    assert service.rows("select case_id, other_id, kind, created_by from case_links") == [(new, old, "follow_up", "system")]
    # In later batches too, by reference and by the old number.
    later = told(service, a_mail("Re: Leak", "later", reply_to=mail), a_mail(f"{number}", "again"))
    assert [set(ids) for what, ids in later if what == "recorded"] == [{old, new}, {old, new}]  # type: ignore[call-overload]
    assert service.count("cases") == 2
    close(service, new, at=5)
    third = a_mail("Re: Leak", "once more", reply_to=mail)
    assert told(service, third)[0] == ("opened", case_id(third.communication_id, "leak"))
    assert (case_id(third.communication_id, "leak"), new) in service.rows("select case_id, other_id from case_links")
    # A follow-up that was merged still takes the replies in.
    last = case_id(third.communication_id, "leak")
    survivor = opened(service, a_mail("Leak", "other"))
    with service.database.transaction() as tx:
        tx.execute("update cases set state = 'cancelled', merged_into = %s where id = %s", (survivor, last))
    joined = told(service, a_mail(f"{number}", "and again"))
    assert joined == [("recorded", (survivor, old))]


@pytest.mark.requirement("CASE-8")
def test_an_open_case_of_the_conversation_takes_the_reply_in(case_database: Database) -> None:
    service = a_service(case_database, "open_linked")
    mail = a_mail("Leak", "one")
    old = opened(service, mail)
    other = opened(service, a_mail("Leak", "two"))
    with service.database.transaction() as tx:
        tx.execute("insert into joined_conversations values (%s, %s)", (mail.conversation_id, other))
    close(service, old)
    assert told(service, a_mail("Re: Leak", "hello", reply_to=mail)) == [("recorded", (old, other))]
