"""Fixtures and plugins of every tier."""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.dovecot", "tests.support.platform", "tests.support.requirements", "tests.support.stacks"]

# Nothing is asserted about time: a busy machine, or one that makes hypothesis' tables for the first time, is slow and not wrong.
# The same examples in each run, so that a change is judged by what it changes; `make fuzz` looks for others.
settings.register_profile(
    "casestream",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not os.environ.get("CASESTREAM_RANDOM_EXAMPLES"),
)
settings.load_profile("casestream")
