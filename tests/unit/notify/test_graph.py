"""Sending by Microsoft Graph: what goes out, and what each answer means for the message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.notify.domain.message import Written
from services.notify.domain.retry import Outcome
from services.notify.gateways.graph import GraphRelay
from services.notify.gateways.relay import AnyRelay, connector
from services.notify.gateways.smtp import Relay
from services.notify.settings import SendSettings
from tests.support.graph import CLIENT, MAILBOX, SECRET, TENANT, GraphServer

CONTENT = "Message-ID: <1@harbour.example>\r\nTo: ann@mail.example\r\nSubject: Your leak\r\n\r\nWe come. ü\r\n".encode()
MESSAGE = Written(MAILBOX, "ann@mail.example", CONTENT, international=False)


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[GraphServer]:
    with GraphServer(tmp_path) as server:
        yield server


def settings_of(**changes: Any) -> SendSettings:
    values = {"kafka": "k", "database": "d", "port": 0, "mail_from": MAILBOX}
    return SendSettings(**(values | changes))


@pytest.fixture
def relay_of(graph: GraphServer, tmp_path: Path) -> Iterator[Callable[..., AnyRelay]]:
    (tmp_path / "secret").write_text(SECRET + "\n")
    made: list[AnyRelay] = []

    def make(**changes: Any) -> AnyRelay:
        values = {
            "mail_by": "graph",
            "graph_tenant": TENANT,
            "graph_client_id": CLIENT,
            "graph_secret_file": tmp_path / "secret",
            "graph_endpoint": graph.endpoint,
            "graph_authority": graph.origin,
            "graph_ca_file": graph.ca_file,
        }
        made.append(connector(settings_of(**(values | changes)))())
        return made[-1]

    yield make
    for relay in made:
        relay.close()


@pytest.fixture
def relay(relay_of: Callable[..., AnyRelay]) -> AnyRelay:
    return relay_of()


@pytest.mark.requirement("NOTE-1", "EDGE-19")
def test_a_message_goes_out_as_it_was_written(graph: GraphServer, relay: AnyRelay) -> None:
    assert isinstance(relay, GraphRelay)
    for _ in range(2):
        answer = relay.send(MESSAGE)
        assert (answer.outcome, answer.code) == (Outcome.SENT, 202)
    assert graph.sent == [CONTENT, CONTENT]
    assert message_from_bytes(graph.sent[0], policy=policy.default)["To"] == "ann@mail.example"
    assert graph.granted == 1
    assert graph.called(f"POST /v1.0/users/{MAILBOX}/sendMail") == 2


@pytest.mark.requirement("NOTE-1")
@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (400, "ErrorMimeContentInvalid", Outcome.REFUSED),
        (413, "RequestEntityTooLarge", Outcome.REFUSED),
        (422, "", Outcome.REFUSED),
        (409, "ErrorIrresolvableConflict", Outcome.DEFERRED),
        (500, "ErrorInternalServerError", Outcome.DEFERRED),
        (507, "ErrorQuotaExceeded", Outcome.DEFERRED),
        (401, "InvalidAuthenticationToken", Outcome.UNREACHABLE),
        (403, "ErrorAccessDenied", Outcome.UNREACHABLE),
        (404, "ErrorInvalidUser", Outcome.UNREACHABLE),
        (429, "ApplicationThrottled", Outcome.UNREACHABLE),
        (503, "ServiceUnavailable", Outcome.UNREACHABLE),
        (302, "", Outcome.UNREACHABLE),
    ],
)
def test_what_an_error_means_for_the_message(graph: GraphServer, relay: AnyRelay, status: int, code: str, outcome: Outcome) -> None:
    graph.fail("sendMail", status, code)
    answer = relay.send(MESSAGE)
    assert (answer.outcome, answer.code, answer.text) == (outcome, status, f"HTTP {status} {code}".strip())
    graph.heal()
    assert relay.send(MESSAGE).outcome is Outcome.SENT
    assert len(graph.sent) == 1


def test_a_server_that_asks_to_wait_is_left_alone(graph: GraphServer, relay: AnyRelay) -> None:
    graph.fail("sendMail", 429, "ApplicationThrottled", Retry_After="600")
    assert [relay.send(MESSAGE).outcome for _ in range(3)] == [Outcome.UNREACHABLE] * 3
    assert graph.called("sendMail") == 1


@pytest.mark.requirement("EDGE-19")
def test_a_refused_or_missing_secret_is_about_us_and_a_new_one_works_at_once(graph: GraphServer, relay: AnyRelay, tmp_path: Path) -> None:
    for text in ("wrong", "", None):
        (tmp_path / "secret").unlink()
        if text is not None:
            (tmp_path / "secret").write_text(text)
        answer = relay.send(MESSAGE)
        assert (answer.outcome, answer.code) == (Outcome.UNREACHABLE, 0)
        assert SECRET not in answer.text
        (tmp_path / "secret").write_text(SECRET)
    assert relay.send(MESSAGE).outcome is Outcome.SENT


def test_an_absent_server_is_unreachable_and_a_closed_relay_connects_anew(graph: GraphServer, relay_of: Callable[..., AnyRelay]) -> None:
    away = relay_of(graph_endpoint="https://127.0.0.1:9/v1.0", graph_authority="https://127.0.0.1:9")
    assert (away.send(MESSAGE).outcome, away.send(MESSAGE).code) == (Outcome.UNREACHABLE, 0)
    relay = relay_of()
    relay.send(MESSAGE)
    relay.close()
    relay.close()
    assert relay.send(MESSAGE).outcome is Outcome.SENT


def test_the_settings_say_which_way_and_what_it_needs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(connector(settings_of(smtp_host="relay"))(), Relay)
    with pytest.raises(ValidationError, match="smtp_host"):
        settings_of()
    for name, value in {"KAFKA": "k", "DATABASE": "d", "PORT": "0", "MAIL_FROM": MAILBOX, "MAIL_BY": "graph"}.items():
        monkeypatch.setenv(f"CASESTREAM_{name}", value)
    with pytest.raises(SystemExit):
        SendSettings.load()
    said = capsys.readouterr().err
    for name in ("TENANT", "CLIENT_ID", "SECRET_FILE"):
        assert f"setting CASESTREAM_GRAPH_{name}: Value error, must be given where CASESTREAM_MAIL_BY is graph" in said
    assert "SMTP" not in said
