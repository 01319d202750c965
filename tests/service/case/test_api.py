"""The HTTP API of the case service, served for real."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import httpx
import pytest

from services.case.api import routers
from services.case.settings import Settings
from shared.ids import case_id, derive
from shared.messaging import EventPublisher
from shared.schemas import topics
from shared.schemas.events import CallStage, CommunicationReceived, CommunicationUpdated, TaskLifeCycle
from shared.schemas.parts import FileRef, ScriptAnswer
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_mail, a_plan, a_task_change, an_event, an_expiry, received
from tests.support.web import a_token, a_verifier, bearer, served

AGENT = ("case:read", "case:progress", "communication:read")


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str) -> Iterator[httpx.Client]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    app = create_app("case", settings, routers(publisher, service.reference, lambda: NOW), verifier=a_verifier())
    with served(app) as client:
        yield client
    publisher.close()


@pytest.fixture
def mail(service: CaseService) -> CommunicationReceived:
    """A mail about a leak and noise, taken in."""
    mail = a_mail("Two things", "A leak. And noise, every night.")
    service.receive(received(mail))
    return mail


@pytest.fixture
def leak(mail: CommunicationReceived) -> UUID:
    return case_id(mail.communication_id, "leak")


def _as(user: str, unit: str, *permissions: str, scope: str = "unit") -> dict[str, str]:
    return bearer(a_token(user, *(permissions or AGENT), unit=unit, scope=scope))  # type: ignore[arg-type]


RITA = ("rita", "repairs")


def _complete_gate(service: CaseService, case: UUID, tasks: int = 0) -> list[UUID]:
    ids = [derive("task", case, n) for n in range(tasks)]
    service.take(topics.TASKS, [a_plan(case, *ids)])
    return ids


@pytest.mark.requirement("CASE-10")
def test_a_case_is_shown_with_customer_communications_and_history(api: httpx.Client, leak: UUID, mail: CommunicationReceived) -> None:
    answer = api.get(f"/cases/{leak}")

    shown = answer.json()
    assert answer.headers["etag"] == '"1"'
    assert (shown["number"], shown["state"], shown["status"], shown["unit"]) == ("C-2026-000001", "pending", "new", "repairs")
    assert shown["customer"]["email"] == "ann@customer.example"
    assert [(target["clock"], target["within"], target["source"]) for target in shown["targets"]] == [
        ("response", "4 working hours", "organisation"),
        ("completion", "1 day", "subject"),
    ]
    assert [(c["id"], c["body"]) for c in shown["communications"]] == [(str(mail.communication_id), mail.text)]
    without = bearer(a_token("rita", "case:read", "case:progress", unit="repairs"))
    assert mail.text not in api.get(f"/cases/{leak}", headers=without).text
    assert [(entry["field"], entry["new"], entry["by"]) for entry in shown["history"]] == [
        ("communication", str(mail.communication_id), "system"),
        ("state", "pending", "system"),
    ]


@pytest.mark.requirement("COM-5")
def test_a_call_is_shown_as_far_as_it_has_got_and_a_mail_is_none(
    api: httpx.Client, service: CaseService, mail: CommunicationReceived
) -> None:
    answered = CommunicationUpdated(
        communication_id=mail.communication_id, conversation_id=mail.conversation_id, stage=CallStage.ANSWERED, at=NOW, answered_by="Dora"
    )
    assert api.get(f"/communications/{mail.communication_id}").json()["call"] is None
    service.receive(an_event(answered))

    call = api.get(f"/communications/{mail.communication_id}").json()["call"]
    assert (call["stage"], call["rang_at"], call["answered_by"], call["ended_at"], call["outcome"]) == ("answered", None, "Dora", None, "")
    assert datetime.fromisoformat(call["answered_at"]) == NOW


@pytest.mark.requirement("COM-1", "COM-2")
def test_a_communication_is_shown_with_its_place_and_the_answers_to_its_scripts(api: httpx.Client, service: CaseService) -> None:
    answer = {"script": "security", "prompt": "Was a document shown?", "answer": 'A "passport" \\ \u00e4'}
    visit = a_mail("Visit", "A leak.").model_copy(update={"location": "Library", "script_answers": (ScriptAnswer(**answer),)})
    plain = a_mail("Mail", "A leak.")
    service.receive(received(visit), received(plain))

    shown = api.get(f"/communications/{visit.communication_id}").json()

    assert (shown["location"], shown["script_answers"]) == ("Library", [answer])
    assert api.get(f"/communications/{plain.communication_id}").json()["script_answers"] == []


@pytest.mark.requirement("CASE-3", "CASE-7", "CASE-10")
def test_a_case_from_acceptance_to_completion(api: httpx.Client, service: CaseService, leak: UUID) -> None:
    headers = _as(*RITA)
    (task,) = _complete_gate(service, leak, tasks=1)

    refused = api.post(f"/cases/{leak}/status", json={"status": "answered"}, headers=headers)
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    assert "belong to a user" in refused.json()["why"]
    assert api.post(f"/cases/{leak}/accept", headers=headers).json()["owner"] == "rita"
    for status in ("answered", "resolved"):
        assert api.post(f"/cases/{leak}/status", json={"status": status}, headers=headers).json()["status"] == status
    gated = api.post(f"/cases/{leak}/status", json={"status": "closed"}, headers=headers)
    assert (gated.status_code, gated.json()["why"]) == (409, "1 of its tasks are still open")
    service.take(topics.TASKS, [a_task_change(leak, task, TaskLifeCycle.COMPLETED, 3)])
    closed = api.post(f"/cases/{leak}/status", json={"status": "closed", "reason": "all done"}, headers=headers).json()
    assert (closed["state"], closed["revision"], closed["reason"]) == ("completed", 5, "all done")

    locked = api.post(f"/cases/{leak}/priority", json={"urgency": "low"}, headers=headers)
    assert (locked.status_code, locked.json()["why"]) == (409, "a completed case is not modifiable")
    history = api.get(f"/cases/{leak}/history", headers=headers).json()["items"]
    assert [(e["field"], e["old"], e["new"]) for e in history if e["field"] in ("owner", "state")] == [
        ("state", None, "pending"),
        ("owner", None, "rita"),
        ("state", "pending", "responded"),
        ("state", "responded", "finally_resolved"),
        ("state", "finally_resolved", "completed"),
    ]


def test_each_command_emits_one_event_with_the_next_revision(api: httpx.Client, service: CaseService, leak: UUID) -> None:
    api.post(f"/cases/{leak}/assign", json={"unit": "neighbourhood", "owner": "nils"})
    api.post(f"/cases/{leak}/priority", json={"urgency": "low"})
    api.post(f"/cases/{leak}/status", json={"status": "answered"})

    # The events have gone to Kafka by the time the command answers, so the outbox is empty again.
    assert service.rows("select revision, unit, owner, priority, status from cases where id = %s", leak) == [
        (4, "neighbourhood", "nils", "normal", "answered")
    ]
    assert service.count("outbox") == 0


def test_an_override_of_the_gate_needs_permission_and_a_reason(api: httpx.Client, service: CaseService, leak: UUID) -> None:
    _complete_gate(service, leak, tasks=2)
    api.post(f"/cases/{leak}/accept", headers=_as(*RITA))
    for status in ("answered", "resolved"):
        api.post(f"/cases/{leak}/status", json={"status": status}, headers=_as(*RITA))
    body = {"status": "closed", "override": True, "reason": "customer moved out"}

    assert api.post(f"/cases/{leak}/status", json=body, headers=_as(*RITA)).status_code == 409
    leader = _as("lena", "repairs", *AGENT, "case:assign")
    assert api.post(f"/cases/{leak}/status", json=body | {"reason": ""}, headers=leader).status_code == 409
    assert api.post(f"/cases/{leak}/status", json=body, headers=leader).json()["state"] == "completed"


@pytest.mark.requirement("CASE-7")
def test_assignment_only_to_units_and_active_users_there_are(api: httpx.Client, leak: UUID) -> None:
    for body, why in (
        ({"owner": "nobody"}, "no active user nobody"),
        ({"unit": "nowhere"}, "no unit nowhere"),
        ({}, "neither a unit nor a user"),
    ):
        answer = api.post(f"/cases/{leak}/assign", json=body)
        assert (answer.status_code, why in answer.json()["why"]) == (409, True)
    assert api.post(f"/cases/{leak}/assign", json={"owner": "nils"}, headers=_as(*RITA)).status_code == 403


@pytest.mark.requirement("CASE-5")
def test_urgency_and_impact_change_the_priority_by_the_table(api: httpx.Client, leak: UUID) -> None:
    assert api.get(f"/cases/{leak}").json()["priority"] == "high"
    assert api.post(f"/cases/{leak}/priority", json={"urgency": "low", "impact": "low"}).json()["priority"] == "low"
    unknown = api.post(f"/cases/{leak}/priority", json={"urgency": "extreme"})
    assert (unknown.status_code, unknown.json()["why"]) == (422, "the prioritisation table has none")


def test_a_command_is_refused_when_the_case_changed_since_it_was_read(api: httpx.Client, leak: UUID) -> None:
    tag = api.get(f"/cases/{leak}").headers["etag"]
    first = api.post(f"/cases/{leak}/assign", json={"owner": "rita"}, headers={"If-Match": tag})
    second = api.post(f"/cases/{leak}/assign", json={"owner": "lena"}, headers={"If-Match": tag})

    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    assert (second.status_code, second.headers["etag"]) == (412, '"2"')


def test_a_command_with_the_same_key_is_done_once(api: httpx.Client, service: CaseService, leak: UUID) -> None:
    headers = {"Idempotency-Key": "once"}
    answers = [api.post(f"/cases/{leak}/assign", json={"owner": "rita"}, headers=headers) for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert service.rows("select revision from cases where id = %s", leak) == [(2,)]
    assert api.post(f"/cases/{leak}/assign", json={"owner": "lena"}, headers=headers).status_code == 422


def test_cases_are_listed_by_filter_and_page(api: httpx.Client, service: CaseService, mail: CommunicationReceived) -> None:
    for n in range(5):
        service.receive(received(a_mail(text=f"question {n}")))

    def listed(**params: object) -> list[str]:
        numbers, cursor = [], None
        while True:
            page = api.get("/cases", params={"limit": 2, **params} | ({"cursor": cursor} if cursor else {})).json()
            numbers += [item["number"] for item in page["items"]]
            cursor = page["next"]
            if cursor is None:
                return sorted(numbers)

    assert len(listed()) == 7
    assert listed(subject="leak") == listed(unit="repairs") == ["C-2026-000001"]
    assert listed(communication_id=mail.communication_id) == ["C-2026-000001", "C-2026-000002"]
    assert listed(state="completed") == listed(owner="rita") == []
    assert len(listed(state="pending", unit="contact-centre")) == 5


def test_rows_that_the_caller_may_not_see_look_as_if_there_were_none(api: httpx.Client, leak: UUID, mail: CommunicationReceived) -> None:
    repairs, neighbourhood, own = _as(*RITA), _as("nils", "neighbourhood"), _as("paul", "repairs", scope="own")

    def seen(headers: dict[str, str]) -> list[str]:
        return [case["subject"] for case in api.get("/cases", headers=headers).json()["items"]]

    assert (seen(repairs), seen(neighbourhood), seen(own)) == (["leak"], ["noise"], [])
    assert api.get(f"/cases/{leak}", headers=neighbourhood).status_code == 404
    assert api.get(f"/cases/{leak}/history", headers=neighbourhood).status_code == 404
    assert api.post(f"/cases/{leak}/accept", headers=neighbourhood).status_code == 404
    assert api.get(f"/communications/{mail.communication_id}", headers=neighbourhood).status_code == 200
    assert api.get(f"/communications/{mail.communication_id}", headers=own).status_code == 404
    assert api.get("/cases", headers={"Authorization": ""}).status_code == 401
    api.post(f"/cases/{leak}/assign", json={"owner": "paul"})
    assert seen(own) == ["leak"]


@pytest.mark.requirement("CON-1")
def test_a_contact_is_shown_with_handles_and_open_cases_high_priority_first(
    api: httpx.Client, service: CaseService, mail: CommunicationReceived
) -> None:
    contact = api.get("/cases").json()["items"][0]["customer"]["contact_id"]
    service.receive(received(a_mail(text="just a question")))

    shown = api.get(f"/contacts/{contact}").json()

    assert (shown["name"], shown["handles"]) == (
        "Ann Customer",
        [{"kind": "email", "value": "ann@customer.example", "undeliverable": None}],
    )
    assert [case["priority"] for case in shown["open_cases"]] == ["high", "normal", "normal"]
    assert api.get(f"/contacts/{derive('nobody')}").status_code == 404


def test_communications_are_listed_and_shown_with_text(api: httpx.Client, mail: CommunicationReceived) -> None:
    (listed,) = api.get("/communications", params={"message_id": mail.message_id}).json()["items"]
    shown = api.get(f"/communications/{mail.communication_id}").json()

    assert "body" not in listed
    assert (shown["body"], shown["effect"], len(shown["case_ids"])) == (mail.text, "opens", 2)
    assert shown["candidates"][0]["name"] == "Ann Customer"


def test_a_communication_tells_what_its_sender_quoted_and_which_files_are_dangerous(api: httpx.Client, service: CaseService) -> None:
    program = FileRef(sha256="a" * 64, size=1, filename="a.exe", danger="executable")
    reply = a_mail(text="Yes.\n\n> A leak?", own_text_length=4, attachments=(program,))
    service.receive(received(reply))

    shown = api.get(f"/communications/{reply.communication_id}").json()

    assert shown["body"][: shown["own_text_length"]] == "Yes."
    assert [file["danger"] for file in shown["attachments"]] == ["executable"]


def test_open_cases_are_those_neither_completed_nor_cancelled(api: httpx.Client, leak: UUID) -> None:
    def listed(**params: bool) -> set[str]:
        return {case["subject"] for case in api.get("/cases", params=params).json()["items"]}

    assert listed(open=True) == listed() == {"leak", "noise"}
    assert api.post(f"/cases/{leak}/status", json={"status": "cancelled", "reason": "duplicate"}).status_code == 200
    assert (listed(open=True), len(listed())) == ({"noise"}, 2)


@pytest.mark.requirement("COM-8")
def test_cases_too_urgent_to_expire_are_on_the_review_list(api: httpx.Client, service: CaseService) -> None:
    tweet = a_mail("Leak", "A leak!", method="social", message_id="")
    service.receive(received(tweet), received(a_mail()))
    service.take(topics.SLA, [an_expiry(tweet.communication_id)])

    assert [case["subject"] for case in api.get("/cases", params={"needs_review": True}).json()["items"]] == ["leak"]


def test_counts_and_republish(api: httpx.Client, mail: CommunicationReceived) -> None:
    assert api.get("/counts").json() == {"communications": 1, "cases": 2, "contacts": 1, "dead_letters": 0}
    answer = api.post("/republish")
    assert (answer.status_code, answer.json()) == (202, {"republished": 2})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/cases?state=unheard-of", None),
        ("GET", "/cases?unit=%00", None),
        ("GET", "/cases?cursor=Z2FyYmFnZQ", None),
        ("GET", "/cases?cursor=WyJ4IiwieSJd", None),
        ("GET", "/cases?limit=0", None),
        ("GET", "/cases/not-a-uuid", None),
        ("GET", "/communications?method=%00", None),
        ("POST", "/cases/{leak}/status", {"status": "answered", "reason": "\x00"}),
        ("POST", "/cases/{leak}/status", {}),
        ("POST", "/cases/{leak}/status", ["answered"]),
        ("POST", "/cases/{leak}/assign", {"owner": 7}),
        ("POST", "/cases/{leak}/priority", {"unknown": "member"}),
    ],
)
def test_garbage_is_refused_with_a_reason(api: httpx.Client, leak: UUID, method: str, path: str, body: object) -> None:
    answer = api.request(method, path.replace("{leak}", str(leak)), json=body)

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
