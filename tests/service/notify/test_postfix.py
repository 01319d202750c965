"""Deliveries go out through a real Postfix: TLS, a refused recipient, a greylisted one, many over few connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.service.notify.harness import ANN, NotifyService, a_case, a_task
from tests.support.postfix import NOBODY, Postfix
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("NOTE-2")


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    with Postfix() as server:
        yield server


def over_tls(postfix: Postfix) -> dict[str, Any]:
    return {"smtp_security": "starttls", "smtp_ca_file": postfix.authority.file}


def written_to(number: int, address: str) -> Any:
    return a_case(number, customer=ANN.model_copy(update={"email": address}))


def test_mail_is_accepted_refused_and_greylisted(notify: NotifyService, postfix: Postfix) -> None:
    notify.take(
        written_to(1, "ann@mail.example"), written_to(2, NOBODY), written_to(3, "grey@mail.example"), written_to(4, "jörg@mail.example")
    )
    with notify.sending(postfix.port, **over_tls(postfix)):
        eventually(lambda: notify.states() == {"sent": 3, "failed": 1}, 30)
    rows = notify.rows("select recipient, attempts, error from deliveries order by recipient")
    assert rows == [
        ("ann@mail.example", 1, ""),
        ("grey@mail.example", 2, ""),
        ("jörg@mail.example", 1, ""),
        (NOBODY, 1, rows[3][2]),
    ]
    assert rows[3][2].startswith("550 5.1.1")
    assert postfix.greylist.deferred == ["grey@mail.example"]
    wanted = {row[0] for row in notify.rows("select message_id from deliveries where state = 'sent'")}
    eventually(lambda: {str(mail["Message-ID"]) for mail in postfix.mails()} == wanted, 20)
    assert all("TLSv1" in str(mail["Received"]) for mail in postfix.mails())


def test_many_messages_go_over_few_connections_once_each(notify: NotifyService, postfix: Postfix) -> None:
    before = len(postfix.mails())
    notify.take(*(a_task(number) for number in range(100)))
    with notify.sending(postfix.port, smtp_connections=2, **over_tls(postfix)):
        eventually(lambda: notify.all_sent(100), 30)
    eventually(lambda: len(postfix.mails()) == before + 100, 20)
    wanted = {row[0] for row in notify.rows("select message_id from deliveries")}
    assert wanted <= {str(mail["Message-ID"]) for mail in postfix.mails()}


def test_a_server_that_wants_encryption_gets_nothing_in_the_clear(notify: NotifyService, postfix: Postfix) -> None:
    notify.take(a_task())
    with notify.sending(postfix.port) as sender:
        eventually(lambda: sender.problems() == ["the mail relay is unreachable"])
    ((state, error),) = notify.rows("select state, error from deliveries")
    assert state == "queued"
    assert error.startswith("530")
