"""Contacts that staff enter, by ingest's API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from services.desk import metrics
from services.desk.gateways.asking import Asking, Part

SECONDS = 60.0
"""As long as many files may take."""


class Upload(NamedTuple):
    """A file as the browser sent it."""

    filename: str
    content_type: str
    content: bytes


class Contacts:
    """Sends what is entered."""

    def __init__(self, url: str) -> None:
        self._api = Asking(url, metrics.INGEST_API_SECONDS, "contact", SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def enter(self, token: str, contact: Mapping[str, Any], files: Sequence[Upload], key: UUID) -> UUID:
        """Enter a contact with files; the communication that it becomes. The same `key` again enters nothing more.

        Raises `Away` and `Refused`.
        """
        parts: list[Part] = [("contact", (None, orjson.dumps(contact), "application/json"))]
        parts += [("file", (file.filename, file.content, file.content_type)) for file in files]
        answer = self._api.ask("POST", "/contacts/by-hand", token, parts=parts, headers={"Idempotency-Key": f"desk-{key}"})
        return UUID(answer["id"])
