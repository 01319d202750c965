"""The schema `task_service`: cases as far as tasks need them, tasks, history."""
