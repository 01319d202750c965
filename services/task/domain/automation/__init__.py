"""Automation rules: what they are, and when one fires (AUTO-1)."""
