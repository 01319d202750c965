"""What several files of tests share: a mailbox on Dovecot, and a fake X with sources that read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.x import XSource
from shared.schemas.configuration.channels import XAccount
from tests.support.dovecot import Dovecot
from tests.support.imap_sources import Mailbox
from tests.support.x import ACCOUNT, TOKEN, FakeX, serving_x
from tests.support.x_sources import NOON, Opened


@pytest.fixture
def mailbox(dovecot: Dovecot, tmp_path: Path) -> Mailbox:
    return Mailbox(dovecot, tmp_path)


@pytest.fixture
def x(tmp_path: Path) -> Iterator[FakeX]:
    with serving_x(tmp_path) as served:
        (tmp_path / "x-token").write_text(TOKEN + "\n")
        yield served


@pytest.fixture
def opened(x: FakeX, tmp_path: Path) -> Iterator[Opened]:
    """Opens sources of the fake X, each as after a start of the process."""
    sources: list[XSource] = []

    def open_one(reads_per_day: int = 500, clock: Callable[[], datetime] = lambda: NOON, **changes: Any) -> XSource:
        account = XAccount(
            handle="HousingHelp", user_id=ACCOUNT, method="x-post", secret="x-token", reads_per_day=reads_per_day, endpoint=x.url
        )
        given: dict[str, Any] = {"timeout": 5.0, "ca_file": x.ca_file, "media_hosts": frozenset({x.host}), "clock": clock}
        private = frozenset({"127.0.0.1"})
        source = XSource(account, Credentials(str(tmp_path)), **({"private_hosts": private} | given | changes))
        sources.append(source)
        return source

    yield open_one
    for source in sources:
        source.close()
