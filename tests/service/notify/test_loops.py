"""A machine that answers every message of ours: the real intake of mail, the real case service and notify, until nobody writes any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.case.storage import views
from services.ingest.handlers.mails import _payload, _read, mail_rules
from services.notify.domain.limits import Limits
from services.notify.handlers.composing import Composer
from services.notify.handlers.definitions import limits_of
from services.notify.storage import deliveries
from services.notify.storage.deliveries import Outcome, Result
from services.notify.storage.limits import claim_within
from shared.messaging import StaticReference
from shared.schemas.configuration import Configuration
from shared.schemas.envelope import Event
from shared.storage import Database
from tests.service.case.conftest import CaseService
from tests.service.notify.harness import NotifyService
from tests.support.case import NOW, a_case_configuration, received
from tests.support.configuration import COMMUNICATIONS

pytestmark = pytest.mark.requirement("EDGE-2")
ROUNDS = 25
"""So often the robot gets to answer, unless we write no more before that."""
WIRE = policy.SMTP.clone(max_line_length=998)
"""A Message-ID of ours is left as it is: the library would put it into an encoded word, as no mail program does."""
Answer = Callable[[EmailMessage, int], EmailMessage]


def away(ours: EmailMessage, number: int) -> EmailMessage:
    """What a robot answers that says neither what it is nor to which message: the worst there is."""
    answer = EmailMessage()
    answer["From"] = ours["To"]
    answer["To"] = "contact@housing.example"
    answer["Subject"] = "I am away"
    answer["Message-ID"] = f"<away-{number}@mail.example>"
    answer.set_content(f"Until Monday. ({number})")
    return answer


def away_in_reply(ours: EmailMessage, number: int) -> EmailMessage:
    """That of one that says only in a header what it answers."""
    answer = away(ours, number)
    answer["In-Reply-To"] = ours["Message-ID"]
    return answer


def away_with_subject(ours: EmailMessage, number: int) -> EmailMessage:
    """That of one that says it only in its subject line."""
    answer = away(ours, number)
    answer.replace_header("Subject", f"Automatic reply: {ours['Subject']}")
    return answer


def away_and_marked(ours: EmailMessage, number: int) -> EmailMessage:
    """That of one that does as RFC 3834 has it, but without saying what it answers."""
    answer = away(ours, number)
    answer["Auto-Submitted"] = "auto-replied"
    return answer


class Platform:
    """ingest, case and notify, with nothing between them but their events."""

    def __init__(self, case: CaseService, notify: NotifyService, configuration: Configuration) -> None:
        self.case, self.notify = case, notify
        self._rules = mail_rules(configuration)
        self._composer = Composer(notify.reference, "contact@housing.example")
        self._limits: Limits = limits_of(configuration)

    def take(self, mail: EmailMessage) -> None:
        """A mail comes in, and each service does its part."""
        raw = mail.as_bytes(policy=WIRE)
        data = _payload(_read(raw, self._rules, None, self.case.now, False), "0" * 64, raw)
        told: list[Event] = self.case.receive(received(data))
        self.notify.take(*told)

    def outgoing(self, address: str) -> list[EmailMessage]:
        """What is sent to this address now."""
        with self.notify.publisher.transaction() as tx:
            claims, _ = claim_within(tx, "me", 100, timedelta(minutes=1), self._limits, "email")
            written = [self._composer.compose(claim) for claim in claims]
            deliveries.record(tx, [Result(claim.id, claim.attempt, Outcome.SENT) for claim in claims])
        mails = [message_from_bytes(one.content, policy=policy.default) for one in written if one.recipient == address]
        return [mail for mail in mails if isinstance(mail, EmailMessage)]

    def converse(self, answer: Answer, sender: str = "ann@mail.example") -> int:
        """Let somebody write whose robot answers all that it gets; how many messages it got until we wrote no more."""
        first = EmailMessage()
        first["From"], first["To"], first["Subject"] = sender, "contact@housing.example", "A question"
        first["Message-ID"] = "<first@mail.example>"
        first.set_content("When is the office open?")
        self.take(first)
        got, number = 0, count(1)
        for _ in range(ROUNDS):
            ours = self.outgoing(sender)
            if not ours:
                return got
            got += len(ours)
            for mail in ours:
                self.take(answer(mail, next(number)))
        raise AssertionError(f"the loop goes on: {got} messages")


@pytest.fixture
def case_database(fresh_database: Callable[[str], str]) -> Iterator[Database]:
    database = Database(fresh_database("case"), service="case")
    yield database
    database.close()


@pytest.fixture
def platform(notify: NotifyService, case_database: Database) -> Callable[..., Platform]:
    def with_caps(**sections: Any) -> Platform:
        told = {"code": "status", "name": "Status", "on": "case.status-changed", "to": ["customer"], "template": "acknowledge"}
        configuration = a_case_configuration(communications=[*COMMUNICATIONS, told], **sections)
        notify.reference = StaticReference(configuration)
        return Platform(CaseService(case_database, configuration), notify, configuration)

    return with_caps


def test_a_robot_that_does_not_say_what_it_is_gets_no_more_than_the_cap_and_the_operator_is_told(platform: Callable[..., Platform]) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("casestream_case_loop_mails_total", {"cap": "sender"}) or 0.0

    both = platform(robots={"caps": {"openings": 6}})
    before = counted()
    earlier = structlog.get_config()
    structlog.reset_defaults()
    try:
        with capture_logs() as logs:
            assert both.converse(away) == 6
    finally:
        structlog.configure(**earlier)
    assert counted() - before == 1
    assert [line["cap"] for line in logs if line["event"] == "mail loop broken"] == ["sender"]
    assert "ann@" not in str([line for line in logs if line["log_level"] == "warning"])
    with both.case.database.read() as tx:
        (held,) = views.list_communications(tx, {"reason": "loop"}, views.Rows(), None, 100)
    assert (held["effect"], held["subject_line"]) == ("recorded", "I am away")
    both.case.now = NOW + timedelta(hours=2)
    again = EmailMessage()
    again["To"] = "ann@mail.example"
    both.take(away(again, 500))
    assert len(both.outgoing("ann@mail.example")) == 1, "once it is quiet again the next mail has its effect"


@pytest.mark.parametrize("answer", [away_in_reply, away_with_subject, away_and_marked])
def test_a_robot_that_says_what_it_answers_or_what_it_is_gets_one_message(platform: Callable[..., Platform], answer: Answer) -> None:
    both = platform()
    assert both.converse(answer) == 1
    assert both.case.count("cases") == 1
    assert both.case.count("communications") == 2, "what it answered is kept"


def test_a_limit_for_the_recipient_slows_a_loop_down_before_its_cap(platform: Callable[..., Platform]) -> None:
    both = platform(robots={"caps": {"openings": 20}}, sending_limits={"to_one_an_hour": 3})
    assert both.converse(away) == 3
    assert both.notify.states() == {"sent": 3, "queued": 1}
