"""Mails of which Exchange cannot give the whole: a header and a note, or what its properties tell.

What is built here depends on nothing but the item, so that it is the same mail when it is built again.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from exchangelib import HTMLBody  # type: ignore[import-untyped]

_ABOUT_CONTENT = (b"content-", b"mime-version:")
_NO_NAME = re.compile(r"[^!-9;-~]")


@dataclass(frozen=True, slots=True)
class File:
    """A file of a mail."""

    name: str
    content_type: str
    content: bytes
    is_inline: bool = False
    content_id: str = ""


def from_header(item: Any, note: str) -> bytes:
    """The header of an exchangelib `item`, and `note` as its text."""
    return _mail(_fields(item), note, "plain")


def from_properties(item: Any, files: Sequence[File], note: str) -> bytes:
    """Header and text of an exchangelib `item`, with `files`; `note` comes before the text."""
    body = item.body or ""
    if isinstance(body, HTMLBody):
        return _mail(_fields(item), f"<p>{html.escape(note)}</p>\n{body}", "html", files)
    return _mail(_fields(item), f"{note}\n\n{body}", "plain", files)


def _mail(fields: Iterable[bytes], text: str, subtype: str, files: Sequence[File] = ()) -> bytes:
    kept = [field for field in fields if field and not field.lower().startswith(_ABOUT_CONTENT)]
    content = EmailMessage(policy=SMTP)
    content.set_content(text.encode("utf-8", "replace").decode(), subtype=subtype, charset="utf-8", cte="base64")
    for file in files:
        kind, _, rest = file.content_type.partition("/")
        content.add_attachment(
            file.content,
            maintype=_NO_NAME.sub("", kind) or "application",
            subtype=_NO_NAME.sub("", rest.partition(";")[0]) or "octet-stream",
            filename=_one_line(file.name) or "file",
            disposition="inline" if file.is_inline else "attachment",
            cid=f"<{_NO_NAME.sub('', file.content_id)}>" if file.content_id else None,
        )
    if files:
        # Else it would be another one each time.
        seed = hashlib.sha256(b"\n".join(kept))
        for file in files:
            seed.update(hashlib.sha256(file.content).digest())
        content.set_boundary(f"=_{seed.hexdigest()}")
    return b"".join(field + b"\r\n" for field in kept) + content.as_bytes()


def _fields(item: Any) -> list[bytes]:
    """The header as it came; of a mail that never was on the Internet, what its properties make of it."""
    if item.headers:
        return [_field(header.name, header.value) for header in item.headers if header.name and header.value]
    fields = [
        _field("From", _mailboxes([item.author])),
        _field("Sender", _mailboxes([item.sender]) if item.sender != item.author else ""),
        _field("To", _mailboxes(item.to_recipients or ())),
        _field("Cc", _mailboxes(item.cc_recipients or ())),
        _field("Reply-To", _mailboxes(item.reply_to or ())),
        _field("Subject", item.subject),
        _field("Message-ID", item.message_id),
        _field("In-Reply-To", item.in_reply_to),
        _field("References", item.references),
    ]
    sent = item.datetime_sent or item.datetime_received
    if sent is not None:
        fields.append(_field("Date", format_datetime(sent)))
    return fields


def _field(name: str, value: str | None) -> bytes:
    line = _one_line(value or "")
    return f"{_NO_NAME.sub('', name)}: {line}".encode("utf-8", "replace") if line else b""


def _mailboxes(mailboxes: Iterable[Any]) -> str:
    """As in a header, in UTF-8 (RFC 6532). Who has no address on the Internet is named only."""
    texts = []
    for mailbox in mailboxes:
        if mailbox is None:
            continue
        name = _one_line(mailbox.name or "").replace("\\", "\\\\").replace('"', '\\"')
        address = _one_line(mailbox.email_address or "")
        if "@" in address:
            texts.append(f'"{name}" <{address}>' if name else f"<{address}>")
        elif name:
            texts.append(f'"{name}"')
    return ", ".join(texts)


def _one_line(text: str) -> str:
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
