"""case: contacts, communications and cases.

Owns whose a communication is, which cases it opens or joins, and a case's life cycle, priority, assignment and history. Consumes
`casestream.communications`, `casestream.sla` (a communication expired) and `casestream.tasks` (what completion waits for); emits
`casestream.cases`. It does not read mail (ingest does), plan tasks (task), watch deadlines (sla) or write to anybody (notify).
"""
