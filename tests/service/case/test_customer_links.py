"""Customers' links as a customer, a mail scanner and a stranger use them, and the feedback that comes by them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.case.api import customer_answers, public_routers, routers
from services.case.domain.answers import Answer
from services.case.domain.case import Case
from services.case.domain.life_cycle import LifeCycle, Stage
from services.case.domain.refusals import TransitionRefused
from services.case.handlers.acceptance import Acceptance, Waiting
from services.case.handlers.commands import Asked
from services.case.handlers.links import CustomerLinks, revoke_links_of
from services.case.settings import ApiSettings
from services.case.storage import answers as kept_answers
from services.case.storage import cases
from shared.links import LinkKeyFile
from shared.messaging import EventPublisher
from shared.schemas.configuration.models import Method
from shared.storage import Database, Transaction
from shared.web import create_app
from shared.web.answering import ANSWER_BYTES
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case, a_case_configuration
from tests.support.configuration import a_document
from tests.support.feedback import FORM, a_key_file, a_link
from tests.support.waiting import eventually
from tests.support.web import a_token, a_verifier, bearer, served

WAITS = """select 1 from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()"""
QUESTION = re.compile(r'name="(q:[^"]+)"')


class Answers:
    """What a test's customer is asked to accept, and what came of it."""

    def __init__(self) -> None:
        self.waiting: Waiting | None = Waiting(Stage.FINAL_RESOLUTION, "We <fixed> the leak.", NOW)
        self.recorded: list[tuple[str, bool, str, str]] = []
        self.refuses = False

    def find(self, _tx: Transaction, _case_id: UUID) -> Waiting | None:
        return self.waiting

    def record(self, tx: Transaction, asked: Asked, stage: str, accepted: bool, comment: str) -> Case:
        if self.refuses:
            raise TransitionRefused("acceptance", "the case is closed")
        case = cases.lock(tx, [asked.case_id])[asked.case_id]
        asked.permit(case)
        self.recorded.append((stage, accepted, comment, asked.actor.user))
        return case


@pytest.fixture
def service(case_database: Database) -> CaseService:
    organisation = a_document()["organisation"] | {"words": {"ar": {FORM["name"]: "كيف كان عملنا؟"}}}
    configuration = a_case_configuration(feedback=[FORM], organisation=organisation)
    arabic = Method(code="post", name="Post", directions=("inbound",), language="ar")
    return CaseService(case_database, configuration.model_copy(update={"methods": (*configuration.methods, arabic)}))


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str, tmp_path: Path, answers: Answers) -> Iterator[httpx.Client]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = ApiSettings(
        kafka=kafka,
        database=service.database.url,
        port=0,
        objects=tmp_path.as_uri(),
        link_keys=a_key_file(tmp_path),
        wrong_links_per_hour=3,
    )

    def now() -> datetime:
        return service.now

    acceptance = CustomerLinks({"acceptance": Acceptance(answers.find, answers.record)})
    keys = LinkKeyFile(a_key_file(tmp_path))
    beside = customer_answers(publisher, service.reference, acceptance, keys, 3, now)
    public = public_routers(publisher, service.reference, settings, now)
    app = create_app(
        "case",
        settings,
        routers(publisher, service.reference, now),
        public=public,
        body_limits={"/answer/": ANSWER_BYTES},
        verifier=a_verifier(),
    )
    # The acceptance's own commands are not needed to show how its link behaves.
    app.include_router(beside, prefix="/accepting")
    with served(app) as client:
        yield client
    publisher.close()


@pytest.fixture
def customer(api: httpx.Client) -> Iterator[httpx.Client]:
    """Somebody without a token."""
    with httpx.Client(base_url=api.base_url, timeout=60) as client:
        yield client


def resolved(service: CaseService, **changes: Any) -> Case:
    case = a_case(state=LifeCycle.FINALLY_RESOLVED, status="resolved", **changes)
    with service.database.transaction() as tx:
        cases.add(tx, [case])
    return case


@pytest.mark.requirement("EDGE-14", "CASE-13")
def test_a_link_may_be_opened_any_number_of_times_and_answered_once(customer: httpx.Client, service: CaseService) -> None:
    case = resolved(service, title="Water <b>everywhere</b>")
    path = "/answer/" + a_link("feedback", case.id, NOW)
    for _ in range(3):
        assert customer.head(path).status_code == 200
        page = customer.get(path)
    assert page.status_code == 200
    assert [service.count(table) for table in ("customer_links", "feedback", "history", "outbox")] == [0, 0, 0, 0]
    assert "Water &lt;b&gt;everywhere&lt;/b&gt;" in page.text
    assert set(QUESTION.findall(page.text)) == {"q:work", "q:button", "q:words"}

    # A button's own name cannot be taken for an answer, nor an answer for a button.
    form = {"q:work": "5", "q:words": "Quick \x00and\r\ntidy \u2603", "button": "send"}
    taken = customer.post(path, data=form)
    assert (taken.status_code, "We have your feedback" in taken.text) == (200, True)
    assert service.rows("select question, rating, comment from feedback_answers order by position") == [
        ("work", 5, None),
        ("words", None, "Quick and\ntidy \u2603"),
    ]
    for again in (customer.post(path, data=form), customer.get(path)):
        assert again.status_code == 410
        assert "was used on Mon 2 Mar 2026, 10:00, and works once" in again.text
    assert service.count("feedback") == 1
    assert service.rows("select purpose, record_id, used_for like 'feedback %%' from customer_links") == [("feedback", case.id, True)]


@pytest.mark.requirement("EDGE-14")
def test_the_page_is_kept_out_of_search_caches_frames_and_referrers(customer: httpx.Client, service: CaseService) -> None:
    case = resolved(service)
    for answer in (customer.get("/answer/" + a_link("feedback", case.id, NOW)), customer.get("/answer/nothing")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in answer.headers["x-robots-tag"]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        nonce = re.search(r"'nonce-([^']+)'", policy)
        assert nonce is not None
        assert f'<style nonce="{nonce[1]}">' in answer.text
        assert "<script" not in answer.text


@pytest.mark.requirement("EDGE-14")
def test_two_answers_at_once_are_one(customer: httpx.Client, service: CaseService) -> None:
    path = "/answer/" + a_link("feedback", resolved(service).id, NOW)
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: customer.post(path, data={"q:work": "1"}).status_code, range(4)))
    assert sorted(statuses) == [200, 410, 410, 410]
    assert service.count("feedback") == 1


@pytest.mark.requirement("EDGE-14")
def test_links_that_have_expired_or_are_none_or_of_another_key_are_told_apart_in_plain_words(
    customer: httpx.Client, service: CaseService
) -> None:
    case = resolved(service)
    old = customer.get("/answer/" + a_link("feedback", case.id, NOW, life=timedelta()))
    assert (old.status_code, "too old" in old.text) == (410, True)
    gone = customer.get("/answer/" + a_link("feedback", uuid4(), NOW))
    unknown = customer.get("/answer/" + a_link("something-else", case.id, NOW))
    assert [gone.status_code, unknown.status_code] == [410, 410]
    foreign = a_link("feedback", case.id, NOW, key="k" * 40)
    wrong = [customer.get(f"/answer/{link}") for link in (foreign, a_link("feedback", case.id, NOW)[:-4], "x")]
    assert {answer.status_code for answer in wrong} == {404}
    assert "not one of ours" in wrong[0].text
    too_many = customer.get("/answer/y")
    assert (too_many.status_code, int(too_many.headers["retry-after"]) > 0) == (429, True)
    # Whoever has a link of ours is let in all the same.
    assert customer.get("/answer/" + a_link("feedback", case.id, NOW)).status_code == 200
    assert service.count("customer_links") == 0


@pytest.mark.requirement("EDGE-14")
def test_an_answer_that_is_none_keeps_the_link_and_what_was_written(customer: httpx.Client, service: CaseService) -> None:
    path = "/answer/" + a_link("feedback", resolved(service).id, NOW)
    refused = customer.post(path, data={"q:words": "<i>Well</i>"})
    assert refused.status_code == 422
    assert "Please choose one." in refused.text
    assert "&lt;i&gt;Well&lt;/i&gt;" in refused.text
    assert customer.post(path, json={"q:work": "5"}).status_code == 415
    assert customer.post(path, data={f"q:{n}": "" for n in range(200)}).status_code == 400
    assert customer.post(path, data={"q:words": "x" * ANSWER_BYTES}).status_code == 413
    assert service.count("customer_links") == 0
    assert customer.post(path, data={"q:work": "5"}).status_code == 200


@pytest.mark.requirement("EDGE-14")
def test_revoked_links_say_nothing_of_the_case_and_later_ones_work(api: httpx.Client, customer: httpx.Client, service: CaseService) -> None:
    case, other = resolved(service, title="Secret leak"), resolved(service)
    answered, sent, elsewhere = ("/answer/" + a_link("feedback", id, NOW - timedelta(hours=ago)) for id, ago in
                                 ((case.id, 1), (case.id, 0), (other.id, 0)))  # fmt: skip
    assert customer.post(answered, data={"q:work": "5"}).status_code == 200
    revoke = f"/cases/{case.id}/revoke-links"
    assert api.post(revoke, headers=bearer(a_token("rita", "case:read"))).status_code == 403
    assert api.post(revoke, headers=bearer(a_token("rita", "case:progress", unit="gardens", scope="unit"))).status_code == 404
    assert api.post(f"/cases/{uuid4()}/revoke-links").status_code == 404
    assert api.post(revoke, headers={"If-Match": '"7"'}).status_code == 412
    assert customer.get(sent).status_code == 200

    rita = bearer(a_token("rita", "case:read", "case:progress", unit="repairs", scope="unit"))
    assert api.post(revoke, json={"reason": "Wrong <address>"}, headers=rita).status_code == 200

    for gone in (customer.get(sent), customer.head(sent), customer.post(sent, data={"q:work": "1"}), customer.get(answered)):
        assert gone.status_code == 410
        if gone.request.method != "HEAD":
            assert "This link is no longer valid." in gone.text
            assert "please contact Test Homes." in gone.text
            assert not {case.number, "Secret", "Wrong", "leak"} & set(re.split(r"[\s<>]", gone.text))
    assert service.count("feedback") == 1
    entry = api.get(f"/cases/{case.id}/history").json()["items"][-1]
    assert (entry["field"], entry["new"], entry["by"]) == ("customer_links", "Wrong <address>", "rita")
    assert customer.get(elsewhere).status_code == 200
    later = "/answer/" + a_link("feedback", case.id, NOW + timedelta(microseconds=1))
    assert customer.post(later, data={"q:work": "4"}).status_code == 200


@pytest.mark.requirement("EDGE-14", "NOTE-2")
def test_the_page_is_in_the_customers_language_whatever_their_browser_prefers(customer: httpx.Client, service: CaseService) -> None:
    browser = {"Accept-Language": "de-AT,de;q=0.9"}
    arabic, other = ("/answer/" + a_link("feedback", resolved(service, method=method).id, NOW) for method in ("post", "email"))
    page = customer.get(arabic, headers=browser).text
    for part in ('<!doctype html>\n<html lang="ar" dir="rtl">', "كيف كان عملنا؟", "القضية \u2068C-", "إرسال</button>", "(اختياري)"):
        assert part in page
    # What nobody translated is marked as what it is.
    assert '<span lang="en" dir="ltr">Anything else?</span>' in page
    assert "يُرجى اختيار إجابة." in customer.post(arabic, data={"q:words": "-"}, headers=browser).text
    assert "شكرًا لك" in customer.post(arabic, data={"q:work": "5"}, headers=browser).text
    assert "استُخدم هذا الرابط (\u2068الاثنين، 2 مارس 2026، 10:00 ص\u2069)" in customer.get(arabic, headers=browser).text

    # Who has no language is written to in the organisation's; of whom nobody knows anything the browser tells.
    assert '<html lang="en" dir="ltr">' in customer.get(other, headers=browser).text
    stranger = customer.get("/answer/x", headers=browser)
    assert (stranger.status_code, '<html lang="de" dir="ltr">' in stranger.text, "nicht von uns" in stranger.text) == (404, True, True)


@pytest.mark.requirement("EDGE-14", "EDGE-17")
def test_a_case_that_is_forgotten_takes_its_links_with_it(customer: httpx.Client, service: CaseService) -> None:
    path = "/answer/" + a_link("feedback", resolved(service).id, NOW)
    with service.database.transaction() as tx:
        tx.execute("update cases set forgotten_at = %s", (NOW,))
    assert "no longer valid" in customer.get(path).text


@pytest.mark.requirement("EDGE-14")
def test_an_answer_waits_for_a_revocation_and_is_refused(customer: httpx.Client, service: CaseService) -> None:
    case = resolved(service)
    path = "/answer/" + a_link("feedback", case.id, NOW)
    with ThreadPoolExecutor(1) as pool:
        with service.database.transaction() as tx:
            revoke_links_of(tx, list(cases.lock(tx, [case.id]).values()), "rita", NOW, "")
            answer = pool.submit(customer.post, path, data={"q:work": "5"})
            eventually(lambda: service.rows(WAITS))
        assert answer.result().status_code == 410
    assert (service.count("feedback"), service.count("customer_links")) == (0, 0)


@pytest.mark.requirement("EDGE-14")
def test_a_case_that_is_open_again_asks_for_nothing(customer: httpx.Client, service: CaseService) -> None:
    case = resolved(service)
    path = "/answer/" + a_link("feedback", case.id, NOW)
    with service.database.transaction() as tx:
        cases.change(tx, [case._replace(state=LifeCycle.RESPONDED, status="answered")])
    assert customer.get(path).status_code == 410
    assert customer.post(path, data={"q:work": "5"}).status_code == 410
    assert service.count("customer_links") == 0  # and it works once the case is resolved again


@pytest.mark.requirement("CASE-12", "EDGE-14")
def test_an_answer_is_accepted_or_declined_by_its_link(customer: httpx.Client, service: CaseService, answers: Answers) -> None:
    case = resolved(service)
    accept = "/accepting/answer/" + a_link("acceptance", case.id, NOW)
    page = customer.get(accept)
    assert "Do you accept our final resolution?" in page.text
    assert "We &lt;fixed&gt; the leak." in page.text
    assert customer.post(accept, data={"q:comment": "no button"}).status_code == 422
    assert answers.recorded == []
    assert "you accept" in customer.post(accept, data={"button": "accept", "q:comment": "Thanks"}).text
    assert customer.post(accept, data={"button": "decline"}).status_code == 410
    decline = "/accepting/answer/" + a_link("acceptance", case.id, NOW + timedelta(hours=1))
    assert "look at it again" in customer.post(decline, data={"button": "decline"}).text
    assert answers.recorded == [("final_resolution", True, "Thanks", "customer"), ("final_resolution", False, "", "customer")]
    assert service.rows("select used_for from customer_links order by issued_at") == [
        ("final_resolution: accept",),
        ("final_resolution: decline",),
    ]


@pytest.mark.requirement("CASE-12", "EDGE-14")
def test_nobody_accepts_what_was_replaced_withdrawn_or_is_refused(customer: httpx.Client, service: CaseService, answers: Answers) -> None:
    case = resolved(service)
    path = "/accepting/answer/" + a_link("acceptance", case.id, NOW)
    answers.waiting = Waiting(Stage.FINAL_RESOLUTION, "Newer", NOW + timedelta(microseconds=1))
    newer = customer.post(path, data={"button": "accept"})
    assert (newer.status_code, "a newer answer" in newer.text) == (410, True)
    answers.waiting = None
    assert customer.get(path).status_code == 410
    answers.waiting, answers.refuses = Waiting(Stage.RESPONSE, "", NOW), True
    assert customer.post(path, data={"button": "accept"}).status_code == 410
    assert (answers.recorded, service.count("customer_links")) == ([], 0)
    # A link of one purpose is none of another.
    assert customer.get("/answer/" + a_link("acceptance", case.id, NOW)).status_code == 410


@pytest.mark.requirement("CASE-12", "EDGE-14")
def test_what_a_customer_accepts_by_a_link_is_accepted_on_the_case(customer: httpx.Client, service: CaseService) -> None:
    case = resolved(service, awaiting_acceptance="final_resolution", final_category="fixed")
    given = Answer(case.id, Stage.FINAL_RESOLUTION, "fixed", "The pipe is new.", True, "rita", NOW)
    with service.database.transaction() as tx:
        kept_answers.change(tx, case.id, {}, {given.stage: given})
    path = "/answer/" + a_link("acceptance", case.id, NOW)
    assert "The pipe is new." in customer.get(path).text
    assert customer.post(path, data={"button": "accept", "q:comment": "Good"}).status_code == 200
    assert service.rows("select accepted, accepted_by, comment from answers") == [(True, "customer", "Good")]
    assert service.rows("select awaiting_acceptance, revision, changed_by from cases") == [("", 2, "customer")]
    assert (
        customer.post("/answer/" + a_link("acceptance", case.id, NOW + timedelta(hours=1)), data={"button": "decline"}).status_code == 410
    )


@pytest.mark.requirement("CASE-13")
def test_another_system_hands_feedback_in_once(api: httpx.Client, service: CaseService) -> None:
    case = resolved(service)
    path, key = f"/cases/{case.id}/feedback", {"Idempotency-Key": "survey-1"}
    given = {"answers": {"work": 4, "button": 2, "words": "By telephone"}}
    portal = bearer(a_token("portal", "feedback:write", machine=True))
    first = api.post(path, json=given, headers=portal | key)
    assert first.status_code == 201, first.text
    assert api.post(path, json=given, headers=portal | key).json() == first.json()
    wrong = api.post(path, json={"answers": {"work": 9}}, headers=portal)
    assert (wrong.status_code, wrong.json()["errors"][0]["where"]) == (422, "body.answers.work")
    assert api.post(path, json=given, headers=bearer(a_token("rita", "case:read"))).status_code == 403
    pending = a_case()
    with service.database.transaction() as tx:
        cases.add(tx, [pending])
    assert api.post(f"/cases/{pending.id}/feedback", json=given, headers=portal).status_code == 409
    assert service.rows("select given_by, subject, unit, method from feedback") == [("portal", "leak", "repairs", "email")]
    entry = api.get(f"/cases/{case.id}/history").json()["items"][-1]
    assert (entry["field"], entry["new"], entry["by"]) == ("feedback", "after-repair", "portal")


@pytest.mark.requirement("CASE-13", "EDGE-16")
def test_feedback_is_summed_up_and_listed_for_those_who_reach_its_cases(api: httpx.Client, service: CaseService) -> None:
    def give(case: Case, work: int, at: datetime, words: str = "") -> None:
        service.now = at
        answer = api.post(f"/cases/{case.id}/feedback", json={"answers": {"work": work, "words": words}})
        assert answer.status_code == 201, answer.text

    leak, noise = resolved(service), resolved(service, subject="noise", unit="neighbourhood", method="telephone")
    # 23:30 UTC on the 31st of March is the 1st of April in London already.
    give(leak, 5, NOW, "Splendid")
    give(leak, 2, NOW + timedelta(days=1))
    give(noise, 4, datetime.fromisoformat("2026-03-31T23:30:00+00:00"), "Quiet now")

    summary = api.get("/feedback/summary", params={"by": "unit"}).json()
    assert (summary["feedback"], [(item["unit"], item["feedback"]) for item in summary["items"]]) == (
        3,
        [("neighbourhood", 1), ("repairs", 2)],
    )
    (question,) = summary["items"][1]["questions"]
    assert (question["count"], question["average"], question["satisfied"]) == (2, 3.5, 0.5)
    assert question["distribution"] == {"1": 0, "2": 1, "3": 0, "4": 0, "5": 1}
    march = api.get("/feedback/summary", params={"from": "2026-03-02", "to": "2026-03-31", "by": "method"}).json()
    assert [(item["method"], item["feedback"]) for item in march["items"]] == [("email", 2)]
    assert api.get("/feedback/summary", params={"from": "2026-03-02", "to": "2026-03-01"}).status_code == 422

    first = api.get("/feedback", params={"limit": 2}).json()
    rest = api.get("/feedback", params={"limit": 2, "cursor": first["next"]}).json()
    words = [answer["comment"] for item in first["items"] + rest["items"] for answer in item["answers"] if answer["comment"]]
    assert words == ["Quiet now", "Splendid"]

    repairs = bearer(a_token("rita", "feedback:read", unit="repairs", scope="unit"))
    assert [item["subject"] for item in api.get("/feedback/summary", headers=repairs).json()["items"]] == ["leak"]
    assert len(api.get("/feedback", headers=repairs).json()["items"]) == 2
    assert api.get("/feedback", headers=bearer(a_token("rita", "case:read"))).status_code == 403
