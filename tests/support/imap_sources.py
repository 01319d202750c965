"""A mailbox on a real Dovecot, and sources that read it by IMAP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.imap import ImapSource
from services.ingest.gateways.source import Batch, Cursor
from shared.schemas.configuration.channels import ImapFetch
from tests.support.dovecot import LOOPBACK, PASSWORD, Dovecot


def a_mail(number: int, size: int = 0) -> bytes:
    """A mail that no other one equals; `size`: bytes of its text."""
    head = f"From: anna@tenant.example\r\nTo: office@housing.example\r\nSubject: Leak {number}\r\nMessage-ID: <{number}@t.example>\r\n\r\n"
    return head.encode() + b"The tap drips.\r\n" + b"x" * 70 * (size // 70)


class Mailbox:
    """A user's mailbox, and a source that reads it."""

    def __init__(self, server: Dovecot, folder: Path) -> None:
        self.server = server
        self.user = server.a_user()
        self.secrets = folder
        (folder / "office").write_text(PASSWORD + "\n")

    def source(self, options: dict[str, Any] | None = None, **section: Any) -> ImapSource:
        """A source with a plain connection; `section`: what its configuration says otherwise."""
        given = {"host": LOOPBACK, "port": self.server.port, "security": "none", "user": self.user, "secret": "office", **section}
        return ImapSource(ImapFetch(by="imap", **given), Credentials(str(self.secrets)), **{"timeout": 20.0, **(options or {})})

    def put(self, *mails: bytes, folder: str = "INBOX") -> None:
        """Mails come in."""
        with self.server.colleague(self.user) as colleague:
            for mail in mails:
                colleague.append(folder, mail)

    def flags(self, folder: str = "INBOX") -> dict[int, set[bytes]]:
        """Every mail of the folder, with its flags."""
        with self.server.colleague(self.user, folder) as colleague:
            found = colleague.get_flags(colleague.search())
            return {uid: set(flags) - {b"\\Recent"} for uid, flags in found.items()}


def read_all(source: ImapSource, cursor: Cursor, most: int = 500) -> list[Batch[bytes]]:
    """Read and acknowledge to the end."""
    batches = []
    while (batch := source.fetch(cursor, most)).items:
        source.acknowledge(batch)
        batches.append(batch)
        cursor = batch.cursor
    return batches
