"""Configurations for `casestream bench plan`: subjects with workflows of ten tasks, and one subject with a very long workflow."""

from __future__ import annotations

import random
from typing import Any

from bench.pages import sample
from shared.schemas.configuration import Configuration

TASKS = 10
SUBJECTS = ("bench-leak", "bench-damp", "bench-complaint")

# Code, what it is to be completed within, priority, owner: a user, a role, a unit, or the case's unit.
_DEFINITIONS: tuple[tuple[str, str, str, dict[str, str] | None], ...] = (
    ("acknowledge", "4 working hours", "high", {"unit": "contact-centre"}),
    ("assess", "1 working day", "high", None),
    ("make-safe", "1 day", "high", {"role": "plumber"}),
    ("inform", "2 working days", "normal", {"unit": "contact-centre"}),
    ("survey", "5 working days", "normal", None),
    ("order-parts", "3 working days", "normal", None),
    ("carry-out", "10 working days", "normal", {"role": "plumber"}),
    ("inspect", "2 working days", "low", None),
    ("sign-off", "1 working day", "normal", {"user": "julia.reid"}),
    ("ask-satisfied", "5 working days", "low", {"unit": "contact-centre"}),
)
_DEPENDENCIES: tuple[dict[str, str], ...] = (
    {"task": "make-safe", "after": "assess"},
    {"task": "survey", "after": "make-safe", "max_lag": "10 working days"},
    {"task": "order-parts", "after": "survey"},
    {"task": "carry-out", "after": "order-parts", "lag": "2 working days"},
    {"task": "carry-out", "after": "inform"},
    {"task": "inspect", "after": "carry-out", "lag": "7 days", "max_lag": "21 days"},
    {"task": "sign-off", "after": "inspect"},
    {"task": "ask-satisfied", "after": "sign-off", "lag": "2 working days"},
)
_FIRST = {"bench-leak": ("acknowledge", "assess", "inform"), "bench-damp": ("acknowledge", "assess", "inform", "order-parts")}
"""Of a subject: what waits for nothing; else what the dependencies say."""


def with_workflows() -> Configuration:
    """The sample organisation with the subjects `SUBJECTS`, of `TASKS` tasks each."""
    document = sample().model_dump(mode="json", exclude_defaults=True)
    roles = {role for user in document["users"] for role in user["roles"]}
    some_role = sorted(roles)[0]
    for code, within, priority, owner in _DEFINITIONS:
        if owner is not None and "role" in owner and owner["role"] not in roles:
            owner = {"role": some_role}
        document["task_definitions"].append(
            {
                "code": f"bench-{code}",
                "name": f"Bench: {code.replace('-', ' ')}",
                "description": "What has to be looked at, who has to be told, and what the customer has to know of it.",
                "messages": {"contact": "Ring the customer before you go.", "complete": "Thank you."},
                "complete_within": within,
                "priority": priority,
                **({"owner": owner} if owner else {}),
            }
        )
    for subject in SUBJECTS:
        first = _FIRST.get(subject, ())
        links = [link for link in _DEPENDENCIES if link["task"] not in first]
        document["subjects"].append(
            {
                "code": subject,
                "name": subject,
                "workflow": {
                    "tasks": [f"bench-{code}" for code, *_ in _DEFINITIONS],
                    "dependencies": [
                        {name: f"bench-{value}" if name in ("task", "after") else value for name, value in link.items()} for link in links
                    ],
                },
            }
        )
    return Configuration.model_validate(document)


def a_large_workflow(tasks: int, seed: int = 1) -> tuple[Configuration, list[tuple[str, str, int]]]:
    """The sample organisation with a subject `large` of so many tasks, each after one to three earlier ones, some with lags.

    And its dependencies as (before, after, weight) for another library's longest path.
    """
    chance = random.Random(seed)
    document: dict[str, Any] = sample().model_dump(mode="json", exclude_defaults=True)
    codes = [f"large-{number}" for number in range(tasks)]
    days = [chance.randint(1, 10) for _ in codes]
    for number, code in enumerate(codes):
        within = f"{days[number]} working days" if number % 3 else f"{days[number]} days"
        document["task_definitions"].append({"code": code, "name": code, "complete_within": within})
    links: list[dict[str, str]] = []
    edges: list[tuple[str, str, int]] = []
    for number in range(4, tasks):
        earlier = chance.sample(range(max(0, number - 40), number), chance.randint(1, 3))
        for before in earlier:
            lag = {"lag": "2 working days"} if chance.random() < 0.2 else {}
            links.append({"task": codes[number], "after": codes[before], **lag})
            edges.append((codes[before], codes[number], days[before] + (2 if lag else 0)))
    document["subjects"].append({"code": "large", "name": "Large", "workflow": {"tasks": codes, "dependencies": links}})
    return Configuration.model_validate(document), edges
