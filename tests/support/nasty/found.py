"""Faults that mails from other projects' tests showed, each in a mail of our own (docs/decisions/0003-mail-parsing.md)."""

from __future__ import annotations

import base64

from tests.support.mails import multipart, raw_mail
from tests.support.nasty import bodies
from tests.support.nasty.case import Case, case, headed

_SENDER_LINE = b"From: Ann Lee <ann@tenant.example>\r\n"
_BASE64 = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64"
_UTF_16 = "Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64"


_MISLABELLED = [
    ("gb2312", bodies.CHINESE),
    ("gb2312", bodies.CHINESE[:2]),
    ("big5", bodies.CHINESE),
    ("shift_jis", bodies.JAPANESE),
    ("euc-jp", bodies.JAPANESE),
    ("euc-kr", bodies.KOREAN),
    ("koi8-r", bodies.RUSSIAN),
    ("windows-1251", bodies.RUSSIAN),
    ("windows-1253", bodies.GREEK),
    ("iso-8859-2", "Größe"),
    ("iso-8859-15", "für"),
]
"""UTF-8 under another label."""


def _from(line: str, changes: dict[str, object]) -> Case:
    return case(line.splitlines()[0], raw_mail().replace(_SENDER_LINE, line.encode() + b"\r\n"), changes)


def cases() -> list[Case]:
    """All of them."""
    tail = base64.b64encode("Grüße".encode()).decode()
    return [
        *[
            headed(f"UTF-8 said to be {label}: {text[:2]}", f"Content-Type: text/plain; charset={label}", {"text": text}, text)
            for label, text in _MISLABELLED
        ],
        headed("a control code's worth of UTF-8", "Content-Type: text/plain; charset=windows-1250", {"text": "Â€30"}, b"\xc2\x8030"),
        headed("letters of GBK that are valid UTF-8", "Content-Type: text/plain; charset=gbk", {"text": "聽脌"}, "聽脌".encode("gbk")),
        headed("letters of Windows-1251 that are valid UTF-8", "Content-Type: text/plain; charset=windows-1251",
               {"text": "В\u00a07"}, "В\u00a07".encode("cp1251")),
        _from("From: Post room <>\r\nSender: list-owner@lists.example", {"from": None, "name": "Post room"}),
        _from("From: ann at tenant.example (Ann Lee)", {"from": None}),
        _from("From\r\n : Ann Lee <ann@tenant.example>", {}),
        headed("recipients kept back, with semicolons", "To: undisclosed-recipients;;", {"to": []}),
        headed("recipients kept back, bare", "To: Undisclosed recipients", {"to": []}),
        headed("words behind base64's padding", _BASE64, {"text": "Grüße!"}, "R3LDvMOfZSE= ignored\n"),
        headed("base64 padded, and more of it on the next line", _BASE64, {"text": "Grüße!Grüße"}, f"R3LDvMOfZSE=\n{tail}\n"),
        headed("three letters beyond ASCII and no charset", "X-A: 1", {"text": "æøå"}, "æøå".encode("latin-1")),
        headed(
            "zero bytes that are no UTF-16",
            _BASE64,
            {"text": "Wasser läuft  aus"},
            base64.b64encode("Wasser läuft \x00 aus".encode("latin-1")).decode(),
        ),
        headed(
            "Windows' euro in GBK",
            "Content-Type: text/plain; charset=gb2312\nContent-Transfer-Encoding: base64",
            {"text": "租金 €30 到期"},
            base64.b64encode("租金 ".encode("gbk") + b"\x80" + "30 到期".encode("gbk")).decode(),
        ),
        headed("UTF-16 with an odd byte", _UTF_16, {"text": "Leak"}, base64.b64encode("Leak".encode("utf-16") + b"\n").decode()),
        headed(
            "UTF-7 beside what is none",
            "Content-Type: text/plain; charset=utf-7",
            {"text": "> Gr\u00fc\u00dfe\n+kfWe/w/+PEh+x=y"},
            "+AD4- Gr+APwA3w-e\n+kfWe/w/+PEh+x=y",
        ),
        case("base64 that two words follow in a file", multipart("\nHello", "Content-Type: image/png; name=a.png\n"
             "Content-Transfer-Encoding: base64\n\niVBORw== the end\n"), {"files": ["a.png|image/png|4"]}),
    ]  # fmt: skip
