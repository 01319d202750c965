"""A desk served for real, over its own database and topics."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from services.desk.api import Desk, desk_app
from services.desk.settings import DeskSettings
from shared.messaging.topics import create_topics
from shared.web.tokens import new_signing_key
from tests.support.web import served


@pytest.fixture
def signing_key(tmp_path: Path) -> Path:
    """The file with the desk's key."""
    path = tmp_path / "key.pem"
    path.write_bytes(new_signing_key())
    return path


@pytest.fixture(scope="module")
def desk_prefix(kafka: str) -> str:
    """Topics for a module's tests together, since making them takes seconds; whoever reads them takes its own."""
    prefix = f"t{secrets.token_hex(4)}."
    create_topics(kafka, prefix, replication=1)
    return prefix


@pytest.fixture
def make_desk(fresh_database: Callable[[str], str], kafka: str, desk_prefix: str, signing_key: Path) -> Iterator[Callable[..., Desk]]:
    """Makes desks over one database; further settings by keyword."""
    url = fresh_database("desk")
    made: list[Desk] = []

    def make(**settings: object) -> Desk:
        values = {"database": url, "kafka": kafka, "topic_prefix": desk_prefix, "port": 1, "signing_key": signing_key} | settings
        made.append(Desk(DeskSettings(**values)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for desk in made:
        desk.close()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    """A desk without neighbours."""
    return make_desk()


@pytest.fixture
def client(desk: Desk) -> Iterator[httpx.Client]:
    """A client of the served desk, without a token."""
    with served(desk_app(desk), token="") as client:
        yield client


def machine(desk: Desk, *permissions: str) -> dict[str, str]:
    """The header of a machine with these permissions."""
    from datetime import UTC, datetime, timedelta

    token = desk.signer.machine_token("test-machine", permissions, datetime.now(UTC), timedelta(minutes=5))
    return {"Authorization": f"Bearer {token}"}
