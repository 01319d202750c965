"""Pure rules of ingest: what a raw mail says and which mail it is, which communication it becomes. No input, output, clock or framework."""
