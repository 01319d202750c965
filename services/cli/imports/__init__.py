"""Importing old mailboxes: reading them a mail at a time, and remembering how far that has come.

Owns the forms of mailboxes on disk and the journal. Does not own what an old mail becomes: that is ingest's and case's.
"""
