"""The schema `case_service`, step by step."""
