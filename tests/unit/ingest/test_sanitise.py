"""A mail's HTML made safe: what a hostile sender writes does nothing, what an honest one writes can be read."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.domain.mail.sanitise import DEEPEST, MOST_ELEMENTS, MOST_PICTURES, PICTURE_BYTES, safe_html

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
JPEG = b"\xff\xd8\xff\xe0" + bytes(40)
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
PICTURES = {"logo@mail": PNG, "photo": JPEG, "drawing": SVG}

TAGS = {
    "a", "abbr", "address", "b", "big", "blockquote", "br", "caption", "center", "cite", "code", "col", "colgroup", "dd", "del",
    "dfn", "div", "dl", "dt", "em", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark",
    "ol", "p", "pre", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th",
    "thead", "tr", "tt", "u", "ul", "var", "wbr",
}  # fmt: skip
ATTRIBUTES = {
    "align", "alt", "bgcolor", "border", "cellpadding", "cellspacing", "class", "color", "colspan", "dir", "height", "href",
    "rel", "rowspan", "span", "src", "start", "style", "target", "title", "valign", "value", "width",
}  # fmt: skip
STYLES = {"background-color", "color", "font-style", "font-weight", "text-align", "text-decoration", "vertical-align"}


class Judge(HTMLParser):
    """Reads what came out with a third parser, and finds whatever is not expressly harmless."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            self._attribute(tag, name, value or "")

    def _attribute(self, tag: str, name: str, value: str) -> None:
        harmless = name in ATTRIBUTES
        if name == "href":
            harmless = tag == "a" and re.match(r"(?i)(https?://|mailto:|tel:)", value) is not None
        elif name == "src":
            harmless = tag == "img" and re.fullmatch(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+", value) is not None
        elif name == "style":
            declared = {part.partition(":")[0].strip().lower() for part in value.split(";") if part.strip()}
            harmless = declared <= STYLES and "url" not in value.lower() and "\\" not in value
        elif name == "target":
            harmless = value == "_blank"
        elif name == "class":
            harmless = value == "left-out"
        if not harmless:
            self.found.append(f"{tag} {name}={value[:80]}")

    def handle_comment(self, data: str) -> None:
        self.found.append(f"comment {data[:80]}")

    def handle_decl(self, decl: str) -> None:
        self.found.append(f"declaration {decl[:80]}")

    def handle_pi(self, data: str) -> None:
        self.found.append(f"instruction {data[:80]}")

    def unknown_decl(self, data: str) -> None:
        self.found.append(f"section {data[:80]}")


def harm_in(html: str) -> list[str]:
    judge = Judge()
    judge.feed(html)
    judge.close()
    return judge.found


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("<p>Dear <b>Sir</b>,<br>it &amp; he &lt;leak&gt;</p>", "<p>Dear <b>Sir</b>,<br>it &amp; he &lt;leak&gt;</p>"),
        ("before<script>alert(1)</script><style>p{}</style>after", "beforeafter"),
        ("<title>T</title><form action=/x>Name: <input name=a><button>Go</button></form>", "Name: "),
        ('<p onclick="x()" id=a class=b style="position:fixed;color:red">x</p>', '<p style="color:red">x</p>'),
        ('<p style="background-color:url(http://e.example/a)">x</p>', "<p>x</p>"),
        ("<blockquote><ul><li>one</ul></blockquote>", "<blockquote><ul><li>one</li></ul></blockquote>"),
        ("<o:p>Word</o:p><center>c</center>", "Word<center>c</center>"),
        ("<!-- a comment --><![if !mso]>seen<![endif]>", "seen"),
        ("\u00a0\u00e4\U0001f600 \ue000\ue001", "&nbsp;\u00e4\U0001f600 \ufffd\ufffd"),
        ("", ""),
        ("<?xml version='1.0' encoding='utf-16'?><p>x", "<p>x</p>"),
    ],
)
def test_what_is_harmless_stays_and_the_rest_goes(source: str, shown: str) -> None:
    assert safe_html(source, {}).html == shown


@pytest.mark.parametrize(
    "address", ["https://a.example/?b=1&amp;c=2", "http://a.example", "mailto:a@b.example", "tel:+441234", "HTTP://A.example"]
)
def test_a_link_opens_a_page_of_its_own_that_learns_nothing_of_ours(address: str) -> None:
    shown = safe_html(f'<a href="{address}" target="_top" rel="opener">x</a>', {}).html
    assert f'href="{address}"' in shown
    assert 'rel="noopener noreferrer nofollow"' in shown
    assert 'target="_blank"' in shown
    assert "_top" not in shown


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "java&#10;script:alert(1)",
        "&#1;javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html;base64,PHNjcmlwdD4=",
        "data:image/png;base64,AAAA",
        "vbscript:x",
        "//evil.example",
        "/tasks",
        "tasks",
        "file:///etc/passwd",
        "blob:https://x",
        "cid:logo@mail",
        "https:evil",
    ],
)
def test_another_address_is_no_link(address: str) -> None:
    assert "href" not in safe_html(f'<a href="{address}">x</a>', PICTURES).html


def test_pictures_of_the_mail_itself_are_shown_and_none_is_fetched() -> None:
    shown = safe_html(
        '<img src="cid:logo%40mail" alt="Logo"><img src="CID:photo"><img src="http://e.example/x.png" alt=\'A "chart"\'>'
        '<img src="https://e.example/pixel.gif" width="1" height="1"><img src="cid:drawing" alt="Plan"><img src="cid:none">'
        '<img src="/tasks"><img srcset="http://e.example/y"><input type=image src="http://e.example/z">',
        PICTURES,
    )
    sources = re.findall(r'src="([^"]*)"', shown.html)
    assert [base64.b64decode(source.partition(",")[2]) for source in sources] == [PNG, JPEG]
    assert sources[1].startswith("data:image/jpeg;base64,")
    assert '<span class="left-out">[Picture: A "chart"]</span>' in shown.html
    assert shown.html.count("left-out") == 5
    assert (shown.pictures_shown, shown.pictures_left_out) == (2, 6)
    assert "e.example" not in shown.html


def test_a_picture_written_into_the_html_is_shown_by_what_it_is() -> None:
    def written(kind: str, content: bytes) -> str:
        return f'<img src="data:image/{kind};base64,{base64.b64encode(content).decode()}">'

    shown = safe_html(written("png", PNG) + written("png", JPEG) + written("svg+xml", SVG) + written("png", SVG), {})
    assert re.findall(r"data:image/\w+", shown.html) == ["data:image/png", "data:image/jpeg"]
    assert (shown.pictures_shown, shown.pictures_left_out) == (2, 2)


def test_pictures_are_bounded_in_number_and_size_however_often_one_is_named() -> None:
    many = safe_html('<img src="cid:photo">' * (MOST_PICTURES + 5), PICTURES)
    assert (many.pictures_shown, many.pictures_left_out) == (MOST_PICTURES, 5)
    large = safe_html('<img src="cid:large">' * 5, {"large": PNG + bytes(PICTURE_BYTES // 3)})
    assert large.pictures_shown == 2


def test_depth_and_number_of_elements_are_bounded_and_it_is_said_what_was_cut() -> None:
    deep = safe_html("<div>" * (DEEPEST + 50) + "heart" + "</div>" * (DEEPEST + 50), {})
    assert "heart" in deep.html
    assert deep.html.count("<div>") == DEEPEST - len(("html", "body"))
    assert not deep.is_cut
    wide = safe_html("<p>x</p>" * (MOST_ELEMENTS + 10), {})
    assert wide.html.count("<p>") == MOST_ELEMENTS - len(("html", "body"))
    assert wide.is_cut
    endless = safe_html("<div>" * 100_000 + "tail", {})
    assert endless.is_cut
    assert len(endless.html) < 10_000
    assert safe_html("x" * 1_500_000, {}).is_cut


@pytest.mark.parametrize(
    "source",
    [
        "<div>" * 50_000 + "</b>" * 50_000,
        "<a " + " ".join(f"x{n}" for n in range(100_000)) + ">",
        "&" * 1_000_000,
        "<!--" * 250_000,
        "".join(f"<font color=a{n}>" for n in range(5)) + "<p><div>x</div>" * 60_000,
        "<table>" * 5_000 + "<td>x" * 50_000,
        "<p " + "style='" + "color:red;" * 90_000 + "'>",
        "data:image/png;base64," * 40_000,
    ],
    ids=range(8),
)
def test_hostile_html_does_not_grow(source: str) -> None:
    # Each of these took minutes, or gigabytes, in one of the parsers by itself.
    assert len(safe_html(source, {}).html) < 6_000_000


PIECES = st.sampled_from(
    [
        *"<>\"'=/;:& \n\t\0",
        "<script>",
        "</script>",
        "<style>",
        "</style>",
        "<svg>",
        "</svg>",
        "<math>",
        "<mtext>",
        "<mglyph>",
        "<annotation-xml encoding='text/html'>",
        "<foreignObject>",
        "<desc>",
        "<title>",
        "</title>",
        "<textarea>",
        "</textarea>",
        "<noscript>",
        "<template>",
        "<table>",
        "</table>",
        "<td>",
        "<select>",
        "<option>",
        "<form>",
        "<p>",
        "</p>",
        "<b>",
        "</b>",
        "<a href='",
        "<a href=javascript:alert(1)>",
        "<img src=x onerror=alert(1)>",
        "<img src='http://e.example/a.png'",
        "<img src='cid:logo@mail' alt='",
        "<iframe src=http://e.example srcdoc='<script>'>",
        "<base href=http://e.example>",
        "<meta http-equiv=refresh content='0;url=http://e.example'>",
        "<link rel=stylesheet href=http://e.example>",
        "<video poster=http://e.example><source src=http://e.example>",
        "<object data=http://e.example>",
        "<body background=http://e.example onload=alert(1)>",
        "<div style='background:url(http://e.example)'>",
        "<div style='color:\\75rl(http://e.example);position:fixed'>",
        " onclick=alert(1) ",
        ' style="color:expression(alert(1))"',
        " title='</style><img src=x onerror=alert(1)>'",
        "javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "&lt;script&gt;",
        "&#x3c;script&#x3e;",
        "&Tab;",
        "&colon;",
        "<!--",
        "-->",
        "--!>",
        "<![CDATA[",
        "]]>",
        "<?xml ?>",
        "<!doctype html>",
        "<plaintext>",
        "<xmp>",
        "</xmp>",
        "<listing>",
        "<image src=http://e.example>",
        "<isindex>",
        "\ue000",
        "\ue001script\ue002",
        "\ud800",
        "text",
    ]
)


@pytest.mark.requirement("COM-1")
@settings(max_examples=600, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
def test_whatever_is_put_together_nothing_runs_loads_or_escapes(source: str) -> None:
    shown = safe_html(source, PICTURES)
    assert harm_in(shown.html) == []
    # Done again it stays as it is: no second reading makes something else of it.
    again = safe_html(shown.html, PICTURES).html
    assert harm_in(again) == []
