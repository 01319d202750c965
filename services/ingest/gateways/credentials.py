"""Credentials: one file each in one folder, as Kubernetes mounts a Secret. Read whenever needed, so a changed one works at once."""

from __future__ import annotations

import re
from pathlib import Path

from services.ingest.gateways.source import GatewayError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


class Credentials:
    """The folder of credentials."""

    def __init__(self, folder: str) -> None:
        """`folder` empty: there are none."""
        self._folder = Path(folder) if folder else None

    def read(self, name: str) -> str:
        """The credential with this name, without the line end that editors leave. Raises `GatewayError` where there is none."""
        if self._folder is None:
            raise GatewayError("credentials", "there is no folder of credentials (CASESTREAM_CREDENTIALS)")
        if not _NAME.fullmatch(name):
            raise GatewayError("credentials", f"{name!r} is not the name of a credential")
        try:
            text = (self._folder / name).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise GatewayError("credentials", f"credential {name} cannot be read: {type(error).__name__}") from error
        if not text.strip():
            raise GatewayError("credentials", f"credential {name} is empty")
        return text.rstrip("\r\n")
