"""One nasty mail and what a careful reader finds in it."""

from __future__ import annotations

from typing import NamedTuple

from services.ingest.domain.mail import ParsedMail
from tests.support.mails import raw_mail

USUAL: dict[str, object] = {
    "from": "ann@tenant.example",
    "name": "Ann Lee",
    "to": ["contact@housing.example"],
    "cc": [],
    "subject": "Leak",
    "id": "<m1@tenant.example>",
    "date": "2026-03-02T09:30:00+01:00",
    "text": "Hello",
    "files": [],
}
"""What `raw_mail()` says. `files` are `name|type|bytes` each."""


class Case(NamedTuple):
    """`expected` has every field: a mail may be wrong in one that it is not about."""

    name: str
    raw: bytes
    expected: dict[str, object]


def read(mail: ParsedMail) -> dict[str, object]:
    """The fields that the corpus has values for."""
    return {
        "from": mail.from_address or None,
        "name": mail.from_name,
        "to": list(mail.to),
        "cc": list(mail.cc),
        "subject": mail.subject,
        "id": mail.message_id or None,
        "date": mail.date.isoformat() if mail.date else None,
        "text": mail.text,
        "files": [f"{file.filename}|{file.content_type}|{len(file.content)}" for file in mail.attachments],
    }


def case(name: str, raw: bytes, changes: dict[str, object] | None = None) -> Case:
    """A mail of which `changes` is all that differs from the usual."""
    return Case(name, raw, USUAL | (changes or {}))


def headed(name: str, head: str | bytes, changes: dict[str, object] | None = None, body: str | bytes = "Hello") -> Case:
    """A mail of the usual head with these lines in it; bytes beyond UTF-8 may stand in it."""
    text = head if isinstance(head, str) else head.decode("utf-8", "surrogateescape")
    return case(name, raw_mail(text, body), changes)
