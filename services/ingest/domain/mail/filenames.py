"""Names of files that others send, made fit to be shown and stored. They are never used as paths here."""

from __future__ import annotations

from services.ingest.domain.mail.charsets import clean_text

MAX_FILENAME = 200
_EXTENSIONS = {
    "application/pdf": ".pdf",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "image/webp": ".webp",
    "message/delivery-status": ".txt",
    "message/rfc822": ".eml",
    "text/calendar": ".ics",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/rfc822-headers": ".txt",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
}


def clean_filename(filename: str, kind: str) -> str:
    """`filename` without folders and unprintable characters, at most `MAX_FILENAME` long; one made up from `kind` where nothing is left."""
    name = " ".join(clean_text(filename).split())
    name = "".join(letter for letter in name if letter.isprintable()).replace("\\", "/").rpartition("/")[2].strip()
    if not name.strip("."):
        name = "attachment" + _EXTENSIONS.get(kind, ".bin")
    if len(name) > MAX_FILENAME:
        stem, dot, ending = name.rpartition(".")
        name = stem[: MAX_FILENAME - len(ending) - 1] + dot + ending if dot and len(ending) < 20 else name[:MAX_FILENAME]
    return name
