"""The answers of cases, one row a case and stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.case.domain.answers import Answer, Answers
from services.case.domain.life_cycle import Stage
from services.case.storage.records import columns_of, insert
from shared.storage import Transaction, arrays

_COLUMNS = ", ".join(columns_of(Answer))


def of_case(tx: Transaction, case_id: UUID) -> Answers:
    """The answers of a case, which is locked."""
    return of_cases(tx, [case_id])[case_id]


def of_cases(tx: Transaction, case_ids: Sequence[UUID]) -> dict[UUID, Answers]:
    """The answers of each of these cases, which are locked."""
    found: dict[UUID, dict[Stage, Answer]] = {case_id: {} for case_id in case_ids}
    for case_id, stage, *rest in tx.rows(f"select {_COLUMNS} from answers where case_id = any(%b)", (arrays.uuids(case_ids),)):
        found[case_id][Stage(stage)] = Answer(case_id, Stage(stage), *rest)
    return dict(found)


def change(tx: Transaction, case_id: UUID, before: Answers, after: Answers) -> None:
    """Write what became of a locked case's answers."""
    gone = [stage.value for stage in before if stage not in after]
    if gone:
        tx.execute("delete from answers where case_id = %s and stage = any(%s)", (case_id, gone))
    assigned = ", ".join(f"{column} = excluded.{column}" for column in columns_of(Answer)[2:])
    changed = [answer for stage, answer in after.items() if before.get(stage) != answer]
    insert(tx, "answers", changed, f"on conflict (case_id, stage) do update set {assigned}")


def shown(tx: Transaction, case_id: UUID) -> list[dict[str, Any]]:
    """The answers of a case as the API shows them, in the order of the stages."""
    return tx.dicts(
        """select stage, category, text, requires_acceptance, given_by, given_at, accepted, accepted_by, accepted_at, comment
           from answers where case_id = %s order by array_position(%s, stage)""",
        (case_id, [stage.value for stage in Stage]),
    )
