"""Benchmarks: each a ratio in one run, against a peer or the bare bound. `casestream bench NAME`."""
