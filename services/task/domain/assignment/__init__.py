"""Who gets a task: of a group by turns or by load (`choosing`), and in place of somebody who is away (`absences`) (TASK-7, EDGE-13)."""
