"""What a bounce reports: which of our messages, to whom, and whether for good (RFC 3464, RFC 6522, and what servers write instead)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from services.ingest.domain.mail.addresses import addresses_only, message_ids, parse_addresses
from services.ingest.domain.mail.fields import Fields, first
from services.ingest.domain.mail.model import Attachment, Bounce, Undelivered
from services.ingest.domain.mail.structure import read_root

_RETURNED_TYPES = ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers")
_STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
_READ_BYTES = 65_536
"""Of the returned message its head, of the report this much: a report on thousands of recipients is not read to its end."""
MOST_RECIPIENTS = 100
_GROUPS = re.compile(rb"\r?\n[ \t]*\r?\n")
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_QUOTED_ID = re.compile(r"^[> \t]*message-id:[ \t]*(<[^<>\s]{3,995}>)", re.IGNORECASE | re.MULTILINE)
"""Older servers quote the returned head in the text."""


def read_bounce(fields: Fields, files: Sequence[Attachment], text: str) -> Bounce:
    """The report in a mail that is a bounce: `fields` of its head, its files, its text. What it does not tell is empty."""
    found = [
        *_reported(file.content[:_READ_BYTES] for file in files if file.content_type in _STATUS_TYPES),
        *_named(fields),
    ]
    recipients: dict[str, Undelivered] = {}
    for one in found:
        recipients.setdefault(one.address, one)
    return Bounce(_returned(files, text), tuple(recipients.values())[:MOST_RECIPIENTS])


def _returned(files: Sequence[Attachment], text: str) -> str:
    """The Message-ID of the returned message."""
    for file in files:
        if file.content_type in _RETURNED_TYPES:
            ids = message_ids(first(read_root(file.content[:_READ_BYTES], 0).head.fields, "message-id"))
            if ids:
                return ids[0]
    quoted = _QUOTED_ID.search(text[:_READ_BYTES])
    return quoted[1] if quoted else ""


def _reported(reports: Iterable[bytes]) -> Iterator[Undelivered]:
    for report in reports:
        for group in _GROUPS.split(report.strip(), maxsplit=MOST_RECIPIENTS):
            fields = read_root(group + b"\n\n", 0).head.fields
            # The recipient as we wrote it, where the report still knows: forwarding gives it another name.
            given = first(fields, "original-recipient") or first(fields, "final-recipient")
            action = first(fields, "action").partition(";")[0].partition("(")[0].strip().lower()
            addresses = addresses_only(parse_addresses(given.partition(";")[2].strip() or given))
            if addresses and action:
                yield Undelivered(addresses[0].lower(), action[:40], _status(first(fields, "status"), action))


def _named(fields: Fields) -> Iterator[Undelivered]:
    """Exim and Gmail name the recipients in the head; a bounce that does has given up."""
    for value in fields.get("x-failed-recipients", ())[:10]:
        for address in addresses_only(parse_addresses(value)):
            yield Undelivered(address.lower(), "failed", "5.0.0")


def _status(value: str, action: str) -> str:
    found = _STATUS.search(value)
    if found:
        return ".".join(str(int(part)) for part in found.groups())
    return {"failed": "5.0.0", "delayed": "4.0.0"}.get(action, "2.0.0")
