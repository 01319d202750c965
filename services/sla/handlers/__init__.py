"""Between the wire and the rules: reading events into facts, configuration into policies, and writing alerts as events."""
