"""case: contacts, communications and cases.

Owns whose a communication is, which cases it opens or joins, and a case's life cycle, priority, assignment and history. Consumes
`casestream.communications`, `casestream.sla` (a communication expired), `casestream.tasks` (what completion waits for) and
`casestream.notifications` (what became of messages); emits `casestream.cases`. It does not read mail (ingest does), plan tasks (task),
watch deadlines (sla) or send anything (notify).
"""
