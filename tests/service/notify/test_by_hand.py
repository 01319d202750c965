"""Messages that staff wrote: sent with their files, their texts let go; what cannot be sent says why."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.notify.handlers.by_hand import BY_HAND
from shared.ids import derive
from shared.schemas.envelope import Event
from shared.schemas.events import CommunicationErased, MessageAsked, RecordMessageAsked
from shared.schemas.parts import FileRef
from shared.storage.objects import ObjectStore
from tests.service.notify.harness import NotifyService, a_case, an_event
from tests.service.notify.mail_server import MailServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("NOTE-2")
CONVERSATION, CASE = derive("conversation", 8_101), derive("case", 8_101)
"""Nobody else's: all tests of this service share their topics."""


def asked(number: int = 1, **changes: Any) -> Event:
    id = derive("message", number)
    values = {
        "communication_id": id,
        "conversation_id": CONVERSATION,
        "case_id": CASE,
        "item_id": CASE,
        "number": "C-2026-000001",
        "unit": "repairs",
        "method": "email",
        "recipient": "ann@mail.example",
        "recipient_name": "Ann Bell",
        "reply_to": "contact@housing.example",
        "message_id": f"<{CONVERSATION}.{id}@housing.example>",
        "in_reply_to": "<question@mail.example>",
        "subject_line": "Your leak #1",
        "text": "Dear Ann,\n\nas #agreed.",
        "written_by": "rita",
        "written_at": datetime.now(UTC),
    }
    return an_event(MessageAsked.model_validate(values | changes), id, CASE)


def test_a_message_is_sent_as_it_was_written_with_its_files(notify: NotifyService, tmp_path: Path) -> None:
    notify.publisher.start_sweeper()  # a topic that was just made may be slow to take its first message
    url = (tmp_path / "objects").as_uri()
    content = b"%PDF-1.7 " + bytes(range(256))
    file = FileRef(sha256=ObjectStore(url).put(content), size=len(content), filename="Skizze für Ann.pdf", content_type="application/pdf")
    lost = file.model_copy(update={"sha256": "0" * 64})
    notify.take(asked(files=(file,)), asked(2, files=(lost,)), asked(1))
    with MailServer() as server, notify.sending(server.port, objects=url):
        eventually(lambda: notify.states() == {"sent": 1, "failed": 1})
    (mail,) = server.taken
    assert mail["Subject"] == "[C-2026-000001] Your leak #1"
    assert mail["Reply-To"] == "contact@housing.example"
    assert mail["Message-ID"] == f"<{CONVERSATION}.{derive('message', 1)}@housing.example>"
    assert mail["In-Reply-To"] == "<question@mail.example>"
    assert mail["References"].split() == [f"<{CONVERSATION}.{CONVERSATION}@housing.example>", "<question@mail.example>"]
    assert "Auto-Submitted" not in mail
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().strip().replace("\r\n", "\n") == "Dear Ann,\n\nas #agreed."
    rich = mail.get_body(("html",))
    assert rich is not None
    assert "Dear Ann,</p>" in rich.get_content(), "in the organisation's letter"
    assert "as #agreed." in rich.get_content()
    (part,) = mail.iter_attachments()
    assert (part.get_filename(), part.get_payload(decode=True)) == ("Skizze für Ann.pdf", content)
    told = {data.delivery_id: data for _, data in notify.published(2, CASE)}
    failed = told[derive("message", 2)]
    assert (failed.state, failed.error) == ("failed", "the file Skizze für Ann.pdf is not in the object store any more")
    assert {(data.definition, data.audience, data.conversation_id, data.text) for data in told.values()} == {
        (BY_HAND, "customer", CONVERSATION, "")
    }
    kept = " ".join(facts for (facts,) in notify.rows("select facts from deliveries"))
    assert "agreed" not in kept, "case has the text; here it is needed no more"
    assert "Your leak" not in kept


def test_while_the_object_store_is_away_a_message_waits(notify: NotifyService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = (tmp_path / "objects").as_uri()
    store = ObjectStore(url)
    file = FileRef(sha256=store.put(b"plan"), size=4, filename="plan.txt", content_type="text/plain")
    (found,) = [path for path in (tmp_path / "objects").rglob("*") if path.is_file() and path.read_bytes() == b"plan"]
    content = found.read_bytes()
    found.unlink()
    found.mkdir()  # reading it is an error of the store's, not a content that is missing
    notify.take(asked(files=(file,)))
    with MailServer() as server, notify.sending(server.port, objects=url):
        eventually(
            lambda: notify.rows("select 1 from deliveries where state = 'queued' and attempts > 0 and error like '%%object store%%'")
        )
        found.rmdir()
        found.write_bytes(content)
        eventually(lambda: notify.all_sent(1))
    assert len(server.taken) == 1


def test_what_was_erased_is_not_sent_and_not_kept(notify: NotifyService) -> None:
    notify.take(asked(), asked(2))
    notify.take(an_event(CommunicationErased(communication_id=derive("message", 1)), derive("message", 1), CASE))
    states = dict(notify.rows("select id, state || ' ' || error from deliveries"))
    assert states == {derive("message", 1): "failed not sent: it was erased", derive("message", 2): "queued "}
    assert notify.rows("select facts like '%%agreed%%' from deliveries order by state") == [(False,), (True,)]


def test_what_a_definition_sends_to_a_customer_is_told_with_its_text_but_not_what_goes_to_staff(kafka: str, notify: NotifyService) -> None:
    notify.publisher.start_sweeper()
    notify.take(a_case(8_102))
    with MailServer() as server, notify.sending(server.port):
        eventually(lambda: notify.all_sent(1))
    ((event, data),) = notify.published(1, derive("case", 8_102))
    assert (data.audience, data.conversation_id) == ("customer", derive("conversation", 8_102))
    assert (data.subject_line, data.text.strip()) == ("We got your message, [C-2026-008102]", "Dear Ann,\n\nthank you.")
    assert event.key == str(derive("case", 8_102))


def about_lead(lead: UUID, id: UUID) -> Event:
    """A message about a lead was asked for."""
    values = asked().data.model_dump(exclude={"case_id"}) | {"communication_id": id, "conversation_id": lead, "item_id": lead}
    values |= {"item_kind": "lead", "number": "L-2026-000007", "message_id": f"<{lead}.{id}@housing.example>", "in_reply_to": ""}
    return an_event(RecordMessageAsked.model_validate(values), id, id)


@pytest.mark.requirement("EDGE-17")
def test_whom_an_erased_message_of_no_case_went_to_is_not_kept(notify: NotifyService) -> None:
    id = derive("message about a lead", 2)
    notify.take(about_lead(derive("lead", 8_103), id))
    notify.take(an_event(CommunicationErased(communication_id=id), id, id))
    assert notify.rows("select state, recipient, recipient_name from deliveries") == [("failed", "", "")]
    ((facts,),) = notify.rows("select facts from deliveries")
    assert "Ann" not in facts


@pytest.mark.requirement("LEAD-1")
def test_a_message_about_a_lead_is_sent_in_its_own_thread_and_told_of_by_its_id(notify: NotifyService) -> None:
    lead, id = derive("lead", 8_102), derive("message about a lead", 1)
    notify.take(about_lead(lead, id))
    with MailServer() as server, notify.sending(server.port):
        eventually(lambda: notify.all_sent(1))
    (mail,) = server.taken
    assert mail["Subject"] == "[L-2026-000007] Your leak #1"
    assert (mail["Message-ID"], mail["References"]) == (f"<{lead}.{id}@housing.example>", f"<{lead}.{lead}@housing.example>")
    assert mail["Reply-To"] == "contact@housing.example"
    ((_, told),) = notify.published(1, lead)
    assert (told.delivery_id, told.state, told.case_id, told.item_id, told.audience) == (id, "sent", None, lead, "customer")
