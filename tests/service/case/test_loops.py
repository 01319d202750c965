"""Caps against mail loops, on a real database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.case.storage import views
from shared.ids import contact_id, derive
from shared.schemas.events import CaseOpened, CommunicationReceived, CommunicationRecorded
from shared.storage import Database
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case_configuration, a_mail, received

CAPS = {"openings": 3, "trusted_openings": 4, "joins": 2}


@pytest.fixture
def service(case_database: Database) -> CaseService:
    return CaseService(case_database, a_case_configuration(robots={"trusted": ["@alarms.example"], "caps": CAPS}))


def _mails(count: int, **changes: Any) -> list[CommunicationReceived]:
    return [a_mail(text=f"Leak {number}", **changes) for number in range(count)]


def _opened(service: CaseService, *mails: CommunicationReceived) -> int:
    return sum(isinstance(event.data, CaseOpened) for event in service.receive(*map(received, mails)))


def _held(service: CaseService) -> list[dict[str, Any]]:
    with service.database.read() as tx:
        return views.list_communications(tx, {"reason": "loop"}, views.Rows(), None, 100)


@pytest.mark.requirement("EDGE-2", "EDGE-3")
def test_what_one_sender_opens_above_the_cap_is_recorded_and_stays_so(service: CaseService) -> None:
    first, second = _mails(2), _mails(3, sender="Ann@customer.example")

    assert _opened(service, *first) == 2
    assert _opened(service, *second) == 1, "the cap counts over batches"
    held = _held(service)
    assert [(one["effect"], one["case_ids"]) for one in held] == [("recorded", []), ("recorded", [])]
    assert _opened(service, *_mails(1, sender="bob@customer.example")) == 1

    service.now = later = NOW + timedelta(hours=1)
    assert _opened(service, *second) == 0, "what is known is not decided again"
    assert _opened(service, *_mails(1, received_at=later)) == 1
    assert {one["id"] for one in _held(service)} == {one["id"] for one in held}


@pytest.mark.requirement("EDGE-2")
def test_a_usual_cap_holds_though_seldom_senders_are_not_counted(case_database: Database) -> None:
    service = CaseService(case_database, a_case_configuration(robots={"caps": {"openings": 20}}))
    assert [_opened(service, *_mails(count)) for count in (3, 12, 12)] == [3, 12, 5]


@pytest.mark.requirement("EDGE-2")
def test_the_operator_is_told_of_a_loop_without_addresses(service: CaseService) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("casestream_case_loop_mails_total", {"cap": "sender"}) or 0.0

    before = counted()
    earlier = structlog.get_config()
    structlog.reset_defaults()  # another test may have set a level above warnings
    try:
        with capture_logs() as logs:
            service.receive(*map(received, _mails(5)))
    finally:
        structlog.configure(**earlier)

    assert counted() - before == 2
    assert [line for line in logs if line["log_level"] == "warning"] == [
        {
            "event": "mail loop broken",
            "log_level": "warning",
            "component": "services.case.handlers.loops",
            "cap": "sender",
            "held": 2,
            "contact_ids": [str(contact_id("email", "ann@customer.example"))],
        }
    ]


@pytest.mark.requirement("EDGE-2")
def test_an_address_that_several_share_is_counted_too(service: CaseService) -> None:
    _opened(service, *_mails(1))
    with service.database.transaction() as tx:
        tx.execute("insert into contacts values (%s, 1, null, 'Other', '', now())", (derive("other"),))
        tx.execute("insert into handles values ('email', 'ann@customer.example', %s)", (derive("other"),))

    assert _opened(service, *_mails(1)) == 1
    assert _opened(service, *_mails(2)) == 1


@pytest.mark.requirement("EDGE-2", "COM-7")
def test_a_trusted_robot_has_a_cap_of_its_own(service: CaseService) -> None:
    assert _opened(service, *_mails(2, sender="cellar@alarms.example", robot="auto_reply")) == 2
    assert _opened(service, *_mails(3, sender="cellar@alarms.example")) == 2


@pytest.mark.requirement("EDGE-2")
def test_a_loop_on_a_case_joins_it_no_more_and_people_still_do(service: CaseService) -> None:
    first = a_mail("Leak", "A leak.")
    service.receive(received(first))
    case = service.rows("select id from cases")[0][0]

    def joined(*senders: str, robot: str = "auto_reply") -> list[bool]:
        replies = [a_mail("Re: Leak", f"Away {sender}", sender=sender, robot=robot, reply_to=first) for sender in senders]
        events = service.receive(*map(received, replies))
        return [bool(event.data.case_ids) for event in events if isinstance(event.data, CommunicationRecorded)]

    assert joined("r1@robots.example") == [True]
    assert joined("r2@robots.example", "r3@robots.example") == [True, False], "robots count together"
    assert joined("ann@customer.example", robot="none") == [True]
    assert joined("ann@customer.example", "ann@customer.example", robot="none") == [True, False], "each person alone"
    assert joined("bob@customer.example", robot="none") == [True]
    assert [(one["effect"], one["case_ids"], one["suggested_case"]) for one in _held(service)] == [("recorded", [], case)] * 2
