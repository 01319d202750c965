"""The pages of cases and communications, beside real services."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from services.task.consumer import handlers as task_handlers
from shared.ids import CaseId, task_id
from shared.schemas import topics
from shared.schemas.parts import FileRef, Handle, ScriptAnswer
from tests.service.task.conftest import a_case_event
from tests.support.case import NOW, a_mail
from tests.support.configuration import ROLES_WITH_APPROVALS
from tests.support.desk import PASSWORD
from tests.support.desk_records import Records, desk_beside_records
from tests.support.mails import multipart
from tests.support.platform import fresh_databases

PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)
RAW = multipart(
    "Content-Type: text/plain\n\nWater <b>everywhere</b>: a leak.\n\n"
    "On Mon, 2 Mar 2026 at 09:00, Repairs <r@housing.example> wrote:\n> Is it <wet>?",
    'Content-Type: text/html\n\n<p onclick="x()">Water <b>everywhere</b>.</p><img src="cid:a@b"><img src="http://e.example/x">',
    b"Content-Type: image/png\nContent-ID: <a@b>\nContent-Transfer-Encoding: 8bit\n\n" + PNG,
    'Content-Type: application/pdf; name="the <lease>.pdf"\nContent-Disposition: attachment\n\n%PDF',
    'Content-Type: application/octet-stream; name="invoice.pdf.exe"\nContent-Disposition: attachment\n\nMZ',
    kind="alternative",
    head="From: Ann Lee <ann@tenant.example>\nTo: contact@housing.example\nSubject: A <leak>",
)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory, database: str, kafka: str, desk_prefix: str) -> Iterator[Records]:
    """For all tests together, since so many servers take seconds; each brings records of its own."""
    with (
        fresh_databases(database) as fresh_database,
        desk_beside_records(
            tmp_path_factory.mktemp("desk"), fresh_database, kafka, desk_prefix, sections={"roles": ROLES_WITH_APPROVALS}
        ) as records,
    ):
        yield records


def sign_in(records: Records, user: str) -> None:
    records.client.cookies.clear()
    answer = records.client.post("/sign-in", data={"user": user, "password": PASSWORD})
    assert answer.status_code == 303


def words_of(page: httpx.Response) -> str:
    assert page.status_code == 200, page.text
    return " ".join(re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2]).split())


@pytest.mark.requirement("COM-1")
def test_a_communication_is_read_with_its_history_folded_and_its_files(records: Records) -> None:
    mail = records.mail(RAW)
    records.take(mail)
    sign_in(records, "rita")
    at = f"/communications/{mail.communication_id}"

    page = records.client.get(at)
    words = words_of(page)
    assert "<h1>A &lt;leak&gt;</h1>" in page.text
    for told in ("From the customer", "Email", "Ann Lee (ann@tenant.example)", "contact@housing.example"):
        assert told in words
    own, _, folded = page.text.partition("<details>")
    assert "Water &lt;b&gt;everywhere&lt;/b&gt;: a leak." in own
    assert "Is it &lt;wet&gt;?" in folded.partition("</details>")[0]
    assert "Is it" not in own
    assert "the &lt;lease&gt;.pdf" in page.text
    assert "application/pdf, 4 bytes" in words
    assert "May do harm. It passes for something harmless and is a program." in words
    assert f'href="/cases/{records.case_of(mail.communication_id)}"' in page.text
    assert not re.search(r"style=|onclick=|<script>", page.text)


@pytest.mark.requirement("COM-1")
def test_files_are_saved_and_one_that_may_do_harm_asks_first(records: Records) -> None:
    mail = records.mail(RAW)
    records.take(mail)
    sign_in(records, "rita")
    at = f"/communications/{mail.communication_id}"

    lease = records.client.get(f"{at}/files/1")
    assert (lease.status_code, lease.content) == (200, b"%PDF")
    assert lease.headers["content-disposition"].startswith("attachment; ")
    assert "filename*=UTF-8''the%20%3Clease%3E.pdf" in lease.headers["content-disposition"]
    assert lease.headers["content-security-policy"] == "sandbox; default-src 'none'"

    asked = records.client.get(f"{at}/files/2")
    assert "Save it all the same" in words_of(asked)
    assert f'<form method="post" action="{at}/files/2">' in asked.text
    assert "content-disposition" not in asked.headers
    assert records.client.post(f"{at}/files/2", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    program = records.client.post(f"{at}/files/2")
    assert (program.content, program.headers["content-type"]) == (b"MZ", "application/octet-stream")
    # The whole message holds the program.
    assert "Save it all the same" in words_of(records.client.get(f"{at}/raw"))
    assert records.client.post(f"{at}/raw").content == RAW
    assert records.client.get(f"{at}/files/9").status_code == 404
    odd = records.client.get(f"{at}?view=upside-down", headers={"Accept": "text/html"})
    assert (odd.status_code, "<h1>This address or form is not complete</h1>" in odd.text) == (422, True)


def test_a_long_file_is_passed_on_whole(records: Records) -> None:
    content = bytes(range(256)) * 12_000
    film = FileRef(sha256=records.objects.put(content), size=len(content), filename="film.mp4", content_type="video/mp4")
    mail = a_mail("Film", "A leak.", attachments=(film,))
    records.take(mail)
    sign_in(records, "rita")
    answer = records.client.get(f"/communications/{mail.communication_id}/files/0")
    assert (answer.content == content, answer.headers["content-length"]) == (True, str(len(content)))


@pytest.mark.requirement("COM-1")
def test_html_is_shown_in_a_sandbox_that_loads_and_runs_nothing(records: Records) -> None:
    mail = records.mail(RAW)
    records.take(mail)
    sign_in(records, "rita")
    at = f"/communications/{mail.communication_id}"

    page = records.client.get(f"{at}?view=sent")
    frame = re.search(r"<iframe[^>]*>", page.text)
    assert frame is not None
    assert f'src="{at}/html"' in frame[0]
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame[0]
    assert "frame-src 'self'" in page.headers["content-security-policy"]
    shown = records.client.get(f"{at}/html")
    policy = shown.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "sandbox allow-popups" in policy
    assert "script" not in policy
    assert shown.headers["x-frame-options"] == "SAMEORIGIN"
    assert "<p>Water <b>everywhere</b>.</p>" in shown.text
    assert "data:image/png;base64," in shown.text
    assert "1 picture is not shown" in shown.text
    assert "e.example" not in shown.text
    assert "onclick" not in shown.text


def test_a_communication_without_html_says_so(records: Records) -> None:
    mail = records.mail(b"From: ann@tenant.example\nSubject: x\n\nA leak.")
    call = a_mail("Call", "A leak.", sender=Handle(kind="phone", value="+441234"), method="telephone", message_id="")
    records.take(mail, call)
    sign_in(records, "rita")
    shown = records.client.get(f"/communications/{mail.communication_id}/html")
    assert (shown.status_code, "has no HTML" in shown.text) == (404, True)
    page = records.client.get(f"/communications/{call.communication_id}?view=sent").text
    assert "iframe" not in page
    assert "As it was sent" not in page


@pytest.mark.requirement("COM-2", "COM-7", "EDGE-1", "EDGE-2")
def test_why_a_communication_opened_no_case_and_what_it_quotes_is_told(records: Records) -> None:
    first = a_mail("Leak", "A leak.")
    records.take(first)
    with records.database.read() as tx:
        [(number,)] = tx.rows("select number from cases where id = %s", (records.case_of(first.communication_id),))
    quoting = a_mail(f"Re: {number}", "A leak too.", sender="stranger@else.example", name="")
    robot = a_mail("Out of office", "I am away.", robot="auto_reply", sender="bob@else.example")
    old = a_mail("Long ago", "A leak.", old=True, reply_to=first)
    visit = a_mail(
        "Visit",
        "A leak.",
        sender="dan@else.example",
        location="Library",
        script_answers=(ScriptAnswer(script="security", prompt="Which <address>?", answer="1 High Street"),),
    )
    records.take(quoting, robot, old, visit)
    sign_in(records, "max")

    def told(mail: object) -> str:
        return words_of(records.client.get(f"/communications/{mail.communication_id}"))  # type: ignore[attr-defined]

    assert f"It quotes case {number} , but its sender is not known there" in told(quoting)
    assert "It opened no case and nothing was sent back, because it is an automatic reply" in told(robot)
    assert "from before this system was in use" in told(old)
    seen = told(visit)
    assert "Library" in seen
    # Whoever may record answers has them in the form.
    assert "Security questions Which &lt;address&gt;?" in seen
    assert 'value="1 High Street"' in records.client.get(f"/communications/{visit.communication_id}").text


@pytest.mark.requirement("CASE-15", "FACE-1")
def test_every_case_is_reached_page_by_page_in_the_order_that_was_chosen(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.desk.gateways.records.MOST_CASES", 2)
    records.take(*(a_mail(f"Matter {n}", "There is noise." if n % 2 else "A leak.") for n in range(5)))
    with records.database.transaction() as tx:
        tx.execute("update cases set expected_completion_at = now() - interval '3 days' where title = 'Matter 3'")
    sign_in(records, "max")

    def titles(path: str) -> list[str]:
        found: list[str] = []
        while path:
            page = records.client.get(path).text
            found += re.findall(r"Matter \d", page)
            following = re.search(r'href="([^"]+)" rel="next"', page)
            path = unescape(following[1]) if following else ""
        return found

    by_priority = titles("/cases")
    assert sorted(by_priority) == [f"Matter {n}" for n in range(5)]
    assert {title[-1] for title in by_priority[:3]} == {"0", "2", "4"}, "leaks are more urgent"
    assert titles("/cases?sort=due")[0] == "Matter 3"
    assert titles("/cases?show=overdue") == ["Matter 3"]
    assert len(titles("/cases?show=unassigned&sort=-opened")) == 5


@pytest.mark.requirement("CASE-10")
def test_cases_are_listed_by_priority_found_by_number_and_shown_with_what_was_said(records: Records) -> None:
    noise = a_mail("Music", "There is noise.", sender="bob@tenant.example", name="Bob Bass")
    leak = a_mail("Dripping", "A leak.")
    answer = a_mail("Re: Dripping", "It drips more.", reply_to=leak, received_at=NOW + timedelta(hours=1))
    records.take(leak)
    records.take(answer, noise)
    sign_in(records, "max")

    page = records.client.get("/cases").text
    assert page.index("Dripping") < page.index("Music")
    assert "Bob Bass" in page
    case = records.case_of(leak.communication_id)
    number = re.search(r"C-\d{4}-\d{6}", page[page.index("Dripping") :])
    assert number is not None
    assert records.client.get("/cases", params={"number": number[0].lower()}).headers["location"] == f"/cases/{case}"
    assert "There is no case C-1" in words_of(records.client.get("/cases?number=c-1"))

    shown = records.client.get(f"/cases/{case}")
    words = words_of(shown)
    assert words.index("It drips more.") < words.index("A leak.")
    for told in (number[0], "Water leak", "High", "Repairs, nobody yet", "Ann Customer", "No tasks that you can see"):
        assert told in words
    sign_in(records, "nils")
    assert "Music" in records.client.get("/cases").text
    assert records.client.get(f"/cases/{case}").status_code == 404
    assert records.client.get(f"/communications/{leak.communication_id}").status_code == 404
    assert records.client.get(f"/communications/{leak.communication_id}/raw").status_code == 404


def test_who_may_not_read_communications_is_told(records: Records) -> None:
    leak = a_mail("Private", "A leak.")
    records.take(leak)
    sign_in(records, "paul")
    for path in ("/cases", f"/communications/{leak.communication_id}", f"/communications/{leak.communication_id}/html"):
        answer = records.client.get(path, headers={"Accept": "text/html"})
        assert (answer.status_code, "You may not open this page" in answer.text) == (403, True), path
    records.client.cookies.clear()
    for path in ("/cases", f"/cases/{uuid4()}", f"/communications/{uuid4()}", f"/communications/{uuid4()}/files/0"):
        assert records.client.get(path).headers["location"].startswith("/sign-in")


def test_services_that_are_away_are_told_in_plain_words(
    tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, desk_prefix: str
) -> None:
    gone = "http://127.0.0.1:9"
    with desk_beside_records(tmp_path, fresh_database, kafka, desk_prefix, case_url=gone) as records:
        sign_in(records, "rita")
        assert "Cases cannot be shown just now" in records.client.get("/cases").text
        for path in ("", "/files/0", "/raw"):
            answer = records.client.get(f"/communications/{uuid4()}{path}")
            assert (answer.status_code, "cannot be shown just now" in answer.text) == (503, True)
        assert records.client.post(f"/communications/{uuid4()}/files/0").status_code == 503


def test_what_can_be_read_is_shown_while_other_services_are_away(
    tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, desk_prefix: str
) -> None:
    gone = "http://127.0.0.1:9"
    with desk_beside_records(tmp_path, fresh_database, kafka, desk_prefix, ingest_url=gone, task_url=gone) as records:
        mail = records.mail(RAW)
        records.take(mail)
        sign_in(records, "rita")
        case = words_of(records.client.get(f"/cases/{records.case_of(mail.communication_id)}"))
        assert "The tasks cannot be shown just now" in case
        assert "a leak." in case
        shown = records.client.get(f"/communications/{mail.communication_id}/html")
        assert (shown.status_code, "It cannot be shown just now" in shown.text) == (503, True)
        # A content that the store has lost is told by the case service, in its own words.
        for file in (tmp_path / "objects").rglob("*"):
            if file.is_file():
                file.unlink()
        lost = records.client.get(f"/communications/{mail.communication_id}/files/1")
        assert (lost.status_code, "not in the object store any more" in lost.text) == (404, True)


def a_planned_case(records: Records) -> UUID:
    """A case of the subject leak that task has planned."""
    mail = a_mail("Water", "A leak.")
    records.take(mail)
    case = records.case_of(mail.communication_id)
    with records.platform.task_database.transaction() as tx:
        handler = task_handlers(records.reference)[topics.CASES]
        opened = a_case_event(case_id=case)
        work = handler.load(tx, [opened])
        handler.apply[type(opened.data)](work, opened)
        handler.save(tx, work)
        tx.emitted.clear()
    return case


@pytest.mark.requirement("EDGE-6", "AUTO-1")
def test_approvals_of_a_case_and_of_its_tasks_are_on_its_page(records: Records) -> None:
    case = a_planned_case(records)
    sign_in(records, "rita")
    page = records.client.get(f"/cases/{case}").text
    hidden = re.search(r'action="/cases/[^"]+/approvals">\s*<input type="hidden" name="key" value="([^"]+)"', page)
    assert hidden is not None
    sent = {"key": hidden[1], "approver": "lena", "what": " Pay the\nhotel "}
    for _ in range(2):  # sent twice, it is asked once
        assert records.client.post(f"/cases/{case}/approvals", data=sent).headers["location"] == f"/cases/{case}?done=approval-asked"
    task = task_id(CaseId(case), "inspect-leak")
    records.platform.ask_for_approval("rita", str(task), "max", "Open the wall")
    page = words_of(records.client.get(f"/cases/{case}?done=approval-asked"))
    assert "It is asked." in page
    assert "Approvals 2 not approved yet" in page
    assert page.count("Pay the hotel Until it is approved, the case cannot be completed. Asked Lena Leader") == 1
    assert "Open the wall Until it is approved, the task cannot be completed: Inspect the leak at once. Asked Max Manager" in page
    assert "Pay the hotel" not in words_of(records.client.get(f"/tasks/{task}"))
    refused = records.client.post(f"/cases/{case}/approvals", data=sent | {"key": str(uuid4()), "approver": "nobody"})
    assert (refused.status_code, "no active member of staff nobody" in refused.text) == (409, True)


@pytest.mark.requirement("TASK-3")
def test_a_task_of_the_subject_is_added_on_the_page_of_its_case(records: Records) -> None:
    case = a_planned_case(records)
    sign_in(records, "rita")

    page = records.client.get(f"/cases/{case}").text
    assert re.findall(r'<option value="([a-z-]+)">([^<]+)</option>', page.partition('id="definition"')[2].partition("</select>")[0]) == [
        ("warn-neighbour", "Warn the neighbour, for Nils Nearby"),
        ("log-diary", "Send the diary sheets, for the case’s unit"),
        ("answer", "Answer the customer, for Contact centre"),
    ]
    hidden = re.search(r'action="/cases/[^"]+/tasks">\s*<input type="hidden" name="key" value="([^"]+)"', page)
    assert hidden is not None
    sent = {"key": hidden[1], "definition": "log-diary"}
    for _ in range(2):  # sent twice, it is added once
        done = records.client.post(f"/cases/{case}/tasks", data=sent)
        assert (done.status_code, done.headers["location"]) == (303, f"/cases/{case}?done=task-added")
    after = records.client.get(done.headers["location"]).text
    assert "The task is added." in after
    assert after.count("Send the diary sheets") == 1
    late = records.client.post(f"/cases/{case}/tasks", data=sent | {"key": str(uuid4())})
    assert (late.status_code, "The case has its task log-diary already" in late.text) == (409, True)
    sign_in(records, "paul")
    assert records.client.post(f"/cases/{case}/tasks", data=sent).status_code == 403
