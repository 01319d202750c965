"""Building raw mails: one by hand, odd ones from parts, and a seeded corpus of ordinary ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, formataddr

_NAMES = ["Anna Müller", "Björn O'Brien", "Chiara Rossi", "Małgorzata Nowak", "Wei Chen", "Søren Jensen", "Hiroshi Tanaka"]
_SUBJECTS = ["Leak below the sink, flat {n}", "Größenänderung für {n}", "Noisy neighbours since {n}", "問題: {n} について", "Rent {n}"]
_WORDS = [
    "the",
    "kitchen",
    "tap",
    "leaks",
    "again",
    "since",
    "last",
    "week",
    "and",
    "water",
    "runs",
    "below",
    "the",
    "sink",
    "please",
    "send",
    "somebody",
    "soon",
    "our",
    "neighbours",
    "above",
    "play",
    "music",
    "all",
    "night",
    "Grüße",
    "danke",
    "—",
    "it",
    "costs",
    "20",
    "€",
    "a",
    "day",
    "thank",
    "you",
    "regards",
]
_START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def raw_mail(head: str = "", body: str | bytes = "Hello", *, line_end: str = "\r\n") -> bytes:
    """A mail of the head's lines (From, To, Subject and Date are added where missing) and a body as it is."""
    lines = [line for line in head.strip("\n").split("\n") if line]
    present = {line.partition(":")[0].lower() for line in lines}
    usual = {
        "From": "Ann Lee <ann@tenant.example>",
        "To": "contact@housing.example",
        "Subject": "Leak",
        "Date": "Mon, 02 Mar 2026 09:30:00 +0100",
        "Message-ID": "<m1@tenant.example>",
    }
    lines = [f"{name}: {value}" for name, value in usual.items() if name.lower() not in present] + lines
    data = body if isinstance(body, bytes) else body.replace("\n", line_end).encode()
    return (line_end.join(lines) + line_end * 2).encode("utf-8", "surrogateescape") + data


def multipart(*parts: str | bytes, kind: str = "mixed", boundary: str = "b1", head: str = "", ending: str = "--") -> bytes:
    """A multipart mail; each part is its head, an empty line and its content (str parts get CRLF line ends)."""
    encoded = [part if isinstance(part, bytes) else part.replace("\n", "\r\n").encode() for part in parts]
    delimiter = b"--" + boundary.encode()
    body = b"This is a multi-part message in MIME format.\r\n"
    body += b"".join(delimiter + b"\r\n" + data + b"\r\n" for data in encoded)
    body += delimiter + ending.encode() + b"\r\n" if ending else b""
    return raw_mail(f'{head}\nMIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary="{boundary}"', body)


def ordinary_mails(count: int, seed: int = 1) -> Iterator[bytes]:
    """Mails as clients send them: plain and HTML alternatives of about 3 KB, a fifth with a 20 KB file."""
    pick = random.Random(seed)

    def sentence() -> str:
        return " ".join(pick.choice(_WORDS) for _ in range(pick.randint(6, 16))).capitalize() + "."

    for number in range(count):
        name, n = pick.choice(_NAMES), pick.randint(1000, 9999)
        mail = EmailMessage()
        mail["Received"] = f"from mx{number}.example by mail.housing.example with ESMTPS id {pick.getrandbits(40):010x}"
        mail["From"] = formataddr((name, f"tenant{n}@mail{pick.randint(1, 9)}.example"))
        mail["To"] = "Housing <contact@housing.example>, second@housing.example"
        if number % 3 == 0:
            mail["Cc"] = '"Doe, Jane" <jane.doe@housing.example>'
        mail["Subject"] = pick.choice(_SUBJECTS).format(n=n)
        mail["Date"] = format_datetime(_START + timedelta(seconds=37 * number))
        mail["Message-ID"] = f"<{pick.getrandbits(64):016x}.{number}@tenant.example>"
        if number % 4 == 0:
            mail["In-Reply-To"] = f"<{pick.getrandbits(64):016x}@housing.example>"
            mail["References"] = f"<a{number}@housing.example> {mail['In-Reply-To']}"
        paragraphs = [sentence() + " " + sentence() for _ in range(7)]
        charset = "iso-8859-1" if number % 7 == 0 else "utf-8"
        text = "\n\n".join(paragraphs) + f"\n\n-- \n{name}\n"
        if charset != "utf-8":
            text = text.encode("iso-8859-1", "ignore").decode("iso-8859-1")
        mail.set_content(text, charset=charset)
        html = "<html><body>" + "".join(f"<p>{text}</p>\n" for text in paragraphs) + "</body></html>\n"
        mail.add_alternative(html, subtype="html")
        if number % 5 == 0:
            mail.add_attachment(
                b"%PDF-1.4\n" + pick.randbytes(20 * 1024),
                maintype="application",
                subtype="pdf",
                filename=f"Rechnung Größe-{n}.pdf" if number % 10 else f"invoice-{n}.pdf",
            )
        yield mail.as_bytes()
