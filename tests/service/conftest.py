"""The files that take longest are handed out first, so that no worker is left with one of them at the end."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
LONGEST = {name: place for place, name in enumerate((HERE / "LONGEST.txt").read_text().split())}
"""Where a file stands in the order; those that are not listed come after, as they are found."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files are kept whole: the order within each stays."""

    def place(item: pytest.Item) -> int:
        if not item.path.is_relative_to(HERE):
            return -1
        return LONGEST.get(item.path.relative_to(HERE).as_posix(), len(LONGEST))

    items.sort(key=place)
