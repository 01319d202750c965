"""Deliveries become mail: retries, leases, several senders, kills; a real SMTP server, a real database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from services.notify.storage import deliveries
from services.notify.storage.journal import Journal
from shared.ids import derive
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.topics import create_topics
from shared.schemas.events import DeliveryFailed, DeliverySent
from shared.settings import ProcessSettings
from shared.storage import Database
from tests.service.notify.harness import NotifyService, a_case, a_task, publish_configuration
from tests.service.notify.mail_server import MailServer, knows_login
from tests.support.authority import Authority
from tests.support.configuration import TEMPLATES, a_configuration
from tests.support.waiting import eventually


@pytest.mark.requirement("NOTE-1")
def test_an_assignment_reaches_the_assignee_by_mail(notify: NotifyService) -> None:
    notify.take(a_task())
    with MailServer() as server, notify.sending(server.port):
        eventually(lambda: notify.all_sent(1))
    (mail,) = server.taken
    assert mail["Subject"] == "[C-2026-000001]: Inspect the leak at once"
    assert mail["To"] == "Rita Repairs <rita@housing.example>"
    assert mail["From"] == "Test Homes <contact@housing.example>"
    assert mail["Reply-To"] == "repairs@housing.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    plain, rich = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert rich is not None
    assert plain.get_content().strip() == "A task for you: Inspect the leak at once, due Mon 2 Mar 2026, 13:00."
    assert "A task for you: Inspect the leak at once, due Mon 2 Mar 2026, 13:00." in rich.get_content()


@pytest.mark.requirement("NOTE-2")
def test_a_customers_mail_is_rendered_from_the_template_and_belongs_to_the_conversation(notify: NotifyService) -> None:
    html = {**TEMPLATES[2], "html": "<p>Dear #first_name (#case_title)</p>"}
    notify.reference = type(notify.reference)(a_configuration(templates=[*TEMPLATES[:2], html]))  # type: ignore[call-arg]
    notify.take(a_case(title="Water <under> the sink"))
    with MailServer() as server, notify.sending(server.port):
        eventually(lambda: notify.all_sent(1))
    (mail,) = server.taken
    conversation = derive("conversation", 1)
    assert mail["Subject"] == "We got your message, [C-2026-000001]"
    assert mail["Message-ID"].startswith(f"<{conversation}.")
    assert mail["References"] == f"<{conversation}.{conversation}@housing.example>"
    assert mail["Reply-To"] == "contact@housing.example"
    plain, rich = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert rich is not None
    assert plain.get_content().strip().replace("\r\n", "\n") == "Dear Ann,\n\nthank you."
    assert "<p>Dear Ann (Water &lt;under&gt; the sink)</p>" in rich.get_content()


def test_what_became_of_each_delivery_is_published(kafka: str, notify: NotifyService) -> None:
    notify.prefix += "outcomes."
    create_topics(kafka, notify.prefix, 1)
    notify.take(a_task(), a_case(customer=a_case().data.customer.model_copy(update={"email": "no address"})))
    with MailServer() as server, notify.sending(server.port):
        eventually(lambda: notify.states() == {"sent": 1, "failed": 1})
    by_type = {type(data): (event, data) for event, data in notify.published(2)}
    sent, data = by_type[DeliverySent]
    assert (sent.revision, sent.key, sent.traceparent) == (1, str(derive("case", 1)), a_task().traceparent)
    assert (data.state, data.message_id, data.recipient) == ("sent", server.ids[0], "rita@housing.example")
    _, data = by_type[DeliveryFailed]
    assert (data.state, data.error) == ("failed", "not an email address")


@pytest.mark.requirement("NOTE-2")
def test_a_deferred_message_is_tried_again_under_the_same_id(notify: NotifyService) -> None:
    notify.take(a_task())
    with MailServer(lambda _, time: "250 OK" if time == 3 else "451 later") as server, notify.sending(server.port):
        eventually(lambda: notify.all_sent(1))
    assert server.offered == {server.ids[0]: 3}
    assert notify.rows("select attempts, takeovers, error from deliveries") == [(3, 0, "")]


@pytest.mark.requirement("NOTE-2")
def test_a_refused_message_fails_at_once_and_stops_no_other(notify: NotifyService) -> None:
    notify.take(a_task(), a_case())
    with (
        MailServer(rcpt=lambda address: "550 no such user" if address.startswith("rita") else "250 OK") as server,
        notify.sending(server.port),
    ):
        eventually(lambda: notify.states() == {"sent": 1, "failed": 1})
    assert notify.rows("select error, attempts, finished_at is not null from deliveries where state = 'failed'") == [
        ("550 no such user", 1, True)
    ]
    assert [mail["To"] for mail in server.taken] == ["Ann Bell <ann@mail.example>"]


def test_a_template_that_cannot_be_rendered_fails_only_its_own(notify: NotifyService) -> None:
    notify.take(a_task(), a_case())
    bad = {**TEMPLATES[0], "text": "#frist_name"}
    notify.reference = type(notify.reference)(a_configuration(templates=[bad, TEMPLATES[2]]))  # type: ignore[call-arg]
    with MailServer() as server, notify.sending(server.port):
        eventually(lambda: notify.states() == {"sent": 1, "failed": 1})
    ((error,),) = notify.rows("select error from deliveries where state = 'failed'")
    assert "did you mean #first_name?" in error


@pytest.mark.parametrize(("moment", "taken"), [("cut before", 1), ("cut after", 2)])
def test_a_connection_cut_after_data_is_tried_again_under_the_same_id(notify: NotifyService, moment: str, taken: int) -> None:
    notify.take(a_task())
    with MailServer(lambda _, time: moment if time == 1 else "250 OK") as server, notify.sending(server.port):
        eventually(lambda: notify.all_sent(1))
    assert len(server.ids) == taken
    assert len(set(server.ids)) == 1


def test_an_absent_server_delays_everything_and_loses_nothing(notify: NotifyService) -> None:
    with MailServer() as server:
        port = server.port
    notify.take(*(a_task(number) for number in range(60)))
    with notify.sending(port, smtp_connections=2) as sender:
        eventually(lambda: sender.problems() == ["the mail relay is unreachable"])
        ((tried,),) = notify.rows("select count(*) from deliveries where error <> ''")
        assert tried < 10, "one or two messages show that the relay is away; the others wait"
        assert notify.states().get("failed") is None
        with MailServer(port=port) as back:
            eventually(lambda: notify.all_sent(60), 30)
            assert not sender.problems()
            assert len(set(back.ids)) == len(back.ids) == 60


def test_a_connection_is_kept_and_made_anew_when_the_server_closed_it(notify: NotifyService) -> None:
    with MailServer() as server, notify.sending(server.port, smtp_connections=1):
        for number in (1, 2, 3):
            notify.take(a_task(number))
            eventually(lambda expect=number: notify.all_sent(expect))
        assert server.connections == 1
    with MailServer(timeout=0.2) as server, notify.sending(server.port, smtp_connections=1):
        for number in (4, 5):
            notify.take(a_task(number))
            eventually(lambda expect=number: notify.all_sent(expect))
            eventually(lambda: server.open_connections == 0, 5)
        assert server.connections == 2
    assert notify.rows("select max(attempts) from deliveries") == [(1,)]


def test_two_senders_send_each_message_once(notify: NotifyService) -> None:
    notify.take(*(a_task(number) for number in range(300)))
    with MailServer() as server, notify.sending(server.port, "send-0"), notify.sending(server.port, "send-1"):
        eventually(lambda: notify.all_sent(300), 40)
    assert len(server.ids) == len(set(server.ids)) == 300
    assert notify.rows("select max(attempts), max(takeovers) from deliveries") == [(1, 0)]
    assert len(notify.rows("select distinct claimed_by from deliveries")) == 2


def test_a_lease_that_ran_out_is_claimed_again_and_a_live_one_is_not(notify: NotifyService) -> None:
    notify.take(a_task(1), a_task(2))
    with notify.database.transaction() as tx:
        (dead,) = deliveries.claim(tx, "died", 1, timedelta(milliseconds=1))
        (alive,) = deliveries.claim(tx, "lives", 1, timedelta(minutes=5))
    with MailServer() as server, notify.sending(server.port):
        eventually(lambda: notify.states() == {"sent": 1, "claimed": 1})
    assert server.ids == [dead.message_id]
    assert notify.rows("select attempts, takeovers from deliveries where state = 'sent'") == [(2, 1)]
    assert notify.rows("select id, claimed_by from deliveries where state = 'claimed'") == [(alive.id, "lives")]


def test_only_the_holder_of_a_claim_records_how_it_ended(notify: NotifyService) -> None:
    notify.take(a_task())
    with notify.database.transaction() as tx:
        (first,) = deliveries.claim(tx, "slow", 1, timedelta(0))
    with notify.database.transaction() as tx:
        (second,) = deliveries.claim(tx, "quick", 1, timedelta(minutes=1))
    refused = deliveries.Result(first.id, first.attempt, deliveries.Outcome.REFUSED, "550 no")
    with notify.database.transaction() as tx:
        assert deliveries.record(tx, [refused]) == []
        assert deliveries.renew(tx, [(first.id, first.attempt)], timedelta(minutes=1)) == set()
        assert deliveries.renew(tx, [(second.id, second.attempt)], timedelta(minutes=1)) == {second.id}
    # But what is sent is sent, whoever it was: the holder need not send it again.
    with notify.database.transaction() as tx:
        (finished,) = deliveries.record(tx, [deliveries.Result(first.id, first.attempt, deliveries.Outcome.SENT)])
        assert (finished.state, finished.revision) == ("sent", 1)
    with notify.database.transaction() as tx:
        assert deliveries.record(tx, [deliveries.Result(second.id, second.attempt, deliveries.Outcome.SENT)]) == []


def test_a_long_exchange_keeps_its_lease(notify: NotifyService) -> None:
    notify.take(a_task())
    release = threading.Event()

    def slowly(_message_id: str, _time: int) -> str:
        release.wait(10)
        return "250 OK"

    with MailServer(slowly) as server:
        with notify.sending(server.port, "send-0", send_lease_seconds=1.0, smtp_timeout_seconds=20), notify.sending(server.port, "send-1"):
            eventually(lambda: server.offered)
            began = notify.rows("select clock_timestamp()")[0][0]
            eventually(lambda: notify.rows("select clock_timestamp() > %s + interval '2.5 seconds'", (began,)) == [(True,)])
            release.set()
            eventually(lambda: notify.all_sent(1))
        assert len(server.ids) == 1


def test_a_stopping_sender_finishes_what_is_on_the_wire_and_gives_back_the_rest(notify: NotifyService) -> None:
    notify.take(*(a_task(number) for number in range(20)))
    on_the_wire, release = threading.Event(), threading.Event()

    def slowly(_message_id: str, _time: int) -> str:
        on_the_wire.set()
        release.wait(10)
        return "250 OK"

    with MailServer(slowly) as server:
        opener = threading.Timer(0.3, release.set)
        with notify.sending(server.port, smtp_connections=1, smtp_timeout_seconds=20):
            assert on_the_wire.wait(10)
            opener.start()
        opener.join()
    assert len(server.ids) == 1
    assert notify.states() == {"sent": 1, "queued": 19}
    assert notify.rows("select count(*) from deliveries where state = 'queued' and due_at > now()") == [(0,)]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_over_tls_with_a_login(notify: NotifyService, tmp_path: Path, security: str) -> None:
    authority = Authority(tmp_path)
    password = tmp_path / "password"
    password.write_text("s3cret\n")
    options = {"tls_context": authority.context, "require_starttls": True, "auth_required": True}
    if security == "tls":
        options = {"ssl_context": authority.context, "auth_require_tls": False}
    settings = {"smtp_security": security, "smtp_ca_file": authority.file, "smtp_user": "notify"}
    notify.take(a_task())
    with MailServer(**options, **knows_login(b"notify", b"s3cret")) as server:
        with notify.sending(server.port, smtp_password_file=password, **settings):
            eventually(lambda: notify.all_sent(1))
        password.write_text("wrong")
        notify.take(a_task(2))
        with notify.sending(server.port, smtp_password_file=password, **settings) as sender:
            eventually(lambda: sender.problems())
        assert notify.states() == {"sent": 1, "queued": 1}
    assert len(server.ids) == 1


def test_an_event_is_with_the_mail_server_in_milliseconds(notify: NotifyService) -> None:
    arrived: dict[str, float] = {}

    def note(message_id: str, _time: int) -> str:
        arrived[message_id] = time.perf_counter()
        return "250 OK"

    with MailServer(note) as server, notify.sending(server.port):
        lateness = []
        for number in range(30):
            began = time.perf_counter()
            notify.take(a_task(number))
            eventually(lambda expect=number + 1: len(arrived) == expect, 10, 0.001)
            lateness.append(max(arrived.values()) - began)
    middle = sorted(lateness)[15]
    assert middle < 0.25, f"p50 {middle * 1000:.1f} ms: new deliveries are found by polling, not by the signal"


@contextmanager
def a_process(notify: NotifyService, role: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """notify's own process in this role."""
    environment = {
        **os.environ,
        "CASESTREAM_KAFKA": notify.kafka,
        "CASESTREAM_DATABASE": notify.url,
        "CASESTREAM_PORT": "0",
        "CASESTREAM_TOPIC_PREFIX": notify.prefix,
        "CASESTREAM_SMTP_HOST": "127.0.0.1",
        "CASESTREAM_SMTP_PORT": str(port),
        "CASESTREAM_MAIL_FROM": "contact@housing.example",
        "CASESTREAM_SMTP_CONNECTIONS": "1",
    }
    process = subprocess.Popen([sys.executable, "-m", "services.notify", role], env=environment)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_a_sender_killed_before_it_recorded_sends_again_under_the_same_id(kafka: str, notify: NotifyService) -> None:
    notify.prefix += "killed."
    create_topics(kafka, notify.prefix, 1)
    publish_configuration(notify)
    notify.take(a_task(1), a_task(2))
    with MailServer(lambda _, time: "silence" if len(server.offered) == 1 and time == 1 else "250 OK") as server:
        with a_process(notify, "send", server.port) as process:
            assert server.silent.wait(30)
            process.kill()
        assert notify.states() == {"claimed": 2}
        (on_the_wire,) = server.ids
        with a_process(notify, "send", server.port) as process:
            eventually(lambda: notify.all_sent(2), 30)
        assert process.returncode == 0
    assert server.ids.count(on_the_wire) == 2
    assert len(server.ids) == 3
    assert notify.rows("select sum(takeovers) from deliveries") == [(2,)]


def test_events_on_kafka_end_as_mail(kafka: str, notify: NotifyService) -> None:
    notify.prefix += "whole."
    create_topics(kafka, notify.prefix, 1)
    from services.notify.consumer import handlers

    stop = threading.Event()
    settings = ProcessSettings(kafka=kafka, database=notify.url, port=0, topic_prefix=notify.prefix)
    loop = ConsumerLoop("notify", settings, handlers(notify.reference), notify.publisher, notify.reference, stop)
    thread = threading.Thread(target=loop.run, name="notify-consume")
    thread.start()
    try:
        with MailServer() as server, notify.sending(server.port):
            notify.produce(*(a_task(number) for number in range(50)), *(a_case(number) for number in range(50)), a_task(3))
            eventually(lambda: notify.all_sent(100), 40)
    finally:
        stop.set()
        thread.join(30)
    assert len(set(server.ids)) == len(server.ids) == 100


def test_a_database_that_goes_away_for_a_moment_costs_no_message(notify: NotifyService) -> None:
    notify.take(*(a_task(number) for number in range(60)))

    def cutting(_message_id: str, _time: int) -> str:
        if len(server.offered) in (10, 30):
            notify.cut()
        return "250 OK"

    with MailServer(cutting) as server, notify.sending(server.port):
        eventually(lambda: notify.all_sent(60), 30)
        assert len(set(server.ids)) == len(server.ids) == 60
        # Afterwards new deliveries are found as before. The cuts hit this test's own pool too.
        later = NotifyService(notify.kafka, notify.prefix, notify.url, notify.reference)
        later.take(a_task(1000))
        later.close()
        eventually(lambda: notify.all_sent(61))


def test_what_was_sent_before_a_kill_is_told_with_its_text_and_not_sent_again(notify: NotifyService, tmp_path: Path) -> None:
    notify.take(a_case(1), a_task(1))
    database = Database(notify.url, service="notify")
    with database.transaction() as tx:
        claimed = deliveries.claim(tx, "send-0", 10, timedelta(minutes=5))
    database.close()
    journal = Journal(tmp_path, "send-0")
    for one in claimed:
        journal.note(one.id)
    journal.close()
    with MailServer() as server, notify.sending(server.port, send_journal=tmp_path):
        eventually(lambda: notify.all_sent(len(claimed)))
    assert not server.taken
    told = {data.audience: data for _, data in notify.published(len(claimed))}
    assert told["customer"].subject_line.startswith("We got your message, [C-2026-")
    assert "Ann" in (told["customer"].text or "")
    assert not told["staff"].text
