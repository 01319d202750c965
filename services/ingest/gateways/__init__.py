"""The channels that ingest fetches from: each a `Source` (`source.py`), which speaks its provider's protocol and knows nothing else."""
