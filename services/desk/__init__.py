"""The desk: staff and their log-in, access tokens, the versions of the organisation's configuration, and the web pages.

Consumes nothing. Emits `casestream.directory` (staff and units) and `casestream.configuration`, both compacted. Owns no
case and no task: its pages ask the other services' APIs, with the token of whoever is looking.
"""
