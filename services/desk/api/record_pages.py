"""The pages of records: cases, a case, a communication (COM-1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Response

from services.desk.api.browser import Browser, Visitor, see_other
from services.desk.api.case_actions import case_actions_of
from services.desk.domain.messages import NEEDS, About
from services.desk.domain.organisation import Organisation
from services.desk.domain.records import SCRIPT_WORDS, Case, Communication
from services.desk.domain.tasks import due_words
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.case_steps import CaseSteps
from services.desk.gateways.records import CaseList, Records, communication_of
from services.desk.gateways.tasks import Addable, TaskList, Tasks
from shared.clock import Clock
from shared.web import Forbidden

View = Literal["text", "sent"]
CaseShow = Literal["open", "overdue", "unassigned", "awaiting", "review", "all"]
CaseSort = Literal["-priority", "due", "-opened"]
Code = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]
FILTERS: dict[CaseShow, dict[str, str]] = {
    "open": {"open": "true"},
    "overdue": {"overdue": "true"},
    "unassigned": {"unassigned": "true", "open": "true"},
    "awaiting": {"awaiting": "true", "open": "true"},
    "review": {"needs_review": "true"},
    "all": {},
}
DONE = {
    "opened": "Done: what you chose is open as a case.",
    "joined": "Done: it belongs to the case now, and so does what comes later in its conversation.",
    "answered": "The answers are recorded.",
    "chosen": "Done: it is known whose it is.",
}
"""What the page of a communication says after a step, by its parameter `done`."""
CASE_DONE = {
    "answered": "The answer is recorded.",
    "accepted": "It is recorded that the customer accepted.",
    "declined": "It is recorded that the customer declined. Amend the answer, and ask again.",
    "completed": "The case is completed.",
    "cancelled": "The case is cancelled.",
    "approval-asked": "It is asked. You see here when it is decided.",
    "links-revoked": "The links that were sent to the customer until now are no longer valid.",
    "task-added": "The task is added.",
    "restored": "Done: messages to the customer go there again.",
    "written": "Your message is on its way. Below you see what becomes of it.",
}
"""The same of the page of a case."""
MORE_TO_SHOW = Callable[[Visitor, Mapping[str, Any]], Mapping[str, Any]]
"""Gives what `communication_actions.html` shows, from who looks and the communication as case's API shows it. May raise `Away`."""

MORE_OF_CASE = Callable[[Visitor, Case], Mapping[str, Any]]
"""The same of the page of a case. Raises nothing: what cannot be read is said to be missing."""


@dataclass(frozen=True, slots=True)
class Suggested:
    """The case whose number a communication quotes; `number` empty: one that the visitor cannot see."""

    id: UUID
    number: str


def _nothing_more(_visitor: Visitor, _found: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


class CommunicationPage:
    """Shows the page of a communication; also again, when a step on it was refused."""

    def __init__(
        self,
        browser: Browser,
        records: Records,
        organisation: Callable[[], Organisation],
        clock: Clock,
        more: MORE_TO_SHOW = _nothing_more,
    ) -> None:
        self._browser = browser
        self._records = records
        self._organisation = organisation
        self._clock = clock
        self._more = more

    def __call__(
        self, visitor: Visitor, communication: UUID, *, error: str = "", status: int = 200, message: str = "", view: View = "text"
    ) -> Response:
        token = visitor.token.token
        try:
            found = self._records.communication(token, communication)
            more = self._more(visitor, found)
        except Away:
            return unread(self._browser, visitor, f"/communications/{communication}")
        except Refused as refused:
            return unread(self._browser, visitor, f"/communications/{communication}", str(refused))
        shown = communication_of(found)
        candidates = [str(one["name"]) for one in found["candidates"]]
        return self._browser.page(
            "communication.html",
            visitor,
            status,
            **more,
            communication=shown,
            cases=self._cases(visitor, shown),
            suggested=self._suggested(visitor, shown),
            candidates=candidates if found["contact_id"] is None else [],
            contact=found["contact_id"] if visitor.may("case:read") else None,
            again=_sent_again_at(visitor, shown, found["contact_id"]),
            key=uuid4(),
            scripts=_by_script(shown),
            view=view if shown.has_html else "text",
            names=self._organisation(),
            when=when_of(self._clock, self._organisation()),
            error=error,
            message=message,
        )

    def _cases(self, visitor: Visitor, communication: Communication) -> tuple[Case, ...] | None:
        """The cases that it feeds, as far as the visitor may see them; None: they cannot be read just now."""
        if not communication.case_ids or not visitor.may("case:read"):
            return ()
        try:
            return self._records.cases(visitor.token.token, communication_id=str(communication.id)).cases
        except (Away, Refused):
            return None

    def _suggested(self, visitor: Visitor, communication: Communication) -> Suggested | None:
        id = communication.suggested_case
        if id is None or id in communication.case_ids:
            return None
        if not visitor.may("case:read"):
            return Suggested(id, "")
        try:
            return Suggested(id, self._records.case(visitor.token.token, id).number)
        except (Away, Refused):
            return Suggested(id, "")


def _sent_again_at(visitor: Visitor, communication: Communication, contact: str | None) -> str:
    """Where a message that did not arrive is sent once more; empty: the visitor may not."""
    if communication.case_ids:
        about = About("case", communication.case_ids[0])
    elif communication.lead:
        about = About("lead", communication.lead)
    elif contact:
        about = About("contact", UUID(contact))
    else:
        return ""
    return f"{about.form}/again" if all(visitor.may(needed) for needed in NEEDS[about.kind]) else ""


class CasePage:
    """Shows the page of a case; also again, when a step on it was refused."""

    def __init__(
        self,
        browser: Browser,
        records: Records,
        tasks: Tasks,
        steps: CaseSteps,
        organisation: Callable[[], Organisation],
        clock: Clock,
        more: MORE_OF_CASE,
    ) -> None:
        self._browser = browser
        self._records = records
        self._tasks = tasks
        self._steps = steps
        self._organisation = organisation
        self._clock = clock
        self._more = more

    def __call__(self, visitor: Visitor, case: UUID, *, error: str = "", status: int = 200, message: str = "") -> Response:
        around = self._organisation()
        try:
            found = self._records.case(visitor.token.token, case)
            actions = case_actions_of(visitor, found, self._steps)
        except Away:
            return unread(self._browser, visitor, f"/cases/{case}")
        except Refused as refused:
            return unread(self._browser, visitor, f"/cases/{case}", str(refused))
        return self._browser.page(
            "case.html",
            visitor,
            status,
            **self._more(visitor, found),
            case=found,
            actions=actions,
            tasks=self._tasks_of(visitor, case),
            addable=self._addable_to(visitor, found),
            key=uuid4(),
            names=around,
            when=when_of(self._clock, around),
            now=self._clock(),
            error=error,
            message=message,
        )

    def _tasks_of(self, visitor: Visitor, case: UUID) -> TaskList | None:
        if not visitor.may("task:read"):
            return TaskList((), False)
        try:
            return self._tasks.of_case(visitor.token.token, case)
        except (Away, Refused):
            return None

    def _addable_to(self, visitor: Visitor, case: Case) -> tuple[Addable, ...]:
        """What can be added to the case; nothing while that cannot be told."""
        if not visitor.may("task:create") or not case.is_open:
            return ()
        try:
            return self._tasks.addable(visitor.token.token, case.id)
        except (Away, Refused):
            return ()


def record_pages(
    browser: Browser,
    records: Records,
    organisation: Callable[[], Organisation],
    clock: Clock,
    communication_page: CommunicationPage,
    case_page: CasePage,
) -> APIRouter:
    """`/cases`, `/cases/{id}` and `/communications/{id}`."""
    router = APIRouter(include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)

    @router.get("/cases")
    def list_cases(
        visitor: Visitor = signed_in,
        show: CaseShow = "open",
        sort: CaseSort = "-priority",
        after: Annotated[str, Query(max_length=2000, pattern=r"^[A-Za-z0-9_-]*$")] = "",
        number: Annotated[str, Query(max_length=40, pattern=r"^[^\x00]*$")] = "",
        priority: Code = "",
        category: Code = "",
        unit: Code = "",
        owner: Code = "",
    ) -> Response:
        require(visitor, "case:read")
        around, wanted = organisation(), number.strip().upper()
        given = {"priority": priority, "category": category, "unit": unit, "owner": owner}
        only = {name: value for name, value in given.items() if value}
        found: CaseList | None

        def address(show: str, sort: str, **more: str) -> str:
            return f"/cases?{urlencode({'show': show, 'sort': sort} | more)}"

        try:
            wishes = {"number": wanted} if wanted else FILTERS[show] | only | {"sort": sort} | ({"cursor": after} if after else {})
            found = records.cases(visitor.token.token, **wishes)
        except Away:
            found = None
        except Refused as refused:
            return unread(browser, visitor, "/cases", str(refused))
        if wanted and found is not None and len(found.cases) == 1:
            return see_other(f"/cases/{found.cases[0].id}")
        return browser.page(
            "cases.html",
            visitor,
            503 if found is None else 200,
            cases=None if found is None else found.cases,
            next=found.next if found else None,
            is_first=not after,
            show=show,
            sort=sort,
            number=wanted,
            only={} if wanted else only,
            address=address,
            names=around,
            when=when_of(clock, around),
            now=clock(),
        )

    @router.get("/cases/{case}")
    def one_case(case: UUID, visitor: Visitor = signed_in, done: Annotated[str, Query(max_length=20)] = "") -> Response:
        require(visitor, "case:read")
        return case_page(visitor, case, message=CASE_DONE.get(done, ""))

    @router.get("/communications/{communication}")
    def one_communication(
        communication: UUID, visitor: Visitor = signed_in, view: View = "text", done: Annotated[str, Query(max_length=20)] = ""
    ) -> Response:
        require(visitor, "communication:read")
        return communication_page(visitor, communication, view=view, message=DONE.get(done, ""))

    return router


def unread(browser: Browser, visitor: Visitor, again: str, reason: str = "") -> Response:
    """A record that cannot be shown: for the `reason` that its service gave, or because that does not answer."""
    return browser.page("unread.html", visitor, 404 if reason else 503, reason=reason, again=again)


def require(visitor: Visitor, permission: str) -> None:
    """Raises `Forbidden` where the visitor lacks it."""
    if not visitor.may(permission):
        raise Forbidden(f"Your roles do not open this page; it needs the permission {permission}.")


def when_of(clock: Clock, around: Organisation) -> Callable[[Any], str]:
    """Moments as people say them."""
    now = clock()
    return lambda at: due_words(at, now, around.zone)


def _by_script(communication: Communication) -> list[tuple[str, list[tuple[str, str]]]]:
    """Headings of scripts with what was asked and answered."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in communication.script_answers:
        found.setdefault(SCRIPT_WORDS.get(one.script, one.script), []).append((one.prompt, one.answer))
    return list(found.items())
