"""sla's database schema: the read model of clocks, dead letters, positions. The clocks themselves live in the changelog."""
