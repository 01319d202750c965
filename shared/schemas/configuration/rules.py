"""What must hold in a configuration beyond shape and references. Each rule reports all it finds; none stops at the
first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import re2

from shared.calendars import Calendar, CalendarError, DurationError, Window, parse_clock_time, parse_duration, weekly
from shared.schemas.configuration.approvals import check_approvals
from shared.schemas.configuration.assignment import check_assignment
from shared.schemas.configuration.category_rules import check_answer_categories, check_category_tree
from shared.schemas.configuration.chases import check_chases
from shared.schemas.configuration.customer_rules import check_feedback, check_products
from shared.schemas.configuration.document import Document, Path
from shared.schemas.configuration.feeds import check_feeds
from shared.schemas.configuration.late_replies import check_late_replies
from shared.schemas.configuration.letters import check_letters
from shared.schemas.configuration.notifications import check_notifications
from shared.schemas.configuration.references import TARGETS, Found, find
from shared.schemas.configuration.sla import LADDERS, check_sla
from shared.schemas.configuration.tags import WROTE
from shared.schemas.configuration.task_rules import check_task_rules
from shared.schemas.configuration.webhooks import check_webhooks
from shared.schemas.events import CaseLifeCycle
from shared.schemas.events.texts import LINE_LENGTH
from shared.schemas.permissions import STANDARD_ROLES, unknown_permissions

DURATIONS = (
    "methods[].expire_after",
    "methods[].keep_files_for",
    "subjects[].keep_for",
    "subjects[].complete_within",
    "subjects[].workflow.dependencies[].lag",
    "subjects[].workflow.dependencies[].max_lag",
    "task_definitions[].complete_within",
    "products.return_policies[].within",
    "products.catalogue[].warranty",
    "customer_links.valid_for",
    "approvals.links_valid_for",
    "leads.types[].complete_within",
    "chase.after",
    "chase.close_after",
    "subjects[].chase.after",
    "subjects[].chase.close_after",
    "automation[].then[].after",
    "recurring_rules[].lead",
    "task_rules[].after",
    *(f"{targets}[].within" for targets in TARGETS),
    *(f"{ladder}.{name}" for ladder in LADDERS for name in ("due_soon_before", "repeat_overdue_every")),
    *(f"{ladder}.escalations[].{name}" for ladder in LADDERS for name in ("before", "after")),
)
MAX_PATTERN = 1000


def check_rules(document: Document) -> None:
    """Report everything that breaks a rule."""
    for rule in RULES:
        rule(document)


def _dicts(document: Document, pattern: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for item in find(document.data, pattern):
        if isinstance(item.value, dict):
            yield item.path, item.value


def _texts(document: Document, pattern: str) -> Iterator[Found]:
    return (item for item in find(document.data, pattern) if isinstance(item.value, str))


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def check_durations(document: Document) -> None:
    """Durations are within bounds; a maximum lag is no shorter than its lag."""
    for pattern in DURATIONS:
        for item in _texts(document, pattern):
            try:
                parse_duration(item.value)
            except DurationError as error:
                document.problem(item.path, str(error))
    for path, dependency in _dicts(document, "subjects[].workflow.dependencies[]"):
        try:
            lag, longest = (parse_duration(str(dependency[name])) for name in ("lag", "max_lag"))
        except (KeyError, DurationError):
            continue
        if lag.is_surely_longer_than(longest):
            document.problem((*path, "max_lag"), f"the maximum lag of {longest} is shorter than the lag of {lag}")


def check_calendars(document: Document) -> None:
    """Time zones, holidays and windows are real; every calendar opens at some time."""
    for path, section in _dicts(document, "calendars[]"):
        try:
            calendar = _calendar(section)
        except CalendarError as error:
            document.problem(path, str(error))
            continue
        if not calendar.round_the_clock and not any(calendar.week):
            document.problem(path, "it is never open; give it windows, or `round_the_clock: true`")
    for item in _texts(document, "organisation.time_zone"):
        try:
            Calendar(code="organisation", zone=item.value)
        except CalendarError:
            document.problem(item.path, f"there is no time zone {item.value!r}; write one such as Europe/London")


def _calendar(section: dict[str, Any]) -> Calendar:
    hours: dict[str, list[Window | str]] = {}
    windows = section.get("windows")
    for window in windows if isinstance(windows, list) else []:
        if not isinstance(window, dict):
            continue
        opens, closes = window.get("opens"), window.get("closes")
        if not isinstance(opens, str) or not isinstance(closes, str):
            continue
        opening = Window(parse_clock_time(opens), parse_clock_time(closes))
        for day in _strings(window.get("days")):
            hours.setdefault(day, []).append(opening)
    holidays = section.get("holidays")
    place = holidays if isinstance(holidays, dict) else {}
    return Calendar(
        code=str(section.get("code") or "?"),
        zone=str(section.get("time_zone") or "UTC"),
        week=weekly(hours),
        closed_days=frozenset(_days(section.get("closed_days"))),
        country=place.get("country") if isinstance(place.get("country"), str) else None,
        subdivision=place.get("region") if isinstance(place.get("region"), str) else None,
        round_the_clock=section.get("round_the_clock") is True,
    )


def _days(value: Any) -> Iterator[date]:
    for text in _strings(value):
        try:
            yield date.fromisoformat(text)
        except ValueError:
            continue  # the models report it


def check_roles(document: Document) -> None:
    """A role's permissions are in the table; a role without any is a standard one."""
    for path, role in _dicts(document, "roles[]"):
        listed = _strings(role.get("permissions"))
        for permission in unknown_permissions(listed):
            where = (*path, "permissions", listed.index(permission))
            document.problem(where, f"there is no permission {permission!r}; docs/permissions.md lists them")
        if not listed and isinstance(role.get("code"), str) and role["code"] not in STANDARD_ROLES:
            standard = ", ".join(sorted(STANDARD_ROLES))
            document.problem(path, f"it permits nothing: list `permissions`, or take the code of a standard role ({standard})")


def check_owners(document: Document) -> None:
    """An owner is exactly one of user, role and unit."""
    for path, owner in _dicts(document, "task_definitions[].owner"):
        named = [kind for kind in ("user", "role", "unit") if owner.get(kind) is not None]
        if len(named) != 1:
            got = " and ".join(named) or "none"
            document.problem(path, f"name exactly one of user, role and unit, not {got}")


def check_prioritisation(document: Document) -> None:
    """The table gives a priority for every urgency and impact, each pair once."""
    model = document.data.get("prioritisation") if isinstance(document.data, dict) else None
    if not isinstance(model, dict):
        return
    urgencies, impacts = ([item.value for item in _texts(document, f"prioritisation.{name}[].code")] for name in ("urgencies", "impacts"))
    cells: set[tuple[str, str]] = set()
    for path, cell in _dicts(document, "prioritisation.table[]"):
        pair = (str(cell.get("urgency")), str(cell.get("impact")))
        if pair in cells:
            document.problem(path, f"urgency {pair[0]!r} with impact {pair[1]!r} is there twice; remove one")
        cells.add(pair)
    for urgency in urgencies:
        for impact in impacts:
            if (urgency, impact) not in cells:
                document.problem(
                    ("prioritisation", "table"), f"no priority is given for urgency {urgency!r} with impact {impact!r}; add a line"
                )


def check_statuses(document: Document) -> None:
    """Every life-cycle state has a default status that stands for it, and that the subject allows."""
    states = {
        status["code"]: str(status.get("state")) for _, status in _dicts(document, "statuses[]") if isinstance(status.get("code"), str)
    }
    for pattern in ("default_statuses", "subjects[].default_statuses"):
        for path, defaults in _dicts(document, pattern):
            for state, status in defaults.items():
                if isinstance(status, str) and states.get(status, state) != state:
                    document.problem((*path, state), f"the status {status!r} stands for {states[status]}, not for {state}")
    top = document.data.get("default_statuses") if isinstance(document.data, dict) else None
    if not isinstance(top, dict):
        return
    for state in CaseLifeCycle:
        if state.value not in top:
            document.problem(("default_statuses",), f"no default status for {state.value}; add `{state.value}: <status>`")
    for path, subject in _dicts(document, "subjects[]"):
        allowed, own = _strings(subject.get("statuses")), subject.get("default_statuses")
        if not allowed:
            continue
        for state, status in (top | (own if isinstance(own, dict) else {})).items():
            if (
                isinstance(status, str)
                and status not in allowed
                and not (state == "temporarily_resolved" and not subject.get("temporary_resolution"))
            ):
                document.problem(
                    (*path, "statuses"),
                    f"the default status for {state}, {status!r}, is not among them; add it, or give this subject another default",
                )
    reasons, default = find(document.data, "cancellation_reasons[].code"), document.data.get("default_cancellation_reason")
    if default is None and any(True for _ in reasons):
        document.problem(("cancellation_reasons",), "none of them is the default; set default_cancellation_reason")


def check_routing(document: Document) -> None:
    """Patterns compile; each rule has a condition."""
    for path, route in _dicts(document, "routing.rules[]"):
        pattern = route.get("pattern")
        if isinstance(pattern, str):
            problem = pattern_problem(pattern)
            if problem:
                document.problem((*path, "pattern"), problem)
        if not any(route.get(name) for name in ("methods", "accounts", "keywords", "pattern")):
            document.problem(path, "it has no condition and would match everything; use default_subject for the rest")
    for item in _texts(document, "routing.rules[].keywords[]"):
        if not item.value.strip():
            document.problem(item.path, "an empty keyword would match everything; remove it")


def pattern_problem(pattern: str) -> str:
    """What is wrong with a routing pattern; empty when it will do."""
    if len(pattern) > MAX_PATTERN:
        return f"the pattern is longer than {MAX_PATTERN} characters"
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else error.args[0]
        return f"the pattern is no RE2 expression ({reason}); RE2 has no look-around and no back references"
    if compiled.search("") is not None:
        return "the pattern matches an empty text, and so everything"
    return ""


def check_messages(document: Document) -> None:
    """A message that is sent has somebody to go to."""
    for path, definition in _dicts(document, "communications[]"):
        if definition.get("to") == []:
            document.problem((*path, "to"), "it goes to nobody; name at least one, such as assignee")
        if definition.get("items") and not str(definition.get("on")).startswith(("clock.", "approval.")):
            document.problem((*path, "items"), "only clock events and approvals are narrowed by items; remove them here")
        if definition.get("statuses") and definition.get("on") not in ("case.status-changed", "case.chased"):
            document.problem((*path, "statuses"), "only case.status-changed and case.chased are narrowed by statuses; remove them here")
        to, on = _strings(definition.get("to")), definition.get("on")
        if definition.get("channel") == "sms" and "unit" in to:
            document.problem(
                (*path, "to", to.index("unit")), "a unit has no telephone number; name people of it: leader, manager, a role or a user"
            )
        if "escalation" in to and on != "clock.escalated":
            document.problem(
                (*path, "to", to.index("escalation")), "only clock.escalated tells whom a step of the chain names; remove it here"
            )
        if str(on).endswith(f".{WROTE}") and "customer" in to:
            document.problem((*path, "to", to.index("customer")), "it was the customer who wrote; tell those who are to answer")
        if on == "clock.withdrawn" and to != ["told"]:
            document.problem((*path, "to"), "what is taken back is told to those who had it: write `to: [told]`")
        elif "told" in to and on != "clock.withdrawn":
            document.problem((*path, "to", to.index("told")), "only clock.withdrawn goes to those who had the alert; remove it here")


def check_methods(document: Document) -> None:
    """What a communication method says can be used (COM-2): prompts and locations are text, and what feeds it may come in by it."""
    directions: dict[str, list[str]] = {}
    for path, method in _dicts(document, "methods[]"):
        code = method.get("code")
        if isinstance(code, str):
            directions[code] = _strings(method.get("directions"))
        if method.get("directions") == []:
            document.problem((*path, "directions"), "it is for no direction; list `inbound`, `outbound` or both")
        in_both = set(_strings(method.get("pre_script"))) & set(_strings(method.get("security_script")))
        for prompt in sorted(in_both):
            where = (*path, "security_script", method["security_script"].index(prompt))
            document.problem(where, f"{prompt!r} is in the pre-script already; an answer could not tell which was meant")
        if "\n" in str(method.get("default_subject_line")) or len(str(method.get("default_subject_line"))) > LINE_LENGTH:
            document.problem((*path, "default_subject_line"), f"a subject line is one line of up to {LINE_LENGTH} characters")
    for name, what, longest in (("pre_script", "prompt", 1000), ("security_script", "prompt", 1000), ("locations", "location", 200)):
        for item in _texts(document, f"methods[].{name}[]"):
            if not item.value.strip() or len(item.value) > longest:
                document.problem(item.path, f"a {what} is text of up to {longest} characters")
    for pattern in ("mail_accounts[].method", "x_accounts[].method", "phone_lines[].calls", "phone_lines[].messages", "web_forms[].method"):
        for item in _texts(document, pattern):
            if "inbound" not in directions.get(item.value, ["inbound"]):
                document.problem(item.path, f"contacts come in here, and the method {item.value!r} is not for inbound ones")


def check_users(document: Document) -> None:
    """A password hash is argon2's; leaders and managers are active."""
    inactive = {user.get("user") for _, user in _dicts(document, "users[]") if user.get("active") is False}
    for path, user in _dicts(document, "users[]"):
        given = user.get("password_hash")
        if isinstance(given, str) and not given.startswith("$argon2id$"):
            document.problem((*path, "password_hash"), "this is no argon2id hash; make one with `python -m services.desk hash-password`")
    for path, unit in _dicts(document, "units[]"):
        for post in ("leader", "manager"):
            if unit.get(post) in inactive and unit.get(post) is not None:
                document.problem((*path, post), f"{unit[post]!r} is not active; name somebody who is")


RULES: tuple[Callable[[Document], None], ...] = (
    check_durations,
    check_calendars,
    check_feeds,
    check_roles,
    check_owners,
    check_assignment,
    check_category_tree,
    check_answer_categories,
    check_prioritisation,
    check_statuses,
    check_routing,
    check_letters,
    check_messages,
    check_notifications,
    check_methods,
    check_sla,
    check_users,
    check_late_replies,
    check_chases,
    check_approvals,
    check_products,
    check_feedback,
    check_task_rules,
    check_webhooks,
)
