"""What comes from outside: files that people fill in."""
