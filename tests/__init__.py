"""The tests by tier: unit, contract, service, e2e, chaos and browser; what they share is in `support`."""
