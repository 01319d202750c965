"""What the task service counts, each declared once.

Counted when a batch is saved; a batch that is rolled back and done again counts twice.
"""

from __future__ import annotations

from shared.observability.metrics import counter

TASKS = counter("casestream_task_tasks", "Changes of tasks, by what happened: planned, triggered, assigned, ...", ("event",))
PLANS = counter("casestream_task_plans_made", "Cases planned, by subject.", ("subject",))
