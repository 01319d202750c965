"""What an erasure for privacy leaves: who did what when, and the codes that statistics are made from (EDGE-17)."""

from __future__ import annotations

from services.case.domain.history import COVERED

_TOLD = {"communication", "erased", "reopened", "merged_into", "merged", "split", "parent", "child", "followed up"}
KEPT_CASE_FIELDS = frozenset(COVERED) | _TOLD
"""Fields of a case's history whose values are codes, times and ids. Every other field may hold what somebody wrote, and is emptied."""

KEPT_RECORD_FIELDS = frozenset({"state", "account", "account_id", "area", "erased", "merged into", "merged_into", "communication"})
"""The same for the history of a contact."""
KEPT_LEAD_FIELDS = frozenset(
    {"state", "status", "unit", "owner", "priority", "importance", "category", "source", "type", "lost_reason", "account"}
    | {"expected_completion_at", "estimated_completion_at", "started_at", "closed_at", "erased", "communication"}
)
"""The same for the history of a lead."""
