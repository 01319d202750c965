"""Fixtures and plugins of every tier."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.dovecot", "tests.support.platform", "tests.support.requirements", "tests.support.stacks"]

# Nothing is asserted about time: a busy machine, or one that makes hypothesis' tables for the first time, is slow and not wrong.
settings.register_profile("casestream", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("casestream")
