"""What the tests of Exchange have in common: sources that read a fake's mailbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.exchange import ExchangeSource
from shared.schemas.configuration.channels import ExchangeFetch
from tests.support.exchange import ExchangeServer

Open = Callable[..., ExchangeSource]


@contextmanager
def exchange_sources(server: ExchangeServer, folder: Path) -> Iterator[Open]:
    """Opens sources for the server's mailbox; keywords change its section, or how it is made. `folder`: of the credentials."""
    (folder / "mailbox").write_text("secret\n")
    sources: list[ExchangeSource] = []

    def open_source(address: str = server.address, ca_file: str = server.ca_file, timeout: float = 10, **changes: Any) -> ExchangeSource:
        section = {"by": "exchange", "url": server.url, "user": "HOUSING\\reader", "login": "basic", "secret": "mailbox", **changes}
        fetch = ExchangeFetch.model_validate(section)
        sources.append(ExchangeSource(address, fetch, Credentials(str(folder)), timeout=timeout, ca_file=ca_file))
        return sources[-1]

    yield open_source
    for source in sources:
        source.close()
