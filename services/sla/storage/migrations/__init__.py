"""Migrations of the schema `sla_service`, plain SQL run by alembic."""
