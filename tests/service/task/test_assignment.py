"""Tasks are given out as they start: by turns, by load, within capacities, and not to whoever is away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.task.domain.assignment.absences import Absence, HandOver
from services.task.storage import absences
from shared.ids import derive
from shared.messaging import StaticReference
from shared.schemas.events import TaskTriggered
from tests.service.task.conftest import NOW, MakeService, TaskService, a_case_event, assert_gapless, batches
from tests.support.configuration import SUBJECTS, TASK_DEFINITIONS, USERS, a_configuration

pytestmark = pytest.mark.requirement("TASK-7", "EDGE-13")
CASE = derive("test case", 1)


def organisation(capacities: dict[str, int | None], **definitions: dict[str, Any]) -> StaticReference:
    """The test organisation with plumbers of these capacities, beside its other users, and definitions changed."""
    plumber = next(user for user in USERS if user["user"] == "paul")
    plumbers = [plumber | {"user": name, "capacity": capacity, "skills": ["gas"]} for name, capacity in capacities.items()]
    changed = [each | definitions.get(each["code"].replace("-", "_"), {}) for each in TASK_DEFINITIONS]
    subjects = [
        subject | {"workflow": {"tasks": ["inspect-leak", "call-back"]}} if subject["code"] == "leak" else subject for subject in SUBJECTS
    ]
    return StaticReference(
        a_configuration(
            skills=[{"code": "gas", "name": "Gas"}],
            users=[user for user in USERS if user["user"] != "paul"] + plumbers,
            task_definitions=changed,
            subjects=subjects,
        )
    )


@pytest.fixture
def two(make_service: MakeService, kafka: str, task_topics: str, request: pytest.FixtureRequest) -> Iterator[list[TaskService]]:
    """Two consumers of one service, each with a partition of its own."""
    first = make_service(reference=request.param)
    with closing(TaskService(first.url, kafka, task_topics, request.param, first.clock, partition=1)) as second:
        yield [first, second]


def feed_at_once(services: list[TaskService], count: int) -> None:
    def feed(service: TaskService) -> None:
        for batch in batches([a_case_event((service.partition, number)) for number in range(count)], 2):
            service.feed(*batch)

    with ThreadPoolExecutor(len(services)) as threads:
        for fed in [threads.submit(feed, service) for service in services]:
            fed.result(60)


def holders(service: TaskService, definition: str) -> Counter[str | None]:
    return Counter(row["assignee"] for row in service.rows("select assignee from tasks where definition = %s", definition))


TURNS = organisation({"pia": None, "paul": None, "piet": None}, inspect_leak={"assign": "round_robin", "skills": ["gas"]})
# The role `plumber` and the unit `repairs` share the two who have a capacity.
CROWDED = organisation(
    {"pia": 7, "paul": 5}, inspect_leak={"assign": "round_robin"}, call_back={"assign": "least_loaded", "skills": ["gas"]}
)


@pytest.mark.parametrize("two", [TURNS], indirect=True)
def test_two_consumers_keep_the_turns_exactly(two: list[TaskService]) -> None:
    feed_at_once(two, 12)
    assert holders(two[0], "inspect-leak") == {"pia": 8, "paul": 8, "piet": 8}
    assert holders(two[0], "call-back") == {None: 24}  # nobody said how: a member accepts it


@pytest.mark.parametrize("two", [CROWDED], indirect=True)
def test_two_consumers_never_give_anybody_more_than_their_capacity(two: list[TaskService]) -> None:
    feed_at_once(two, 10)
    given = holders(two[0], "inspect-leak") + holders(two[0], "call-back")
    assert given == {"pia": 7, "paul": 5, None: 28}
    assert_gapless([event for service in two for event in service.events])


def test_the_event_that_a_task_starts_and_its_history_say_who_got_it_and_why(make_service: MakeService) -> None:
    service = make_service(reference=TURNS)
    service.feed(a_case_event())
    (started,) = [event for event in service.events if event.type == TaskTriggered.event_type and event.data.definition == "inspect-leak"]
    assert (started.data.assignee, started.data.reason, started.revision) == ("paul", "round robin", 1)
    assert started.data.owner.code == "plumber"
    (entry,) = service.rows("select revision, changes from history where task_id = %s", started.data.task_id)
    assert entry == {"revision": 1, "changes": {"assignee": [None, "paul"], "why": [None, "round robin"]}}
    assert service.task(CASE, "inspect-leak")["revision"] == 1


def away(service: TaskService, user: str, stand_in: str | None, **changes: Any) -> UUID:
    """`user` is away from an hour ago for a week."""
    absence = Absence(
        derive("test absence", user), user, NOW - timedelta(hours=1), NOW + timedelta(days=7), stand_in, HandOver.ALL, True, "", user
    )
    absence = Absence(**{name: getattr(absence, name) for name in Absence.__slots__} | changes)
    with service.database.transaction() as tx:
        absences.insert(tx, absence, NOW)
    return absence.id


def test_whoever_is_away_is_passed_over_and_what_is_theirs_by_definition_goes_to_the_stand_in_chain(make_service: MakeService) -> None:
    service = make_service(reference=TURNS)
    away(service, "paul", None)
    away(service, "nils", "rita", give_back=False)
    away(service, "rita", "lena")
    service.feed(*(a_case_event(number) for number in range(4)), a_case_event("noise", subject="noise"))
    assert holders(service, "inspect-leak") == {"pia": 2, "piet": 2}
    task = service.task(derive("test case", "noise"), "warn-neighbour")
    assert (task["owner_kind"], task["owner_code"], task["assignee"], task["revision"]) == ("user", "nils", "lena", 1)
    assert service.rows("select changes from history where task_id = %s", task["id"]) == [
        {"changes": {"assignee": ["nils", "lena"], "why": [None, "absence of nils"]}}
    ]
    assert service.rows("select * from loans") == []


def test_without_a_stand_in_it_goes_to_the_unit(make_service: MakeService) -> None:
    service = make_service()
    absence = away(service, "nils", "noor")
    away(service, "noor", "nils")  # a circle, which the API refuses
    service.feed(a_case_event("noise", subject="noise"))
    task = service.task(derive("test case", "noise"), "warn-neighbour")
    assert (task["owner_kind"], task["owner_code"], task["assignee"]) == ("unit", "neighbourhood", None)
    assert service.rows("select absence_id, assignee from loans") == [{"absence_id": absence, "assignee": "nils"}]
