"""Cases that open: written and told of from what they have in common with the others of their batch, not task by task.

As long as nothing happens to a task that a case begins with, it is nothing but an id within a pattern (`beginnings`): its row and its event
are the pattern's bytes with ids in between. Where something does happen to it in the same transaction, the opening is unfolded first:
its tasks become tasks like any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from uuid import UUID

from services.task.domain.case import Case
from services.task.handlers import payloads
from services.task.handlers.beginnings import Beginnings
from services.task.handlers.causes import Cause
from shared.ids import derive, event_ids, task_ids, which_event
from shared.schemas.envelope import encode
from shared.schemas.events import PlanMade
from shared.storage import arrays
from shared.storage.database import Alike, Encoded


class Opening(NamedTuple):
    """A case that begins, as it was then."""

    case_id: UUID
    subject: str
    begins: Beginnings
    cause: Cause
    task_ids: list[UUID]
    """In the workflow's order."""
    shown: payloads.Shown
    """What events of its tasks show of the case."""
    config_version: int
    plan_revision: int

    @property
    def plan(self) -> PlanMade:
        """What there is to tell of its plan."""
        return payloads.plan_payload(self.case_id, self.subject, tuple(self.task_ids))


def opening(case: Case, begins: Beginnings, cause: Cause) -> Opening:
    """The case begins with these tasks; its plan's revision is counted already."""
    ids = task_ids(case.id, begins.codes)
    return Opening(case.id, case.subject, begins, cause, ids, payloads.shown_of(case), case.config_version, case.plan_revision)


class Openings:
    """Those of a transaction that are not unfolded."""

    def __init__(self) -> None:
        self._by_case: dict[UUID, Opening] = {}

    def __bool__(self) -> bool:
        return bool(self._by_case)

    def __iter__(self) -> Iterator[Opening]:
        return iter(self._by_case.values())

    def add(self, opening: Opening) -> None:
        """One more."""
        self._by_case[opening.case_id] = opening

    def take(self, case_id: UUID) -> Opening | None:
        """The case's, if it is among them; it is not any more."""
        return self._by_case.pop(case_id, None)

    def where(self, test: Callable[[Beginnings], bool]) -> list[UUID]:
        """Cases whose beginnings are such."""
        wanted = {begins: test(begins) for begins in {each.begins for each in self}}
        return [each.case_id for each in self if wanted[each.begins]]

    def users(self) -> set[str]:
        """Who gets, by its definition, a task that starts at once."""
        return {user for begins in {each.begins for each in self} for user in begins.users}

    def counted(self) -> Counter[str]:
        """How many events of each type tell of the tasks."""
        counts: Counter[str] = Counter()
        for begins, times in Counter(each.begins for each in self).items():
            for begin in begins.each:
                counts[begin.kind.event_type] += times
        return counts

    def rows(self) -> list[bytes]:
        """The tasks, as `repository.insert_new` takes rows."""
        field = arrays.uuid_field
        rows: list[bytes] = []
        for each in self:
            case = field(each.case_id)
            rows += [field(id) + case + begin.row for id, begin in zip(each.task_ids, each.begins.each, strict=True)]
        return rows

    def told(self, source: str) -> Callable[[], list[Encoded]]:
        """What there is to tell: of the tasks, and of each case's plan after its tasks. Made while other things are done.

        PostgreSQL writes the rows meanwhile: where there is a second processor, telling of many costs no time of its own.
        """
        openings = list(self)
        if len(openings) < MANY:
            return lambda: _told(openings, source)
        return _beside.submit(_told, openings, source).result


MANY = 50
"""Of fewer openings what there is to tell is made sooner than handed over."""
_beside = ThreadPoolExecutor(1, "openings")


def _told(openings: Sequence[Opening], source: str) -> list[Encoded]:
    told: list[Encoded] = []
    for each in openings:
        cause, key = each.cause, str(each.case_id)
        at, version, trace = cause.at, each.config_version, cause.traceparent
        alike = {kind: Alike.of(kind, source, at, 1, version, trace, key) for kind in each.begins.kinds}
        ids_of, shown = event_ids(cause.id), encode(each.shown)[1:]
        for id, begin in zip(each.task_ids, each.begins.each, strict=True):
            text, kind = str(id), begin.kind
            value = b'{"task_id":"%b",%b,%b' % (text.encode(), begin.encoded, shown)
            told.append(Encoded(ids_of(which_event(text, kind.event_type)), text, value, alike[kind]))
        plan = str(derive("plan", each.case_id))
        alone = Alike.of(PlanMade, source, at, each.plan_revision, version, trace, key)
        told.append(Encoded(ids_of(which_event(plan, PlanMade.event_type)), plan, encode(vars(each.plan)), alone))
    return told
