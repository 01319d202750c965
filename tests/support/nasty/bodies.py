"""Bodies: charsets, transfer encodings, flowed text, HTML and other kinds of text."""

# ruff: noqa: E501

from __future__ import annotations

import base64
import binascii

from tests.support.mails import raw_mail
from tests.support.nasty.case import Case, case, headed

GERMAN = "Grüße – 30 €"
RUSSIAN = "Здравствуйте, у нас протекает кран на кухне уже вторую неделю, помогите пожалуйста."
JAPANESE = "台所の蛇口から水が漏れています。修理をお願いします。"
CHINESE = "您好，厨房的水龙头已经漏水两个星期了，请尽快派人来修理。谢谢！"
KOREAN = "안녕하세요. 부엌 수도꼭지에서 물이 새고 있습니다. 수리를 부탁드립니다."
GREEK = "Καλημέρα, η βρύση στάζει εδώ και μία εβδομάδα."

CHARSETS: list[tuple[str, str, str]] = [
    ("utf-8", "utf-8", GERMAN),
    ('"utf-8"', "utf-8", GERMAN),
    ("'utf-8'", "utf-8", GERMAN),
    ('"utf-8', "utf-8", GERMAN),
    ("UTF8", "utf-8-sig", GERMAN),
    ("us-ascii (Plain text)", "ascii", "Hello"),
    ("iso-8859-2 (Central Europe)", "iso-8859-2", "Zażółć gęślą"),
    ("iso-8859-2 format=flowed", "iso-8859-2", "Zażółć gęślą"),
    ("iso-8859-1", "cp1252", GERMAN),
    ("ISO_8859-1:1987", "latin-1", "Grüße"),
    ("iso8859_15", "iso-8859-15", "10 €"),
    ("windows-1252", "utf-8", GERMAN),
    ("utf-8", "cp1252", GERMAN),
    ("us-ascii", "cp1252", GERMAN),
    ("unknown-8bit", "cp1252", GERMAN),
    ("x-unknown", "utf-8", GERMAN),
    ("unknown", "cp1251", RUSSIAN),
    ("8bit", "utf-8", GERMAN),
    ("", "utf-8", GERMAN),
    ("", "koi8-r", RUSSIAN),
    ("", "cp1251", RUSSIAN),
    ("", "gb18030", CHINESE),
    ("", "cp932", JAPANESE),
    ("", "euc_kr", KOREAN),
    ("", "iso2022_jp", JAPANESE),
    ("koi8-r", "koi8-r", RUSSIAN),
    ("koi8-u", "koi8-u", "Їжак і ґанок"),
    ("cp866", "cp866", RUSSIAN),
    ("x-mac-cyrillic", "mac_cyrillic", "Привет"),
    ("iso-8859-5", "iso-8859-5", "Привет"),
    ("windows-1253", "cp1253", GREEK),
    ("iso-8859-7", "iso-8859-7", GREEK),
    ("iso-8859-9", "cp1254", "İstanbul’da"),
    ("iso-8859-8-i", "iso-8859-8", "שלום"),
    ("windows-1256", "cp1256", "مرحبا"),
    ("windows-874", "cp874", "สวัสดี"),
    ("tis-620", "cp874", "สวัสดี"),
    ("windows-1258", "cp1258", "Xin chào"),
    ("gb2312", "gbk", "镕基"),
    ("GBK", "gb18030", "𠀀"),
    ("x-gbk", "gbk", CHINESE),
    ("gb_2312-80", "gb2312", "中文"),
    ("hz-gb-2312", "hz", "中文"),
    ("big5", "cp950", "中文"),
    ("x-x-big5", "big5", "中文"),
    ("big5-hkscs", "big5hkscs", "咗中文"),
    ("euc-kr", "cp949", "똠 안녕"),
    ("ks_c_5601-1987", "cp949", KOREAN),
    ("iso-2022-kr", "iso2022_kr", "안녕하세요"),
    ("shift_jis", "cp932", "①ﾃｽﾄ" + JAPANESE),
    ("windows-31j", "cp932", "①髙"),
    ("sjis", "cp932", JAPANESE),
    ("iso-2022-jp", "iso2022_jp", JAPANESE),
    ("cp932", "cp932", JAPANESE),
    ("euc-jp", "euc_jp", JAPANESE),
    ("utf-7", "utf-7", GERMAN),
    ("utf-16", "utf-16", GERMAN),
    ("utf-16le", "utf-16-le", GERMAN),
    ("macintosh", "mac_roman", "Grüße"),
    ("ibm850", "cp850", "Grüße"),
    ("cp-850", "cp850", "Grüße"),
]

_LINE = "SGVsbG8gdGhlcmU="
_JIS = b"\x1b$B-!-j\x1b(B kabu \x1b(I1\x1b(B"

TRANSFERS: list[tuple[str, str, bytes, str]] = [
    ("base64", "base64", b"SGVsbG8gdGhlcmU=\r\n", "Hello there"),
    ("base64 without padding", "base64", b"SGVsbG8gdGhlcmU", "Hello there"),
    ("base64 with one of two signs", "BASE64", b"SGVsbG8gdGhlcmUh\r\nISE", "Hello there!!!"),
    ("base64 with junk", "base64", b"SGVs\xa0bG8g\x00dGhl!cmU=", "Hello there"),
    ("base64 in lines of three", "base64", b"SGV\nsbG\n8gd\nGhl\ncmU\n=", "Hello there"),
    ("base64 of two pieces", "base64", b"SGVsbG8g\r\nSGVsbG8=\r\nIHRoZXJl\r\n", "Hello Hello there"),
    ("base64 with a list's footer", "base64", b"SGVsbG8gdGhlcmU=\r\n______\r\nlist mailing list\r\n", "Hello there"),
    ("base64 with a comment", "base64 (really)", b"SGVsbG8gdGhlcmU=", "Hello there"),
    ("base64 that is plain text", "base64", b"Hello there, the tap leaks.\r\nAnn\r\n", "Hello there, the tap leaks.\nAnn"),
    ("nothing in base64", "base64", b"\r\n", ""),
    ("quoted-printable", "quoted-printable", b"Gr=C3=BC=C3=9Fe", "Grüße"),
    ("lower-case hex", "Quoted-Printable", b"Gr=c3=bc=c3=9fe", "Grüße"),
    ("bare equals signs", "quoted-printable", b"1=2 =XY a=", "1=2 =XY a"),
    ("soft break at the end", "quoted-printable", b"Hello=\r\n", "Hello"),
    ("soft break cut off", "quoted-printable", b"Hello=", "Hello"),
    ("soft breaks", "quoted-printable", b"Hel=\r\nlo=\n there", "Hello there"),
    ("soft break with blanks behind it", "quoted-printable", b"Hel= \t\r\nlo", "Hello"),
    ("character over a soft break", "quoted-printable", b"Gr=C3=\r\n=BC", "Grü"),
    ("8-bit in quoted-printable", "quoted-printable", "Grüße =3D".encode(), "Grüße ="),
    ("encoded line ends", "quoted-printable", b"a=0D=0Ab", "a\nb"),
    ("quoted with a blank", "quoted printable", b"Gr=C3=BC", "Grü"),
    ("8-bit", "8-bit", "Grüße".encode(), "Grüße"),
    ("binary", "binary", "Grüße".encode(), "Grüße"),
    ("nonsense", "utf-8", "Grüße =3D".encode(), "Grüße =3D"),
]

_UU = b"".join([b"begin 644 tap.bin\n", binascii.b2a_uu(b"The tap leaks"), b"`\nend\n"])
_HTML = "Content-Type: text/html; charset=utf-8"
_FLOWED = "Content-Type: text/plain; charset=utf-8; format=flowed"

TEXTS: list[Case] = [
    headed("uuencoded file in the text", "X-A: 1", {"text": "Before\n\nAfter", "files": ["tap.bin|application/octet-stream|13"]},
           b"Before\n" + _UU + b"After\n"),
    headed("only an uuencoded file", "X-A: 1", {"text": "", "files": ["tap.bin|application/octet-stream|13"]}, _UU),
    headed("uuencoded, cut off", "X-A: 1", {"text": (b"Before\n" + _UU[:-4]).decode().strip("\n")}, b"Before\n" + _UU[:-4]),
    headed("words like uuencode", "X-A: 1", {"text": "begin 644 words\nwithout an\nend"}, "begin 644 words\nwithout an\nend"),
    headed("yEnc left alone", "X-A: 1", {"text": "=ybegin line=128 size=3 name=a.bin\n)*+\n=yend size=3"},
           "=ybegin line=128 size=3 name=a.bin\n)*+\n=yend size=3\n"),
    headed("flowed", _FLOWED, {"text": "The tap leaks.\n> So he said.\nYes"}, "The tap \nleaks.\n> So he \n> said.\nYes\n"),
    headed("flowed, stuffed", _FLOWED, {"text": "From here\n>no quote"}, " From here\n >no quote"),
    headed("flowed, signature", _FLOWED, {"text": "Hello \n-- \nAnn"}, "Hello \n-- \nAnn"),
    headed("flowed, deleted blanks", _FLOWED + "; DelSp=Yes", {"text": "Zusammen"}, "Zusam \nmen"),
    headed("flowed in capitals", 'Content-Type: TEXT/PLAIN; FORMAT="Flowed"', {"text": "a b"}, "a \nb"),
    headed("fixed", "Content-Type: text/plain; format=fixed", {"text": "a \nb"}, "a \nb"),
    headed("enriched", "Content-Type: text/enriched", {"text": "Bold & <red>\nnext"},
           "<bold>Bold</bold>\n& <<<color><param>red</param>red</color>>\n\nnext"),
    headed("HTML only", _HTML, {"text": "Grüße & 30 €"}, "<html><body><p>Gr&uuml;&szlig;e &amp; 30&nbsp;&euro;</p></body></html>"),
    headed("HTML of Word", _HTML, {"text": "Hello"},
           "<html><!--[if mso]><xml><o:x>no</o:x></xml><![endif]--><style>p{}</style><p class=MsoNormal>Hello<o:p></o:p></p>"),
    headed("HTML with a script", _HTML, {"text": "Hello"}, "<script>if(a<b)evil()</script><p>Hello"),
    headed("HTML unclosed", _HTML, {"text": "Hello"}, "<div><p><b>Hello"),
    headed("HTML of nothing", _HTML, {"text": ""}, "<html><body></body></html>"),
    headed("HTML with a charset of its own", "Content-Type: text/html", {"text": "Привет"},
           "<meta http-equiv=Content-Type content='text/html; charset=koi8-r'>Привет".encode("koi8-r")),
    headed("HTML mislabelled by itself", _HTML, {"text": "Grüße"}, "<meta charset=iso-8859-1><p>Grüße"),
    headed("ISO-2022-JP of Windows", "Content-Type: text/plain; charset=iso-2022-jp", {"text": "①㈱ kabu ｱ"}, _JIS),
    headed("no type, empty", "Content-Type:"),
    headed("type without a slash", "Content-Type: text"),
    headed("type of nonsense", "Content-Type: a b c; charset=utf-8"),
    headed("type with a comment", "Content-Type: text/plain (words); charset=utf-8"),
    headed("type with blanks", "Content-Type: text / plain; charset=utf-8"),
    headed("type twice", "Content-Type: text/plain\nContent-Type: text/html"),
    headed("semicolons everywhere", "Content-Type: text/plain;;; charset=utf-8;"),
    headed("blanks round the equals sign", "Content-Type: text/plain; charset = iso-8859-2", {"text": "Zażółć"}, "Zażółć".encode("iso-8859-2")),
    headed("charset by RFC 2231", "Content-Type: text/plain; charset*=us-ascii'en'iso-8859-2", {"text": "Zażółć"}, "Zażółć".encode("iso-8859-2")),
    headed("NULs", "X-A: 1", {"text": "ab"}, b"a\x00b"),
    headed("bare CRs", "X-A: 1", {"text": "a\nb\nc"}, b"a\rb\r\nc"),
    headed("nothing", "X-A: 1", {"text": ""}, ""),
    headed("blank lines round it", "X-A: 1", {}, "\n\nHello\n\n\n"),
    headed("a line of 200 kB", "X-A: 1", {"text": "word " * 40_000 + "."}, "word " * 40_000 + "."),
    headed("a dot alone", "X-A: 1", {"text": "a\n.\nb"}, "a\n.\nb"),
    headed("From in the text", "X-A: 1", {"text": ">From here\nFrom there"}, ">From here\nFrom there"),
    case("no head, only words", b"\r\nHello\r\n",
         {"from": None, "name": "", "to": [], "subject": "", "id": None, "date": None}),
    case("a head that ends with a sentence", raw_mail(body="").rstrip() + b"\r\nHello there\r\n\r\nAnn",
         {"text": "Hello there\n\nAnn"}),
]  # fmt: skip


def cases() -> list[Case]:
    """All of them."""
    charsets = [
        headed(f"charset {label or 'none'} on {codec}", f"Content-Type: text/plain; charset={label}" if label else "X-A: 1",
               {"text": text}, text.encode(codec))
        for label, codec, text in CHARSETS
    ]  # fmt: skip
    encoded = [
        headed(f"charset {label} on {codec} in base64", f"Content-Type: text/plain; charset={label}\nContent-Transfer-Encoding: base64",
               {"text": text}, base64.encodebytes(text.encode(codec)))
        for label, codec, text in CHARSETS[::3] if label
    ]  # fmt: skip
    transfers = [
        headed(f"transfer: {name}", f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}", {"text": text}, data)
        for name, encoding, data, text in TRANSFERS
    ]
    return [*charsets, *encoded, *transfers, *TEXTS]
