"""From a communication to contacts, cases and events, on a real database."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from services.case.storage import views
from shared.ids import case_id, contact_id, derive
from shared.messaging import Refused
from shared.schemas import topics
from shared.schemas.events import CaseOpened, CommunicationReceived, CommunicationRecorded
from shared.schemas.parts import BounceReport, FileRef, Handle
from shared.storage import Database
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case_configuration, a_mail, an_expiry, received


def _opened(events: list[Any]) -> list[CaseOpened]:
    return [event.data for event in events if isinstance(event.data, CaseOpened)]


def _recorded(events: list[Any]) -> list[CommunicationRecorded]:
    return [event.data for event in events if isinstance(event.data, CommunicationRecorded)]


@pytest.mark.requirement("CASE-1", "EDGE-4")
def test_one_mail_about_two_matters_opens_two_cases(service: CaseService) -> None:
    mail = a_mail("Two things", "There is a LEAK in the kitchen, and my neighbour is noisy again.")

    events = service.receive(received(mail))

    opened, recorded = _opened(events), _recorded(events)
    assert [(case.subject, case.unit, case.urgency, case.impact, case.priority) for case in opened] == [
        ("leak", "repairs", "high", "high", "high"),
        ("noise", "neighbourhood", "normal", "normal", "normal"),
    ]
    assert {case.communication_id for case in opened} == {mail.communication_id}
    assert recorded[0].case_ids == (case_id(mail.communication_id, "leak"), case_id(mail.communication_id, "noise"))
    assert service.count("communications") == 1
    assert [event.key for event in events] == [str(opened[0].case_id), str(opened[1].case_id), str(opened[0].case_id)]
    assert {event.revision for event in events} == {1}
    assert {event.config_version for event in events} == {1}
    assert [case.number for case in opened] == ["C-2026-000001", "C-2026-000002"]


def test_a_mail_that_no_rule_covers_opens_a_case_of_the_default_subject(service: CaseService) -> None:
    (case,) = _opened(service.receive(received(a_mail("", "When is the office open?"))))

    assert (case.subject, case.title, case.unit, case.status) == ("enquiry", "Enquiry", "contact-centre", "new")


@pytest.mark.requirement("CASE-1", "COM-7")
def test_a_reply_joins_the_cases_of_its_conversation(service: CaseService) -> None:
    first = a_mail("Leak and noise", "A leak. And noise.")
    reply = a_mail("Re: Leak and noise", "The leak is worse!", reply_to=first)
    service.receive(received(first))

    events = service.receive(received(reply))

    assert _opened(events) == []
    assert _recorded(events)[0].case_ids == (case_id(first.communication_id, "leak"), case_id(first.communication_id, "noise"))
    assert service.count("cases") == 2
    assert service.rows("select effect from communications where id = %s", reply.communication_id) == [("joins",)]
    assert service.rows("select count(*) from history where field = 'communication' and new_value = %s", str(reply.communication_id)) == [
        (2,)
    ]


@pytest.mark.requirement("NOTE-1")
def test_what_a_customer_wrote_about_is_told_and_what_a_machine_staff_or_we_wrote_is_not(service: CaseService) -> None:
    first = a_mail("Leak and noise", "A leak. And noise.")
    leak, noise = (case_id(first.communication_id, subject) for subject in ("leak", "noise"))
    (opening,) = _recorded(service.receive(received(first)))
    assert opening.concerns == (), "whom cases are for is told of those"
    with service.database.transaction() as tx:
        tx.execute("update cases set owner = 'rita' where id = %s", (leak,))
    reply = a_mail("Re: Leak", "The leak is worse!", reply_to=first)
    (told,) = _recorded(service.receive(received(reply)))
    assert [(one.item_kind, one.item_id, one.unit, one.owner) for one in told.concerns] == [
        ("case", leak, "repairs", "rita"),
        ("case", noise, "neighbourhood", None),
    ]
    assert (told.concerns[0].number, told.concerns[0].title, told.concerns[0].status) == ("C-2026-000001", "Leak and noise", "new")
    call = a_mail("Re: Leak", "She called.", reply_to=first, entered_by="rita")
    (entered,) = _recorded(service.receive(received(call)))
    assert [one.item_id for one in entered.concerns] == [noise], "rita knows"
    robot = a_mail("Re: Leak", "out of office", reply_to=first, robot="auto_reply")
    ours = a_mail("Re: Leak", "our answer", reply_to=first, direction="outbound")
    staff = a_mail("Re: a task for you", "Not mine.", reply_to=first).model_copy(update={"conversation_id": leak})
    assert [one.concerns for one in _recorded(service.receive(received(robot), received(ours), received(staff)))] == [()] * 3


def test_an_answer_to_our_message_to_staff_joins_its_case_alone(service: CaseService) -> None:
    first = a_mail("Leak and noise", "A leak. And noise.")
    service.receive(received(first))
    noise = case_id(first.communication_id, "noise")
    answer = a_mail("Re: a task for you", "The leak is not mine.", reply_to=first).model_copy(update={"conversation_id": noise})

    events = service.receive(received(answer))

    assert (_opened(events), _recorded(events)[0].case_ids) == ([], (noise,))


def test_a_reply_in_the_same_batch_as_its_first_mail_joins_it(service: CaseService) -> None:
    first = a_mail("Leak", "A leak.")

    events = service.receive(received(first), received(a_mail("Re: Leak", "Still a leak", reply_to=first)))

    assert len(_opened(events)) == 1
    assert {recorded.case_ids for recorded in _recorded(events)} == {(case_id(first.communication_id, "leak"),)}


def test_mails_of_a_program_that_reuses_its_message_id_each_open_a_case(service: CaseService) -> None:
    one = a_mail("Alarm", "Boiler 1", message_id="<always@robot.example>")
    two = a_mail("Alarm", "Boiler 2", message_id="<always@robot.example>")
    assert one.conversation_id == two.conversation_id

    assert len(_opened(service.receive(received(one), received(two)))) == 2


def _quoting(case: CaseOpened, **changes: Any) -> CommunicationReceived:
    """A new mail, with references to one that nobody knows, whose subject line quotes this case."""
    return a_mail(f"About [{case.number}]", f"One more thing {changes}.", **({"references": ("<unknown@elsewhere.example>",)} | changes))


@pytest.mark.requirement("EDGE-1", "CASE-8")
@pytest.mark.parametrize("sender", ["Ann@Customer.example", "landlord@customer.example", "second@customer.example"])
def test_a_known_sender_who_quotes_a_case_joins_it_closed_or_not(service: CaseService, sender: str) -> None:
    recipients = ("contact@housing.example", "Landlord@customer.example")
    (case,) = _opened(service.receive(received(a_mail("Leak", "A leak.", recipients=recipients))))
    with service.database.transaction() as tx:
        tx.execute("insert into handles select 'email', 'second@customer.example', contact_id from handles")
        tx.execute("update cases set state = 'completed'")
    mail = _quoting(case, sender=sender)

    events = service.receive(received(mail))
    answer = a_mail("Re: that", "Thanks.", sender="friend@elsewhere.example", reply_to=mail)
    later = service.receive(received(answer))

    assert (_opened(events), _recorded(events)[0].case_ids) == ([], (case.case_id,))
    assert (_opened(later), _recorded(later)[0].case_ids) == ([], (case.case_id,))
    assert service.rows("select effect, suggested_case from communications where id = %s", mail.communication_id) == [("joins", None)]
    assert service.rows("select case_id from history where new_value = %s", str(mail.communication_id)) == [(case.case_id,)]


@pytest.mark.requirement("EDGE-1")
@pytest.mark.parametrize("sender", ["stranger@elsewhere.example", "contact@housing.example", ""])
def test_a_stranger_who_quotes_a_case_opens_one_with_a_suggested_link(service: CaseService, sender: str) -> None:
    (case,) = _opened(service.receive(received(a_mail("Leak", "A leak.", recipients=("contact@housing.example", "")))))
    mail = _quoting(case, sender=sender)

    events = service.receive(received(mail))

    assert len(_opened(events)) == 1
    assert case.case_id not in _recorded(events)[0].case_ids
    with service.database.read() as tx:
        shown = views.show_communication(tx, mail.communication_id, views.Rows())
    assert shown is not None
    assert (shown["effect"], shown["suggested_case"]) == ("opens", case.case_id)


@pytest.mark.requirement("EDGE-1")
def test_references_come_before_a_quoted_number(service: CaseService) -> None:
    first, other = a_mail("Leak", "A leak."), a_mail("Noise", "Noise.")
    leak, noise = _opened(service.receive(received(first), received(other)))

    events = service.receive(received(a_mail(f"Re: Noise, like {leak.number}", "Worse.", reply_to=other)))

    assert _recorded(events)[0].case_ids == (noise.case_id,)


@pytest.mark.requirement("COM-7")
@pytest.mark.parametrize("robot", ["auto_reply", "bounce", "bulk"])
def test_a_robots_mail_is_recorded_and_opens_nothing(service: CaseService, robot: str) -> None:
    mail = a_mail("Out of office", "I am away. About the leak: later.", robot=robot)

    events = service.receive(received(mail))

    assert _opened(events) == []
    assert _recorded(events)[0].case_ids == ()
    assert events[0].key == str(mail.communication_id)
    assert (service.count("communications"), service.count("cases"), service.count("contacts")) == (1, 0, 0)


@pytest.mark.requirement("COM-7")
def test_a_trusted_robots_mail_opens_a_case_with_a_contact(case_database: Database) -> None:
    service = CaseService(case_database, a_case_configuration(robots={"trusted": ["@Alarms.example"]}))
    alarm = a_mail("Leak", "Water in the cellar.", robot="auto_reply", sender="cellar@alarms.example")
    other = a_mail("Leak", "Water in the attic.", robot="auto_reply", sender="attic@other.example")

    events = service.receive(received(alarm), received(other))

    assert [case.case_id for case in _opened(events)] == [case_id(alarm.communication_id, "leak")]
    assert _opened(events)[0].customer.contact_id == contact_id("email", "cellar@alarms.example")
    assert service.rows("select robot, effect from communications order by effect") == [("auto_reply", "opens"), ("auto_reply", "recorded")]


def test_an_outbound_message_opens_nothing_and_is_matched_by_its_recipient(service: CaseService) -> None:
    service.receive(received(a_mail("Leak", "A leak.")))
    outbound = a_mail(
        "About your leak", "We come.", direction="outbound", sender="contact@housing.example", recipients=("ann@customer.example",)
    )

    (event,) = service.receive(received(outbound))

    assert event.data.customer.name == "Ann Customer"
    assert service.count("cases") == 1


@pytest.mark.requirement("EDGE-3", "COM-7")
def test_the_same_communication_again_changes_nothing(service: CaseService) -> None:
    mail = a_mail("Leak", "A leak.")

    first = service.receive(received(mail), received(mail))
    again = service.receive(received(mail))

    assert len(first) == 2
    assert again == []
    assert (service.count("communications"), service.count("cases"), service.count("history")) == (1, 1, 2)


@pytest.mark.requirement("CON-1")
def test_a_known_sender_is_matched_and_an_unknown_one_becomes_a_contact(service: CaseService) -> None:
    ann = [a_mail(text=f"question {n}") for n in range(2)]
    bob = a_mail(sender="bob@customer.example", name="Bob")

    events = service.receive(*map(received, [*ann, bob]))
    later = service.receive(received(a_mail(text="one more", sender="Ann@Customer.example")))

    contacts = [recorded.customer.contact_id for recorded in _recorded(events + later)]
    assert contacts[0] == contacts[1] == contacts[3] != contacts[2]
    assert service.count("contacts") == 2


@pytest.mark.requirement("CON-1")
def test_a_handle_that_a_household_shares_leaves_the_choice_to_staff(service: CaseService) -> None:
    phone = Handle(kind="phone", value="+441632960001", name="The Smiths")
    call = {"method": "telephone", "sender": phone, "recipients": (), "message_id": ""}
    service.receive(received(a_mail(**call)))
    with service.database.transaction() as tx:
        other = derive("other")
        tx.execute("insert into contacts values (%s, 1, null, 'Second Smith', '', now())", (other,))
        tx.execute("insert into handles values ('phone', '+441632960001', %s)", (other,))

    (case,) = _opened(service.receive(received(a_mail(text="again", **call))))

    assert case.customer.contact_id is None
    assert case.customer.name == "The Smiths"


@pytest.mark.requirement("COM-5", "CON-1")
def test_a_call_that_opens_no_case_is_recorded_with_its_contact(service: CaseService) -> None:
    phone = Handle(kind="phone", value="+441632960001")
    call = a_mail(method="telephone", sender=phone, message_id="", opens_case=False)

    events = service.receive(received(call))
    again = service.receive(received(call))

    assert (_opened(events), again) == ([], [])
    (recorded,) = _recorded(events)
    assert recorded.case_ids == ()
    assert recorded.customer.contact_id == contact_id("phone", "+441632960001")
    assert (service.count("communications"), service.count("cases"), service.count("contacts")) == (1, 0, 1)
    assert service.rows("select effect from communications") == [("recorded",)]


@pytest.mark.requirement("COM-5")
def test_a_call_of_a_conversation_with_a_case_joins_it(service: CaseService) -> None:
    first = a_mail("Leak", "A leak.", message_id="")
    service.receive(received(first))
    call = a_mail(method="telephone", conversation_id=first.conversation_id, message_id="", opens_case=False)

    events = service.receive(received(call))

    assert _opened(events) == []
    assert _recorded(events)[0].case_ids == (case_id(first.communication_id, "leak"),)


def test_a_withheld_number_is_nobody_in_particular(service: CaseService) -> None:
    nobody = Handle(kind="phone", value="")

    (case,) = _opened(service.receive(received(a_mail(method="telephone", sender=nobody, message_id=""))))

    assert case.customer.contact_id is None
    assert service.count("contacts") == 0


@pytest.mark.requirement("CON-1", "EDGE-3")
def test_two_replicas_that_meet_a_new_handle_at_once_agree(service: CaseService) -> None:
    handler = service._handlers["casestream.communications"]
    mails = [a_mail(text=f"replica {n}", sender=f"c{i}@customer.example") for n in range(2) for i in range(20)]
    both_loaded = threading.Barrier(2)

    def replica(events: list[Any]) -> None:
        with service.database.transaction() as tx:
            state = handler.load(tx, events)
            both_loaded.wait(10)
            for event in events:
                handler.apply[type(event.data)](state, event)
            handler.save(tx, state)

    halves = [[received(mail) for mail in mails[:20]], [received(mail) for mail in reversed(mails[20:])]]
    threads = [threading.Thread(target=replica, args=(half,)) for half in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert (service.count("contacts"), service.count("handles"), service.count("cases")) == (20, 20, 40)


def test_attachments_and_the_whole_message_are_kept_by_reference(service: CaseService) -> None:
    photo = FileRef(sha256="a" * 64, size=20_000, filename="leak.jpg", content_type="image/jpeg", danger="disguised")

    service.receive(received(a_mail("Leak", attachments=(photo, photo), raw=FileRef(sha256="b" * 64, size=30_000))))

    assert service.rows("select position, sha256, size, filename, is_inline, danger from attachments order by position") == [
        (0, "a" * 64, 20_000, "leak.jpg", False, "disguised"),
        (1, "a" * 64, 20_000, "leak.jpg", False, "disguised"),
    ]
    assert service.rows("select raw_sha256, raw_size from communications") == [("b" * 64, 30_000)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"method": "pigeon"}, "method pigeon"),
        ({"subjects": ("leak", "unheard-of")}, "subject unheard-of"),
        ({"text": "nul \x00 nul"}, "NUL"),
        ({"sender": Handle(kind="email", value="a\x00@b.example")}, "NUL"),
    ],
)
def test_what_the_configuration_or_the_database_cannot_take_is_refused(service: CaseService, changes: dict[str, Any], reason: str) -> None:
    good = a_mail("Leak", "A leak.")

    with pytest.raises(Refused, match=reason):
        service.receive(received(good), received(a_mail(**changes)))

    assert service.count("cases") == 0
    assert len(_opened(service.receive(received(good)))) == 1


def test_text_of_any_kind_comes_back_as_it_was(service: CaseService) -> None:
    text = 'Quotes " and \\ backslashes, {braces}, %s, emoji \U0001f6bf, עברית, tab\there'

    service.receive(received(a_mail(text, text, name=text)))

    assert service.rows("select subject_line, body, sender_name from communications") == [(text, text, text)]
    assert service.rows("select title, customer_name from cases") == [(text, text)]


def test_subjects_chosen_at_the_source_are_taken_and_routing_is_not_asked(service: CaseService) -> None:
    opened = _opened(service.receive(received(a_mail("Leak", "leak", subjects=("noise", "noise", "enquiry")))))

    assert [case.subject for case in opened] == ["noise", "enquiry"]


def test_a_sender_clock_that_runs_ahead_does_not_open_a_case_in_the_future(service: CaseService) -> None:
    (case,) = _opened(service.receive(received(a_mail(received_at=NOW.replace(year=2031)))))

    assert case.opened_at == NOW


OLD = NOW - timedelta(days=2000)


@pytest.mark.requirement("COM-1")
def test_an_old_mail_is_kept_with_its_contact_and_nobody_hears_of_it(service: CaseService) -> None:
    report = BounceReport(message_id="<x@housing.example>", recipients=())
    old = a_mail("Leak", "A leak.", old=True, opens_case=False, occurred_at=OLD, received_at=OLD)
    bounce = a_mail("Undelivered", "", sender="mailer-daemon@x.example", old=True, robot="bounce", bounce=report, occurred_at=OLD)
    tweet = a_mail(method="social", message_id="", old=True, occurred_at=OLD, received_at=OLD)

    assert service.receive(received(old), received(bounce), received(tweet)) == []
    assert service.receive(received(old)) == []

    assert (service.count("communications"), service.count("cases"), service.count("contacts")) == (3, 0, 1)
    assert service.rows("select occurred_at, received_at, effect from communications where id = %s", old.communication_id) == [
        (OLD, OLD, "recorded")
    ]
    (case,) = _opened(service.receive(received(a_mail("Re: Leak", "It leaks again: a leak.", reply_to=old))))
    assert case.conversation_id == old.conversation_id


@pytest.mark.requirement("COM-7", "COM-8")
def test_an_old_mail_of_a_case_joins_it_as_history_and_changes_nothing(service: CaseService) -> None:
    tweet = a_mail(method="social", message_id="")
    service.receive(received(tweet))
    before = service.rows("select * from cases")
    old = a_mail(conversation_id=tweet.conversation_id, references=("<a@b.example>",), old=True, occurred_at=OLD, received_at=OLD)

    assert service.receive(received(old)) == []

    assert service.rows("select * from cases") == before
    assert service.rows("select communication_id from case_communications where communication_id = %s", old.communication_id) != []
    service.take(topics.SLA, [an_expiry(tweet.communication_id)])
    assert service.rows("select state from cases") == [("cancelled",)]
