"""The rules on events of a configuration as the handlers use them: conditions compiled, by the event that they are for.

A task rule on an event is one that schedules a task, and nothing else (TASK-5).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from services.task.domain.automation import rules
from services.task.domain.ownership import Owner, OwnerKind
from shared.calendars import parse_duration
from shared.conditions import compile_condition
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.automation import Action, AtMost, AutomationRule
from shared.schemas.configuration.task_rules import TaskRule

_SECONDS = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800}


def rules_of(configuration: Configuration, version: int) -> rules.Rules:
    """The active rules, in their order; task rules after the others."""
    units = {user.user: user.unit for user in configuration.users}
    by_event: dict[str, list[rules.Rule]] = {}
    for section in configuration.automation:
        if section.active:
            by_event.setdefault(section.on, []).append(rule_of(section, units))
    for task_rule in configuration.task_rules:
        if task_rule.active and task_rule.on is not None:
            by_event.setdefault(task_rule.on, []).append(rule_of_task_rule(task_rule))
    return rules.Rules(version, {on: tuple(listed) for on, listed in by_event.items()})


def rule_of(section: AutomationRule, units: Mapping[str, str]) -> rules.Rule:
    """One rule, active or not. `units`: of each user."""
    return rules.Rule(
        section.code,
        section.name,
        section.on,
        compile_condition(section.condition),
        tuple(_action(action, section.on.partition(".")[0], units) for action in section.then),
        section.at_most.times,
        span(section.at_most.within),
    )


def rule_of_task_rule(section: TaskRule) -> rules.Rule:
    """A task rule on an event, active or not, as the automation rule that it is. Raises ValueError for a recurring one."""
    if section.on is None:
        raise ValueError(f"the task rule {section.code} is on no event")
    at_most = section.at_most or AtMost()
    action = rules.Action(do="schedule_task", definition=section.definition, after=parse_duration(section.after) if section.after else None)
    return rules.Rule(
        section.code,
        section.name,
        section.on,
        compile_condition(section.condition),
        (action,),
        at_most.times,
        span(at_most.within),
    )


def span(text: str) -> timedelta:
    """A time such as `2 hours`, of the clock."""
    amount, unit = text.split()
    return timedelta(seconds=int(amount) * _SECONDS[unit.removesuffix("s")])


def _action(section: Action, about: str, units: Mapping[str, str]) -> rules.Action:
    owner: Owner | None = None
    unit: str | None = None
    is_assignment = section.do == "assign"
    if is_assignment and section.user is not None:
        owner, unit = Owner(OwnerKind.USER, section.user), units.get(section.user)
    elif is_assignment and section.role is not None:
        owner = Owner(OwnerKind.ROLE, section.role)
    elif is_assignment and section.unit is not None:
        owner, unit = Owner(OwnerKind.UNIT, section.unit), section.unit
    return rules.Action(
        do=section.do,
        definition=section.definition,
        after=parse_duration(section.after) if section.after else None,
        item=(section.item or ("task" if about == "task" else "case")) if is_assignment else None,
        owner=owner,
        unit=unit,
        urgency=section.urgency,
        impact=section.impact,
        user=None if is_assignment else section.user,
        what=section.what,
        to=section.to,
        template=section.template,
        channel=(section.channel or "email") if section.do in ("alert", "send") else None,
    )
