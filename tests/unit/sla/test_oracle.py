"""The oracle of the campaigns finds what it is there to find: each fault is planted in what was told of one task."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.sla_oracle import SECOND, Logged, Rules, Weather
from tests.support.sla_verdict import Alert, Verdict

RULES = Rules.of(
    {
        "sla": {
            "ladder": {"due_soon_share": 0.8, "repeat_overdue_every": "5 seconds", "repeat_overdue_times": 1},
            "targets": [{"clock": "completion", "within": "10 seconds"}],
        },
        "subjects": [],
    }
)
CALM = Weather(2 * SECOND)
END = 100 * SECOND


def at(seconds: float) -> int:
    return int(seconds * SECOND)


def a_task(revision: int, seconds: float, state: str = "pending", due: float = 10, behind: float = 0) -> Logged:
    return Logged("task", revision, at(seconds), at(seconds + behind), state, 0, at(due))


def a_case(revision: int, seconds: float, state: str = "pending", waits: bool = False) -> Logged:
    return Logged("case", revision, at(seconds), at(seconds), state, 0, None, {}, waits)


def an_alert(revision: int, kind: str, fired: float, due: float = 10, repetition: int = 0, **changes: object) -> Alert:
    rung = {"closed": "none", "withdrawn": "overdue"}.get(kind, kind)
    plain = Alert(f"{kind} {due} {repetition}", kind, "task", "due", revision, rung, repetition, at(due), at(fired), False, "")
    return plain._replace(**changes)  # type: ignore[arg-type]


def problems(events: list[Logged], alerts: list[Alert], weather: Weather = CALM, until: int = END) -> list[str]:
    verdict = Verdict()
    verdict.check_stream(alerts)
    verdict.check_item(events, alerts, RULES, weather, until, 30 * SECOND)
    return verdict.problems


TOLD = [an_alert(1, "due-soon", 8.1), an_alert(2, "overdue", 10.1), an_alert(3, "overdue", 15.1, repetition=1)]


def test_what_is_right_has_no_problems() -> None:
    assert problems([a_task(1, 0)], TOLD) == []
    moved = [a_task(1, 0), a_task(2, 9, due=50)]
    assert problems(moved, [TOLD[0]] + [a._replace(revision=a.revision + 1) for a in told_of(50)]) == []
    closed = an_alert(2, "closed", 9, outcome="met")
    assert problems([a_task(1, 0), a_task(2, 9, "completed")], [TOLD[0], closed]) == []


def told_of(due: float) -> list[Alert]:
    """Of a task that began at 0."""
    return [
        an_alert(1, "due-soon", due * 0.8 + 0.1, due),
        an_alert(2, "overdue", due + 0.1, due),
        an_alert(3, "overdue", due + 5.1, due, 1),
    ]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda told: told[:2], "missing"),
        (lambda told: told[1:], "missing"),
        (lambda told: [*told, told[2]._replace(revision=4)], "told twice"),
        (lambda told: [*told, told[2]._replace(revision=4, id="another")], "told twice"),
        (lambda told: [*told, an_alert(4, "overdue", 20.1, repetition=2)], "wrong"),
        (lambda told: [told[0], told[1]._replace(due_at=at(11)), told[2]], "wrong"),
        (lambda told: [told[0]._replace(fired_at=at(7.9)), *told[1:]], "before its moment"),
        (lambda told: [*told[:2], told[2]._replace(late=True)], "late in calm weather"),
        (lambda told: [*told[:2], told[2]._replace(fired_at=at(50))], "not as late"),
        (lambda told: [*told[:2], told[2]._replace(revision=4)], "is followed by"),
        (lambda told: [*told, an_alert(4, "withdrawn", 16)], "wrong"),
        (lambda told: [*told, an_alert(4, "closed", 16, outcome="met")], "closed"),
    ],
)
def test_a_planted_fault_is_found(spoil: Callable[[list[Alert]], list[Alert]], says: str) -> None:
    found = problems([a_task(1, 0)], spoil(list(TOLD)))
    assert any(says in problem for problem in found), found


def test_what_was_told_after_it_was_done_is_found_and_in_a_storm_what_came_first_is_open() -> None:
    done = [a_task(1, 0), a_task(2, 9, "completed")]
    closed = an_alert(2, "closed", 9, outcome="met")
    wrong = an_alert(3, "overdue", 10.1)
    assert any("wrong" in problem for problem in problems(done, [TOLD[0], closed, wrong]))
    late = [a_task(1, 0), a_task(2, 14, "completed")]
    closed = an_alert(3, "closed", 14, outcome="missed")
    assert any("missing" in problem for problem in problems(late, [TOLD[0], closed._replace(revision=2)]))
    storm = Weather(2 * SECOND, ((at(5), at(20)),))
    assert problems(late, [TOLD[0], closed._replace(revision=2)], storm) == []
    assert problems(late, [TOLD[0], TOLD[1], closed], storm) == []
    after = [TOLD[0], TOLD[1]._replace(fired_at=at(18)), closed]
    assert any("after what ended it" in problem for problem in problems(late, after, storm))
    # Somebody was there at 13 and told what was due at 12: so what was due at 10 had to be told too.
    seen = storm.over([(at(12), at(13))])
    assert any("missing" in problem for problem in problems(late, [TOLD[0], closed._replace(revision=2)], seen))


def test_a_completion_read_late_has_to_take_back_what_was_told() -> None:
    events = [a_task(1, 0), a_task(2, 9, "completed", behind=4)]
    closed = an_alert(4, "closed", 9, outcome="met")
    taken_back = an_alert(3, "withdrawn", 13)
    assert problems(events, [*TOLD[:2], taken_back, closed]) == []
    assert any("wrong" in problem for problem in problems(events, [*TOLD[:2], closed._replace(revision=3)]))


def test_a_case_that_waits_has_its_time_after_it() -> None:
    events = [a_case(1, 0), a_case(2, 5, "responded", True), a_case(3, 25, "responded")]
    told = [a._replace(item="case", kind="completion") for a in told_of(30)]
    told[0] = told[0]._replace(fired_at=at(28.1))
    assert problems(events, told) == []
    early = [a._replace(item="case", kind="completion") for a in told_of(10)]
    assert any("wrong" in problem for problem in problems(events, early))
