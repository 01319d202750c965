"""The connection to an IMAP server: waiting for mail, TLS, logging in, servers that end or refuse."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.ingest.gateways.source import GatewayError
from tests.support.authority import Authority
from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.imap_sources import Mailbox, a_mail
from tests.support.token_endpoint import token_endpoint
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("COM-3")


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
