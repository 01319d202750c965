"""What the case service counts, each declared once.

Counted when a batch is saved; a batch that is rolled back and done again counts twice.
"""

from __future__ import annotations

from shared.observability.metrics import counter

COMMUNICATIONS = counter(
    "casestream_case_communications", "Communications recorded, by what they did: opens, joins, history, recorded.", ("effect",)
)
LOOPS = counter("casestream_case_loop_mails", "Mails kept without effect because of a cap against loops: sender, case.", ("cap",))
for _cap in ("sender", "case"):
    LOOPS.labels(_cap)  # shown from the start: from nothing to 1 is no increase for Prometheus
CASES_OPENED = counter("casestream_case_cases_opened", "Cases opened, by subject.", ("subject",))
CASES_EXPIRED = counter("casestream_case_cases_expired", "Cases whose communications all expired: cancelled, or for_review.", ("outcome",))
