"""Leads: possible business with a customer, from the first word to won or lost (LEAD-1, LEAD-2)."""
