"""The schema `case_service`: contacts and their handles, communications, cases, history, and what is known of the cases' tasks."""
