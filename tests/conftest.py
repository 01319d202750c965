"""Fixtures and plugins of every tier."""

pytest_plugins = ["tests.support.dovecot", "tests.support.platform", "tests.support.requirements", "tests.support.stacks"]
