"""What every service's database has in common: transactions, and the tables of the event path (offsets, inbox, outbox, dead letters).

Owns no table of a service's own; each service keeps its schema, role and migrations under `services/<name>/storage`.
`shared.storage.migration` is not given here: it brings alembic and SQLAlchemy, which only a process that migrates needs.
"""

from shared.storage.database import Database, Transaction
from shared.storage.tables import messaging_tables

__all__ = ["Database", "Transaction", "messaging_tables"]
