"""Subjects, dates, ids and the head as a whole."""

from __future__ import annotations

import base64

from tests.support.mails import raw_mail
from tests.support.nasty.case import Case, case, headed


def _word(text: str, codec: str, label: str = "") -> str:
    return f"=?{label or codec}?B?{base64.b64encode(text.encode(codec)).decode()}?="


def _quoted(text: str, codec: str, label: str = "") -> str:
    return f"=?{label or codec}?Q?{''.join(f'={byte:02X}' for byte in text.encode(codec))}?="


_LONG = "x" * 100_000
_NEC = base64.b64encode(b"\x1b$B-!-j\x1b(B").decode()

SUBJECTS: list[tuple[str, str | bytes, str]] = [
    ("lower-case encoding and hex", "=?utf-8?q?Gr=c3=b6=c3=9fe?=", "Größe"),
    ("upper-case charset", "=?UTF-8?b?R3LDtsOfZQ==?=", "Größe"),
    ("raw spaces in a Q word", "=?utf-8?Q?a b =C3=A9 c?=", "a b é c"),
    ("underscore as blank, =5F as itself", "=?utf-8?Q?a_b=5Fc?=", "a b_c"),
    ("character split over Q and B", "=?utf-8?q?Gr=C3?= =?utf-8?b?tsOfZQ==?=", "Größe"),
    ("charset spelled in two cases", "=?UTF-8?Q?=C3?= =?utf-8?Q?=BC?=", "ü"),
    ("words without a blank between", "=?utf-8?q?=C3=BC?==?utf-8?q?=C3=A4?=", "üä"),
    ("two charsets side by side", "=?iso-8859-1?q?=FC?=  =?utf-8?q?=C3=A4?=", "üä"),
    ("three-byte letter in three words", "=?utf-8?q?=E2?= =?utf-8?q?=82?=\n =?utf-8?q?=AC?=", "€"),
    ("base64 broken by a fold", "=?utf-8?b?R3LD\n tsOfZQ==?=", "Größe"),
    ("Q word broken by a fold", "=?utf-8?q?one\n two?=", "one two"),
    ("empty word", "=?utf-8?q??= x", "x"),
    ("text glued to a word", "Re:=?utf-8?q?_=C3=BC?=!", "Re: ü!"),
    ("unknown-8bit", "=?unknown-8bit?q?Gr=C3=B6=C3=9Fe?=", "Größe"),
    ("x-unknown", "=?x-unknown?B?R3LDtsOfZQ==?=", "Größe"),
    ("Latin-1 label on UTF-8", "=?iso-8859-1?q?Gr=C3=B6=C3=9Fe?=", "Größe"),
    ("UTF-8 label on Latin-1", "=?utf-8?q?Gr=F6=DFe?=", "Größe"),
    ("Windows punctuation as Latin-1", "=?iso-8859-1?q?=93a=94_=96_=80?=", "“a” – €"),
    ("language tag", "=?utf-8*en?q?caf=C3=A9?=", "café"),
    ("word that never ends", "=?utf-8?q?caf=C3=A9", "=?utf-8?q?caf=C3=A9"),
    ("question mark in a Q word", "=?utf-8?q?Why=3F Why??=", "Why? Why?"),
    ("equals sign last", "=?utf-8?q?a=3D?=", "a="),
    ("bare equals sign in a Q word", "=?utf-8?q?1=2?=", "1=2"),
    ("ISO-2022-JP", _word("問題について", "iso2022_jp", "ISO-2022-JP"), "問題について"),
    ("ISO-2022-JP that keeps its state over words", "=?iso-2022-jp?B?GyRCTGQ=?= =?iso-2022-jp?B?QmobKEI=?=", "問題"),
    ("ISO-2022-JP unencoded", b"\x1b$BLdBj\x1b(B 2", "問題 2"),
    ("ISO-2022-JP with NEC's circled digits", f"=?iso-2022-jp?B?{_NEC}?=", "①㈱"),
    ("ISO-2022-JP with half-width katakana", "=?iso-2022-jp?B?" + base64.b64encode(b"\x1b(IC=D\x1b(B").decode() + "?=", "ﾃｽﾄ"),
    ("Shift_JIS half-width", _word("ﾃｽﾄ", "cp932", "Shift_JIS"), "ﾃｽﾄ"),
    ("Shift_JIS circled digit", _word("①", "cp932", "shift-jis"), "①"),
    ("EUC-JP", _word("問題", "euc_jp", "EUC-JP"), "問題"),
    ("GB2312 with a letter of GBK", _word("镕基", "gbk", "gb2312"), "镕基"),
    ("GBK in Q", _quoted("中文", "gbk", "GBK"), "中文"),
    ("GB18030", _word("𠀀", "gb18030"), "𠀀"),
    ("HZ", _word("中文", "hz", "hz-gb-2312"), "中文"),
    ("Big5", _word("中文", "big5"), "中文"),
    ("Korean by its old name", _word("안녕 똠", "cp949", "ks_c_5601-1987"), "안녕 똠"),
    ("KOI8-R", _word("Привет", "koi8-r", "KOI8-R"), "Привет"),
    ("Windows-1251 in Q", _quoted("Привет", "cp1251", "windows-1251"), "Привет"),
    ("Latin-9", _quoted("10 €", "iso-8859-15"), "10 €"),
    ("UTF-7", "=?utf-7?Q?Gr+APYA3w-e?=", "Größe"),
    ("raw UTF-8", "Größe – ä", "Größe – ä"),
    ("raw Latin-1", "Größe".encode("latin-1"), "Größe"),
    ("raw Windows-1252 dash", "ja – nein".encode("cp1252"), "ja – nein"),
    ("tab fold", "a\n\tb", "a b"),
    ("fold with nothing on it", "a\n \n b", "a  b"),
    ("fold at once", "\n a", "a"),
    ("NUL", b"a\x00b", "ab"),
    ("bare CR", b"a\rb", "a b"),
    ("nothing", "", ""),
    ("only blanks", "   ", ""),
    ("a hundred thousand letters", _LONG, _LONG),
    ("an injected line", "=?utf-8?q?a=0D=0ABcc:_x?=", "a Bcc: x"),
]

DATES: list[tuple[str, str | None]] = [
    ("Mon, 02 Mar 2026 09:30 +0100", "2026-03-02T09:30:00+01:00"),
    ("02 Mar 2026 09:30:00 +0100", "2026-03-02T09:30:00+01:00"),
    ("2 Mar 26 09:30:00 +0100", "2026-03-02T09:30:00+01:00"),
    ("Mon, 2 Mar 99 09:30:00 GMT", "1999-03-02T09:30:00+00:00"),
    ("Mon, 2 Mar 126 09:30:00 GMT", "2026-03-02T09:30:00+00:00"),
    ("Mon, 02 Mar 2026 09:30:00 PDT", "2026-03-02T09:30:00-07:00"),
    ("Mon, 02 Mar 2026 09:30:00 UT", "2026-03-02T09:30:00+00:00"),
    ("Mon, 02 Mar 2026 09:30:00 Z", "2026-03-02T09:30:00+00:00"),
    ("Mon, 02 Mar 2026 09:30:00 XYZT", "2026-03-02T09:30:00+00:00"),
    ("Mon, 02 Mar 2026 09:30:00 +0100 (Mitteleuropäische Zeit)", "2026-03-02T09:30:00+01:00"),
    ("Mon, 02 Mar 2026 09:30:00 +01:00", "2026-03-02T09:30:00+01:00"),
    ("Mon, 02 Mar 2026 09:30:00 GMT+01:00", "2026-03-02T09:30:00+01:00"),
    ("Mon, 02 Mar 2026 09:30:00 GMT+0100", "2026-03-02T09:30:00+01:00"),
    ("Mon, 2 March 2026 09:30:00 +0100", "2026-03-02T09:30:00+01:00"),
    ("Monday, 2 March 2026 09:30:00 +0100", "2026-03-02T09:30:00+01:00"),
    ("mon, 02 mar 2026 09:30:00 +0100", "2026-03-02T09:30:00+01:00"),
    ("Mon,02 Mar 2026 09:30:00 +0100", "2026-03-02T09:30:00+01:00"),
    ("Mon 02 Mar 2026 09:30:00 +0100", "2026-03-02T09:30:00+01:00"),
    ("Mon, 02-Mar-2026 09:30:00 +0100", "2026-03-02T09:30:00+01:00"),
    ("Mon, 02 Mar 2026\n 09:30:00 +0100", "2026-03-02T09:30:00+01:00"),
    ("Mon (noon?), 02 Mar 2026 09:30:00 +0100", "2026-03-02T09:30:00+01:00"),
    ("Mon, 02 Mar 2026 09:30:00", "2026-03-02T09:30:00+00:00"),
    ("2026-03-02 09:30:00 +0100", "2026-03-02T09:30:00+01:00"),
    ("2026-03-02T09:30:00.5+01:00", "2026-03-02T09:30:00.500000+01:00"),
    ("Mon Mar  2 09:30:00 CET 2026", "2026-03-02T09:30:00+00:00"),
    ("Mon, 30 Feb 2026 09:30:00 +0100", None),
    ("Mon, 02 Mar 2026 25:30:00 +0100", None),
    ("\x00", None),
]

HEADS: list[Case] = [
    headed("no blank after the colons", "From:Ann Lee<ann@tenant.example>\nSubject:Leak"),
    headed("blanks before the colon", "Subject : Leak\nTo\t: contact@housing.example"),
    headed("names in capitals", "FROM: Ann Lee <ann@tenant.example>\nSUBJECT: Leak\nMESSAGE-ID: <m1@tenant.example>"),
    headed("two subjects", "Subject: Leak\nSubject: other"),
    headed("two dates", "Date: Mon, 02 Mar 2026 09:30:00 +0100\nDate: Tue, 03 Mar 2026 09:30:00 +0100"),
    headed("two ids", "Message-ID: <m1@tenant.example>\nMessage-ID: <m2@tenant.example>"),
    headed("two senders", "From: Ann Lee <ann@tenant.example>\nFrom: Bob <bob@x.example>"),
    headed("folded id", "Message-ID:\n <m1@tenant.example>"),
    headed("id with a comment", "Message-ID: <m1@tenant.example> (added by mx)"),
    headed("id without brackets", "Message-ID: m1@tenant.example"),
    headed("id with a blank in it", "Message-ID: < m1@tenant.example >"),
    headed("id of Exchange", "Message-ID: <[a!b\\c]/=m1@tenant.example>", {"id": "<[a!b\\c]/=m1@tenant.example>"}),
    case("no id", raw_mail().replace(b"Message-ID: <m1@tenant.example>\r\n", b""), {"id": None}),
    case("no date", raw_mail().replace(b"Date: Mon, 02 Mar 2026 09:30:00 +0100\r\n", b""), {"date": None}),
    case("no subject", raw_mail().replace(b"Subject: Leak\r\n", b""), {"subject": ""}),
    case("no recipient", raw_mail().replace(b"To: contact@housing.example\r\n", b""), {"to": []}),
    case("no sender", raw_mail().replace(b"From: Ann Lee <ann@tenant.example>\r\n", b""), {"from": None, "name": ""}),
    case("mbox line", b"From ann@tenant.example Mon Mar  2 09:30:00 2026\n" + raw_mail(line_end="\n")),
    case("quoted mbox line", b">From ann@tenant.example Mon Mar  2 09:30:00 2026\r\n" + raw_mail()),
    case("byte order mark", b"\xef\xbb\xbf" + raw_mail()),
    case("blank lines first", b"\r\n\n\r\n" + raw_mail()),
    case("bare CR line ends", raw_mail(line_end="\r")),
    case("CR CR LF line ends", raw_mail(line_end="\r\r\n")),
    case("LF head, CRLF body", raw_mail(line_end="\n") + b"\r\nthere\r\n", {"text": "Hello\nthere"}),
    case("UTF-16", raw_mail().decode().encode("utf-16")),
    case("head only", raw_mail(body="").rstrip(), {"text": ""}),
    headed("line without a colon", "X-A: 1\nthis is no field\nSubject: Leak"),
    headed("field of 300 kB", "X-Long: " + "y" * 300_000),
    headed("five thousand fields", "\n".join(f"X-{number}: {number}" for number in range(5000))),
    headed("8-bit in a field nobody reads", b"X-Name: \xff\xfe\x80"),
    headed("colon alone", ": nothing"),
    headed("NUL in a name", b"X\x00Y: 1"),
    headed("first line folded", " folded\nSubject: Leak"),
    case("blank in the line that ends the head", raw_mail().replace(b"\r\n\r\n", b"\r\n \r\n\r\n")),
]


def cases() -> list[Case]:
    """All of them."""
    subjects = [
        headed(f"subject: {name}", b"Subject: " + (written if isinstance(written, bytes) else written.encode()), {"subject": read})
        for name, written, read in SUBJECTS
    ]
    dates = [headed(f"date: {written}", f"Date: {written}", {"date": read}) for written, read in DATES]
    return [*subjects, *dates, *HEADS]
