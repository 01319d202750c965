"""Sources of a fake X, and what tests ask of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest.domain.posts import Post
from services.ingest.gateways.source import Batch, Cursor, GatewayError
from services.ingest.gateways.x import XSource
from tests.support.x import TOKEN, Scripted

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
Opened = Callable[..., XSource]


def ids(batch: Batch[Post]) -> list[int]:
    return [int(post.id) for post in batch.items]


def run_out(source: XSource, cursor: Cursor, most: int) -> tuple[list[list[int]], Cursor]:
    """Fetch and acknowledge until nothing waits: the ids of each batch, and the last cursor."""
    batches = []
    while True:
        batch = source.fetch(cursor, most)
        source.acknowledge(batch)
        cursor = json.loads(json.dumps(batch.cursor))
        if batch.items:
            batches.append(ids(batch))
        if not batch.is_more:
            return batches, cursor


def fails(source: XSource, cursor: Cursor | None = None) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        source.fetch(cursor or {}, 100)
    assert TOKEN not in str(caught.value)
    return caught.value


def page(**given: Any) -> Scripted:
    """An answer with this content, whatever is asked."""
    return Scripted(200, json.dumps(given).encode())
