"""The life of a case over HTTP: answers, acceptance, categories, key dates, cancellation reasons, deletion."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.case.api import routers
from services.case.consumer import handlers
from services.case.domain.case import Actor, HistoryEntry
from services.case.handlers import deletion
from services.case.handlers.commands import Asked, Commands
from services.case.handlers.rules import rules_of
from services.case.settings import Settings
from services.case.storage import cases, retention
from shared.ids import case_id, derive
from shared.messaging import EventPublisher, VersionCache
from shared.schemas import topics
from shared.schemas.envelope import Event
from shared.schemas.events import CaseDeleted, CommunicationReceived, CommunicationRecorded
from shared.storage import Database
from shared.storage.database import CONFLICT
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case_configuration, a_mail, a_plan, received
from tests.support.configuration import SUBJECTS
from tests.support.web import a_token, a_verifier, bearer, served

ALL = ("case:read", "case:create", "case:progress", "case:assign", "case:delete", "communication:read")


@pytest.fixture
def service(case_database: Database) -> CaseService:
    leak, noise, enquiry = SUBJECTS
    categories = {
        "response_categories": [
            {"code": "answered", "name": "Answered", "default": True},
            {"code": "offer", "name": "An offer", "parent": "answered", "subjects": ["leak"], "requires_acceptance": True},
        ],
        "final_resolution_categories": [
            {"code": "repaired", "name": "Repaired", "subjects": ["leak"]},
            {"code": "moved", "name": "Moved out", "parent": "repaired"},
        ],
    }
    # a_case_configuration adds a subject to its own: this one replaces theirs.
    base = a_case_configuration(**categories).model_dump(mode="json")
    base["subjects"] = [
        leak | {"complete_within": "1 working day", "recalculate_on_response": True, "categories": ["repairs"]},
        noise | {"opened_by": ["neighbourhood"]},
        enquiry,
    ]
    return CaseService(case_database, type(a_case_configuration()).model_validate(base))


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str) -> Iterator[httpx.Client]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    app = create_app("case", settings, routers(publisher, service.reference, lambda: service.now), verifier=a_verifier())
    with served(app) as client:
        client.headers.update(bearer(a_token("rita", *ALL, unit="repairs", scope="all")))
        yield client
    publisher.close()


@pytest.fixture
def leak(service: CaseService) -> UUID:
    mail = a_mail("Water", "A leak.")
    service.receive(received(mail))
    return case_id(mail.communication_id, "leak")


def _post(api: httpx.Client, case: UUID, what: str, **body: Any) -> httpx.Response:
    return api.post(f"/cases/{case}/{what}", json=body)


def _done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def _refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["why"])


@pytest.mark.requirement("CASE-3", "CASE-4", "CASE-9", "CASE-12")
def test_a_case_from_its_first_answer_to_its_completion(api: httpx.Client, service: CaseService, leak: UUID) -> None:
    service.take(topics.TASKS, [a_plan(leak)])
    opened = _done(api.get(f"/cases/{leak}"))["key_dates"]
    assert opened["expected_completion_at"].startswith("2026-03-03T10:00")  # a working day after the opening
    assert (opened["time_left"], opened["time_overdue"], opened["time_to_completion"]) == (8 * 3600, 0, None)

    choices = _done(api.get(f"/cases/{leak}/choices"))
    offered = [{"code": "answered", "requires_acceptance": False}, {"code": "offer", "requires_acceptance": True}]
    assert choices["answers"] == [{"stage": "response", "amends": False, "default": "answered", "categories": offered}]
    reasons = {"status": "cancelled", "reasons": ["by-request", "duplicate", "expired"], "default": "by-request"}
    assert choices["cancellation"] == reasons

    offer = {"stage": "response", "category": "offer", "text": "A plumber on Tuesday?"}
    assert "belong to a user" in _refused(_post(api, leak, "answers", **offer), 409)
    _done(_post(api, leak, "accept"))
    service.now = NOW + timedelta(hours=2)
    assert "'nonsense' is not among its response categories; it is one of answered, offer" in _refused(
        _post(api, leak, "answers", stage="response", category="nonsense"), 422
    )
    given = _done(_post(api, leak, "answers", **offer))
    assert (given["state"], given["status"], given["response_category"], given["awaiting_acceptance"]) == (
        "responded",
        "answered",
        "offer",
        "response",
    )
    assert given["key_dates"]["expected_completion_at"].startswith("2026-03-03T12:00")  # now from the response

    repaired = {"stage": "final_resolution", "category": "repaired", "text": "New pipe."}
    assert _refused(_post(api, leak, "answers", **repaired), 409) == "the customer has to accept the response first"
    declined = _done(_post(api, leak, "acceptance", stage="response", accepted=False, comment="I work on Tuesdays."))
    assert (declined["awaiting_acceptance"], declined["answers"][0]["accepted"]) == ("", False)
    assert "declined the response" in _refused(_post(api, leak, "answers", **repaired), 409)
    amended = _done(_post(api, leak, "answers", **(offer | {"text": "On Wednesday then?"})))
    assert (amended["status"], amended["awaiting_acceptance"], amended["answers"][0]["accepted"]) == ("answered", "response", None)
    accepted = _done(_post(api, leak, "acceptance", stage="response", accepted=True))
    assert (accepted["answers"][0]["accepted_by"], accepted["awaiting_acceptance"]) == ("rita", "")

    ahead = [(one["stage"], one["amends"]) for one in api.get(f"/cases/{leak}/choices").json()["answers"]]
    assert ahead == [("response", True), ("temporary_resolution", False), ("final_resolution", False)]
    # The final resolution has no default category: the status alone does not make the step.
    assert "choose a final resolution category" in _refused(_post(api, leak, "status", status="resolved"), 422)
    _done(_post(api, leak, "answers", **repaired))
    assert "could be amended until then" in _refused(_post(api, leak, "answers", **offer), 409)
    service.now = NOW + timedelta(days=2)
    closed = _done(_post(api, leak, "status", status="closed"))

    dates = closed["key_dates"]
    assert (dates["time_to_completion"], dates["time_left"], dates["time_overdue"]) == (16 * 3600, None, 6 * 3600)
    assert [(answer["stage"], answer["category"], answer["text"]) for answer in closed["answers"]] == [
        ("response", "offer", "On Wednesday then?"),
        ("final_resolution", "repaired", "New pipe."),
    ]
    history = {(entry["field"], entry["old"], entry["new"]) for entry in api.get(f"/cases/{leak}").json()["history"]}
    assert history >= {
        ("response_text", "A plumber on Tuesday?", "On Wednesday then?"),
        ("response_accepted", None, "no"),
        ("response_comment", None, "I work on Tuesdays."),
        ("expected_completion_at", "2026-03-03T10:00:00+00:00", "2026-03-03T12:00:00+00:00"),
        ("final_category", None, "repaired"),
    }
    for what, body in (("answers", repaired | {"text": "x"}), ("category", {"category": "repairs"}), ("acceptance", {"stage": "response"})):
        refused = _post(api, leak, what, **({"accepted": True} if what == "acceptance" else {}), **body)
        assert "not modifiable" in _refused(refused, 409)
    assert service.rows("select count(*) from answers") == [(2,)]


@pytest.mark.requirement("SLA-2", "CASE-9")
def test_others_learn_that_the_response_moved_the_date_by_which_a_case_is_to_be_completed(service: CaseService, leak: UUID) -> None:
    commands = Commands(service.reference, VersionCache(service.reference, rules_of))

    def told(status: str) -> list[tuple[Any, Any]]:
        asked = Asked(leak, Actor("rita", "repairs"), derive(leak, status), service.now, "", lambda _: None)
        with service.database.transaction() as tx:
            commands.set_status(tx, asked, status, "")
            data = [emitted.event.data for emitted in tx.emitted]
        return [(one.completion_was_expected_at, one.expected_completion_at) for one in data]

    with service.database.transaction() as tx:
        commands.accept(tx, Asked(leak, Actor("rita", "repairs"), derive(leak, "accepted"), service.now, "", lambda _: None))
    service.now = NOW + timedelta(hours=2)
    assert told("answered") == [(NOW + timedelta(days=1), NOW + timedelta(days=1, hours=2))]
    assert told("waiting") == [(None, NOW + timedelta(days=1, hours=2))]


@pytest.mark.requirement("CASE-2", "CASE-6", "CASE-9")
def test_categories_estimates_and_cancellation_reasons_are_checked(api: httpx.Client, service: CaseService, leak: UUID) -> None:
    # `plumbing` is below `repairs`, which the subject lists.
    assert _done(_post(api, leak, "category", category="repairs"))["category"] == "repairs"
    assert _done(_post(api, leak, "category", category="plumbing"))["category"] == "plumbing"
    assert "allows plumbing, repairs" in _refused(_post(api, leak, "category", category="rent"), 422)

    at = (NOW + timedelta(days=9)).isoformat()
    assert _done(_post(api, leak, "estimate", estimated_completion_at=at))["key_dates"]["estimated_completion_at"] == at
    for wrong in ("2026-03-01T00:00:00Z", "9999-12-31T23:59:59-12:00"):
        assert "between the opening" in _refused(_post(api, leak, "estimate", estimated_completion_at=wrong), 422)

    unknown = _refused(_post(api, leak, "status", status="cancelled", reason="boredom"), 422)
    assert unknown == "there is no cancellation reason 'boredom'; it is one of by-request, duplicate, expired"
    cancelled = _done(_post(api, leak, "status", status="cancelled"))
    assert (cancelled["state"], cancelled["reason"], cancelled["key_dates"]["completed_at"]) == ("cancelled", "by-request", None)


@pytest.mark.requirement("CASE-8")
def test_a_case_that_staff_opened_by_mistake_is_deleted_and_its_history_stays(api: httpx.Client, service: CaseService, leak: UUID) -> None:
    assert "cancel it instead" in _refused(_post(api, leak, "delete"), 409)
    mail = a_mail("Re: nothing", "Thanks.", robot="auto_reply")
    service.receive(received(mail))
    path = f"/communications/{mail.communication_id}"
    assert "only units neighbourhood" in _refused(api.post(f"{path}/cases", json={"subjects": ["noise"]}), 422)
    (wrong,) = api.post(f"{path}/cases", json={"subjects": ["enquiry"]}).json()["cases"]
    service.take(topics.TASKS, [a_plan(UUID(wrong["id"]), derive("task", 1))])  # planned, and begun by nobody

    deleted = _done(_post(api, UUID(wrong["id"]), "delete", reason="No matter at all."))

    assert deleted["number"] == wrong["number"]
    assert api.get(f"/cases/{wrong['id']}").status_code == 404
    assert (api.get(path).json()["case_ids"], api.get(path).json()["effect"]) == ([], "recorded")
    (kept,) = api.get("/deleted-cases").json()["items"]
    assert (kept["number"], kept["deleted_by"], kept["reason"]) == (wrong["number"], "rita", "No matter at all.")
    past = api.get(f"/deleted-cases/{wrong['id']}/history").json()["items"]
    assert [(entry["field"], entry["old"], entry["new"]) for entry in past][-1] == ("deleted", wrong["number"], "No matter at all.")
    assert api.get("/deleted-cases", headers=bearer(a_token("nils", "case:read", unit="neighbourhood"))).status_code == 403
    # Opened again it is another case, so that nobody takes its first event for an old one.
    (again,) = api.post(f"{path}/cases", json={"subjects": ["enquiry"]}).json()["cases"]
    assert again["id"] != wrong["id"]


@pytest.mark.requirement("CASE-8")
def test_others_learn_that_a_case_is_deleted_as_if_it_were_cancelled(api: httpx.Client, service: CaseService) -> None:
    wrong, _ = _opened_by_mistake(api, service)

    told, recorded = _deleted(service, wrong)

    assert isinstance(told.data, CaseDeleted)
    assert (told.data.state, told.revision, told.key) == ("cancelled", 2, str(wrong))
    assert isinstance(recorded.data, CommunicationRecorded)
    assert (recorded.data.case_ids, recorded.revision) == ((), 3)


@pytest.mark.requirement("CASE-8")
def test_a_reply_that_comes_while_its_case_is_deleted_is_decided_on_again(api: httpx.Client, service: CaseService) -> None:
    wrong, mail = _opened_by_mistake(api, service)
    reply = received(a_mail("Re: nothing", "But the tap!", reply_to=mail))

    def take_in_while_it_is_deleted() -> None:
        handler = handlers(service.reference, lambda: NOW)[topics.COMMUNICATIONS]
        with service.database.transaction() as tx:
            batch = handler.load(tx, [reply])
            handler.apply[type(reply.data)](batch, reply)
            assert batch.links
            _deleted(service, wrong)
            handler.save(tx, batch)

    with pytest.raises(CONFLICT):
        take_in_while_it_is_deleted()
    service.receive(reply)

    assert service.rows("select count(*) from case_communications where case_id not in (select id from cases)") == [(0,)]
    assert service.count("communications") == 2


@pytest.mark.requirement("CASE-8", "EDGE-17")
def test_what_is_erased_is_erased_in_the_history_of_deleted_cases_too(api: httpx.Client, service: CaseService) -> None:
    wrong, mail = _opened_by_mistake(api, service)
    with service.database.transaction() as tx:
        entry = HistoryEntry(wrong, None, "script_answer", None, "Your birthday? 1 May", "rita", NOW)
        cases.add_history(tx, [entry])
    _deleted(service, wrong)

    with service.database.transaction() as tx:
        retention.erase(tx, [mail.communication_id], NOW)

    assert service.rows("select new_value from history where case_id = %s and field = 'script_answer'", wrong) == [(retention.ERASED,)]


def _opened_by_mistake(api: httpx.Client, service: CaseService) -> tuple[UUID, CommunicationReceived]:
    mail = a_mail("Re: nothing", "Thanks.", robot="auto_reply")
    service.receive(received(mail))
    (wrong,) = api.post(f"/communications/{mail.communication_id}/cases", json={"subjects": ["enquiry"]}).json()["cases"]
    return UUID(wrong["id"]), mail


def _deleted(service: CaseService, case: UUID) -> list[Event]:
    asked = Asked(case, Actor("rita", "repairs"), derive("cause", case), NOW, "", lambda _case: None)
    with service.database.transaction() as tx:
        deletion.delete(tx, asked, "")
        return [emitted.event for emitted in tx.emitted]
