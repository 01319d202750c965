"""Links to approvals, as an approver, a mail scanner, a stranger, and somebody who was asked before use them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.task.api import public_routers, routers
from services.task.settings import ApiSettings
from shared.ids import derive
from shared.messaging import ReferenceData, StaticReference
from shared.messaging.reference import staff_of
from shared.web import create_app
from shared.web.answering import ANSWER_BYTES
from tests.service.task.conftest import NOW, TaskService, a_case_event, assert_gapless
from tests.support.configuration import USERS, a_configuration
from tests.support.feedback import a_key_file, a_link
from tests.support.web import a_token, a_verifier, bearer, served

CASE = derive("test case", 1)


@pytest.fixture
def reference() -> ReferenceData:
    """Max reads Dutch."""
    return StaticReference(a_configuration(users=[user | ({"language": "nl"} if user["user"] == "max" else {}) for user in USERS]))


@pytest.fixture
def api(service: TaskService, tmp_path: Path) -> Iterator[httpx.Client]:
    settings = ApiSettings(kafka="", database=service.url, port=0, link_keys=a_key_file(tmp_path), wrong_links_per_hour=3)
    inner = routers(service.publisher, service.reference, service.clock)
    public = public_routers(service.publisher, service.reference, settings, service.clock)
    app = create_app("task", settings, inner, public=public, body_limits={"/decide/": ANSWER_BYTES}, verifier=a_verifier())
    with served(app) as api:
        service.feed(a_case_event())
        yield api


def act(api: httpx.Client, user: str, path: str, **body: Any) -> dict[str, Any]:
    token = a_token(user, "task:read", "case:read", "approval:ask", unit="repairs", scope="all")
    answer = api.post(path, json=body, headers=bearer(token))
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


def ask(api: httpx.Client, what: str = "Pay the <b>hotel</b>") -> str:
    return str(act(api, "rita", f"/cases/{CASE}/approvals", approver="lena", what=what)["id"])


def link(approval: str, service: TaskService, user: str = "lena", **more: Any) -> str:
    """As it stands in a message of now."""
    return "/decide/" + a_link("approval", UUID(approval), service.clock(), user=user, **more)


@pytest.mark.requirement("EDGE-14", "TASK-4")
def test_an_approver_decides_by_a_link_once_and_looking_changes_nothing(api: httpx.Client, service: TaskService) -> None:
    approval = ask(api)
    path = link(approval, service)
    for look in (api.get(path), api.head(path), api.get(path)):
        assert look.status_code == 200
        assert "script-src" not in look.headers["content-security-policy"]
        assert look.headers["cache-control"] == "no-store"
    page = api.get(path).text
    for part in ("Pay the &lt;b&gt;hotel&lt;/b&gt;", "Case C-1:", "Rita", "asks you since Mon 2 Mar 2026, "):
        assert part in page
    assert "Please press one" in api.post(path, data={"q:comment": "?"}).text
    refused = api.post(path, data={"button": "decline", "q:comment": " "})
    assert (refused.status_code, "say why you decline" in refused.text) == (422, True)
    assert api.post(path, data={"button": "approve", "q:comment": "x" * 2001}).status_code == 422
    assert api.post(path, json={"button": "approve"}).status_code == 415
    assert [row["state"] for row in service.rows("select state from approvals")] == ["asked"]
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: api.post(path, data={"button": "approve", "q:comment": "Go on"}).status_code, range(4)))
    assert sorted(statuses) == [200, 410, 410, 410]
    assert "You approved this on Mon 2 Mar 2026, " in api.get(path).text
    shown = api.get(f"/approvals/{approval}", headers=bearer(a_token("lena", "task:read"))).json()
    assert (shown["state"], shown["decided_by"], shown["comment"]) == ("approved", "lena", "Go on")
    assert [(step["changed_by"], step["note"]) for step in shown["history"]] == [("rita", ""), ("lena", "by link")]
    (told,) = [event.data for event in service.events if event.type == "casestream.approval.decided.v1"]
    assert (told.decided_by, told.comment, told.note) == ("lena", "Go on", "")
    assert_gapless(service.events)


@pytest.mark.requirement("EDGE-14")
def test_revoked_links_say_nothing_and_later_ones_work(api: httpx.Client, service: TaskService) -> None:
    approval, other = ask(api), ask(api, "Pay the taxi")
    sent, elsewhere = link(approval, service), link(other, service)
    stranger = bearer(a_token("noor", "task:read", unit="gardens", scope="unit"))
    assert api.post(f"/approvals/{approval}/revoke-links", headers=stranger).status_code == 404
    overseer = bearer(a_token("noor", "task:read", "case:read", "approval:decide-for-others", scope="all"))
    assert api.post(f"/approvals/{approval}/revoke-links", headers=overseer).status_code == 422
    assert api.get(sent).status_code == 200

    revoked = api.post(f"/approvals/{approval}/revoke-links", json={"comment": "Lost telephone"}, headers=overseer)
    assert (revoked.status_code, revoked.json()["state"]) == (200, "asked")

    for gone in (api.get(sent), api.post(sent, data={"button": "approve"})):
        assert (gone.status_code, "This link is no longer valid." in gone.text) == (410, True)
        assert not [part for part in ("hotel", "C-1", "Lena", "Rita", "Lost") if part in gone.text]
    assert api.get(elsewhere).status_code == 200
    history = api.get(f"/approvals/{approval}", headers=bearer(a_token("lena", "task:read"))).json()["history"]
    assert [(step["event"], step["changed_by"], step["note"]) for step in history[1:]] == [
        ("casestream.approval.links-revoked.v1", "noor", "Lost telephone")
    ]
    service.clock.forward(minutes=1)  # type: ignore[attr-defined]
    assert api.post(link(approval, service), data={"button": "approve"}).status_code == 200
    assert "no longer valid" in api.get(sent).text
    assert_gapless(service.events)


@pytest.mark.requirement("EDGE-14", "NOTE-1")
def test_the_page_is_in_the_approvers_language(api: httpx.Client, service: TaskService) -> None:
    approval = str(act(api, "rita", f"/cases/{CASE}/approvals", approver="max", what="Pay the hotel")["id"])
    path = link(approval, service, user="max")
    page = api.get(path).text
    for part in (
        '<html lang="nl" dir="ltr">',
        "Keurt u dit goed?",
        "Zaak C-1:",
        "Rita Repairs vraagt u dit sinds ma 2 mrt 2026, ",
        "Goedkeuren",
    ):
        assert part in page
    assert "Vertel waarom" in api.post(path, data={"button": "decline"}).text
    assert "U hebt het goedgekeurd" in api.post(path, data={"button": "approve"}).text


@pytest.mark.requirement("EDGE-14")
def test_a_link_ends_with_what_it_asks_and_says_so(api: httpx.Client, service: TaskService) -> None:
    def ended(path: str, words: str) -> None:
        for answer in (api.get(path), api.post(path, data={"button": "approve"})):
            assert (answer.status_code, words in answer.text) == (410, True), answer.text

    approval = ask(api)
    first = link(approval, service)
    ended(link(approval, service, life=timedelta()), "too old")
    ended(link(approval, service, user="noor"), "handed to Lena")
    for path in (link(str(uuid4()), service), link(approval, service, user=""), "/decide/" + a_link("feedback", UUID(approval), NOW)):
        ended(path, "nothing to be decided")
    service.clock.forward(minutes=1)  # type: ignore[attr-defined]
    act(api, "lena", f"/approvals/{approval}/delegate", to="noor")
    ended(first, "handed to Noor")
    handed = link(approval, service, user="noor")
    assert "Lena" in api.get(handed).text
    service.clock.forward(minutes=1)  # type: ignore[attr-defined]
    assert api.post(handed, data={"button": "decline", "q:comment": "too dear"}).status_code == 200
    ended(handed, "You declined this")
    ended(first, "Noor")
    act(api, "rita", f"/approvals/{approval}/ask-again")
    ended(handed, "asked anew")
    again = link(approval, service, user="noor")
    assert api.get(again).status_code == 200
    act(api, "rita", f"/approvals/{approval}/withdraw")
    ended(again, "withdrawn")

    other = ask(api, "Pay the taxi")
    reference = service.reference
    assert isinstance(reference, StaticReference)
    staff = staff_of(reference.configuration())
    reference.staff = staff | {"lena": staff["lena"].model_copy(update={"active": False})}
    ended(link(other, service), "nothing to be decided")
    assert [row["state"] for row in service.rows("select state from approvals order by asked_at")] == ["withdrawn", "asked"]

    wrong = [api.get(path) for path in (link(other, service, key="k" * 40), link(other, service)[:-4], "/decide/x")]
    assert {answer.status_code for answer in wrong} == {404}
    assert api.get("/decide/y").status_code == 429
