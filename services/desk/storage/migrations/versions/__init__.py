"""Migrations of the schema `desk_service`."""
