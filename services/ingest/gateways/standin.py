"""A mail in place of one that cannot be taken whole, so that it is not missing silently."""

from __future__ import annotations

import re

LONGEST_HEADER = 1024 * 1024
"""Bytes of a header that are kept."""
TOO_LARGE = "This message is larger than casestream takes. Only its header came in; the whole message is in the mailbox."
_OF_THE_BODY = re.compile(rb"(?:content-[a-z-]*|mime-version)[ \t]*:", re.IGNORECASE)


def stand_in(start: bytes, note: str) -> bytes:
    """A mail with the header that `start` begins with, apart from the fields about its body, and with `note` as its text.

    `start`: of a mail as it was received, as much of it as there is: a header that breaks off, or nothing, will do. The same ones give the
    same mail.
    """
    head = start.lstrip(b"\r\n")
    lines = head[:LONGEST_HEADER].splitlines()
    if len(head) > LONGEST_HEADER:
        lines.pop()  # it is cut
    fields: list[bytes] = []
    is_kept = False
    for line in lines:
        if not line.strip():
            break
        # A field goes on over the lines that begin with white space (RFC 5322, 2.2.3).
        if not line.startswith((b" ", b"\t")):
            is_kept = _OF_THE_BODY.match(line) is None
        if is_kept:
            fields.append(line)
    fields += [b"MIME-Version: 1.0", b"Content-Type: text/plain; charset=utf-8", b"Content-Transfer-Encoding: 8bit"]
    return b"\r\n".join([*fields, b"", note.encode("utf-8", "replace"), b""])
