"""A mail in place of one that cannot be taken whole, so that it is not missing silently."""

from __future__ import annotations

_OF_THE_BODY = (b"content-", b"mime-version:")


def stand_in(header: bytes, note: str) -> bytes:
    """A mail with the fields of `header`, apart from those about its body, and with `note` as its text.

    `header`: as it was received, with or without the empty line at its end; may be cut, or empty. The same ones give the same mail.
    """
    fields: list[bytes] = []
    is_kept = False
    for line in header.splitlines():
        if not line.strip():
            break
        if not line.startswith((b" ", b"\t")):
            is_kept = not line.lower().startswith(_OF_THE_BODY)
        if is_kept:
            fields.append(line)
    fields += [b"MIME-Version: 1.0", b"Content-Type: text/plain; charset=utf-8", b"Content-Transfer-Encoding: 8bit"]
    return b"\r\n".join([*fields, b"", note.encode(), b""])
