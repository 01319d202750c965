"""The outside world of notify: SMTP."""
