"""The other services, by their HTTP APIs."""
