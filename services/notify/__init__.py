"""notify: who is told what, and whether it reached them (NOTE-1, NOTE-2).

Owns deliveries: one row for each message to one recipient, from queued to sent or failed; what each of staff was told and how they choose
to be; and what webhooks are told of events, in their order. Consumes `cases`, `tasks` and `sla`; emits `casestream.notifications`. Renders
templates at the moment of sending, never while it consumes. Does not own staff, units or templates: those are read from the directory and
the configuration. Roles: `consume` queues deliveries, `send` speaks SMTP and makes digests; `hooks` tells webhooks, `api` answers.
"""
