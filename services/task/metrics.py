"""What the task service counts, each declared once.

Counted when a batch is saved; a batch that is rolled back and done again counts twice.
"""

from __future__ import annotations

from shared.observability.metrics import counter, gauge, histogram

TASKS = counter("casestream_task_tasks", "Changes of tasks, by what happened: planned, triggered, assigned, ...", ("event",))
GIVEN_OUT = counter(
    "casestream_task_given_out",
    "Tasks for a group that were to be given to a member, by how and whether one was there.",
    ("how", "outcome"),
)
ABSENCES = counter("casestream_task_absence_moves", "Tasks moved because somebody is away or back: lent, given_back.", ("outcome",))
PLANS = counter("casestream_task_plans_made", "Cases planned, by subject.", ("subject",))
LISTENERS = gauge("casestream_task_listeners", "Open streams of changes.")
LISTENERS_REFUSED = counter("casestream_task_listeners_refused", "Streams of changes that were refused: there are too many.")
LISTENERS_RESET = counter("casestream_task_listeners_reset", "Streams that were told to read anew: what they missed is no longer kept.")
CHANGE_SECONDS = histogram("casestream_task_change_seconds", "How long a change was under way from its cause to the streams of changes.")
LINKS = counter("casestream_task_links", "Links to decide by, by what became of them: answered, refused, none.", ("outcome",))
RULES_FIRED = counter("casestream_task_rules_fired", "Firings of automation rules.", ("rule",))
RULES_CUT = counter(
    "casestream_task_rules_cut",
    "Automation rules kept from firing, by reason: too-deep, too-often; own-change: they had made the change.",
    ("rule", "reason"),
)
OCCURRENCES = counter(
    "casestream_task_occurrences",
    "Occurrences of task rules: made, late, passed_over (too many were missed), switched_off.",
    ("outcome",),
)
