"""What makes two deliveries the same mail."""

from __future__ import annotations

import hashlib

from services.ingest.domain.mail.model import ParsedMail


def content_digest(mail: ParsedMail) -> str:
    """SHA-256 (hex) of what the sender wrote: the same for every delivery of a mail, whichever way it came.

    Transport fields (Received, Return-Path, Delivered-To, DKIM) are not in it. Text rendered from HTML is not either:
    a better rendering must not make a mail delivered again look new.
    """
    values = (
        mail.from_address.lower(),
        mail.from_name,
        "\n".join(mail.to).lower(),
        "\n".join(mail.cc).lower(),
        mail.subject,
        mail.date.isoformat() if mail.date else "",
        mail.message_id,
        "" if mail.text_from_html else mail.text,
        mail.html or "",
        *[f"{file.sha256} {file.filename}" for file in mail.attachments],
    )
    pieces = [b"casestream mail 1"]
    for value in values:
        data = value.encode("utf-8", "replace")
        # Lengths keep the fields apart: text moved from one to the next gives another digest.
        pieces += (b"%d:" % len(data), data)
    return hashlib.sha256(b"".join(pieces)).hexdigest()
