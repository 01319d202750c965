"""The table of permissions, and what is made from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.schemas.permissions import PERMISSIONS, STANDARD_ROLES, as_markdown

PROJECT = Path(__file__).parents[2]


def test_the_page_of_permissions_is_current() -> None:
    page = (PROJECT / "docs" / "permissions.md").read_text(encoding="utf-8")
    assert page == as_markdown(), "run: python -m shared.schemas.permissions > docs/permissions.md"


def test_every_permission_that_code_asks_for_is_in_the_table_and_every_one_in_the_table_is_asked_for() -> None:
    asked: set[str] = set()
    for file in [*PROJECT.glob("services/**/*.py"), *PROJECT.glob("shared/web/*.py")]:
        asked |= set(re.findall(r"""(?:requires|\.may|_require)\((?:visitor, )?["']([a-z:-]+)["']\)""", file.read_text(encoding="utf-8")))
    assert asked <= PERMISSIONS.keys()
    assert asked == PERMISSIONS.keys(), f"nothing asks for {sorted(PERMISSIONS.keys() - asked)}"


def test_an_administrator_may_all_that_people_may() -> None:
    everybody = frozenset().union(*(role.permissions for role in STANDARD_ROLES.values()))
    assert everybody == STANDARD_ROLES["administrator"].permissions


@pytest.mark.parametrize("role", sorted(STANDARD_ROLES))
def test_a_role_that_progresses_something_can_see_it(role: str) -> None:
    granted = STANDARD_ROLES[role].permissions
    for permission in granted:
        thing, _, action = permission.partition(":")
        if action and f"{thing}:read" in PERMISSIONS:
            assert f"{thing}:read" in granted, permission
