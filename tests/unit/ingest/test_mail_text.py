"""Readable text from bodies in odd charsets, flowed text and HTML."""

import pytest

from services.ingest.domain.mail import clean_text, parse_mail
from services.ingest.domain.mail.text import html_to_text
from tests.support.mails import raw_mail

RUSSIAN = "Здравствуйте, у нас протекает кран на кухне уже вторую неделю, помогите пожалуйста."
JAPANESE = "台所の蛇口から水が漏れています。修理をお願いします。"


def _text(label: str, data: bytes, extra: str = "") -> str:
    head = f"Content-Type: text/plain; charset={label}{extra}" if label else "X-None: 1"
    return parse_mail(raw_mail(head, data)).text


@pytest.mark.parametrize(
    ("label", "charset", "text"),
    [
        ("utf-8", "utf-8", "Grüße €"),
        ("UTF8", "utf-8", "Grüße €"),
        ('"utf-8"', "utf-8-sig", "Grüße €"),
        ("us-ascii", "utf-8", "Grüße €"),
        ("", "utf-8", "Grüße €"),
        ("", "cp1252", "Die Größe der Wohnung – 30 € mehr"),
        ("iso-8859-1", "cp1252", "“Grüße” – €"),
        ("latin-1", "latin-1", "Grüße"),
        ("iso-8859-1", "utf-8", "Grüße €"),
        ("utf-8", "cp1252", "Grüße"),
        ("iso-8859-15", "iso-8859-15", "Grüße €"),
        ("gb2312", "gb18030", "镕基 中文"),
        ("gbk", "gb18030", "𠀀 中文"),
        ("big5", "big5", "中文"),
        ("ks_c_5601-1987", "cp949", "안녕하세요 똠"),
        ("shift_jis", "cp932", "①" + JAPANESE),
        ("iso-2022-jp", "iso2022_jp", JAPANESE),
        ("", "iso2022_jp", JAPANESE),
        ("euc-jp", "euc_jp", JAPANESE),
        ("koi8-r", "koi8-r", RUSSIAN),
        ("windows-1251", "cp1251", RUSSIAN),
        ("x-unknown", "cp1251", RUSSIAN),
        ("", "koi8-r", RUSSIAN),
        ("utf-7", "utf-7", "Grüße €"),
        ("unicode-1-1-utf-7", "utf-7", "Grüße €"),
        ("utf-16", "utf-16", "Grüße €"),
        ("idna", "utf-8", "Grüße"),
        ("hex", "utf-8", "Grüße"),
        ("unicode_escape", "ascii", "\\x41"),
        ("windows-1255", "cp1255", "שלום"),
        ("iso-8859-8-i", "cp1255", "שלום"),
    ],
)
@pytest.mark.requirement("COM-3")
def test_a_body_is_decoded_whatever_its_label(label: str, charset: str, text: str) -> None:
    assert _text(label, text.encode(charset)) == text


def test_a_cut_character_costs_only_itself() -> None:
    assert _text("utf-8", "Grüße aus dem dritten Stöck".encode() + b"\xc3") == "Grüße aus dem dritten Stöck\ufffd"


def test_nuls_and_lone_surrogates_are_dropped() -> None:
    assert clean_text("a\x00b\ud800c\udfffd\U0001f600") == "abcd\U0001f600"
    assert _text("utf-7", b"a+2AA-b") == "ab"
    assert "\x00" not in _text("utf-8", b"a\x00b")


def test_flowed_text_is_joined() -> None:
    body = b"The tap \r\nleaks.\r\n>> He said \r\n>> this.\r\n> I that \r\nNew \r\n-- \r\nAnn\r\n From here"
    text = _text("utf-8", body, "; format=flowed")
    assert text == "The tap leaks.\n>> He said this.\n> I that \nNew \n-- \nAnn\nFrom here"
    assert _text("utf-8", b"Zusammen \r\ngesetzt", "; format=flowed; delsp=yes") == "Zusammengesetzt"


def _html(body: str, head: str = "; charset=utf-8") -> str:
    return parse_mail(raw_mail(f"Content-Type: text/html{head}", body)).text


def test_html_becomes_readable_text() -> None:
    text = _html(
        "<html><head><title>T</title><style>p{color:red}</style><script>alert(1)</script></head><body>"
        "<p>Hello&nbsp;<b>Ann</b> &amp; Bob</p><p>See <a href='https://x.example/a'>the plan</a>, "
        "<a href='https://y.example'>https://y.example</a> or <a href='mailto:a@x.example'>a@x.example</a></p>"
        "<ul><li>one</li><li>two</li></ul><table><tr><td>Rent</td><td>10 €</td></tr></table></body></html>"
    )
    assert "alert" not in text
    assert "color" not in text
    assert text.splitlines()[0].replace("\u00a0", " ") == "Hello Ann & Bob"
    assert "See [the plan](https://x.example/a), https://y.example or a@x.example" in text
    assert "* one\n" in text
    assert "Rent" in text
    assert "10 €" in text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("use &amp;lt;b&amp;gt; and &lt;i&gt;", "use &lt;b&gt; and <i>"),
        ("&amp;amp; &#38;amp; &#x26;lt; R&amp;D &amp R&D", "&amp; &amp; &lt; R&D & R&D"),
        ('<a href="https://x.example/?a=1&amp;b=2">here</a>', "[here](https://x.example/?a=1&b=2)"),
    ],
)
def test_entities_are_resolved_once(html: str, text: str) -> None:
    assert html_to_text(f"<p>{html}</p>") == text


def test_html_names_its_charset_itself() -> None:
    raw = raw_mail("Content-Type: text/html", "<meta charset=koi8-r><p>Привет".encode("koi8-r"))
    assert parse_mail(raw).text == "Привет"


@pytest.mark.parametrize("body", ["<p>unclosed <b>text", "text only", "<!-- <p>never</p> --><p>text", "<p>text<!-- open"])
def test_broken_html_is_read(body: str) -> None:
    assert "text" in _html(body)
    assert "never" not in _html(body)


@pytest.mark.parametrize("body", ["<", "<!--", "<html>", "</p>", "<script>x"])
def test_html_of_nothing_is_empty(body: str) -> None:
    assert _html(body).strip("<&") == ""


def test_big_or_deep_html_keeps_its_words() -> None:
    assert _html("<style>x</style><p>word</p>\n" * 40_000).count("word") == 40_000
    assert _html("<div>" * 5_000 + "word" + "</div>" * 5_000) == "word"


def test_entities_of_a_long_text_are_all_read() -> None:
    words = "".join(f"caf&#{233};&nbsp;{number}&amp;lt;&eacute &unknown; " for number in range(30_000))
    text = parse_mail(raw_mail("Content-Type: text/html", words)).text
    assert text == "".join(f"café\u00a0{number}&lt;é &unknown; " for number in range(30_000)).rstrip()
