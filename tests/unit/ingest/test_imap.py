"""Mail by IMAP, from a real Dovecot: nothing lost, nothing skipped, colleagues undisturbed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.ingest.domain.mail import parse_mail
from services.ingest.gateways.imap import LARGEST_MAIL
from services.ingest.gateways.source import Cursor, GatewayError
from tests.support.dovecot import Dovecot
from tests.support.imap_sources import Mailbox, a_mail, read_all

pytestmark = pytest.mark.requirement("COM-3")


def test_mail_is_read_in_order_and_then_marked_as_seen(mailbox: Mailbox) -> None:
    mailbox.put(a_mail(1), a_mail(2), a_mail(3))
    source = mailbox.source()
    batch = source.fetch({}, 100)
    assert list(batch.items) == [a_mail(1), a_mail(2), a_mail(3)]
    assert not batch.is_more
    assert mailbox.flags() == {1: set(), 2: set(), 3: set()}
    source.acknowledge(batch)
    source.acknowledge(batch)
    assert mailbox.flags() == {1: {b"\\Seen"}, 2: {b"\\Seen"}, 3: {b"\\Seen"}}
    after = source.fetch(batch.cursor, 100)
    assert not after.items
    assert after.cursor == batch.cursor
    source.close()


@pytest.mark.requirement("EDGE-3")
def test_what_is_not_acknowledged_is_given_again(mailbox: Mailbox) -> None:
    mailbox.put(a_mail(1), a_mail(2), a_mail(3))
    source = mailbox.source()
    first = source.fetch({}, 2)
    assert first.is_more
    assert source.fetch({}, 2) == first
    source.acknowledge(first)
    second = source.fetch(first.cursor, 2)
    assert list(second.items) == [a_mail(3)]
    # The process ends before it acknowledges; the next one starts with what was saved.
    source.close()
    successor = mailbox.source()
    assert successor.fetch(first.cursor, 2) == second
    successor.acknowledge(second)
    assert not successor.fetch(second.cursor, 2).items
    successor.close()


def test_a_mail_that_a_colleague_has_opened_is_read_all_the_same(mailbox: Mailbox) -> None:
    mailbox.put(a_mail(1), a_mail(2))
    with mailbox.server.colleague(mailbox.user) as colleague:
        colleague.add_flags([1], [b"\\Seen"])
        colleague.add_flags([2], [b"\\Deleted"])
    source = mailbox.source()
    assert list(source.fetch({}, 10).items) == [a_mail(1), a_mail(2)]
    source.close()


def test_what_a_colleague_removes_is_no_error(mailbox: Mailbox) -> None:
    mailbox.put(*(a_mail(number) for number in range(1, 6)))
    source = mailbox.source()
    first = source.fetch({}, 1)
    with mailbox.server.colleague(mailbox.user) as colleague:
        # Number 1 before it is acknowledged; 2 and 3 after the source has heard of them; 5, the last one.
        colleague.delete_messages([1, 2, 3, 5])
        colleague.expunge()
    source.acknowledge(first)
    second = source.fetch(first.cursor, 2)
    assert list(second.items) == [a_mail(4)]
    source.acknowledge(second)
    last = source.fetch(second.cursor, 2)
    assert not last.items
    assert not last.is_more
    mailbox.put(a_mail(6))
    assert list(source.fetch(last.cursor, 2).items) == [a_mail(6)]
    source.close()


@pytest.mark.requirement("EDGE-3")
def test_a_folder_that_was_made_anew_is_read_from_the_beginning(mailbox: Mailbox) -> None:
    with mailbox.server.colleague(mailbox.user) as colleague:
        colleague.create_folder("Office")
    mailbox.put(a_mail(1), a_mail(2), folder="Office")
    source = mailbox.source(folder="Office")
    before = source.fetch({}, 10)
    with mailbox.server.colleague(mailbox.user) as colleague:
        colleague.delete_folder("Office")
        colleague.create_folder("Office")
    mailbox.put(a_mail(2), a_mail(3), folder="Office")
    # These numbers mean other mails now, which nobody has read.
    source.acknowledge(before)
    assert mailbox.flags("Office") == {1: set(), 2: set()}
    after = source.fetch(before.cursor, 10)
    assert list(after.items) == [a_mail(2), a_mail(3)]
    assert after.cursor["uidvalidity"] != before.cursor["uidvalidity"]
    source.close()


@pytest.mark.requirement("EDGE-3")
def test_mail_is_moved_once_it_is_taken_into_a_folder_that_is_made_for_it(mailbox: Mailbox) -> None:
    mailbox.put(a_mail(1), a_mail(2))
    source = mailbox.source(moved_to="Übernommen & erledigt")
    batch = source.fetch({}, 10)
    source.acknowledge(batch)
    source.acknowledge(batch)
    assert mailbox.flags() == {}
    assert len(mailbox.flags("Übernommen & erledigt")) == 2
    mailbox.put(a_mail(3))
    after = source.fetch(batch.cursor, 10)
    source.acknowledge(after)
    assert len(mailbox.flags("Übernommen & erledigt")) == 3
    source.close()


@pytest.mark.requirement("EDGE-3")
@pytest.mark.parametrize("extension", ["UIDPLUS", ""])
def test_mail_is_moved_by_a_server_that_cannot_move(extension: str, tmp_path: Path) -> None:
    with Dovecot(f"imap_capability = IMAP4rev1 {extension}") as server:
        mailbox = Mailbox(server, tmp_path)
        mailbox.put(a_mail(1), a_mail(2), a_mail(3))
        with server.colleague(mailbox.user) as colleague:
            colleague.delete_messages([3])
        source = mailbox.source(moved_to="Taken")
        batch = source.fetch({}, 2)
        source.acknowledge(batch)
        source.acknowledge(batch)
        source.close()
        assert len(mailbox.flags("Taken")) == 2
        # What a colleague has marked as deleted is the colleague's to remove.
        deleted = {b"\\Deleted"}
        assert mailbox.flags() == ({3: deleted} if extension else {1: deleted, 2: deleted, 3: deleted})


def test_two_thousand_mails_are_read_to_the_end_in_portions(mailbox: Mailbox) -> None:
    mails = [a_mail(number) for number in range(2000)]
    with mailbox.server.colleague(mailbox.user) as colleague:
        colleague.multiappend("INBOX", mails)
    source = mailbox.source()
    batches = read_all(source, {}, 300)
    assert [mail for batch in batches for mail in batch.items] == mails
    assert [batch.is_more for batch in batches] == [True] * 6 + [False]
    source.close()


def test_more_mails_than_one_search_answers_are_read_to_the_end(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest.gateways.imap_connection.SEARCHED_MAILS", 7)
    mails = [a_mail(number) for number in range(40)]
    with mailbox.server.colleague(mailbox.user) as colleague:
        colleague.multiappend("INBOX", mails)
        colleague.delete_messages([3, 15, 16, 17])
        colleague.expunge()
    source = mailbox.source()
    batches = read_all(source, {}, 5)
    assert [mail for batch in batches for mail in batch.items] == mails[:2] + mails[3:14] + mails[17:]
    assert [batch.is_more for batch in batches] == [True] * (len(batches) - 1) + [False]
    source.close()


def test_a_portion_is_bounded_by_bytes(mailbox: Mailbox) -> None:
    large = [a_mail(number, size) for number, size in enumerate([6_000_000, 6_000_000, 6_000_000, 20_000_000, 1_000])]
    mailbox.put(*large)
    source = mailbox.source()
    batches = read_all(source, {})
    assert [[len(mail) for mail in batch.items] for batch in batches] == [
        [len(mail) for mail in part] for part in (large[:2], large[2:3], large[3:4], large[4:])
    ]
    assert [mail for batch in batches for mail in batch.items] == large
    source.close()


def test_of_a_mail_that_is_too_large_the_header_is_given_with_a_note(mailbox: Mailbox) -> None:
    huge = a_mail(2, LARGEST_MAIL).replace(b"Subject:", b'Content-Type: multipart/mixed;\r\n boundary="b"\r\nSubject:')
    mailbox.put(a_mail(1), huge, a_mail(3))
    source = mailbox.source()
    batches = read_all(source, {})
    mails = [mail for batch in batches for mail in batch.items]
    assert (mails[0], mails[2]) == (a_mail(1), a_mail(3))
    read = parse_mail(mails[1])
    assert read.subject == "Leak 2"
    assert read.message_id == "<2@t.example>"
    assert str(len(huge)) in read.text
    assert len(mails[1]) < 1_000
    # It is the same each time, so it is one communication however often it is read.
    assert source.fetch({"uidvalidity": batches[0].cursor["uidvalidity"], "uid": 1}, 1).items == [mails[1]]
    source.close()


@pytest.mark.requirement("EDGE-3")
def test_a_mail_that_the_server_does_not_give_holds_up_no_others(mailbox: Mailbox) -> None:
    mailbox.put(*(a_mail(number) for number in range(1, 5)))
    bad = next(path for path in mailbox.server.mail_files(mailbox.user) if b"Leak 3" in path.read_bytes())
    bad.chmod(0)
    os.chown(bad, 0, 0) if os.geteuid() == 0 else None
    source = mailbox.source()
    given: list[bytes] = []
    cursor: Cursor = {}
    failures = 0
    while len(given) < 4:
        try:
            batch = source.fetch(cursor, 10)
        except GatewayError:
            failures += 1
            assert failures < 10
            continue
        source.acknowledge(batch)
        given += batch.items
        cursor = batch.cursor
    assert (given[0], given[1], given[3]) == (a_mail(1), a_mail(2), a_mail(4))
    assert b"does not give it" in given[2]
    assert failures
    source.close()


def test_broken_mails_are_given_as_they_are(mailbox: Mailbox) -> None:
    broken = [b"\xff\xfe no header\r\n", b"\r\n", b"Subject: \xe4\r\nContent-Type: multipart/mixed\r\n\r\n\x01)\r\n* BYE\r\n"]
    with mailbox.server.colleague(mailbox.user):
        pass
    new = mailbox.server.folder / "mail" / mailbox.user / "new"
    for number, mail in enumerate(broken):
        (new / f"{number + 1}.M1P1.host").write_bytes(mail)
    source = mailbox.source()
    assert list(source.fetch({}, 10).items) == broken
    source.close()
