"""The place that a cursor names: as the list gave it, or a problem of the caller's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from shared.web import PageRequest, Problem

ID = UUID(int=7)


def test_a_place_is_the_time_and_id_that_the_list_gave() -> None:
    at = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    assert PageRequest(10, (at.isoformat(), str(ID))).place() == (at, ID)
    assert PageRequest(10, None).place() is None


@pytest.mark.parametrize(
    "keys", [("tomorrow", str(ID)), ("9999-12-31T23:59:59-99:59", str(ID)), (7, None), ("2026-03-02T09:30:00Z", "7"), ("2026-03-02",), ()]
)
def test_what_no_list_gave_is_a_problem(keys: tuple[Any, ...]) -> None:
    with pytest.raises(Problem) as told:
        PageRequest(10, keys).place()
    assert told.value.status == 400
