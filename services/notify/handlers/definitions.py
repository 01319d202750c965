"""What a version of the configuration says about messages: definitions with their conditions, and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from services.notify.domain.limits import Limits
from services.notify.domain.occasions import Definition
from services.notify.domain.preferences import Rules
from services.notify.handlers.occasions import OVERDUE_AGAIN
from services.notify.handlers.preferring import rules_of
from shared.conditions import LookedUp, compile_condition
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.models import CommunicationDefinition
from shared.schemas.configuration.sending import facts_told
from shared.schemas.envelope import Payload
from shared.schemas.events import Concerned

ALERTS_USEFUL_FOR = timedelta(days=3)
"""After that an alert of a clock is no news; nobody else than staff gets one."""
_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Policy:
    """Definitions by the name of their event, our own mail domain, the unit that answers for what no other does, how staff are told, and
    how much is sent.
    """

    definitions: Mapping[str, tuple[Definition, ...]]
    mail_domain: str
    default_unit: str
    rules: Rules
    limits: Limits
    phones: Mapping[str, str]
    """Where users get text messages."""


def policy_of(configuration: Configuration) -> Policy:
    """The policy of one version of the configuration."""
    by_event: dict[str, list[Definition]] = {}
    for section in configuration.communications:
        by_event.setdefault(section.on, []).append(definition_of(section))
    # What is overdue again is told to those who were told that it is, and to those that `clock.escalated` names beside them.
    by_event[OVERDUE_AGAIN] = by_event.get("clock.overdue", []) + by_event.get("clock.escalated", [])
    organisation = configuration.organisation
    definitions = {on: tuple(found) for on, found in by_event.items()}
    unit, domain = organisation.default_unit, organisation.mail_domain
    phones = {user.user: user.phone for user in configuration.users if user.phone}
    return Policy(definitions, domain, unit, rules_of(configuration), limits_of(configuration), phones)


def limits_of(configuration: Configuration) -> Limits:
    """The limits of one version of the configuration."""
    section = configuration.sending_limits
    to_one = section.to_one_an_hour
    pressing = section.escalated_to_one_an_hour or 2 * (to_one or 0)
    return Limits({str(channel): most for channel, most in section.a_minute.items()}, to_one, pressing, section.automatic_per_case_a_day)


def holding(definitions: tuple[Definition, ...], on: str, data: Payload | Concerned) -> tuple[Definition, ...]:
    """Those of the definitions whose condition, if they have one, holds of the event's data."""
    if not any(definition.holds for definition in definitions):
        return definitions
    facts = LookedUp(data, _paths(on))
    return tuple([definition for definition in definitions if definition.holds is None or definition.holds(facts)])


@cache
def _paths(on: str) -> dict[str, list[str]]:
    return {name: fact.path.split(".") for name, fact in facts_told(on).items()}


def definition_of(section: CommunicationDefinition) -> Definition:
    """The definition, with its condition compiled."""
    useless_after = _time(section.useless_after) if section.useless_after else None
    if useless_after is None and section.on.startswith("clock."):
        useless_after = ALERTS_USEFUL_FOR
    return Definition(
        section.code,
        section.on,
        section.to,
        section.channel,
        section.template,
        frozenset(section.items),
        frozenset(section.statuses),
        None if section.when is None else compile_condition(section.when),
        useless_after,
    )


def _time(text: str) -> timedelta:
    amount, unit = text.split()
    return int(amount) * _UNITS[unit.removesuffix("s")]
