"""Targets as the configuration has them: what the clocks run by, and what a case is shown with."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sla.domain.clocks import ClockKind
from services.sla.handlers.policies import build_policy
from shared.calendars import parse_duration
from shared.schemas.configuration.targets import CLOCKS, Targets
from tests.support.configuration import METHODS, SUBJECTS, a_configuration


def _configured(subject: list[Any], method: list[Any], default: list[Any], complete_within: str | None = None) -> Any:
    leak = SUBJECTS[0] | {"targets": subject, "complete_within": complete_within}
    return a_configuration(
        subjects=[leak, *SUBJECTS[1:]], methods=[METHODS[0], METHODS[1] | {"targets": method}], sla={"targets": default, "ladder": {}}
    )


@pytest.mark.requirement("SLA-1", "COM-2")
def test_a_call_may_get_a_shorter_time_than_an_email_and_the_subject_comes_first() -> None:
    configuration = _configured(
        [{"clock": "response", "within": "10 minutes", "priority": "high"}],
        [
            {"clock": "response", "within": "30 minutes", "priority": "high"},
            {"clock": "response", "within": "1 hour"},
            {"clock": "resolution", "within": "2 days", "priority": "low"},
        ],
        [{"clock": "response", "within": "4 hours"}, {"clock": "resolution", "within": "9 days"}],
    )
    policy, targets = build_policy(configuration), Targets(configuration)

    def response(subject: str, method: str, priority: str) -> tuple[str, str]:
        ran_by = policy.target(ClockKind.RESPONSE, subject, method, priority)
        (shown,) = [target for target in targets.of(subject, method, priority, "repairs") if target.clock == "response"]
        assert ran_by is not None
        assert ran_by.within == parse_duration(shown.within)
        return shown.within, shown.source

    assert response("leak", "telephone", "high") == ("10 minutes", "subject")
    assert response("leak", "telephone", "low") == ("1 hour", "method")
    assert response("noise", "telephone", "high") == ("30 minutes", "method")
    assert response("noise", "email", "high") == ("4 hours", "organisation")
    assert [(target.within, target.source) for target in targets.of("noise", "telephone", "low", "repairs")] == [
        ("1 hour", "method"),
        ("2 days", "method"),
    ]
    assert targets.of("noise", "telephone", "high", "repairs")[1][1:] == ("9 days", "", "organisation")


_A_TARGET = st.fixed_dictionaries(
    {
        "clock": st.sampled_from(CLOCKS),
        "within": st.sampled_from(["1 hour", "2 working hours", "3 days", "4 working days"]),
        "priority": st.sampled_from([None, "low", "high"]),
        "unit": st.sampled_from([None, "repairs"]),
    }
)
_SOME = st.lists(_A_TARGET, max_size=4)


@pytest.mark.requirement("SLA-1")
@given(_SOME, _SOME, _SOME, st.sampled_from([None, "5 days"]))
def test_a_case_is_shown_with_the_targets_that_its_clocks_run_by(
    subject: list[Any], method: list[Any], default: list[Any], complete_within: str | None
) -> None:
    configuration = _configured(subject, method, default, complete_within)
    policy, targets = build_policy(configuration), Targets(configuration)
    for code in ("leak", "noise"):
        for by in ("telephone", "email"):
            for priority, unit in product(("low", "high"), ("repairs", "income")):
                shown = {target.clock: parse_duration(target.within) for target in targets.of(code, by, priority, unit)}
                run_by = {
                    clock: found.within
                    for clock in CLOCKS
                    if (found := policy.target(ClockKind[clock.upper()], code, by, priority, unit)) is not None
                }
                assert shown == run_by
