"""sla: every clock of the organisation, and the alerts that fire when their time comes.

Owns the timers (the stream's state, kept in the compacted topic `casestream.sla.timers`) and a read model of clocks for its API:
clocks explained, lists by when they are due, reports, and simulations of other rules.
Consumes `casestream.cases` and `casestream.tasks`; emits `casestream.sla`: due soon, overdue, expired, lag over, start late, withdrawn,
closed.

Owns neither the due time of a task (task decides it) nor what an alert leads to (case, task and notify do).
"""
