"""What older mailers put into a text part: uuencoded files, and text/enriched (RFC 1896)."""

from __future__ import annotations

import re

from services.ingest.domain.mail.charsets import decode_text, decode_uuencoded

# What is between holds no small letter, so that a block begun and never ended is passed over once.
_UUENCODED = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,200})\r?\n[ -`\r\n]++(?<=\n)end[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
MAX_UUENCODED = 500
"""Files taken out of one text; more are left in it."""
MAX_ENRICHED = 30_000
"""Lines of text/enriched that are joined; a text that has more is left as it is."""
_PARAMETER = re.compile(r"<param>.*?(?:</param>|\Z)", re.IGNORECASE | re.DOTALL)
_COMMAND = re.compile(r"</?[a-zA-Z0-9-]{1,60}>")
_LINE_END = re.compile(r"(?<!\n)\n(?!\n)")
_LINE_ENDS = re.compile(r"\n(\n+)")


def take_out_uuencoded(data: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    """The text without its uuencoded files, and the files by name. What is not whole stays in the text."""
    files: list[tuple[str, bytes]] = []

    def take(block: re.Match[bytes]) -> bytes:
        content = decode_uuencoded(block[0])
        if not content:
            return block[0]
        files.append((decode_text(block[1]).strip(), content))
        return b"\n"

    return _UUENCODED.sub(take, data, count=MAX_UUENCODED), files


def read_enriched(text: str) -> str:
    """text/enriched without its commands: a single line end is a blank, of several one less counts, `<<` is `<`."""
    # NUL, which decoded text has none of, stands for `<` meanwhile.
    text = _COMMAND.sub("", _PARAMETER.sub("", text).replace("<<", "\0")).replace("\0", "<").strip("\n")
    if text.count("\n") > MAX_ENRICHED:
        return text
    return _LINE_ENDS.sub("\\1", _LINE_END.sub(" ", text))
