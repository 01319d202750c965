"""The category of a case: staff may choose another one that the subject allows (CASE-2, CASE-4)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from services.case.domain.case import Actor, Case, Change
from services.case.domain.history import step
from services.case.domain.refusals import CaseLocked, CategoryRefused


def set_category(case: Case, category: str, allowed: Collection[str], actor: Actor, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """The case with this category. Raises `CaseLocked`, or `CategoryRefused` for one that is not `allowed`."""
    what = f"category {category} on case {case.number}"
    if case.state.is_closed:
        raise CaseLocked(what, f"a {case.state} case is not modifiable")
    if category == case.category:
        return case, ()
    if category not in allowed:
        raise CategoryRefused(what, f"subject {case.subject} allows {', '.join(sorted(allowed)) or 'none'}")
    changed = case._replace(revision=case.revision + 1, category=category, reason="", changed_at=now, changed_by=actor.user)
    return changed, step(case, changed).changes
