"""Leads: opening them, by hand or by import, moving them on, and what follows when one is won."""
