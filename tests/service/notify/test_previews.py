"""Previews of templates over HTTP, filled from a real case's messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.notify.api import build
from services.notify.settings import Settings
from shared.ids import derive
from shared.messaging import StaticReference
from tests.service.notify.harness import NotifyService, a_case, a_task
from tests.support.configuration import DOCUMENT, TEMPLATES, a_configuration
from tests.support.web import a_token, a_verifier, bearer, served

DUTCH = {"nl": {"subject_line": "Uw bericht", "text": "Beste #first_name,\n\nuw #item is van #subject, van #opened."}}
CONFIGURATION = a_configuration(
    organisation=DOCUMENT["organisation"] | {"words": {"nl": {"case": "zaak", "Water leak": "Lekkage"}}},
    templates=[*TEMPLATES[:2], TEMPLATES[2] | {"translations": DUTCH}],
)


@pytest.fixture
def api(notify: NotifyService) -> Iterator[httpx.Client]:
    settings = Settings(kafka=notify.kafka, database=notify.url, port=0)
    with served(build(settings, notify.database, a_verifier(), StaticReference(CONFIGURATION))) as client:
        yield client


def previewed(api: httpx.Client, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    return api.post("/templates/preview", json=body, headers=headers)


@pytest.mark.requirement("NOTE-2")
def test_a_text_in_the_making_is_shown_with_a_real_case(notify: NotifyService, api: httpx.Client) -> None:
    notify.take(a_case(title="A leak <at> home"), a_task())
    text = "Dear #first_name,\n\n#case_title\nTask: #task\nOpened: #opened\nReason: #reason\n\n#feedback_link"
    answer = previewed(api, subject_line="About #subject", text=text, case_id=str(derive("case", 1))).json()
    assert answer["subject_line"] == "[C-2026-000001] About Water leak"
    assert answer["text"].startswith("Dear Ann,\n\n")
    assert "Task: Inspect the leak at once\nOpened: Mon 2 Mar 2026, 09:00" in answer["text"]
    assert "Reason" not in answer["text"]
    assert answer["empty"] == ["reason"]
    assert 'href="https://answer.example/feedback_link"' in answer["html"], "nobody can answer by a preview"
    assert "<title>[C-2026-000001] About Water leak</title>" in answer["html"]


@pytest.mark.requirement("NOTE-2")
def test_a_template_is_shown_in_a_language_with_a_case_that_could_be(api: httpx.Client) -> None:
    answer = previewed(api, code="acknowledge", language="nl-BE", values={"first_name": "Jan & Els"}).json()
    assert answer["language"] == "nl"
    assert answer["text"] == "Beste Jan & Els,\n\nuw zaak is van Lekkage, van di 3 nov 2026, 09:12."
    assert 'lang="nl"' in answer["html"]
    assert "Jan &amp; Els" in answer["html"]
    assert previewed(api, code="acknowledge", language="fr").json()["language"] == "en"


def test_what_cannot_be_shown_is_refused(notify: NotifyService, api: httpx.Client) -> None:
    wrong = previewed(api, subject_line="a", text="#frist_name")
    assert (wrong.status_code, "did you mean #first_name?" in wrong.json()["detail"]) == (422, True)
    assert previewed(api, subject_line="a", text="b", html="<script>x</script>").status_code == 422
    assert "did you mean #task?" in previewed(api, code="alert", values={"tasks": "x"}).json()["detail"]
    assert previewed(api, code="alert", values={"task and more": "x"}).status_code == 422
    assert previewed(api, code="alert", values={"desk_link": "javascript:x()"}).status_code == 422
    assert previewed(api, code="alert", language="xx").status_code == 422
    assert previewed(api, code="alert", text="b", subject_line="c").status_code == 422
    assert previewed(api, text="b").status_code == 422
    assert previewed(api).status_code == 422
    assert previewed(api, code="unheard-of").status_code == 404
    assert previewed(api, code="alert", case_id=str(uuid4())).status_code == 404


def test_a_preview_shows_no_case_that_its_reader_may_not_see(notify: NotifyService, api: httpx.Client) -> None:
    notify.take(a_case())
    case = str(derive("case", 1))

    def status(*given: Any, **reach: Any) -> int:
        return previewed(api, bearer(a_token(*given, **reach)), code="acknowledge", case_id=case).status_code

    assert status("lena", "template:preview", unit="repairs", scope="unit") == 200
    assert status("noor", "template:preview", unit="neighbourhood", scope="unit") == 404
    assert status("paul", "template:preview", scope="own") == 404
    assert status("lena", "delivery:read", unit="repairs", scope="unit") == 403


@pytest.mark.requirement("NOTE-2")
def test_tags_are_listed_with_what_they_stand_for(api: httpx.Client) -> None:
    items = api.get("/tags").json()["items"]
    assert {"tag": "due", "meaning": "When the item is due, in the organisation's time zone."} in items
    to_customers = {item["tag"] for item in api.get("/tags", params={"on": "case.opened", "to": "customer"}).json()["items"]}
    assert {"first_name", "feedback_link"} <= to_customers < {item["tag"] for item in items}
    assert not {"task", "approval_link"} & to_customers
    assert api.get("/tags", headers=bearer(a_token("rita", "task:read"))).status_code == 403
