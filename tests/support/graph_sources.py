"""What the tests of mail by Microsoft Graph have in common: sources of a fake's mailbox, and what they give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.graph import GraphSource
from services.ingest.gateways.source import Batch, Cursor, GatewayError
from shared.schemas.configuration.channels import GraphFetch
from tests.support.graph import CLIENT, MAILBOX, SECRET, TENANT, GraphServer

MakeSource = Callable[..., GraphSource]


@contextmanager
def sources(graph: GraphServer, folder: Path) -> Iterator[MakeSource]:
    """Makes sources; as after a restart, each begins with nothing but its cursor. `folder`: of the credentials."""
    (folder / "graph-secret").write_text(SECRET + "\n")
    made: list[GraphSource] = []

    def make(**changes: Any) -> GraphSource:
        values = {"tenant": TENANT, "client_id": CLIENT, "secret": "graph-secret", "endpoint": graph.endpoint, "authority": graph.origin}
        section = GraphFetch(by="graph", **(values | changes))
        made.append(GraphSource(MAILBOX, section, Credentials(str(folder)), timeout=10, ca_file=str(graph.ca_file)))
        return made[-1]

    yield make
    for source in made:
        source.close()


def subjects(batch: Batch[bytes]) -> list[str]:
    """The subject line of each mail."""
    return [str(message_from_bytes(mail)["Subject"]) for mail in batch.items]


def all_of(source: GraphSource, cursor: Cursor, most: int = 50) -> tuple[list[str], Cursor]:
    """Everything that waits, fetched and acknowledged as the worker does."""
    found: list[str] = []
    for _ in range(100):
        batch = source.fetch(cursor, most)
        source.acknowledge(batch)
        found += subjects(batch)
        cursor = batch.cursor
        if not batch.is_more:
            return found, cursor
    raise AssertionError("there is always more")


def failure(call: Callable[[], object]) -> GatewayError:
    """The error that the call must raise, which tells neither secrets nor people."""
    with pytest.raises(GatewayError) as caught:
        call()
    text = str(caught.value)
    assert MAILBOX not in text
    assert SECRET not in text
    assert "token-" not in text
    return caught.value
