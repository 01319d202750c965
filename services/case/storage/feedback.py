"""Customers' feedback: kept, listed with what they wrote, and counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from services.case.domain.feedback import Answered, Counted
from services.case.storage.views import Conditions, Rows
from shared.storage import Transaction

Grouping = Literal["subject", "unit", "method"]


class Feedback(NamedTuple):
    """One feedback. Field names are those of the table `feedback`."""

    id: UUID
    case_id: UUID
    form: str
    subject: str
    unit: str
    method: str
    given_by: str
    given_at: datetime


def add(tx: Transaction, feedback: Feedback, answers: Sequence[Answered]) -> None:
    """Keep a feedback with its answers."""
    tx.execute(f"insert into feedback ({', '.join(Feedback._fields)}) values (%s, %s, %s, %s, %s, %s, %s, %s)", tuple(feedback))
    for answer in answers:
        tx.execute(
            f"insert into feedback_answers (feedback_id, {', '.join(Answered._fields)}) values (%s, %s, %s, %s, %s, %s, %s, %s)",
            (feedback.id, *answer),
        )


def has_any(tx: Transaction, case_id: UUID) -> bool:
    """Whether the case has feedback."""
    return bool(tx.rows("select 1 from feedback where case_id = %s limit 1", (case_id,)))


def _conditions(filters: Mapping[str, Any], since: datetime | None, until: datetime | None, rows: Rows) -> Conditions:
    conditions = Conditions()
    for column in ("case_id", "subject", "unit", "method"):
        if filters.get(column) is not None:
            conditions.add(f"f.{column} = %({column})s", **{column: filters[column]})
    if since is not None:
        conditions.add("f.given_at >= %(since)s", since=since)
    if until is not None:
        conditions.add("f.given_at < %(until)s", until=until)
    reached = Conditions()
    rows.restrict(reached)
    if reached.texts:
        conditions.add(f"f.case_id in (select id from cases {reached.sql()})", **reached.params)
    return conditions


def listed(
    tx: Transaction,
    filters: Mapping[str, Any],
    since: datetime | None,
    until: datetime | None,
    rows: Rows,
    after: Sequence[Any] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Feedback with its answers, the newest first; `after`: time and id of the last one seen."""
    conditions = _conditions(filters, since, until, rows)
    if after is not None:
        conditions.add("(f.given_at, f.id) < (%(at)s::timestamptz, %(last)s::uuid)", at=after[0], last=after[1])
    return tx.dicts(
        f"""select f.*, c.number,
                   (select jsonb_agg(jsonb_build_object('question', question, 'wording', wording, 'rating', rating, 'best', best,
                                                        'satisfied', satisfied, 'comment', comment) order by position)
                    from feedback_answers a where a.feedback_id = f.id) as answers
            from feedback f join cases c on c.id = f.case_id {conditions.sql()}
            order by f.given_at desc, f.id desc limit {int(limit)}""",
        conditions.params,
    )


def counts(
    tx: Transaction, by: Grouping, filters: Mapping[str, Any], since: datetime | None, until: datetime | None, rows: Rows
) -> tuple[dict[str, int], list[Counted]]:
    """How many feedbacks each group has, and how often each question was given each rating."""
    conditions = _conditions(filters, since, until, rows)
    totals = tx.rows(f"select f.{by}, count(*) from feedback f {conditions.sql()} group by 1", conditions.params)
    conditions.add("a.rating is not null")
    counted = tx.rows(
        f"""select f.{by}, a.question, max(a.wording), a.best, a.rating, count(*), count(*) filter (where a.satisfied)
            from feedback f join feedback_answers a on a.feedback_id = f.id {conditions.sql()}
            group by 1, 2, 4, 5 order by 1, 2, 4, 5""",
        conditions.params,
    )
    return {str(group): int(count) for group, count in totals}, [Counted(*row) for row in counted]
