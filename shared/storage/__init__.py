"""What every service's database has in common: transactions, and the tables of the event path (offsets, inbox, outbox, dead letters).

Owns no table of a service's own; each service keeps its schema, role and migrations under `services/<name>/storage`.
"""

from shared.storage.database import Database, Transaction
from shared.storage.migration import migrate
from shared.storage.tables import messaging_tables

__all__ = ["Database", "Transaction", "messaging_tables", "migrate"]
