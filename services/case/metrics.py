"""What the case service counts, each declared once.

Counted when a batch is saved; a batch that is rolled back and done again counts twice.
"""

from __future__ import annotations

from shared.observability.metrics import counter, gauge

COMMUNICATIONS = counter(
    "casestream_case_communications", "Communications recorded, by what they did: opens, joins, history, recorded.", ("effect",)
)
LOOPS = counter("casestream_case_loop_mails", "Mails kept without effect because of a cap against loops: sender, case.", ("cap",))
for _cap in ("sender", "case"):
    LOOPS.labels(_cap)  # shown from the start: from nothing to 1 is no increase for Prometheus
CALLS = counter("casestream_case_calls", "Changes of telephone calls that were told, by the stage they reached.", ("stage",))
EMPTIED = counter("casestream_case_emptied_communications", "Communications whose files are no longer kept, by their method's rule.")
FORGOTTEN = counter("casestream_case_forgotten_cases", "Cases whose texts are no longer kept, by their subject's rule.")
ERASED = counter("casestream_case_erased_communications", "Communications that were erased for privacy.")
SWEEP_PROGRESS = gauge("casestream_case_sweep_progress_ratio", "How much of a phase the round of sweeping has done.", ("phase",))
SWEEPS = counter("casestream_case_sweeps", "Rounds through the object store that were completed.")
CONTENTS = counter("casestream_case_swept_contents", "Contents condemned, restored and deleted for good.", ("outcome",))
DELETED_BYTES = counter("casestream_case_deleted_bytes", "Bytes of contents that were deleted for good.")
for _outcome in ("condemned", "restored", "deleted"):
    CONTENTS.labels(_outcome)
CASES_OPENED = counter("casestream_case_cases_opened", "Cases opened, by subject.", ("subject",))
CASES_EXPIRED = counter("casestream_case_cases_expired", "Cases whose communications all expired: cancelled, or for_review.", ("outcome",))
SEALED = counter("casestream_case_audit_sealed_entries", "Entries of the histories that a seal of the audit log covers.")
INDEXED = counter("casestream_case_indexed_records", "Entries of the search queue that were worked off.")
SEARCH_QUEUE = gauge("casestream_case_search_queue_records", "Records whose search document is to be made, counted up to 10,000.")
OLDEST_UNASSIGNED = gauge("casestream_case_oldest_unassigned_seconds", "How long the oldest open case without an owner has been open.")
LINKS = counter("casestream_case_customer_links", "Customers' links by what became of them: answered, refused, none.", ("outcome",))
BULK_ITEMS = counter("casestream_case_bulk_items", "Cases of bulk changes: done, unchanged, refused.", ("outcome",))
LEAD_IMPORTS = counter("casestream_case_lead_imports", "Imports of leads from files that ended: done, failed.", ("outcome",))
LEAD_ROWS = counter("casestream_case_lead_import_rows", "Rows of files: leads created, rows refused for problems.", ("outcome",))
for _outcome in ("created", "refused"):
    LEAD_ROWS.labels(_outcome)
CHASES = counter("casestream_case_chases", "What came of customers' silence: reminded, closed, for_review.", ("outcome",))
for _outcome in ("reminded", "closed", "for_review"):
    CHASES.labels(_outcome)
