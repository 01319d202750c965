"""The rules of cases: life cycle, priority, routing, matching, expiry. Pure: no I/O, no clock (`now` is an argument), no framework.

It does not know events, tables or the configuration's models; `services.case.handlers` translates between them and these rules.
"""
