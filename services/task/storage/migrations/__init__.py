"""The schema `task_service`, step by step."""
