"""`/preferences`: how members of staff are told of things (NOTE-1)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from services.notify.domain.preferences import (
    GROUPS,
    NOTHING_CHOSEN,
    DigestTimes,
    How,
    Preferences,
    Quiet,
    Rules,
    next_digest,
    quiet_until,
    way,
)
from services.notify.handlers.preferring import rules_of
from services.notify.storage import preferences
from shared.calendars import parse_clock_time
from shared.clock import Clock
from shared.messaging import ReferenceData, VersionCache
from shared.observability import get_logger
from shared.schemas.configuration.notifications import WEEK, Group, Weekday
from shared.storage import Database
from shared.web import Command, NotFound, Principal, Problem, Unprocessable, check_revision, command, requires

log = get_logger(__name__)
OWN = Annotated[Principal, Depends(requires("notification:own"))]
MANAGER = Annotated[Principal, Depends(requires("notification:manage"))]
Asked = Annotated[Command, Depends(command)]
User = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
HowText = Literal["email", "digest", "desk", "none"]


class QuietHours(BaseModel):
    """On each of `days` from `from` until `until`, which is on the next day where it is not later. No days: never."""

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)
    begins: TimeOfDay = Field(alias="from")
    until: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]
    days: tuple[Weekday, ...] = WEEK


class DigestChoice(BaseModel):
    """When digests come. `at` is for days and working days."""

    model_config = ConfigDict(extra="forbid")
    every: Literal["hour", "day", "working day"]
    at: TimeOfDay = "08:00"


class PreferencesBody(BaseModel):
    """What somebody chooses. What is left out is as the organisation has it, and changes with it."""

    model_config = ConfigDict(extra="forbid")
    choices: dict[Group, HowText] = {}
    quiet_hours: QuietHours | None = None
    digest: DigestChoice | None = None
    time_zone: Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_+/-]*$")] = ""

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value:
            try:
                ZoneInfo(value)
            except (OSError, ValueError, LookupError) as error:  # by the shape of the name, zoneinfo raises any of the three
                raise ValueError(f"there is no time zone {value!r}; write one such as Europe/London") from error
        return value


class Chosen(PreferencesBody):
    """What was chosen, and what comes of it together with the organisation's rules."""

    user: str
    revision: int
    """0: nothing was chosen yet."""
    told: dict[Group, HowText]
    """How they are told of each kind of thing."""
    defaults: dict[Group, HowText]
    required: list[Group]
    """What cannot be switched off."""
    default_quiet_hours: QuietHours | None
    default_digest: DigestChoice
    default_time_zone: str
    next_digest_at: datetime
    quiet_until: datetime | None
    """The end of the quiet hours that it is now; none: it is none."""


def preferences_router(database: Database, reference: ReferenceData, clock: Clock) -> APIRouter:
    """`GET` and `PUT /preferences`, and the same of others."""
    router = APIRouter(tags=["preferences"])
    policies = VersionCache(reference, rules_of)

    def shown(user: str) -> Chosen:
        with database.transaction() as tx:
            chosen, revision = preferences.one(tx, user)
        return _shown(user, chosen, revision, policies.get(), clock())

    def set_to(user: str, body: PreferencesBody, asked: Command) -> Chosen:
        rules = policies.get()
        chosen = _checked(body, rules)
        with database.transaction() as tx:
            check_revision(asked, preferences.one(tx, user)[1])
            revision = preferences.save(tx, user, chosen, asked.principal.user, clock())
        log.info("preferences set", user=user, by=asked.principal.user, revision=revision)
        return _shown(user, chosen, revision, rules, clock())

    def member(user: str) -> str:
        if user not in reference.staff:
            raise NotFound
        return user

    def person(principal: Principal) -> str:
        if principal.machine:
            raise Problem(403, "A machine is not told of anything.")
        return principal.user

    @router.get("/preferences", summary="How you are told of things.")
    def own(principal: OWN) -> Chosen:
        return shown(person(principal))

    @router.put(
        "/preferences", summary="Choose how you are told of things: all of it, so that what is left out is as the organisation has it."
    )
    def set_own(body: PreferencesBody, principal: OWN, asked: Asked) -> Chosen:
        return set_to(person(principal), body, asked)

    @router.get("/preferences/{user}", summary="How this member of staff is told of things.")
    def of_other(user: User, _principal: MANAGER) -> Chosen:
        return shown(member(user))

    @router.put("/preferences/{user}", summary="Choose for a member of staff.")
    def set_other(user: User, body: PreferencesBody, _principal: MANAGER, asked: Asked) -> Chosen:
        return set_to(member(user), body, asked)

    return router


def _checked(body: PreferencesBody, rules: Rules) -> Preferences:
    """Raises `Unprocessable` for what cannot be chosen."""
    if off := [group for group in GROUPS if body.choices.get(group) == "none" and group in rules.required]:  # type: ignore[call-overload]
        raise Unprocessable(f"Your organisation wants everybody told of: {', '.join(off).replace('_', ' ')}. Choose another way than none.")
    quiet = None
    if body.quiet_hours is not None:
        hours = body.quiet_hours
        quiet = Quiet(parse_clock_time(hours.begins), parse_clock_time(hours.until), tuple(day for day in WEEK if day in hours.days))
        if quiet.days and quiet.begins == quiet.until:
            raise Unprocessable("Quiet hours end at another time than they begin; choose no days if there are none.")
        if quiet.is_endless:
            raise Unprocessable("Such quiet hours never end; leave a day out, or be told on the desk only.")
    digest = DigestTimes(body.digest.every, parse_clock_time(body.digest.at)) if body.digest else None
    return Preferences({group: How(how) for group, how in body.choices.items()}, quiet, digest, body.time_zone)


def _shown(user: str, chosen: Preferences, revision: int, rules: Rules, now: datetime) -> Chosen:
    values = {
        "user": user,
        "revision": revision,
        "choices": chosen.choices,
        "quiet_hours": _quiet(chosen.quiet),
        "digest": _digest(chosen.digest),
        "time_zone": chosen.zone,
        "told": {group: way(group, chosen, rules) for group in GROUPS},
        "defaults": {group: way(group, NOTHING_CHOSEN, rules) for group in GROUPS},
        "required": [group for group in GROUPS if group in rules.required],
        "default_quiet_hours": _quiet(rules.quiet),
        "default_digest": _digest(rules.digest),
        "default_time_zone": rules.zone,
        "next_digest_at": next_digest(chosen, rules, now),
        "quiet_until": quiet_until(chosen, rules, now),
    }
    return Chosen.model_validate(values)


def _quiet(quiet: Quiet | None) -> dict[str, object] | None:
    return None if quiet is None else {"from": _clock(quiet.begins), "until": _clock(quiet.until), "days": quiet.days}


def _digest(times: DigestTimes | None) -> dict[str, object] | None:
    return None if times is None else {"every": times.every, "at": _clock(times.at)}


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
