"""Writing to a customer on the desk, beside a real case service."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.case.api import routers
from services.case.api.messages import message_files_router
from services.case.settings import Settings as CaseSettings
from services.desk.api import Desk, desk_app
from services.desk.handlers.configuration import apply_configuration
from services.desk.settings import DeskSettings
from shared.ids import case_id, contact_id, derive
from shared.messaging import EventPublisher
from shared.schemas import topics
from shared.schemas.events import DeliveryBounced, DeliverySent, ItemKind
from shared.schemas.parts import FileRef
from shared.storage import Database
from shared.storage.objects import ObjectStore
from shared.web import TokenVerifier, create_app
from shared.web.tokens import TokenSigner
from tests.service.case.conftest import CaseService
from tests.support.case import a_mail, a_plan, an_event, received
from tests.support.configuration import a_configuration
from tests.support.desk import PASSWORD, a_configuration_text
from tests.support.web import served

pytestmark = pytest.mark.requirement("NOTE-2", "FACE-1")


class Bench:
    """A desk with a case service behind it, and a case with a photo."""

    def __init__(self, case: CaseService, client: httpx.Client, objects: ObjectStore) -> None:
        self.case, self.client = case, client
        photo = FileRef(sha256=objects.put(b"photo"), size=5, filename="ceiling<b>.jpg", content_type="image/jpeg")
        self.mail = a_mail("Water", "A leak.", attachments=(photo,))
        case.receive(received(self.mail))
        self.id = case_id(self.mail.communication_id, "leak")

    def sign_in(self, user: str) -> None:
        assert self.client.post("/sign-in", data={"user": user, "password": PASSWORD}).status_code == 303

    def page(self) -> str:
        return self.client.get(f"/cases/{self.id}").text

    def write(self, *, key: str = "", files: list[tuple[str, bytes]] | None = None, **fields: Any) -> httpx.Response:
        given = {"key": key or str(uuid4()), "to": "ann@customer.example", "subject_line": "Your leak", "text": "Dear Ann.\r\nTuesday."}
        parts = [("file", (name, content, "application/pdf")) for name, content in files or []]
        # Without a file a form of httpx's would not be of several parts, as a browser's is.
        return self.client.post(f"/write/{self.id}", data=given | fields, files=parts or [("file", ("", b"", "application/octet-stream"))])

    def ended(self, kind: type[Any], revision: int, **changes: Any) -> None:
        ((id,),) = self.case.rows("select communication_id from deliveries order by changed_at desc limit 1")
        assert isinstance(id, UUID)
        state = kind.event_type.split(".")[2]
        values = {"delivery_id": id, "case_id": self.id, "item_kind": ItemKind.CASE, "item_id": self.id, "definition": "by-hand"}
        values |= {"channel": "email", "recipient": "ann@customer.example", "state": state}
        event = an_event(kind(**(values | changes)), subject=id, revision=revision, time=datetime.now(UTC) + timedelta(seconds=revision))
        self.case.take(topics.NOTIFICATIONS, [event])


@pytest.fixture
def bench(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, desk_prefix: str, signing_key: Path) -> Iterator[Bench]:
    with contextlib.ExitStack() as stack:
        database = Database(fresh_database("case"), service="case")
        stack.callback(database.close)
        publisher = EventPublisher(database, kafka, desk_prefix, "case")
        stack.callback(publisher.close)
        case = CaseService(database, a_configuration())
        objects = ObjectStore((tmp_path / "objects").as_uri())
        verifier = TokenVerifier(TokenSigner(signing_key.read_bytes()).jwks, "casestream")
        settings = CaseSettings(kafka=kafka, database=database.url, port=1)
        clock = lambda: datetime.now(UTC)  # noqa: E731
        given = [*routers(publisher, case.reference, clock), message_files_router(publisher, objects, clock)]
        api = stack.enter_context(served(create_app("case", settings, given, verifier=verifier), token=""))
        desk = Desk(
            DeskSettings(
                database=fresh_database("desk"),
                kafka=kafka,
                topic_prefix=desk_prefix,
                port=1,
                signing_key=signing_key,
                case_url=str(api.base_url),
            )
        )
        stack.callback(desk.close)
        apply_configuration(desk.publisher, a_configuration_text(), "test", uuid4(), datetime.now(UTC))
        client = stack.enter_context(served(desk_app(desk), token=""))
        yield Bench(case, client, objects)


def test_a_customer_is_written_to_from_the_page_of_their_case(bench: Bench) -> None:
    bench.sign_in("rita")
    assert f'href="/write/{bench.id}"' in bench.page()
    form = bench.client.get(f"/write/{bench.id}", params={"template": "acknowledge"}).text
    assert "Dear Ann,\n\nthank you.</textarea>" in form
    assert '<option value="ann@customer.example" selected>' in form
    (photo,) = re.findall(r'name="kept" value="([^"]+)"', form)
    assert "ceiling&lt;b&gt;.jpg" in form

    refused = bench.write(text=" ", subject_line="About <it>", kept=photo, files=[("a.pdf", b"%PDF")])
    assert refused.status_code == 422
    for words in ("The message is not sent yet.", "Write the message.", "About &lt;it&gt;", "Choose your files again."):
        assert words in refused.text
    assert re.search(rf'value="{photo}" checked', refused.text)
    program = bench.write(files=[("a.exe", b"MZ")])
    assert (program.status_code, "may harm whoever opens it" in program.text) == (422, True)
    assert bench.write(to="eve@elsewhere.example").status_code == 422

    key = str(uuid4())
    for _ in range(2):
        sent = bench.write(key=key, kept=photo, files=[("plan.pdf", b"%PDF")])
        assert (sent.status_code, sent.headers["location"]) == (303, f"/cases/{bench.id}?done=written#communications")
    assert bench.case.rows("select body, entered_by from communications where direction = 'outbound'") == [("Dear Ann.\nTuesday.", "rita")]
    assert bench.case.rows(
        "select filename, content_type from attachments a join communications c on c.id = a.communication_id"
        " where direction = 'outbound' order by position"
    ) == [("ceiling<b>.jpg", "image/jpeg"), ("plan.pdf", "application/pdf")]
    page = bench.page()
    assert "Waiting to be sent" in page
    assert "Rita Repairs (contact@housing.example)" in page
    assert "Send it again" not in page


def test_what_became_of_a_message_is_said_in_words_and_it_is_sent_again(bench: Bench) -> None:
    bench.sign_in("rita")
    bench.write()
    bench.ended(DeliverySent, 1)
    assert re.search(r'class="delivery sent">Sent (today|tomorrow) \d\d:\d\d', bench.page())
    bench.ended(DeliveryBounced, 2, error="bounced: 5.1.1")
    page = bench.page()
    assert ": the mailbox does not exist" in page
    assert "(the last message came back)" in bench.client.get(f"/write/{bench.id}").text
    key, id = (re.search(rf'class="again".*?name="{name}" value="([^"]+)"', page, re.DOTALL) for name in ("key", "communication"))
    assert key
    assert id
    for _ in range(2):
        again = bench.client.post(f"/write/{bench.id}/again", data={"key": key[1], "communication": id[1]})
        assert again.status_code == 303
    assert bench.case.rows("select state from deliveries order by state") == [("bounced",), ("queued",)]
    other = bench.client.post(f"/write/{bench.id}/again", data={"key": str(uuid4()), "communication": str(bench.mail.communication_id)})
    assert other.status_code == 409


def test_who_may_not_write_is_refused_before_anything_is_read(bench: Bench) -> None:
    bench.sign_in("paul")
    assert bench.client.get(f"/write/{bench.id}").status_code == 403
    assert bench.write().status_code == 403
    forged = bench.client.post(f"/write/{bench.id}", headers={"Sec-Fetch-Site": "cross-site"})
    assert forged.status_code == 403


def test_a_contact_is_written_to_from_their_page(bench: Bench) -> None:
    bench.sign_in("rita")
    contact = contact_id("email", "ann@customer.example")
    assert f'href="/write/contact/{contact}"' in bench.client.get(f"/contacts/{contact}").text
    form = bench.client.get(f"/write/contact/{contact}").text
    assert "<title>Write to Ann Customer" in form
    assert "The answer to it opens a case." in form
    assert '<option value="ann@customer.example" selected>' in form
    given = {"key": str(uuid4()), "to": "ann@customer.example", "subject_line": "Hello", "text": "Dear Ann."}
    files = [("file", ("plan.pdf", b"%PDF", "application/pdf"))]
    for _ in range(2):
        sent = bench.client.post(f"/write/contact/{contact}", data=given, files=files)
        assert (sent.status_code, sent.headers["location"]) == (303, f"/contacts/{contact}?done=written#communications")
    page = bench.client.get(sent.headers["location"]).text
    for told in ("Your message is on its way.", "Waiting to be sent", ">Hello</a>"):
        assert told in page, told
    assert bench.case.rows(
        """select c.body, a.filename from communications c join attachments a on a.communication_id = c.id
           where direction = 'outbound' and c.id not in (select communication_id from case_communications)"""
    ) == [("Dear Ann.", "plan.pdf")]
    ((id,),) = bench.case.rows("select id from communications where entered_by = 'rita'")
    at = f"/communications/{id}"
    assert "Send it again" not in bench.client.get(at).text
    bench.ended(DeliveryBounced, 1, error="bounced: 5.1.1")
    (key,) = re.findall(rf'action="/write/contact/{contact}/again">.*?name="key" value="([^"]+)"', bench.client.get(at).text, re.DOTALL)
    again = bench.client.post(f"/write/contact/{contact}/again", data={"key": key, "communication": str(id)})
    assert (again.status_code, again.headers["location"]) == (303, f"/contacts/{contact}?done=written#communications")
    assert bench.case.rows("select state from deliveries order by state") == [("bounced",), ("queued",)]
    bench.sign_in("paul")
    assert bench.client.get(f"/write/contact/{contact}").status_code == 403


def test_a_message_that_is_begun_on_a_task_is_kept_with_it(bench: Bench) -> None:
    bench.sign_in("rita")
    task = derive("task", 1)
    bench.case.take(topics.TASKS, [a_plan(bench.id, task)])
    form = bench.client.get(f"/write/{bench.id}", params={"task": str(task)}).text
    assert form.count(f'name="task" value="{task}"') == 2, "also when a template is filled in"
    assert bench.write(task=str(task), text=" ").text.count(f'name="task" value="{task}"') == 2
    assert bench.write(task=str(task)).status_code == 303
    assert f'Written for <a href="/tasks/{task}">' in bench.page()
    assert bench.write(task="<b>").status_code == 400
    assert bench.write(task=str(uuid4())).status_code == 422
