"""Trees of parts and the names of files."""

# ruff: noqa: E501

from __future__ import annotations

from tests.support.mails import multipart, raw_mail
from tests.support.nasty.case import Case, case

PLAIN = "Content-Type: text/plain; charset=utf-8\n\nHello"
HTML = "Content-Type: text/html; charset=utf-8\n\n<p>Hello</p>"
PDF = 'Content-Type: application/pdf; name="a.pdf"\nContent-Disposition: attachment; filename="a.pdf"\nContent-Transfer-Encoding: base64\n\nJVBERg=='
IMAGE = "Content-Type: image/png\nContent-ID: <i@x>\nContent-Transfer-Encoding: base64\n\niVBORw=="
INNER = "From: bob@x.example\nSubject: Inner\n\nInner text"
A_PDF = "a.pdf|application/pdf|4"
PNG = "attachment.png|image/png|4"

NAMES: list[tuple[str | bytes, str]] = [
    ('Content-Disposition: attachment; filename="a b.pdf"', "a b.pdf"),
    ("Content-Disposition: attachment; filename=a b.pdf", "a b.pdf"),
    ('Content-Disposition: ATTACHMENT; FILENAME="A.PDF"', "A.PDF"),
    ('Content-Disposition: attachment;\n\tfilename="a.pdf";\n\tsize=4', "a.pdf"),
    ('Content-Disposition: attachment; filename="a;b,c.pdf"', "a;b,c.pdf"),
    (r'Content-Disposition: attachment; filename="a \"b\".pdf"', 'a "b".pdf'),
    ('Content-Disposition: attachment; filename="=?utf-8?B?SsO2cmcucGRm?="', "Jörg.pdf"),
    ('Content-Disposition: attachment; filename="=?utf-8?Q?J=C3?=\n =?utf-8?Q?=B6rg=2Epdf?="', "Jörg.pdf"),
    ("Content-Disposition: attachment; filename==?utf-8?B?SsO2cmcucGRm?=", "Jörg.pdf"),
    ('Content-Disposition: attachment; filename="=?utf-8?q?J=C3=B6rg?=.pdf"', "Jörg.pdf"),
    ('Content-Disposition: attachment; filename="=?iso-2022-jp?B?GyRCTGRCahsoQg==?=.pdf"', "問題.pdf"),
    ('Content-Disposition: attachment; filename="=?gb2312?B?1tDOxC5wZGY=?="', "中文.pdf"),
    ("Content-Disposition: attachment; filename*=UTF-8''J%C3%B6rg.pdf", "Jörg.pdf"),
    ("Content-Disposition: attachment; filename*=utf-8'de'J%c3%b6rg.pdf", "Jörg.pdf"),
    ("Content-Disposition: attachment; filename*=ISO-8859-1''J%F6rg.pdf", "Jörg.pdf"),
    ("Content-Disposition: attachment; filename*=\"utf-8''J%C3%B6rg.pdf\"", "Jörg.pdf"),
    ("Content-Disposition: attachment; filename*=''a%20b.pdf", "a b.pdf"),
    ("Content-Disposition: attachment; filename*=J%C3%B6rg.pdf", "Jörg.pdf"),
    ('Content-Disposition: attachment; filename*0="a long "; filename*1="name.pdf"', "a long name.pdf"),
    ("Content-Disposition: attachment;\n filename*0*=UTF-8''%e2%82;\n filename*1*=%ac;\n filename*2=.pdf", "€.pdf"),
    ('Content-Disposition: attachment; filename*1="b.pdf"; filename*0="a"', "ab.pdf"),
    ("Content-Disposition: attachment; filename*00*=utf-8''a; filename*01*=%20b.pdf", "a b.pdf"),
    ("Content-Disposition: attachment; filename*0*=utf-8''100%25; filename*1=\"%20.pdf\"", "100%%20.pdf"),
    ('Content-Disposition: attachment; filename*0="=?utf-8?q?J=C3=B6rg?="; filename*1=" x.pdf"', "Jörg x.pdf"),
    ("Content-Disposition: attachment; filename=\"J.pdf\"; filename*=utf-8''J%C3%B6rg.pdf", "Jörg.pdf"),
    (";".join(["Content-Disposition: attachment", *[f' filename*{n}="{n % 10}"' for n in range(12)], ' filename*12=".pdf"']),
     "012345678901.pdf"),
    ('Content-Disposition: attachment; filename="Jörg.pdf"', "Jörg.pdf"),
    ('Content-Disposition: attachment; filename="Jörg.pdf"'.encode("latin-1"), "Jörg.pdf"),
    ('Content-Disposition: attachment; filename="a%20b.pdf"', "a%20b.pdf"),
    ('Content-Disposition: attachment; filename=""\nContent-Type: application/pdf; name="a.pdf"', "a.pdf"),
    ("Content-Type: application/pdf; name=a.pdf", "a.pdf"),
    ("Content-Type: application/pdf; name*=utf-8''J%C3%B6rg.pdf", "Jörg.pdf"),
    ('Content-Type: application/pdf; name="=?utf-8?q?J=C3=B6rg=2Epdf?="', "Jörg.pdf"),
    ('Content-Type: application/pdf; name="b.pdf"\nContent-Disposition: attachment; filename="a.pdf"', "a.pdf"),
    ('Content-Disposition: attachment; filename="..\\..\\a.pdf"', "a.pdf"),
    ('Content-Disposition: attachment; filename="/etc/a.pdf"', "a.pdf"),
    ('Content-Disposition: attachment; filename="a\x00.pdf"', "a.pdf"),
    ('Content-Disposition: attachment; filename="\u202efdp.exe"', "fdp.exe"),
    ('Content-Disposition: attachment; filename="a.pdf', "a.pdf"),
    ("Content-Disposition: attachment; filename='a.pdf'", "a.pdf"),
    ("Content-Disposition: attachment", "attachment.pdf"),
    ("Content-Disposition: attachment; filename = \"a.pdf\" ; size = 4", "a.pdf"),
    ("Content-Disposition: filename=a.pdf", "a.pdf"),
    ("Content-Disposition: ;filename=a.pdf", "a.pdf"),
    ("Content-Disposition: attachment filename=a.pdf", "a.pdf"),
    ("Content-Disposition: attachment; filename=plan (1).pdf", "plan (1).pdf"),
    ("Content-Disposition: attachment; filename=\"a.pdf\"; filename=\"b.pdf\"", "a.pdf"),
]  # fmt: skip


def nested(kind: str, *parts: str, boundary: str = "b2", ending: str = "--") -> str:
    """A multipart within one."""
    inner = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n{inner}--{boundary}{ending}\n'


def _typed(value: str, *lines: str, text: str = "Hello", files: list[str] | None = None, name: str = "") -> Case:
    return case(f"multipart: {name or value}", raw_mail(f"Content-Type: {value}", "\n".join(lines)), {"text": text, "files": files or []})


def _made(name: str, raw: bytes, text: str, *files: str) -> Case:
    return case(f"parts: {name}", raw, {"text": text, "files": list(files)})


def _boundaries() -> list[Case]:
    body = ("--{0}", *PLAIN.split("\n"), "--{0}", *PDF.split("\n"), "--{0}--", "epilogue")

    def case_of(value: str, boundary: str) -> Case:
        return _typed(f"multipart/mixed; {value}", *[line.replace("{0}", boundary) for line in body], files=[A_PDF])

    return [
        case_of('boundary="=_Part(1)/2:3?x,y"', "=_Part(1)/2:3?x,y"),
        case_of("boundary=----=_NextPart_000", "----=_NextPart_000"),
        case_of('BOUNDARY="b"', "b"),
        case_of("boundary='b'", "b"),
        case_of("boundary='b'", "'b'"),
        case_of('boundary="a b"', "a b"),
        case_of('boundary="b "', "b"),
        case_of('boundary="b', "b"),
        case_of("boundary=b (comment)", "b"),
        case_of('boundary*0="a"; boundary*1="b"', "ab"),
        case_of("boundary*=us-ascii''b", "b"),
        case_of('type="text/plain"; boundary=b; charset=utf-8', "b"),
        case_of('boundary=""', "b"),
        case_of("boundary=wrong", "b"),
        case_of("boundary=b_", "b"),
        case_of("x=y", "b"),
        case_of("boundary=" + "b" * 200, "b" * 200),
        case_of('boundary="b";boundary="c"', "b"),
        case_of('boundary="bü"', "bü"),
    ]


def _trees() -> list[Case]:
    whole = multipart(PLAIN, PDF)
    apple = nested("mixed", HTML, PDF, "Content-Type: text/html\n\n<p>Bye</p>")
    returned = "Content-Type: message/rfc822\n\n" + INNER
    status = "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example"
    size = len(INNER.replace("\n", "\r\n"))
    inner_file = f"Inner.eml|message/rfc822|{size}"
    status_file = "attachment.txt|message/delivery-status|30"
    named = 'Content-Type: text/plain; name="n.txt"\nContent-Disposition: inline; filename="n.txt"\n\nNote'
    return [
        _made("plain and file", whole, "Hello", A_PDF),
        _made("no end", multipart(PLAIN, PDF, ending=""), "Hello", A_PDF),
        _made("end within a line", whole.replace(b"Hello", b"Hello --b1 --b1--"), "Hello --b1 --b1--", A_PDF),
        _made("blanks behind the delimiters", whole.replace(b"--b1\r\n", b"--b1  \t\r\n"), "Hello", A_PDF),
        _made("longer delimiter in the text", whole.replace(b"Hello", b"Hello\r\n--b1x\r\nthere"), "Hello\n--b1x\nthere", A_PDF),
        _made("inner boundary begins like the outer", multipart(nested("alternative", PLAIN, HTML, boundary="b1b1"), PDF), "Hello", A_PDF),
        _made("outer boundary begins like the inner", multipart(nested("alternative", PLAIN, HTML, boundary="b"), PDF), "Hello", A_PDF),
        _made("inner without its end", multipart(nested("alternative", PLAIN, HTML, ending=""), PDF), "Hello", A_PDF),
        _made("preamble and epilogue", whole + b"epilogue\r\n", "Hello", A_PDF),
        _made("empty part", multipart("", PLAIN, PDF), "Hello", A_PDF),
        _made("delimiter twice", whole.replace(b"--b1\r\n", b"--b1\r\n--b1\r\n", 1), "Hello", A_PDF),
        _made("part without a head", multipart("\nHello", PDF), "Hello", A_PDF),
        _made("part without the empty line", multipart("Content-Type: text/plain\nHello", PDF), "Hello", A_PDF),
        _made("empty multipart", multipart(), "This is a multi-part message in MIME format."),
        _made("end alone", raw_mail("Content-Type: multipart/mixed; boundary=q", "--q--\n"), ""),
        _made("LF only", whole.replace(b"\r\n", b"\n"), "Hello", A_PDF),
        _made("alternative", multipart(PLAIN, HTML, kind="alternative"), "Hello"),
        _made("alternative, HTML first", multipart(HTML, PLAIN, kind="alternative"), "Hello"),
        _made("alternative, empty plain", multipart("Content-Type: text/plain\n\n\n", HTML, kind="alternative"), "Hello"),
        _made("alternative with a meeting", multipart(PLAIN, HTML, "Content-Type: text/calendar; method=REQUEST\n\nBEGIN", kind="alternative"),
              "Hello", "attachment.ics|text/calendar|5"),
        _made("related in alternative", multipart(PLAIN, nested("related", HTML, IMAGE), kind="alternative"), "Hello", PNG),
        _made("alternative in related", multipart(nested("alternative", PLAIN, HTML), IMAGE, kind="related"), "Hello", PNG),
        _made("Apple Mail: file within the HTML", multipart(PLAIN, apple, kind="alternative"), "Hello", A_PDF),
        _made("Apple Mail: file between texts", multipart(PLAIN, PDF, "Content-Type: text/plain\n\nBye"), "Hello\n\nBye", A_PDF),
        _made("Outlook for Mac: one boundary for both", multipart(
            'Content-Type: multipart/alternative; boundary="b1"\n\n', PLAIN, HTML.replace("Hello", "Hello in HTML")
        ).replace(b"--b1--\r\n", b"--b1--\r\n\r\n--b1\r\n" + PDF.replace("\n", "\r\n").encode() + b"\r\n--b1--\r\n"), "Hello", A_PDF),
        _made("list's footer", multipart(PLAIN, "Content-Type: text/plain\n\n____\nlist"), "Hello\n\n____\nlist"),
        _made("signed", multipart(PLAIN, "Content-Type: application/pgp-signature; name=s.asc\n\nPGP", kind="signed"),
              "Hello", "s.asc|application/pgp-signature|3"),
        _made("opaque signed", raw_mail('Content-Type: application/pkcs7-mime; name="smime.p7m"\nContent-Transfer-Encoding: base64', "AAAA"),
              "", "smime.p7m|application/pkcs7-mime|3"),
        _made("message", multipart(PLAIN, returned), "Hello", inner_file),
        _made("message with a name", multipart(PLAIN, returned.replace("rfc822", "rfc822; name=x.eml")), "Hello",
              f"x.eml|message/rfc822|{size}"),
        _made("message without a subject", multipart(PLAIN, "Content-Type: message/rfc822\n\nFrom: b@x\n\nx"), "Hello",
              "attachment.eml|message/rfc822|14"),
        _made("message with a path for a subject", multipart(PLAIN, returned.replace("Inner\n", "a/b\n")), "Hello",
              f"a-b.eml|message/rfc822|{size - 2}"),
        _made("message alone", raw_mail("Content-Type: message/rfc822", INNER), "", inner_file),
        _made("digest", multipart("\n" + INNER, kind="digest"), "", inner_file),
        _made("partial", raw_mail("Content-Type: message/partial; id=x; number=1", "Hello"), "", "attachment.bin|message/partial|5"),
        _made("external body", multipart(PLAIN, 'Content-Type: message/external-body; name="x.txt"\n\nContent-Type: text/plain\n\n'), "Hello",
              "x.txt|message/external-body|28"),
        _made("named text inline beside text", multipart(PLAIN, named), "Hello", "n.txt|text/plain|4"),
        _made("named text inline alone", multipart(named), "Note", "n.txt|text/plain|4"),
        _made("text attached alone", multipart(named.replace("inline", "attachment")), "", "n.txt|text/plain|4"),
        _made("named text is the mail", raw_mail("Content-Type: text/plain; name=n.txt"), "Hello"),
        _made("mail is a file", raw_mail("Content-Type: image/png\nContent-Disposition: attachment; filename=i.png", "x"), "", "i.png|image/png|1"),
        _made("Apple double", multipart(PLAIN, nested("appledouble", "Content-Type: application/applefile; name=._a\n\nx", PDF)), "Hello",
              "._a|application/applefile|1", A_PDF),
        _made("unknown subtype", multipart(PLAIN, PDF, kind="x-whatever"), "Hello", A_PDF),
        _made("two HTMLs", multipart(HTML, "Content-Type: text/html\n\n<p>Bye</p>"), "Hello\n\nBye"),
        _made("quoted-printable declared on the multipart", multipart(PLAIN, PDF, head="Content-Transfer-Encoding: quoted-printable"),
              "Hello", A_PDF),
        _made("notice of a failure", multipart(PLAIN, status, returned, kind="report; report-type=delivery-status"),
              "Hello", status_file, inner_file),
        _made("Notes: file without a type", multipart(PLAIN, 'Content-Disposition: attachment; filename="a.pdf"\n\n%PDF'), "Hello",
              "a.pdf|text/plain|4"),
        _made("octet-stream with a text's name", multipart(PLAIN, "Content-Type: application/octet-stream; name=n.txt\n\nx"), "Hello",
              "n.txt|application/octet-stream|1"),
    ]  # fmt: skip


def cases() -> list[Case]:
    """All of them."""
    names = []
    for written, name in NAMES:
        head = written if isinstance(written, bytes) else written.encode()
        if b"Content-Type" not in head:
            head = b"Content-Type: application/pdf\r\n" + head
        raw = multipart(PLAIN, head.replace(b"\n", b"\r\n").replace(b"\r\r", b"\r") + b"\r\n\r\n%PDF")
        names.append(_made(f"file's name {written!r}", raw, "Hello", f"{name}|application/pdf|4"))
    return [*names, *_boundaries(), *_trees()]
