"""The schema `notify_service`: deliveries, set-based, and the signal that new ones are there."""
