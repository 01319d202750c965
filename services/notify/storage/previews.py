"""SQL for previews: what deliveries knew of a case."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from shared.storage import Transaction

MOST = 25


def facts_of_case(tx: Transaction, case: UUID, *, unit: str | None = None, assignee: str | None = None) -> list[Mapping[str, str]]:
    """The facts of its last deliveries, the newest first; only those about an item of this unit or assignee, where one is given."""
    rows = tx.rows(
        """select facts::json from deliveries
           where case_id = %(case)s and (%(unit)s::text is null or unit = %(unit)s)
             and (%(assignee)s::text is null or assignee = %(assignee)s)
           order by sequence desc limit %(most)s""",
        {"case": case, "unit": unit, "assignee": assignee, "most": MOST},
    )
    return [row[0] for row in rows]
