"""task: the plans and tasks of cases, and follow-ups by hand.

Owns which tasks a case has, what starts when, whom each is for and when it is due. Consumes `casestream.cases` (a case was
opened, assigned, cancelled) and `casestream.sla` (a lag is over); emits `casestream.tasks`. It does not watch due times
(sla does) and writes to nobody (notify does).
"""
