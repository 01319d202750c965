"""Pure rules of ingest: what a raw mail says and which mail it is. No input, output, clock or framework."""
