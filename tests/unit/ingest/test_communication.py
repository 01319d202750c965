"""A mail becomes a communication: ids, conversation, account, bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.domain.accounts import Account, Accounts, NoAccounts, UnknownAccount
from services.ingest.domain.communication import MailReceived, as_history, cut, received
from services.ingest.domain.mail import parse_mail
from services.notify.domain.recipients import message_id as our_message_id
from services.notify.domain.recipients import thread_reference
from shared.ids import conversation_id, derive
from tests.support.mails import raw_mail

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
CONTACT = Account("Contact@Housing.example", "email")
REPAIRS = Account("repairs@housing.example", "repairs-mail")


def a_received(raw: bytes, account: Account = CONTACT, longest_text: int = 65_536) -> MailReceived:
    return received(parse_mail(raw), raw, account, "housing.example", NOW, longest_text)


@pytest.mark.requirement("COM-7")
def test_the_same_message_in_two_mailboxes_is_one_communication() -> None:
    first = a_received(raw_mail("Received: from a by b\nDelivered-To: contact@housing.example"))
    second = a_received(raw_mail("Received: from c by d\nDelivered-To: repairs@housing.example"), REPAIRS)
    assert first.communication_id == second.communication_id
    assert first.conversation_id == second.conversation_id


def test_a_reused_message_id_with_other_content_is_another_communication() -> None:
    assert a_received(raw_mail(body="one")).communication_id != a_received(raw_mail(body="two")).communication_id


def test_a_mail_without_message_id_gets_one_from_its_content() -> None:
    bare = b"From: ann@tenant.example\r\nSubject: Leak\r\n\r\nwater"
    first, again, other = a_received(bare), a_received(b"Received: by x\r\n" + bare), a_received(bare + b"!")
    assert first.message_id.startswith("<")
    assert (first.message_id, first.communication_id) == (again.message_id, again.communication_id)
    assert first.message_id != other.message_id
    assert first.conversation_id != other.conversation_id


@pytest.mark.requirement("COM-7")
def test_a_reply_to_our_message_joins_the_conversation_that_its_id_names() -> None:
    conversation, delivery = derive("conversation", 1), derive("delivery", 1)
    ours = our_message_id(conversation, delivery, "housing.example")
    for head in (
        f"In-Reply-To: {ours}",
        f"References: <start@tenant.example> {ours}",
        f"References: <start@tenant.example> {ours.upper()} <later@tenant.example>",
        f"References: {thread_reference(conversation, 'housing.example')}\nIn-Reply-To: <other@tenant.example>",
    ):
        assert a_received(raw_mail(head)).conversation_id == conversation, head


def test_an_id_of_our_form_from_another_domain_names_nothing_of_ours() -> None:
    conversation = derive("conversation", 1)
    theirs = our_message_id(conversation, derive("delivery", 1), "elsewhere.example")
    assert a_received(raw_mail(f"In-Reply-To: {theirs}")).conversation_id == conversation_id(theirs)


def test_the_conversation_is_the_first_reference_then_the_one_replied_to_then_the_mail() -> None:
    replied = "In-Reply-To: <b@tenant.example>"
    assert a_received(raw_mail(f"References: <a@tenant.example> <b@tenant.example>\n{replied}")).conversation_id == conversation_id(
        "<a@tenant.example>"
    )
    assert a_received(raw_mail(replied)).conversation_id == conversation_id("<b@tenant.example>")
    assert a_received(raw_mail("Message-ID: <b@tenant.example>")).conversation_id == conversation_id("<b@tenant.example>")


def test_the_account_is_found_in_envelope_then_to_then_cc_whatever_its_case() -> None:
    accounts = Accounts([CONTACT, REPAIRS])
    both = "To: contact@housing.example\nCc: repairs@housing.example"
    assert accounts.reached(parse_mail(raw_mail(both))) is CONTACT
    assert accounts.reached(parse_mail(raw_mail(f"Delivered-To: REPAIRS@housing.example\n{both}"))) is REPAIRS
    assert accounts.reached(parse_mail(raw_mail("To: x@y.example\nCc: Repairs@Housing.example"))) is REPAIRS
    assert accounts.named(" contact@HOUSING.example ") is CONTACT


@pytest.mark.requirement("COM-7")
def test_a_mail_to_several_accounts_is_the_first_ones_whichever_mailbox_is_read_first() -> None:
    accounts = Accounts([CONTACT, REPAIRS])
    both = parse_mail(raw_mail("To: repairs@housing.example\nCc: Contact@housing.example"))
    assert [accounts.first_reached(account, both) for account in (REPAIRS, CONTACT)] == [CONTACT, CONTACT]
    only = parse_mail(raw_mail("To: repairs@housing.example"))
    assert accounts.first_reached(REPAIRS, only) is REPAIRS
    assert accounts.first_reached(REPAIRS, parse_mail(raw_mail("To: list@else.example"))) is REPAIRS
    assert Accounts([REPAIRS]).first_reached(REPAIRS, both) is REPAIRS


def test_a_mail_that_names_no_account_reached_the_only_one_or_one_that_is_not_known() -> None:
    stray = parse_mail(raw_mail("To: somebody@elsewhere.example"))
    assert Accounts([REPAIRS]).reached(stray) is REPAIRS
    several = Accounts([REPAIRS, CONTACT, Account("third@housing.example", "email")])
    assert several.reached(stray) == Account("", "email")
    with pytest.raises(NoAccounts):
        Accounts([]).reached(stray)
    with pytest.raises(UnknownAccount):
        several.named("somebody@elsewhere.example")


def test_text_is_cut_between_characters() -> None:
    assert cut("äöü", 5) == ("äö", True)
    assert cut("äöü", 6) == ("äöü", False)
    assert cut("a€b", 3) == ("a", True)
    whole = a_received(raw_mail("Content-Type: text/plain; charset=utf-8", "ä" * 300), longest_text=401)
    assert (whole.text, whole.text_truncated) == ("ä" * 200, True)


@pytest.mark.parametrize(
    ("raw", "subject_line"),
    [(b"\x00\xff\xfe\x01" * 500, "Message that could not be read"), (b"", "Empty message"), (b"\r\n", "Empty message")],
)
def test_what_cannot_be_read_says_so(raw: bytes, subject_line: str) -> None:
    mail = a_received(raw)
    assert mail.unreadable
    assert mail.subject_line == subject_line
    assert mail.text == ""
    assert mail.communication_id == a_received(raw).communication_id
    assert mail.communication_id != a_received(raw + b"\x01\x02\xff").communication_id


def test_a_sender_whose_clock_is_off_wrote_no_later_than_now() -> None:
    ahead = (NOW + timedelta(days=400)).strftime("%a, %d %b %Y %H:%M:%S +0000")
    assert a_received(raw_mail(f"Date: {ahead}")).occurred_at == NOW
    assert a_received(raw_mail("Date: Thu, 01 Jan 0001 00:00:00 +0000")).occurred_at == NOW
    assert a_received(raw_mail("Date: Mon, 02 Mar 2026 09:30:00 +0100")).occurred_at == datetime(2026, 3, 2, 8, 30, tzinfo=UTC)


def test_a_reply_tells_how_much_of_its_text_is_its_senders_own_after_it_was_cut() -> None:
    reply = raw_mail("Subject: Re: Leak", "Tuesday suits me.\n\nOn 02/03/2026 09:30, Housing wrote:\n> When?\n" + "> long\n" * 100)
    short = a_received(reply, longest_text=80)
    assert (short.text[: short.own_text_length], len(short.text)) == ("Tuesday suits me.", 80)
    assert a_received(raw_mail()).own_text_length is None


def test_what_somebody_forwards_is_their_own_to_tell() -> None:
    forwarded = "See below.\n\nFrom: Max\nSent: Monday\nTo: Ann\nSubject: Leak\n\nIt leaks."
    assert a_received(raw_mail("Subject: FW: Leak", forwarded)).own_text_length is None
    assert a_received(raw_mail("Subject: Re: Leak", forwarded)).own_text_length == len("See below.")


@pytest.mark.parametrize(
    ("head", "at"),
    [
        ("Date: Mon, 02 Mar 2020 09:30:00 +0100", datetime(2020, 3, 2, 8, 30, tzinfo=UTC)),
        ("Date: soon\nReceived: from a by b; Tue, 03 Mar 2020 10:00:00 +0000", datetime(2020, 3, 3, 10, 0, tzinfo=UTC)),
        ("Date: Mon, 02 Mar 2099 09:30:00 +0100\nReceived: by b", datetime(1970, 1, 2, tzinfo=UTC)),
    ],
)
def test_an_old_mail_has_its_own_time_and_never_looks_new(head: str, at: datetime) -> None:
    raw = raw_mail(head)
    old = as_history(a_received(raw), raw, is_ours=False)
    assert (old.occurred_at, old.received_at, old.old) == (at, at, True)
    assert old.communication_id == a_received(raw).communication_id
