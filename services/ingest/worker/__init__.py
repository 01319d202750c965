"""The roles of ingest that work by themselves: polling channels, receiving mail."""
