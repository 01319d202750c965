"""Mail by IMAP, from a real Dovecot: nothing lost, nothing skipped, colleagues undisturbed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from services.ingest.domain.mail import parse_mail
from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.imap import LARGEST_MAIL, ImapSource
from services.ingest.gateways.source import Batch, Cursor, GatewayError
from shared.schemas.configuration.channels import ImapFetch
from tests.support.authority import Authority
from tests.support.dovecot import LOOPBACK, PASSWORD, Dovecot
from tests.support.token_endpoint import token_endpoint
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("COM-3")


def a_mail(number: int, size: int = 0) -> bytes:
    """A mail that no other one equals; `size`: bytes of its text."""
    head = f"From: anna@tenant.example\r\nTo: office@housing.example\r\nSubject: Leak {number}\r\nMessage-ID: <{number}@t.example>\r\n\r\n"
    return head.encode() + b"The tap drips.\r\n" + b"x" * 70 * (size // 70)


class Mailbox:
    """A user's mailbox, and a source that reads it."""

    def __init__(self, server: Dovecot, folder: Path) -> None:
        self.server = server
        self.user = server.a_user()
        self.secrets = folder
        (folder / "office").write_text(PASSWORD + "\n")

    def source(self, options: dict[str, Any] | None = None, **section: Any) -> ImapSource:
        """A source with a plain connection; `section`: what its configuration says otherwise."""
        given = {"host": LOOPBACK, "port": self.server.port, "security": "none", "user": self.user, "secret": "office", **section}
        return ImapSource(ImapFetch(by="imap", **given), Credentials(str(self.secrets)), **{"timeout": 20.0, **(options or {})})

    def put(self, *mails: bytes, folder: str = "INBOX") -> None:
        """Mails come in."""
        with self.server.colleague(self.user) as colleague:
            for mail in mails:
                colleague.append(folder, mail)

    def flags(self, folder: str = "INBOX") -> dict[int, set[bytes]]:
        """Every mail of the folder, with its flags."""
        with self.server.colleague(self.user, folder) as colleague:
            found = colleague.get_flags(colleague.search())
            return {uid: set(flags) - {b"\\Recent"} for uid, flags in found.items()}


def read_all(source: ImapSource, cursor: Cursor, most: int = 500) -> list[Batch[bytes]]:
    """Read and acknowledge to the end."""
    batches = []
    while (batch := source.fetch(cursor, most)).items:
        source.acknowledge(batch)
        batches.append(batch)
        cursor = batch.cursor
    return batches


@pytest.fixture
def mailbox(dovecot: Dovecot, tmp_path: Path) -> Mailbox:
    return Mailbox(dovecot, tmp_path)


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


def test_a_new_mail_ends_the_waiting(mailbox: Mailbox) -> None:
    source = mailbox.source({"idle_seconds": 0.05})
    batch = source.fetch({}, 10)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(source.wait, 600)
        mailbox.put(a_mail(1))
        waiting.result(30)
    assert list(source.fetch(batch.cursor, 10).items) == [a_mail(1)]
    source.close()


def test_waiting_ends_at_once_when_mail_came_before_it_began(mailbox: Mailbox) -> None:
    mailbox.put(a_mail(1), a_mail(2))
    source = mailbox.source()
    first = source.fetch({}, 1)
    source.wait(600)
    batch = source.fetch(first.cursor, 10)
    mailbox.put(a_mail(3))
    # The server tells of the new mail here already, and would not again.
    source.acknowledge(batch)
    source.wait(600)
    assert list(source.fetch(batch.cursor, 10).items) == [a_mail(3)]
    source.close()


def test_waiting_ends_when_its_time_is_over(mailbox: Mailbox) -> None:
    source = mailbox.source()
    batch = source.fetch({}, 10)
    source.wait(0.05)
    assert not source.fetch(batch.cursor, 10).items
    source.close()


@pytest.mark.parametrize("capability", ["IMAP4rev1 IDLE", "IMAP4rev1"])
@pytest.mark.parametrize("security", ["tls", "none"])
def test_closing_from_another_thread_ends_the_waiting(capability: str, security: str, tmp_path: Path) -> None:
    with Dovecot(f"imap_capability = {capability}") as server:
        mailbox = Mailbox(server, tmp_path)
        port = server.tls_port if security == "tls" else server.port
        source = mailbox.source({"ca_file": str(server.authority.file)}, security=security, port=port)
        source.fetch({}, 10)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(source.wait, 600)
            source.close()
            waiting.result(30)
    with pytest.raises(GatewayError):
        source.fetch({}, 10)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_mail_comes_over_tls_from_a_server_that_an_authority_vouches_for(security: str, mailbox: Mailbox) -> None:
    mailbox.put(a_mail(1))
    server = mailbox.server
    port = server.tls_port if security == "tls" else server.port
    source = mailbox.source({"ca_file": str(server.authority.file)}, security=security, port=port)
    batch = source.fetch({}, 10)
    assert list(batch.items) == [a_mail(1)]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(source.wait, 600)
        mailbox.put(a_mail(2))
        waiting.result(30)
    assert list(source.fetch(batch.cursor, 10).items) == [a_mail(2)]
    source.close()
    for options in ({}, {"ca_file": str(mailbox.secrets / "missing.pem")}):
        stranger = mailbox.source(options, security=security, port=port)
        with pytest.raises(GatewayError, match="certificate"):
            stranger.fetch({}, 10)
        stranger.close()


def test_a_name_that_the_certificate_does_not_have_is_refused(mailbox: Mailbox) -> None:
    server = mailbox.server
    source = mailbox.source({"ca_file": str(server.authority.file)}, host="localhost", security="tls", port=server.tls_port)
    with pytest.raises(GatewayError, match="certificate is not trusted"):
        source.fetch({}, 10)
    source.close()


def test_a_connection_is_not_used_without_the_tls_that_was_asked_for(tmp_path: Path) -> None:
    with Dovecot("ssl = no") as server:
        source = Mailbox(server, tmp_path).source(security="starttls")
        with pytest.raises(GatewayError) as caught:
            source.fetch({}, 10)
        assert caught.value.reason == "refused"
        source.close()
        assert "Login" not in (server.folder / "log").read_text()


def test_a_wrong_password_is_told_without_the_password_and_a_new_one_works_at_once(mailbox: Mailbox) -> None:
    mailbox.put(a_mail(1))
    secret = mailbox.secrets / "office"
    secret.write_text("something else")
    source = mailbox.source()
    for _ in range(2):
        with pytest.raises(GatewayError) as caught:
            source.fetch({}, 10)
        assert caught.value.reason == "credentials"
        assert "something else" not in str(caught.value)
        assert mailbox.user not in str(caught.value)
    secret.unlink()
    with pytest.raises(GatewayError) as caught:
        source.fetch({}, 10)
    assert caught.value.reason == "credentials"
    secret.write_text(PASSWORD)
    assert list(source.fetch({}, 10).items) == [a_mail(1)]
    source.close()


def test_a_folder_that_is_not_there_is_refused(mailbox: Mailbox) -> None:
    source = mailbox.source(folder="Nowhere")
    with pytest.raises(GatewayError) as caught:
        source.fetch({}, 10)
    assert caught.value.reason == "refused"
    source.close()
    circle = mailbox.source(moved_to="INBOX")
    with pytest.raises(GatewayError, match="moved"):
        circle.fetch({}, 10)
    circle.close()


def test_a_server_that_ends_is_unreachable_until_it_is_back(tmp_path: Path) -> None:
    with Dovecot() as server:
        mailbox = Mailbox(server, tmp_path)
        mailbox.put(a_mail(1), a_mail(2))
        source = mailbox.source()
        first = source.fetch({}, 1)
        server.stop()
        for ask in (lambda: source.acknowledge(first), lambda: source.fetch(first.cursor, 1), lambda: source.fetch({}, 1)):
            with pytest.raises(GatewayError) as caught:
                ask()
            assert caught.value.reason == "unreachable"
        server.start()
        source.acknowledge(first)
        assert mailbox.flags() == {1: {b"\\Seen"}, 2: set()}
        second = source.fetch(first.cursor, 1)
        assert list(second.items) == [a_mail(2)]
        # A connection that died meanwhile is no reason for an alarm.
        server.stop()
        server.start()
        source.acknowledge(second)
        assert not source.fetch(second.cursor, 1).items
        server.stop()
        server.start()
        mailbox.put(a_mail(3))
        source.wait(600)
        assert list(source.fetch(second.cursor, 1).items) == [a_mail(3)]
        source.close()


def test_a_server_that_ends_while_we_wait_is_unreachable(tmp_path: Path) -> None:
    with Dovecot() as server:
        source = Mailbox(server, tmp_path).source()
        source.fetch({}, 1)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(source.wait, 600)
            server.stop()
            with pytest.raises(GatewayError) as caught:
                waiting.result(30)
        assert caught.value.reason == "unreachable"
        source.close()


def test_too_many_connections_are_throttled(tmp_path: Path) -> None:
    with Dovecot("mail_max_userip_connections = 1") as server:
        mailbox = Mailbox(server, tmp_path)
        mailbox.put(a_mail(1))
        with server.colleague(mailbox.user):
            source = mailbox.source()
            with pytest.raises(GatewayError) as caught:
                source.fetch({}, 1)
            assert caught.value.reason == "throttled"
        # The server hears of the colleague's leaving a moment later.
        eventually(lambda: "Disconnected" in (server.folder / "log").read_text())
        assert list(source.fetch({}, 1).items) == [a_mail(1)]
        source.close()


@pytest.mark.requirement("EDGE-19")
def test_mail_comes_by_an_access_token(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with token_endpoint(authority) as endpoint, Dovecot(oauth=f"{endpoint.url}/introspect", authority=authority) as server:
        mailbox = Mailbox(server, tmp_path)
        mailbox.put(a_mail(1))
        (tmp_path / "office").write_text(endpoint.secret)
        endpoint.user = mailbox.user
        oauth = {"token_url": f"{endpoint.url}/token", "client_id": endpoint.client_id, "scope": "imap"}
        source = mailbox.source({"ca_file": str(authority.file)}, login="oauth2", oauth=oauth, security="tls", port=server.tls_port)
        assert list(source.fetch({}, 1).items) == [a_mail(1)]
        assert endpoint.asked == [
            {"grant_type": "client_credentials", "client_id": endpoint.client_id, "client_secret": "hush", "scope": "imap"}
        ]
        # The token is kept for the next connection, until it is refused.
        server.stop()
        server.start()
        source.fetch({}, 1)
        assert len(endpoint.asked) == 1
        endpoint.tokens.clear()
        server.stop()
        server.start()
        assert list(source.fetch({}, 1).items) == [a_mail(1)]
        assert len(endpoint.asked) == 2
        # Another's mailbox.
        endpoint.tokens.clear()
        endpoint.user = "somebody@housing.example"
        server.stop()
        server.start()
        with pytest.raises(GatewayError) as caught:
            source.fetch({}, 1)
        assert caught.value.reason == "credentials"
        assert len(endpoint.asked) == 3
        source.close()
