"""Rules on events: task rules, and automation rules about leads and about tasks without a case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import httpx
import pytest

from services.task.api import routers
from services.task.handlers.compile import compile_configuration
from services.task.settings import TaskSettings
from services.task.worker.purging import Purge
from shared.ids import derive
from shared.messaging import StaticReference, VersionCache
from shared.messaging.past import Past
from shared.schemas.envelope import Event
from shared.schemas.events import (
    CaseLifeCycle,
    CaseStatusChanged,
    ClockKind,
    ClockOverdue,
    ItemKind,
    LeadLifeCycle,
    LeadStatusChanged,
    RuleCut,
    RuleFired,
    TaskTriggered,
)
from shared.web import create_app
from tests.service.task.conftest import NOW, MakeService, TaskService, TestClock, a_case_event, a_lead_event, assert_gapless
from tests.support.configuration import TASK_DEFINITIONS
from tests.support.leads import a_lead_configuration
from tests.support.web import a_token, a_verifier, bearer, served

CASE, LEAD = derive("test case", 1), derive("test lead")
VISIT = {"code": "visit", "name": "Visit", "messages": {"contact": "Ring first."}, "complete_within": "1 day", "calendar": "always"}
GARAGE = {"lead_type": "garage"}
BY_HAND = {"if": {"field": "task.definition", "exists": False}}
Ask = Callable[..., Any]
Scope = Literal["own", "unit", "all"]


def a_rule(code: str, on: str, *then: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"code": code, "name": code.title(), "on": on, "then": list(then)} | more


def a_task_rule(code: str, on: str, **more: Any) -> dict[str, Any]:
    return {"code": code, "name": code.title(), "definition": "visit", "on": on} | more


def serving(make: MakeService, automation: list[dict[str, Any]], task_rules: list[dict[str, Any]]) -> TaskService:
    when = {"code": "daily", "name": "Daily", "rrule": "FREQ=DAILY", "starts": "2020-01-01", "calendar": "always"}
    sections = {"automation": automation, "task_rules": task_rules, "recurring_rules": [when]}
    return make(StaticReference(a_lead_configuration(task_definitions=[*TASK_DEFINITIONS, VISIT], **sections), version=7))


def fired(service: TaskService) -> list[RuleFired]:
    return [event.data for event in service.events if isinstance(event.data, RuleFired)]


def visits(service: TaskService) -> list[dict[str, Any]]:
    return service.rows("select * from tasks where definition = 'visit' order by changed_by, id")


@contextmanager
def asking(service: TaskService, published: Past | None = None) -> Iterator[Ask]:
    settings = TaskSettings(kafka="", database=service.url, port=0)
    given = routers(service.publisher, service.reference, service.clock, published=published)
    with served(create_app("task", settings, given, verifier=a_verifier())) as client:

        def ask(method: str, path: str, *permissions: str, expected: int = 200, scope: Scope = "all", **more: Any) -> Any:
            held = permissions or ("task-rule:read", "task:read", "task:create", "task:progress")
            token = a_token("rita", *held, unit="repairs", scope=scope)
            answer = httpx.request(method, f"{client.base_url}{path}", headers=bearer(token), timeout=10, **more)
            assert answer.status_code == expected, answer.text
            return answer.json()

        yield ask


@pytest.mark.requirement("TASK-5", "EDGE-3")
def test_task_rules_on_an_event_make_their_task_once_each_when_their_condition_holds(make_service: MakeService) -> None:
    service = serving(
        make_service,
        [],
        [
            a_task_rule("gas", "case.opened", **{"if": {"field": "case.title", "contains": "gas"}}),
            a_task_rule("all", "case.opened", after="2 days"),
            a_task_rule("off", "case.opened", active=False),
        ],
    )
    opened = a_case_event(1, title="Smell of gas")
    service.feed(opened, a_case_event(2))
    with service.database.transaction() as tx:
        tx.execute("delete from inbox")  # as if another replica were given it, long after
    service.feed(opened)
    made = [(row["changed_by"], row["case_id"], row["state"], row["config_version"]) for row in visits(service)]
    assert sorted(made, key=str) == sorted(
        [
            ("rule:gas", CASE, "pending", 7),
            ("rule:all", CASE, "planned", 7),
            ("rule:all", derive("test case", 2), "planned", 7),
        ],
        key=str,
    )
    assert {row["starts_at"] for row in visits(service) if row["state"] == "planned"} == {NOW + timedelta(days=2)}
    told = [(data.rule, [(action.do, action.definition) for action in data.actions]) for data in fired(service) if data.case_id == CASE]
    assert told == [("gas", [("schedule_task", "visit")]), ("all", [("schedule_task", "visit")])]
    assert {event.data.message for event in service.events if getattr(event.data, "definition", "") == "visit"} == {"Ring first."}
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-5", "AUTO-1")
def test_a_task_rule_is_cut_as_other_rules_are(make_service: MakeService) -> None:
    again = {"if": {"field": "task.definition", "equals": "visit"}}
    service = serving(make_service, [], [a_task_rule("one", "task.triggered", **again), a_task_rule("two", "task.triggered", **again)])
    with asking(service) as ask:
        ask("POST", "/tasks", expected=201, json=alone())
        service.feed(a_lead_event(**GARAGE))
        ask("POST", "/tasks", expected=201, json={"lead_id": str(LEAD), "definition": "visit", **due()})
    # Without a case each is an item of its own; for the lead they are counted together.
    assert [(data.rule, data.depth) for data in fired(service)][:2] == [("one", 1), ("two", 1)]
    assert max(data.depth for data in fired(service)) == 5
    assert {event.data.reason for event in service.events if isinstance(event.data, RuleCut)} == {"too-deep"}
    assert {row["case_id"] for row in visits(service)} == {LEAD}


def due() -> dict[str, Any]:
    return {"subject_line": "Ring", "due_at": "2026-03-05T17:00:00Z"}


def alone() -> dict[str, Any]:
    return {"account_id": str(derive("account")), "customer_name": "Block 7"} | due()


@pytest.mark.requirement("AUTO-1", "TASK-5", "LEAD-2")
def test_rules_on_a_lead_make_tasks_for_it_while_it_is_open_and_when_it_is_won(make_service: MakeService) -> None:
    send = {"do": "send", "template": "acknowledge"}
    approve = {"do": "require_approval", "user": "max", "what": "the offer"}
    service = serving(
        make_service,
        [
            a_rule("hello", "lead.opened", send, {"do": "alert", "to": ["leader"], "template": "alert"}, approve),
            a_rule(
                "ring", "lead.opened", {"do": "schedule_task", "definition": "call-back"}, {"do": "schedule_task", "definition": "answer"}
            ),
            a_rule("why", "lead.lost", {"do": "schedule_task", "definition": "call-back"}),
        ],
        [a_task_rule("sign", "lead.won", **{"if": {"field": "lead.type", "equals": "garage"}})],
    )
    service.feed(a_lead_event())
    hello, ring = fired(service)
    assert (hello.item.kind, hello.item.number, hello.item.subject) == ("lead", "L-2026-000001", "shared-ownership")
    assert hello.item.customer is not None
    assert [(action.do, action.outcome) for action in hello.actions] == [
        ("send", "asked"),
        ("alert", "asked"),
        ("require_approval", "done"),
    ]
    assert [(action.outcome, action.why) for action in ring.actions] == [
        ("done", ""),
        ("refused", "leads of this type have no task answer"),
    ]
    (call,) = service.rows("select * from tasks")
    assert (call["case_id"], call["definition"], call["changed_by"], call["unit"]) == (LEAD, "call-back", "rule:ring", "repairs")
    service.feed(a_lead_event(LeadStatusChanged, 2, state=LeadLifeCycle.LOST))
    assert [(action.outcome, action.why) for action in fired(service)[-1].actions] == [
        ("refused", "the lead is lost: nothing is added to it")
    ]
    won = a_lead_event(LeadStatusChanged, 2, lead="garage", state=LeadLifeCycle.WON, **GARAGE)
    service.feed(a_lead_event(lead="garage", **GARAGE), won, won)
    (visit,) = visits(service)
    assert (visit["case_id"], visit["changed_by"], visit["state"]) == (won.data.lead_id, "rule:sign", "pending")
    told = next(event.data for event in service.events if getattr(event.data, "task_id", None) == visit["id"])
    assert (told.lead_id, told.case_number, told.customer.name, told.message) == (
        won.data.lead_id,
        "L-2026-000001",
        "Joan Example",
        "Ring first.",
    )
    assert_gapless(service.events)


@pytest.mark.requirement("AUTO-1", "TASK-5", "TASK-3")
def test_rules_on_a_task_without_a_case_are_about_its_customer(make_service: MakeService) -> None:
    service = serving(
        make_service,
        [
            a_rule("urgent", "task.triggered", {"do": "set_urgency", "urgency": "high"}, {"do": "assign", "user": "paul"}, **BY_HAND),
            a_rule(
                "late",
                "clock.overdue",
                {"do": "assign", "item": "task", "unit": "repairs"},
                {"do": "schedule_task", "definition": "answer"},
            ),
        ],
        [a_task_rule("next", "task.completed", at_most={"times": 1, "within": "1 day"}, **BY_HAND)],
    )
    with asking(service) as ask:
        task = ask("POST", "/tasks", expected=201, json=alone())
        (told,) = fired(service)
        assert (told.case_id, told.task_id, told.item.kind) == (UUID(task["id"]), UUID(task["id"]), "task")
        assert [(action.outcome, action.why) for action in told.actions] == [("refused", "there is no case"), ("done", "")]
        assert ask("GET", f"/tasks/{task['id']}")["assignee"] == "paul"

        service.feed(an_overdue(task))
        late = next(data for data in fired(service) if data.rule == "late")
        assert [(action.do, action.outcome) for action in late.actions] == [("assign", "done"), ("schedule_task", "done")]
        (answer,) = service.rows("select * from tasks where definition = 'answer'")
        assert (answer["case_id"], answer["customer"]["name"], answer["changed_by"]) == (None, "Block 7", "rule:late")

        ask("POST", f"/tasks/{task['id']}/complete")
        (visit,) = visits(service)
        assert (visit["case_id"], visit["customer"]["account_id"], visit["state"]) == (None, str(derive("account")), "pending")
        assert [data.rule for data in fired(service)] == ["urgent", "late", "next"]
    assert_gapless(service.events)


def an_overdue(task: dict[str, Any]) -> Event:
    id = UUID(task["id"])
    data = ClockOverdue(
        clock_id=derive("clock", id, "due"),
        kind=ClockKind.DUE,
        item_kind=ItemKind.TASK,
        item_id=id,
        case_id=id,
        started_at=NOW,
        due_at=NOW,
        fired_at=NOW,
        repetition=0,
    )
    return Event(derive("overdue", id), data.event_type, "/test/sla", str(data.clock_id), NOW, 1, 1, "", str(id), data)


def as_published(event: Event) -> dict[str, Any]:
    return {"type": event.type, "data": event.data.model_dump(mode="json")}


@pytest.mark.requirement("TASK-5")
def test_rules_are_listed_as_they_stand_and_one_on_an_event_is_tried_on_past_ones(make_service: MakeService) -> None:
    service = serving(
        make_service,
        [],
        [
            {"code": "daily", "name": "Daily", "definition": "visit", "recurring": "daily"},
            {"code": "dormant", "name": "Dormant", "definition": "visit", "recurring": "daily", "active": False},
            a_task_rule("gas", "case.opened", after="2 days", **{"if": {"field": "case.title", "contains": "gas"}}),
        ],
    )
    gas, closed = a_case_event(1, title="Smell of gas"), a_case_event(1, CaseStatusChanged, revision=2, state=CaseLifeCycle.COMPLETED)
    service.feed(gas, a_case_event(2), closed)
    with asking(service) as ask:
        ask("GET", "/task-rules", "task:read", expected=403)
        ask("GET", "/recurring-rules", "task:read", expected=403)
        first = ask("GET", "/task-rules", params={"limit": 2})
        rest = ask("GET", "/task-rules", params={"limit": 2, "cursor": first["next"]})
        daily, dormant, on_event = first["items"] + rest["items"]
        assert rest["next"] is None
        assert (daily["rule"]["code"], daily["state"], daily["next"]["nominal"], daily["fired"]) == ("daily", "on", "2026-03-03", 0)
        assert (dormant["state"], dormant["next"], on_event["state"], on_event["next"]) == ("off", None, "on", None)
        assert (on_event["rule"]["if"]["contains"], on_event["fired"], on_event["last_fired_at"][:10]) == ("gas", 1, "2026-03-02")
        (recurring,) = ask("GET", "/recurring-rules")["items"]
        assert (recurring["rule"]["rrule"], recurring["state"], recurring["task_rules"]) == ("FREQ=DAILY", "on", ["daily", "dormant"])
        assert recurring["next"]["at"] == "2026-03-03T09:00:00Z"

        before = [service.rows(f"select * from {table} order by 1") for table in ("tasks", "firings", "outbox")]
        rule = on_event["rule"] | {"code": "new", "active": False}
        tried = ask("POST", "/task-rules/preview", json={"rule": rule, "events": [as_published(a_case_event(2)), as_published(gas)]})
        assert [(one["verdict"], one["task"] and one["task"]["starts_at"]) for one in tried["events"]] == [
            ("does-not-hold", None),
            ("fires", "2026-03-04T09:00:00Z"),  # the case has been closed since, but was open then
        ]
        assert tried["events"][0]["compared"] == [{"field": "case.title", "value": "Water everywhere", "holds": False}]
        made = tried["events"][1]["task"]
        assert (tried["tasks"], made["definition"], made["owner"]) == (1, "visit", {"kind": "unit", "code": "repairs"})
        ended = ask("POST", "/task-rules/preview", json={"rule": rule | {"on": "case.status-changed"}, "events": [as_published(closed)]})
        assert ended["events"][0]["verdict"] == "does-not-hold"
        always = rule | {"on": "case.status-changed", "if": None}
        ended = ask("POST", "/task-rules/preview", json={"rule": always, "events": [as_published(closed)]})
        assert (ended["tasks"], ended["events"][0]["why"]) == (0, "the case is completed: nothing is added to it")
        assert [service.rows(f"select * from {table} order by 1") for table in ("tasks", "firings", "outbox")] == before

        for wrong, word in (
            (
                {"rule": rule | {"if": {"field": "case.prority", "exists": True}}, "events": [as_published(gas)]},
                "did you mean case.priority",
            ),
            ({"rule": rule | {"definition": "answer"}, "events": [as_published(gas)]}, "no message for the stage contact"),
            ({"rule": rule}, "give either events to try it on, or days"),
            ({"rule": daily["rule"], "since": "2026-03-02"}, "give since and until"),
            (
                {"rule": daily["rule"], "since": "2026-03-02", "until": "2026-03-04", "events": [as_published(gas)]},
                "for a rule on an event",
            ),
        ):
            assert word in str(ask("POST", "/task-rules/preview", expected=422, json=wrong))
        # A recurring rule that is there need not be given.
        body = {"rule": daily["rule"], "since": "2026-03-02", "until": "2026-03-04"}
        assert len(ask("POST", "/task-rules/preview", json=body)["occurrences"]) == 3


@pytest.mark.requirement("TASK-5")
def test_a_rule_on_an_event_is_tried_on_what_was_published_within_reach(make_service: MakeService, kafka: str, task_topics: str) -> None:
    service = serving(make_service, [], [])
    title = f"Past {uuid4()}"  # of this test alone, as the cases are: others publish on the same topic
    ours, theirs = ([f"{title} {name}" for name in names] for names in (("one", "two"), ("three",)))
    service.feed(
        *(a_case_event(name, title=title) for name in ours), *(a_case_event(name, title=title, unit="neighbourhood") for name in theirs)
    )
    service.feed(*(a_case_event(f"{title} {name}", title="Another") for name in ("four", "five", "six")))
    wanted = {"all": [{"field": "case.title", "equals": title}, {"field": "task.definition", "equals": "inspect-leak"}]}
    rule = a_task_rule("new", "task.triggered", **{"if": wanted})
    with asking(service, Past(kafka, task_topics)) as ask:
        found = ask("POST", "/task-rules/preview", json={"rule": rule, "days": 14})
        assert (found["tasks"], len(found["events"]), found["more"], found["complete"]) == (3, 3, False, True)
        assert found["looked_at"] >= 6
        assert {one["number"] for one in found["events"]} == {f"C-{name}" for name in (*ours, *theirs)}
        assert {one["task"]["definition"] for one in found["events"]} == {"visit"}
        unit = ask("POST", "/task-rules/preview", scope="unit", json={"rule": rule, "days": 14})
        assert {one["number"] for one in unit["events"]} == {f"C-{name}" for name in ours}
        with service.database.transaction() as tx:  # of what is not known here nobody can say whose it is
            gone = derive("test case", ours[0])
            tx.execute("delete from tasks where case_id = %s", (gone,))
            tx.execute("delete from cases where id = %s", (gone,))
        unit = ask("POST", "/task-rules/preview", scope="unit", json={"rule": rule, "days": 14})
        assert [one["number"] for one in unit["events"]] == [f"C-{ours[1]}"]
        seldom = rule | {"on": "task.status-changed"}
        assert ask("POST", "/task-rules/preview", json={"rule": seldom, "days": 1})["events"] == []
    assert visits(service) == []
    with asking(service) as ask:
        assert "cannot be read here" in str(ask("POST", "/task-rules/preview", expected=503, json={"rule": rule, "days": 14}))
    few = Past(kafka, task_topics, most=0).read([TaskTriggered], NOW)
    assert (few.events, few.complete) == ([], False)


@pytest.mark.requirement("AUTO-1", "EDGE-3")
def test_old_firings_are_purged_but_none_that_a_rule_still_counts(make_service: MakeService, clock: TestClock) -> None:
    def purged_by(service: TaskService, keep_days: int) -> int:
        compiled = VersionCache.numbered(service.reference, compile_configuration).get
        return Purge(service.database, compiled, keep_days, clock).step()

    service = serving(
        make_service, [a_rule("often", "case.opened", {"do": "set_urgency", "urgency": "high"})], [a_task_rule("t", "case.opened")]
    )
    service.feed(a_case_event(1))
    clock.forward(days=20)
    service.feed(a_case_event(2, time=clock.now))
    with service.database.transaction() as tx:
        tx.execute("insert into cuts select id, rule, item_id, task_id, happening, cause_id, depth, at, 'too-often' from firings")
    assert purged_by(service, 21) == 0
    assert purged_by(service, 16) == 4
    assert purged_by(service, 16) == 0
    assert [service.rows(f"select count(*) from {table}")[0]["count"] for table in ("firings", "cuts", "tasks")] == [2, 2, 8]

    counts = {"at_most": {"times": 1, "within": "5 weeks"}}
    counting = serving(make_service, [], [a_task_rule("t", "case.opened", **counts)])
    counting.feed(a_case_event(1, time=clock.now))
    clock.forward(days=30)
    assert purged_by(counting, 16) == 0
    clock.forward(days=6)
    assert purged_by(counting, 16) == 1
