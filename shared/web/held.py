"""How many bytes of requests may be in memory at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Held:
    """Counts the bytes of requests that are being worked on. Used on the event loop only."""

    def __init__(self, most: int, too_many: Callable[[], Exception]) -> None:
        """`too_many`: what is raised where there would be more than `most`."""
        self._free = most
        self._too_many = too_many

    @contextmanager
    def keep(self, size: int) -> Iterator[None]:
        """Count `size` bytes while the block runs."""
        if size > self._free:
            raise self._too_many()
        self._free -= size
        try:
            yield
        finally:
            self._free += size
