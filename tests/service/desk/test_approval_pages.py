"""Approvals at the desk, beside a real task service: what waits for whom, deciding, handing on, passing over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.configuration import ROLES_WITH_APPROVALS
from tests.support.desk import PASSWORD, Platform, desk_beside_task


@pytest.fixture
def platform(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, desk_prefix: str) -> Iterator[Platform]:
    with desk_beside_task(tmp_path, fresh_database, kafka, desk_prefix, sections={"roles": ROLES_WITH_APPROVALS}) as platform:
        yield platform


class Person:
    """A member of staff at the desk, with cookies of their own."""

    def __init__(self, platform: Platform, user: str) -> None:
        self.client = httpx.Client(base_url=platform.url, trust_env=False, timeout=10)
        assert self.client.post("/sign-in", data={"user": user, "password": PASSWORD}).status_code == 303

    def close(self) -> None:
        self.client.close()

    def see(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def send(self, page: str, action: str, status: int = 303, **fields: str) -> str:
        """Send the form of this page with this action, as the page has it; where it leads, or what it says."""
        form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', self.see(page), re.DOTALL)
        assert form is not None, action
        return self.press(form[0], action, status, **fields)

    def press(self, form: str, action: str, status: int = 303, **fields: str) -> str:
        hidden: dict[str, Any] = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
        answer = self.client.post(action, data=hidden | fields)
        assert answer.status_code == status, answer.text
        return str(answer.headers.get("location", answer.text))


@pytest.fixture
def people(platform: Platform) -> Iterator[Callable[..., list[Person]]]:
    """Signs these users in."""
    with ExitStack() as stack:
        yield lambda *users: [stack.enter_context(closing(Person(platform, user))) for user in users]


def approval_in(page: str) -> str:
    found = re.search(r'href="(/approvals/[0-9a-f-]{36})"', page)
    assert found is not None, page
    return found[1]


def waiting(page: str) -> int:
    """The number in the navigation."""
    found = re.search(r'class="count">(\d+)<span class="unseen"> waiting for you', page)
    return int(found[1]) if found else 0


@pytest.mark.requirement("TASK-4", "AUTO-1", "EDGE-6")
def test_an_approval_is_asked_seen_handed_on_and_decided(platform: Platform, people: Callable[..., list[Person]]) -> None:
    task = "/tasks/" + platform.add_task("rita", "Book the <hotel>", datetime.now(UTC) + timedelta(days=1))["id"]
    rita, lena, noor = people("rita", "lena", "noor")
    assert waiting(lena.see("/tasks")) == 0
    assert rita.send(task, f"{task}/approvals", 422, approver="lena", what=" ")
    assert rita.send(task, f"{task}/approvals", approver="lena", what="Pay 300 <euros>") == f"{task}?done=approval-asked"
    shown = rita.see(task)
    assert "Until it is approved, the task cannot be completed" in shown
    assert "without approval" not in shown  # passing over is not for everybody
    listed = lena.see("/approvals")
    assert waiting(listed) == 1
    assert "Pay 300 &lt;euros&gt;" in listed
    assert "Book the &lt;hotel&gt;, before completion" in listed
    approval = approval_in(listed)
    assert "Nothing here" in rita.see("/approvals")
    assert "Pay 300" in rita.see("/approvals?show=asked")

    assert rita.client.post(f"{approval}/approve", data={"revision": "1", "key": "0" * 32}).status_code == 409
    assert lena.send(approval, f"{approval}/delegate", to="noor", reason="Yours") == f"{approval}?done=delegate"
    assert (waiting(lena.see("/tasks")), waiting(noor.see("/tasks"))) == (0, 1)
    page = noor.see(approval)
    assert "You are asked. Until it is approved, the task cannot be completed." in page
    assert "Handed on to Noor" in page
    old = page
    form = re.search(r'<form[^>]*/approve".*?</form>', page, re.DOTALL)
    assert form is not None
    refused = noor.press(form[0], f"{approval}/decline", 409, reason=" ")
    assert "needs a reason" in refused
    assert noor.press(form[0], f"{approval}/decline", reason="Too dear,\r\nfind another") == f"{approval}?done=decline"
    assert "Somebody changed this approval" in noor.press(old, f"{approval}/delegate", 409, to="lena")
    declined = rita.see(approval)
    assert "It is declined." in declined
    assert "Too dear,\nfind another" in declined
    assert "Pay 300" in rita.see("/approvals?show=declined")
    assert rita.send(approval, f"{approval}/ask-again") == f"{approval}?done=ask-again"
    assert noor.send(approval, f"{approval}/approve") == f"{approval}?done=approve"
    assert "Approved" in noor.see(approval)
    assert "not approved yet" not in rita.see(task)


@pytest.mark.requirement("EDGE-14")
def test_links_to_an_approval_are_revoked_on_its_page(platform: Platform, people: Callable[..., list[Person]]) -> None:
    task = "/tasks/" + platform.add_task("rita", "Book the hotel", datetime.now(UTC) + timedelta(days=1))["id"]
    rita, lena = people("rita", "lena")
    rita.send(task, f"{task}/approvals", approver="lena", what="Pay 300 euros")
    approval = approval_in(lena.see("/approvals"))
    revoke = f"{approval}/revoke-links"
    assert rita.send(approval, revoke, reason="Wrong <address>") == f"{approval}?done=revoke-links"
    page = lena.see(f"{approval}?done=revoke-links")
    for words in ("Links revoked", "Wrong &lt;address&gt;", "no longer valid", "You are asked."):
        assert words in page
    assert lena.send(approval, f"{approval}/approve") == f"{approval}?done=approve"
    assert revoke not in lena.see(approval)


@pytest.mark.requirement("TASK-4", "EDGE-6")
def test_who_may_passes_over_what_is_not_approved_with_a_reason(platform: Platform, people: Callable[..., list[Person]]) -> None:
    task = "/tasks/" + platform.add_task("rita", "Book the hotel", datetime.now(UTC) + timedelta(days=1))["id"]
    rita, lena, noor = people("rita", "lena", "noor")
    rita.send(task, f"{task}/approvals", approver="noor", what="Pay 300 euros")
    rita.send(task, f"{task}/start")
    assert "waits for approval by noor" in rita.send(task, f"{task}/complete", 409)
    approval = approval_in(lena.see(task))
    assert f'href="{task}"' in lena.see(approval)
    theirs = noor.see(approval)
    assert (f'href="{task}"' in theirs, "Book the hotel" in theirs) == (False, True)  # its task is another unit's
    assert "You decide in the stead of Noor" in lena.see(approval)
    assert "needs a reason" in lena.send(approval, f"{approval}/approve", 409)
    assert "Say why" in lena.send(task, f"{task}/override", 422, reason=" ")
    assert rita.client.post(f"{task}/override", data={"action": "complete", "revision": "2", "key": "0" * 32}).status_code == 403
    assert lena.send(task, f"{task}/override", reason="The hotel closes at six") == f"{task}?done=complete"
    assert "overridden: The hotel closes at six" in rita.see(approval)
    assert "completed" in rita.see(task).lower()
    assert "no such approval" in rita.see("/approvals/00000000-0000-0000-0000-000000000000", 404)
