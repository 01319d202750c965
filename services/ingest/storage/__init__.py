"""ingest's tables: those of the event path, and nothing else so far."""
