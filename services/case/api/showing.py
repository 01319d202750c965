"""A case as the API shows it by itself: with its answers and key dates (CASE-4, CASE-9)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.case.api.reach import described_case
from services.case.domain.key_dates import key_dates
from services.case.domain.life_cycle import ORDER, STAGE_OF, STEPS, LifeCycle, Stage
from services.case.handlers.rules import Rules
from services.case.storage import answers
from shared.messaging import VersionCache
from shared.storage import Transaction


def shown_case(tx: Transaction, row: dict[str, Any], rules: VersionCache[Rules], now: datetime) -> dict[str, Any]:
    """The case of a row of `views.show_case`, with `answers` and `key_dates`."""
    dates = key_dates(
        row["opened_at"],
        row["expected_completion_at"],
        row["estimated_completion_at"],
        row["completed_at"],
        row["state"] == LifeCycle.COMPLETED,
        rules.get(row["config_version"]).calendar,
        now,
    )
    return described_case(row) | {"answers": answers.shown(tx, row["id"]), "key_dates": dates._asdict()}


def choices_of(case: dict[str, Any], rules: Rules) -> dict[str, Any]:
    """What a step of the case may choose from, by the configuration that it began with; a closed case has no choices.

    `answers`: for the stage of its state and those one step ahead, the categories; the first stage is amended where `amends` says so.
    `cancellation`: only while it can be cancelled. `completion`: the status that completes it, where that is its next step.
    """
    subject, state = rules.subjects[case["subject"]], LifeCycle(case["state"])
    cycle = subject.life_cycle
    if state.is_closed:
        return {"answers": [], "cancellation": None, "completion": None, "categories": []}
    reachable = [state, *sorted(STEPS[state], key=lambda step: ORDER[step])]
    stages = [STAGE_OF[step] for step in reachable if step in STAGE_OF]
    answers = [
        {
            "stage": stage.value,
            "amends": stage.state is state,
            "default": cycle.answers[stage].default,
            "categories": [
                {"code": code, "requires_acceptance": required} for code, required in cycle.answers[stage].requires_acceptance.items()
            ],
        }
        for stage in stages
        if stage.state is state or cycle.has_temporary_resolution or stage is not Stage.TEMPORARY_RESOLUTION
    ]
    cancellation = {
        "status": cycle.defaults[LifeCycle.CANCELLED],
        "reasons": cycle.cancellation.codes,
        "default": cycle.cancellation.default,
    }
    return {
        "answers": answers,
        "cancellation": cancellation if state is LifeCycle.PENDING else None,
        "completion": cycle.defaults.get(LifeCycle.COMPLETED) if LifeCycle.COMPLETED in STEPS[state] else None,
        "categories": sorted(subject.categories),
    }
