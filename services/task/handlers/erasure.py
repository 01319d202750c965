"""On a contact that was erased for privacy: what staff wrote in follow-ups about them goes too (EDGE-17).

A case's own customer and title come with the case's own event. Tasks with a definition hold nothing of a person besides.
"""

from __future__ import annotations

from services.task.handlers.work import Cause, Work
from shared.schemas.envelope import Event
from shared.schemas.events import ContactErased, TaskRepublished

ERASED = "[erased]"
"""What stands where a text was erased."""


def on_contact_erased(work: Work, event: Event) -> None:
    """Empty the follow-ups of this contact and of their cases."""
    data: ContactErased = event.data
    cases = set(data.case_ids)
    work.forgotten_cases |= cases
    work.notes_forgotten |= cases
    for task in list(work.tasks.values()):
        is_theirs = task.customer is not None and task.customer.contact_id == data.contact_id
        if is_theirs or task.case_id in cases:
            work.notes_forgotten.add(task.id)
        if (task.definition is not None and not task.description) or not (is_theirs or task.case_id in cases) or task.id in work.forgotten:
            continue
        task.subject_line = ERASED
        task.description = ERASED if task.description else ""
        if task.customer is not None:
            task.customer = task.customer._replace(name="", email="")
        work.forgotten.add(task.id)
        work.record(TaskRepublished, task, Cause(event.id, work.now, task.changed_by, event.traceparent))
