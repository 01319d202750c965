"""The schema `ingest_service`, step by step."""
