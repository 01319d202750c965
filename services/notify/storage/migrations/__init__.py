"""Migrations of the schema `notify_service`, plain SQL run by alembic."""
