"""The two commands: `casestream up` and `down`, as somebody with a fresh clone uses them, with servers of their own."""

import json
import os
import secrets
import shutil
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from services.cli.stack.platform import Stack
from tests.support import eventually
from tests.support.platform import CLONE
from tests.support.stacks import call, caught_mail, items

LEAK_AND_NOISE = b"""From: Ola Nord <ola.nord@mail.example>
To: contact@housing.example
Subject: A leak, and noisy neighbours
Message-ID: <two-subjects@mail.example>
Date: Mon, 12 Jan 2026 08:00:00 +0000

There is a leak under our sink. And the neighbours play loud music all night.
"""


class Clone:
    """The command line of a fresh clone: a state folder of its own, nothing given from outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = Stack(folder)

    def run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CASESTREAM_")}
        command = [sys.executable, "-m", "services.cli", *arguments]
        environment = {**kept, "CASESTREAM_HOME": str(self.folder)}
        done = subprocess.run(command, input=stdin, capture_output=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.run("status", "--json").stdout))

    def cases_of(self, communication: str) -> list[dict[str, Any]]:
        return items(call(self.stack, "case", f"/cases?communication_id={communication}", user="kwame.mensah"))

    def tasks_of(self, case: str) -> dict[str, dict[str, Any]]:
        tasks = items(call(self.stack, "task", f"/tasks?case_id={case}", user="kwame.mensah"))
        return {task["definition"]: task for task in tasks}

    def mails_to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in caught_mail(self.stack) if address in str(mail["X-Envelope-To"])]


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    folder = CLONE / ".casestream" / "test" / f"clone-{secrets.token_hex(4)}"
    fresh = Clone(folder)
    try:
        fresh.run("up")
        yield fresh
    finally:
        fresh.run("down")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def two_cases(clone: Clone) -> tuple[str, list[dict[str, Any]]]:
    """A delivered mail about two subjects: its communication's id and its cases."""
    delivered = clone.run("mail", "deliver", "-", "--account", "contact@housing.example", stdin=LEAK_AND_NOISE)
    communication = delivered.stdout.decode().strip()
    cases = eventually(lambda: len(found := clone.cases_of(communication)) == 2 and found, 60)
    assert cases
    return communication, cases


def body_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    return str(part.get_content()) if part else ""


def _case(cases: list[dict[str, Any]], subject: str) -> str:
    return next(str(case["id"]) for case in cases if case["subject"] == subject)


def test_everything_is_ready_and_the_sample_mails_went_through(clone: Clone) -> None:
    status = clone.status()
    assert {service["state"] for service in status["services"].values()} == {"ready"}
    assert Path(status["mail_folder"]).is_dir()
    eventually(lambda: clone.status()["counts"]["cases"] >= 6, 60)
    counts = clone.status()["counts"]
    assert counts["communications"] == 6
    assert counts["dead_letters"] == 0


def test_an_operator_sees_what_a_sweep_would_take_and_revives_a_dead_address(clone: Clone) -> None:
    eventually(lambda: clone.status()["counts"]["communications"] >= 6, 60)
    swept = json.loads(clone.run("sweep", "--dry-run", "--json").stdout)
    assert b" contents in the store: 0 would be put aside" in clone.run("sweep", "--dry-run").stdout
    assert swept["contents"] >= 6
    assert swept["condemned"] == swept["deleted"] == 0
    with psycopg.connect(clone.status()["database"]) as connection:
        connection.execute("insert into notify_service.dead_addresses values ('ola@mail.example', '5.1.1', gen_random_uuid())")
    found = json.loads(clone.run("mail", "addresses", "--json").stdout)
    assert (found["address"], found["status"]) == ("ola@mail.example", "5.1.1")
    assert clone.run("mail", "revive", "Ola@mail.example").stdout == b"Ola@mail.example is written to again\n"
    assert clone.run("mail", "addresses").stdout == b"there is none\n"
    assert clone.run("webhooks", "list").stdout == b"the configuration has none\n"


@pytest.mark.requirement("EDGE-2")
def test_an_operator_has_a_domain_written_to_no_more_for_a_while(clone: Clone) -> None:
    clone.run("mail", "suppress", "*@Flood.example", "--note", "It answers all.", "--until", "2099-12-24")
    found = json.loads(clone.run("mail", "suppressed", "--json").stdout)
    assert (found["address"], found["reason"], found["note"]) == ("*@flood.example", "by_hand", "It answers all.")
    assert datetime.fromisoformat(found["until"]) == datetime(2099, 12, 24, tzinfo=UTC)
    assert clone.run("mail", "suppressed").stdout.startswith(b"*@flood.example  by_hand It answers all.  since ")
    assert clone.run("mail", "unsuppress", "*@flood.example").stdout == b"*@flood.example is written to again\n"
    assert clone.run("mail", "suppressed").stdout == b"there is none\n"


def test_up_while_it_is_up_changes_nothing(clone: Clone) -> None:
    before = clone.status()["services"]
    began = time.monotonic()
    assert b"nothing changed" in clone.run("up").stdout
    assert time.monotonic() - began < 10
    assert clone.status()["services"] == before


@pytest.mark.requirement("CASE-1", "EDGE-4", "TASK-2")
def test_one_mail_about_two_subjects_opens_two_cases_with_their_first_tasks(
    clone: Clone, two_cases: tuple[str, list[dict[str, Any]]]
) -> None:
    _, cases = two_cases
    assert {case["subject"] for case in cases} == {"water-leak", "noisy-neighbours"}
    leak = _case(cases, "water-leak")
    tasks = eventually(lambda: clone.tasks_of(leak), 60)
    triggered = {code for code, task in tasks.items() if task["triggered_at"] is not None}
    assert triggered == {"make-leak-safe", "inform-insurer"}
    assert set(tasks) == {"make-leak-safe", "inform-insurer", "trace-leak", "check-dried-out"}


@pytest.mark.requirement("NOTE-2")
def test_a_template_is_shown_with_a_real_case(clone: Clone, two_cases: tuple[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    leak = next(case for case in two_cases[1] if case["subject"] == "water-leak")
    eventually(lambda: items(call(clone.stack, "notify", f"/deliveries?case_id={leak['id']}", user="kwame.mensah")), 60)
    command = ("mail", "preview", "we-have-your-message", "--case", leak["number"], "--html", str(tmp_path / "letter.html"))
    shown = clone.run(*command).stdout.decode()
    assert shown.startswith(f"Subject: We have your message [{leak['number']}]\n\nDear Ola Nord,\n")
    assert "About: Water leak\n" in shown
    assert "Ola Nord" in (tmp_path / "letter.html").read_text()


@pytest.mark.requirement("COM-3")
def test_a_mail_server_hands_mail_in_where_status_says(clone: Clone) -> None:
    host, _, port = str(clone.status()["receives_mail_on"]).partition(":")
    before = clone.status()["counts"]["communications"]
    mail = LEAK_AND_NOISE.replace(b"two-subjects", b"by-lmtp").replace(b"\n", b"\r\n")
    with smtplib.LMTP(host, int(port)) as server:
        assert server.sendmail("ola.nord@mail.example", ["contact+web@housing.example"], mail) == {}
    eventually(lambda: clone.status()["counts"]["communications"] == before + 1, 60)


@pytest.mark.requirement("COM-5")
def test_a_call_rings_at_the_samples_line_and_goes_on(clone: Clone) -> None:
    before = clone.status()["counts"]["communications"]
    ringing = clone.run("call", "+441632960123", "--name", "Ola Nord")
    assert ringing.returncode == 0, ringing.stderr
    eventually(lambda: clone.status()["counts"]["communications"] == before + 1, 60)
    for stage in ("answered", "ended"):
        assert clone.run("call", "+441632960123", "--stage", stage, "--id", ringing.stdout.decode().strip()).returncode == 0

    def state() -> Any:
        answer = call(clone.stack, "case", "/communications", user="ben.carter", params={"method": "telephone"})
        return [one["call"]["stage"] for one in answer.json()["items"]]

    eventually(lambda: state() == ["ended"], 60)


@pytest.mark.requirement("COM-2")
def test_the_samples_form_is_there(clone: Clone) -> None:
    answer = httpx.get(f"{clone.stack.url('ingest')}/forms/contact", trust_env=False)
    assert (answer.status_code, "Contact Brook and Vale Homes" in answer.text) == (200, True)


@pytest.mark.requirement("NOTE-1")
def test_owners_are_told_of_their_tasks_by_email(clone: Clone, two_cases: tuple[str, list[dict[str, Any]]]) -> None:
    _, cases = two_cases
    number = next(case["number"] for case in cases if case["subject"] == "water-leak")
    eventually(lambda: [mail for mail in clone.mails_to("dan.evans@housing.example") if number in body_of(mail)], 60)


@pytest.mark.requirement("TASK-2", "TASK-6")
def test_completing_a_task_starts_its_dependant(clone: Clone, two_cases: tuple[str, list[dict[str, Any]]]) -> None:
    leak = _case(two_cases[1], "water-leak")
    first = eventually(lambda: clone.tasks_of(leak).get("make-leak-safe"), 60)
    for action in ("start", "complete"):
        answer = call(clone.stack, "task", f"/tasks/{first['id']}/{action}", user="dan.evans", method="POST")
        assert answer.status_code == 200, answer.text
    eventually(lambda: clone.tasks_of(leak)["trace-leak"]["triggered_at"], 30)
    assert clone.tasks_of(leak)["check-dried-out"]["triggered_at"] is None


@pytest.mark.requirement("SLA-2")
def test_a_task_due_in_two_seconds_raises_due_soon_and_overdue_by_email(clone: Clone) -> None:
    due_at = datetime.now(UTC) + timedelta(seconds=2)
    wanted = {
        "subject_line": f"Call back {secrets.token_hex(4)}",
        "description": "The customer waits for a call.",
        "due_at": due_at.isoformat(),
        "priority": "high",
        "customer_name": "Ola Nord",
    }
    answer = call(clone.stack, "task", "/tasks", user="george.ellis", json=wanted)
    assert answer.status_code == 201, answer.text

    def alerts() -> bool:
        mails = [mail for mail in clone.mails_to("george.ellis@housing.example") if wanted["subject_line"] in body_of(mail)]
        subjects = " ".join(str(mail["Subject"]) for mail in mails).lower()
        return "due soon" in subjects and "overdue" in subjects

    eventually(alerts, 60)


def test_down_and_up_again_continues_with_the_data(clone: Clone) -> None:
    before = clone.status()["counts"]
    clone.run("down")
    assert not clone.stack.is_up()
    assert not clone.stack.kafka.is_ready()
    clone.run("up", "--replicas", "2")
    status = clone.status()
    assert {"case-consume-1", "notify-consume-1"} <= set(status["services"])
    after = status["counts"]
    assert (after["communications"], after["cases"]) == (before["communications"], before["cases"])
