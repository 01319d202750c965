"""The way of one email, through public edges only: APIs with tokens, the mail folder, logs."""

from __future__ import annotations

import json
import re
import secrets
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from services.cli.__main__ import app
from services.cli.stack.platform import SAMPLE_CONFIGURATION, Stack
from tests.support import eventually
from tests.support.stacks import StartStack, call, caught_mail, items

ACCOUNT = "contact@housing.example"
TRACE = secrets.token_hex(16)
MANAGER = "kwame.mensah"


@pytest.fixture(scope="module")
def stack(start_stack: StartStack) -> Stack:
    return start_stack()


def a_mail(name: str, subject_line: str, text: str, *, sender: str = "ola.nord", more: str = "") -> bytes:
    return (
        f"From: Ola Nord <{sender}@mail.example>\r\nTo: {ACCOUNT}\r\nSubject: {subject_line}\r\n"
        f"Message-ID: <{name}.{TRACE}@mail.example>\r\nDate: Mon, 12 Jan 2026 08:00:00 +0000\r\n{more}\r\n{text}\r\n"
    ).encode()


LEAK_AND_NOISE = a_mail("one-email", "A leak, and noisy neighbours", "A leak under our sink. And loud music all night.")


def deliver(stack: Stack, raw: bytes, account: str = ACCOUNT) -> str:
    return str(stack.deliver([raw], account)[0]["id"])


def communication(stack: Stack, id: str) -> dict[str, Any]:
    def recorded() -> dict[str, Any] | None:
        answer = call(stack, "case", f"/communications/{id}", user=MANAGER)
        return dict(answer.json()) if answer.status_code == 200 else None

    return eventually(recorded, 60)


def cases_of(stack: Stack, communication_id: str) -> dict[str, dict[str, Any]]:
    """Cases that the communication opened, by subject."""
    found = items(call(stack, "case", f"/cases?communication_id={communication_id}", user=MANAGER))
    return {case["subject"]: case for case in found}


def tasks_of(stack: Stack, case_id: str) -> dict[str, dict[str, Any]]:
    return {task["definition"]: task for task in items(call(stack, "task", f"/tasks?case_id={case_id}", user=MANAGER))}


def mails_about(stack: Stack, number: str) -> list[EmailMessage]:
    return [mail for mail in caught_mail(stack) if number in str(mail["Subject"])]


def do(stack: Stack, service: str, path: str, user: str, **body: Any) -> httpx.Response:
    more: dict[str, Any] = {"json": body} if body else {}
    return call(stack, service, path, user=user, method="POST", **more)


@pytest.fixture(scope="module")
def opened(stack: Stack) -> dict[str, dict[str, Any]]:
    """The two cases of the mail, which was posted under a trace of our own."""
    answer = httpx.post(
        f"{stack.url('ingest')}/mail?account={ACCOUNT}",
        content=LEAK_AND_NOISE,
        headers={
            "Authorization": f"Bearer {stack.machine_token()}",
            "Content-Type": "message/rfc822",
            "traceparent": f"00-{TRACE}-{secrets.token_hex(8)}-01",
        },
        timeout=60,
        trust_env=False,
    )
    assert answer.status_code == 202, answer.text
    (taken,) = answer.json()["communications"]
    eventually(lambda: len(cases_of(stack, taken["id"])) == 2, 60)
    return cases_of(stack, taken["id"])


@pytest.mark.requirement("CASE-1", "EDGE-4", "TASK-2")
def test_a_mail_about_two_subjects_opens_two_cases_and_starts_the_tasks_without_predecessors(
    stack: Stack, opened: dict[str, dict[str, Any]]
) -> None:
    assert set(opened) == {"water-leak", "noisy-neighbours"}
    begun = {"water-leak": {"make-leak-safe", "inform-insurer"}, "noisy-neighbours": {"call-complainant", "send-diary-sheets"}}
    for subject, case in opened.items():
        tasks = eventually(lambda case=case: tasks_of(stack, case["id"]), 60)  # type: ignore[misc]
        assert len(tasks) == 4
        assert {code for code, task in tasks.items() if task["triggered_at"]} == begun[subject]


@pytest.mark.requirement("NOTE-1")
def test_the_right_people_are_told(stack: Stack, opened: dict[str, dict[str, Any]]) -> None:
    told = {
        "water-leak": {"dan.evans@housing.example", "ewa.nowak@housing.example", "relations@housing.example"},
        "noisy-neighbours": {"george.ellis@housing.example", "hannah.price@housing.example", "contact@housing.example"},
    }
    for subject, recipients in told.items():

        def all_told(number: str = opened[subject]["number"], wanted: set[str] = recipients) -> bool:
            reached = {str(mail["X-Envelope-To"]) for mail in mails_about(stack, number)}
            return reached == wanted | {"ola.nord@mail.example"}

        eventually(all_told, 60)


def test_one_trace_leads_from_the_request_to_the_message(stack: Stack, opened: dict[str, dict[str, Any]]) -> None:
    eventually(lambda: mails_about(stack, opened["water-leak"]["number"]), 60)
    for name in ("ingest-api-0", "case-consume-0", "task-consume-0", "notify-consume-0", "notify-send-0"):
        log = stack.folder / "logs" / f"{name}.log"
        eventually(lambda log=log: TRACE in log.read_text(errors="replace"), 30)  # type: ignore[misc]


@pytest.mark.requirement("FACE-1", "EDGE-12")
def test_the_background_role_makes_cases_searchable_and_does_bulk_changes(stack: Stack, opened: dict[str, dict[str, Any]]) -> None:
    wanted = {case["id"] for case in opened.values()}

    def found() -> bool:
        return wanted <= {item["id"] for item in items(call(stack, "case", "/search?q=Nord+leak&kind=case", user=MANAGER))}

    eventually(found, 60)
    change = {"kind": "priority", "urgency": opened["noisy-neighbours"]["urgency"]}
    job = call(stack, "case", "/bulk-changes", user=MANAGER, json={"ids": [opened["noisy-neighbours"]["id"]], "change": change}).json()
    path = f"/bulk-changes/{job['id']}"
    eventually(lambda: call(stack, "case", path, user=MANAGER).json()["state"] == "done", 60)
    assert call(stack, "case", path, user=MANAGER).json()["unchanged"] == 1


@pytest.mark.requirement("COM-7", "EDGE-3")
def test_the_same_mail_in_two_accounts_is_one_communication(stack: Stack, opened: dict[str, dict[str, Any]]) -> None:
    first = next(iter(opened.values()))["communication_id"]
    again = b"Received: from elsewhere by mx2\r\n" + LEAK_AND_NOISE
    assert deliver(stack, again, "repairs@housing.example") == first
    marker = deliver(stack, a_mail("marker", "A question", "About opening hours.", sender="somebody"))
    eventually(lambda: cases_of(stack, marker), 60)
    assert len(cases_of(stack, first)) == 2


@pytest.mark.requirement("COM-7", "EDGE-1")
def test_a_reply_to_our_mail_joins_its_case_and_opens_none(stack: Stack, opened: dict[str, dict[str, Any]]) -> None:
    case = opened["water-leak"]
    ours = eventually(lambda: [mail for mail in mails_about(stack, case["number"]) if "ola.nord" in str(mail["X-Envelope-To"])], 60)[0]
    message_id = re.sub(r"\s", "", str(ours["Message-ID"]))
    raw = a_mail(
        "reply", "Re: We have your message", "The leak is worse.", more=f"In-Reply-To: {message_id}\r\nReferences: {message_id}\r\n"
    )
    id = deliver(stack, raw)
    assert communication(stack, id)["effect"] == "joins"
    assert {case["id"] for case in cases_of(stack, id).values()} == {case["id"] for case in opened.values()}
    history = call(stack, "case", f"/cases/{case['id']}", user=MANAGER).json()["history"]
    assert id in str(history)

    def told() -> list[EmailMessage]:
        return [mail for mail in mails_about(stack, case["number"]) if "wrote about" in str(mail["Subject"])]

    (mail,) = eventually(told, 60)
    assert (mail["X-Envelope-To"], mail["Subject"].split(" wrote")[0]) == ("repairs@housing.example", "Ola Nord")
    text = mail.get_body(("plain",))
    assert text is not None
    assert f"{stack.url('desk')}/cases/{case['id']}" in text.get_content().split()


@pytest.mark.requirement("COM-7")
def test_an_auto_reply_opens_no_case_and_is_not_answered(stack: Stack) -> None:
    raw = a_mail("robot", "Automatic reply: a leak", "I am away. A leak.", sender="robot", more="Auto-Submitted: auto-replied\r\n")
    id = deliver(stack, raw)
    assert communication(stack, id)["robot"] == "auto_reply"
    assert not cases_of(stack, id)
    assert not [mail for mail in caught_mail(stack) if "robot@mail.example" in str(mail["X-Envelope-To"])]


@pytest.mark.requirement("TASK-2", "TASK-6")
def test_completing_a_task_starts_its_dependant(stack: Stack, opened: dict[str, dict[str, Any]]) -> None:
    case = opened["water-leak"]["id"]
    task = eventually(lambda: tasks_of(stack, case).get("make-leak-safe"), 60)
    for action in ("accept", "start", "complete"):
        answer = do(stack, "task", f"/tasks/{task['id']}/{action}", "dan.evans")
        assert answer.status_code == 200, answer.text
    eventually(lambda: tasks_of(stack, case)["trace-leak"]["triggered_at"], 60)
    assert tasks_of(stack, case)["check-dried-out"]["triggered_at"] is None
    eventually(
        lambda: [mail for mail in mails_about(stack, opened["water-leak"]["number"]) if "Trace and repair" in str(mail["Subject"])], 60
    )


@pytest.mark.requirement("CASE-8", "EDGE-6")
def test_a_case_is_not_completed_while_planned_tasks_are_open(stack: Stack, opened: dict[str, dict[str, Any]]) -> None:
    case = opened["noisy-neighbours"]["id"]
    assert do(stack, "case", f"/cases/{case}/accept", "hannah.price").status_code == 200
    for status in ("being-looked-at", "resolved"):
        answer = do(stack, "case", f"/cases/{case}/status", "hannah.price", status=status, reason="looked into")
        assert answer.status_code == 200, answer.text
    refused = do(stack, "case", f"/cases/{case}/status", "hannah.price", status="closed", reason="done")
    assert refused.status_code == 409, refused.text
    assert call(stack, "case", f"/cases/{case}", user=MANAGER).json()["state"] == "finally_resolved"
    shown = call(stack, "case", f"/cases/{case}/history", user=MANAGER).json()["items"]
    assert {"hannah.price", "system"} <= {entry["by"] for entry in shown}
    assert "resolved" in str(shown)


def test_another_units_people_do_not_see_the_case(stack: Stack, opened: dict[str, dict[str, Any]]) -> None:
    leak = opened["water-leak"]["id"]
    assert call(stack, "case", f"/cases/{leak}", user="farah.khan").status_code == 200
    for stranger in ("imran.ali", "george.ellis"):
        assert call(stack, "case", f"/cases/{leak}", user=stranger).status_code == 404
        assert leak not in call(stack, "case", "/cases?limit=500", user=stranger).text
        assert not items(call(stack, "task", f"/tasks?case_id={leak}", user=stranger))
    assert call(stack, "case", f"/cases/{leak}", token="forged").status_code == 401


@pytest.mark.requirement("SLA-2", "TASK-3")
def test_a_follow_up_due_in_two_seconds_raises_due_soon_and_overdue_by_email(stack: Stack) -> None:
    line = f"Call back {secrets.token_hex(4)}"
    due_at = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    answer = do(
        stack, "task", "/tasks", MANAGER, subject_line=line, due_at=due_at, priority="high", assignee="george.ellis", customer_name="Ola"
    )
    assert answer.status_code == 201, answer.text

    def alerts() -> bool:
        mails = [mail for mail in caught_mail(stack) if line in mail.as_string() and "george.ellis" in str(mail["X-Envelope-To"])]
        subjects = [str(mail["Subject"]) for mail in mails]
        return any("Due soon" in subject for subject in subjects) and any("Overdue" in subject for subject in subjects)

    eventually(alerts, 60)


@pytest.mark.requirement("EDGE-14", "TASK-4", "NOTE-1")
def test_an_approval_is_asked_by_email_and_given_by_the_link_in_it(stack: Stack, opened: dict[str, dict[str, Any]]) -> None:
    what, case = f"Pay for a hotel {secrets.token_hex(4)}", opened["water-leak"]["id"]
    asked = do(stack, "task", f"/cases/{case}/approvals", MANAGER, approver="farah.khan", what=what)
    assert asked.status_code == 201, asked.text

    def mailed(to: str) -> EmailMessage | None:
        mails = [mail for mail in caught_mail(stack) if what in str(mail["Subject"]) and to in str(mail["X-Envelope-To"])]
        return mails[0] if mails else None

    text = eventually(lambda: mailed("farah.khan"), 60).get_body(("plain",))
    assert text is not None
    link = re.search(r"http\S+/decide/\S+", text.get_content())
    assert link is not None
    assert what in httpx.get(link[0], trust_env=False).text
    assert httpx.post(link[0], data={"button": "approve", "q:comment": "Go on"}, trust_env=False).status_code == 200
    assert httpx.post(link[0], data={"button": "decline", "q:comment": "No"}, trust_env=False).status_code == 410
    shown = call(stack, "task", f"/approvals/{asked.json()['id']}", user=MANAGER).json()
    assert (shown["state"], shown["decided_by"], shown["history"][-1]["note"]) == ("approved", "farah.khan", "by link")
    eventually(lambda: mailed(MANAGER), 60)


@pytest.mark.requirement("SLA-3")
def test_what_fell_due_while_sla_was_down_fires_once_on_its_return(stack: Stack) -> None:
    line = f"Ring {secrets.token_hex(4)}"
    stack.stop("sla-stream-0")
    due_at = datetime.now(UTC) + timedelta(seconds=1)
    answer = do(
        stack, "task", "/tasks", MANAGER, subject_line=line, due_at=due_at.isoformat(), assignee="george.ellis", customer_name="Ola"
    )
    assert answer.status_code == 201, answer.text
    eventually(lambda: datetime.now(UTC) > due_at, 10)
    stack.resume("sla-stream-0")

    def overdue() -> list[EmailMessage]:
        mails = [mail for mail in caught_mail(stack) if line in mail.as_string() and "george.ellis" in str(mail["X-Envelope-To"])]
        return [mail for mail in mails if "Overdue" in str(mail["Subject"])]

    eventually(overdue, 60)
    stack.restart("sla-stream-0")
    marker = f"Marker {secrets.token_hex(4)}"
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    assert (
        do(stack, "task", "/tasks", MANAGER, subject_line=marker, due_at=soon, assignee="george.ellis", customer_name="Ola").status_code
        == 201
    )
    eventually(lambda: any(marker in mail.as_string() and "Overdue" in str(mail["Subject"]) for mail in caught_mail(stack)), 60)
    assert len(overdue()) == 1


@pytest.mark.requirement("FACE-2")
def test_a_new_configuration_is_used_for_new_mail_while_live_cases_keep_theirs(stack: Stack, opened: dict[str, dict[str, Any]]) -> None:
    sample = SAMPLE_CONFIGURATION.read_text()
    before, begin, after = sample.partition("tasks: [call-complainant, send-diary-sheets, interview-neighbour, review-diary]")
    shorter = before + "tasks: [call-complainant]" + after[after.index("\n  - code:") :]
    assert begin
    answer = call(stack, "desk", "/configuration", method="POST", content=shorter.encode())
    assert answer.status_code in (200, 201), answer.text
    version = int(answer.json()["version"])

    def all_have_it() -> bool:
        reported = {}
        for process in stack.processes():
            if process.name != "mail-sink":
                facts = httpx.get(f"{process.url}/health/ready", timeout=10, trust_env=False).json()
                if "config_version" in facts:  # the APIs that only show records need none
                    reported[process.name] = facts["config_version"]
        assert {name.partition("-")[0] for name in reported} >= {"ingest", "case", "task", "sla", "notify"}
        assert set(reported.values()) == {version}, reported
        return True

    eventually(all_have_it, 60)
    id = deliver(stack, a_mail(f"later-{time.time_ns()}", "Noisy neighbours", "Loud music all night.", sender="later"))
    case = eventually(lambda: cases_of(stack, id), 60)["noisy-neighbours"]
    assert set(eventually(lambda: tasks_of(stack, case["id"]), 60)) == {"call-complainant"}
    old = opened["noisy-neighbours"]["id"]
    assert len(tasks_of(stack, old)) == 4
    assert call(stack, "case", f"/cases/{old}", user=MANAGER).json()["config_version"] < version


@pytest.mark.requirement("SLA-1")
def test_closed_days_are_read_and_shown_by_the_command_line(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASESTREAM_HOME", str(stack.folder))

    def casestream(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments, prog_name="casestream")
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    url, day = "https://days.housing.example/closed.ics", datetime.now(UTC).date() + timedelta(days=3)
    listed = "    closed_days: [2026-12-29, 2026-12-30, 2026-12-31]\n"
    sample = SAMPLE_CONFIGURATION.read_text()
    assert listed in sample
    configuration, feed = tmp_path / "configuration.yaml", tmp_path / "closed.ics"
    configuration.write_text(sample.replace(listed, f'{listed}    feeds: [{{url: "{url}"}}]\n'))
    event = f"BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:{day:%Y%m%d}\r\nSUMMARY:Move\r\nEND:VEVENT\r\n"
    feed.write_bytes(f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{event}END:VCALENDAR\r\n".encode())
    casestream("config", "apply", str(configuration))
    given = ("calendars", "refresh", "--file", str(feed), "--calendar", "office")
    assert "a new version would be made" in casestream(*given, "--check")
    assert f"added: {day}" in casestream(*given)
    assert "nothing changed" in casestream(*given)
    assert [found["days"] for found in json.loads(casestream("calendars", "feeds", "--json"))] == [[str(day)]]
    assert f"office: {url}: 1 closed day" in casestream("calendars", "feeds")
    assert f"{day} closed: feed {url}" in casestream("calendars", "show", "office", "--year", str(day.year))
