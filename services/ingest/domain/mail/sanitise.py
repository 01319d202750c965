"""A mail's HTML made safe to be shown: a hostile sender's page without scripts, forms, foreign loads or tricks of layout.

Two parsers, one after the other. libxml2 reads what came, and only what is allowed of it is written out, shallow and in bounded
amount: that keeps the second parser's time bounded. nh3 (ammonia, on the parser that browsers' rules describe) then has the last word, so
that nothing rests on the first one reading as a browser does.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

import nh3
from lxml import etree

LONGEST = 1_000_000
"""Characters of HTML that are read; pictures within it (`data:`) are not counted."""
MOST_ELEMENTS = 20_000
DEEPEST = 120
"""Elements within elements that are written out; what is deeper stays, without its own elements."""
_DEEPEST_READ = 500
_FED_BYTES = 16_384
DEEPEST_FORMATTING = 5
"""The same for those that HTML opens again by itself in every following block: each multiplies with the number of blocks."""
MOST_PICTURES = 50
LEFT_OUT = "left-out"
"""Class of the notes that stand where a picture is not shown."""
PICTURE_BYTES = 8 * 1024 * 1024
"""Of all pictures together, each time that one is shown."""


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


_FORMATTING = _names("a b big code em font i nobr s small strike strong tt u")
_PLAIN = _names(
    "abbr address blockquote br caption center cite col colgroup dd del dfn div dl dt h1 h2 h3 h4 h5 h6 hr ins kbd li mark ol p pre q samp "
    "span sub sup table tbody td tfoot th thead tr ul var wbr"
)
_TAGS = (_FORMATTING | _PLAIN) - {"nobr"}
_VOID = frozenset({"br", "col", "hr", "wbr"})
_DROPPED = _names(
    "applet audio base button canvas dialog embed frame frameset head iframe link map math meta noembed noframes noscript object optgroup "
    "option param plaintext script select source style svg template textarea title track video xml xmp"
)
"""Left out with all they hold."""
_STYLES = frozenset({"background-color", "color", "font-style", "font-weight", "text-align", "text-decoration", "vertical-align"})
_SPANS = frozenset({"colspan", "rowspan"})
_SIZES = frozenset({"border", "cellpadding", "cellspacing", "height", "width"})
_WORDS = frozenset({"align", "bgcolor", "color", "dir", "valign"})
_ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "a": frozenset({"href"}),
    "col": frozenset({"align", "span", "valign", "width"}),
    "font": frozenset({"color"}),
    "img": frozenset({"alt", "src"}),
    "li": frozenset({"value"}),
    "ol": frozenset({"start"}),
    "table": frozenset({"align", "bgcolor", "border", "cellpadding", "cellspacing", "width"}),
    "td": frozenset({"align", "bgcolor", "colspan", "height", "rowspan", "valign", "width"}),
    "th": frozenset({"align", "bgcolor", "colspan", "height", "rowspan", "valign", "width"}),
    "tr": frozenset({"align", "bgcolor", "valign"}),
    "*": frozenset({"dir", "style", "title"}),
}
_NAMES = {tag: names | _ATTRIBUTES["*"] for tag, names in _ATTRIBUTES.items()}
_OURS = {"class": LEFT_OUT, "rel": "noopener noreferrer nofollow", "target": "_blank"}
"""Set by ourselves, and therefore to these values only."""
_NUMBERS = frozenset({"start", "value"})
_LONGEST_VALUE = 4_000
_MARKS = {"&": "\ue000", "<": "\ue001", ">": "\ue002"}
"""What stands for these three in texts on their way through nh3, whose time goes by the square of their number in a text."""
_MARKED = str.maketrans(_MARKS | dict.fromkeys(_MARKS.values(), "\ufffd"))
_UNMARKED = str.maketrans({mark: html.escape(letter) for letter, mark in _MARKS.items()})

_LINK = re.compile(r"(?:https?://|mailto:|tel:)[^\x00-\x20\x7f-\x9f<>\"]+", re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")
_DATA = re.compile(r"(data:image/[a-z.+-]{1,20};base64,)([A-Za-z0-9+/=\s]{0,12000000})", re.IGNORECASE)
_WORD = re.compile(r"#?[A-Za-z0-9]{1,30}")
_SIZE = re.compile(r"[0-9]{1,4}(?:px|%)?")
_LOADING = re.compile(r"[\\@]|/\*|\b(?:url|src|image|image-set|cross-fade|element|paint|expression|var|attr|env)\s*\(", re.IGNORECASE)
_SIGNATURES = (
    ("png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("jpeg", re.compile(rb"\xff\xd8\xff")),
    ("gif", re.compile(rb"GIF8[79]a")),
    ("webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
)


class SafeHtml(NamedTuple):
    """HTML to be put into a page's body. `pictures_left_out`: not shown, since they are elsewhere, of another kind, or too many.

    `is_cut`: it was too long, too deep or of too many elements, and what follows is missing.
    """

    html: str
    pictures_shown: int
    pictures_left_out: int
    is_cut: bool


def safe_html(source: str, pictures: Mapping[str, bytes]) -> SafeHtml:
    """`source` as it may be shown; `pictures`: the mail's own ones by their Content-ID. Never fails, and takes bounded time."""
    writer = _Writer(pictures)
    source = writer.take_out_data(source)
    writer.is_cut = len(source) > LONGEST
    # No tree is built: libxml2 takes time by the square of their number to hang attributes on an element.
    parser = etree.HTMLParser(target=writer, encoding="utf-8")
    # As bytes: of text lxml refuses what begins with an XML declaration.
    content = source[:LONGEST].encode("utf-8", "replace")
    try:
        # In pieces: the parser learns that it is enough only at the end of one.
        for at in range(0, len(content), _FED_BYTES):
            parser.feed(content[at : at + _FED_BYTES])
        parser.close()
    except etree.XMLSyntaxError:
        pass  # an empty document
    except _Enough:
        writer.is_cut = True
    writer.end_all()
    return SafeHtml(_clean("".join(writer.pieces)), writer.shown, writer.left_out, writer.is_cut)


class _Enough(Exception):
    """There is more, and it is not read."""


class _Writer:
    """Takes what the parser finds, and writes what is allowed of it, balanced and escaped."""

    def __init__(self, pictures: Mapping[str, bytes]) -> None:
        self.pieces: list[str] = []
        self.shown = 0
        self.left_out = 0
        self.is_cut = False
        self._pictures = pictures
        self._picture_bytes = 0
        self._taken: list[bytes] = []
        self._elements = 0
        self._open: list[str] = []
        """What ends each element that is open; empty: it was not written."""
        self._formatting = 0
        self._dropped = 0
        """How many elements are open from one that is left out with all it holds."""

    def take_out_data(self, source: str) -> str:
        """`source` with names of our own in the place of the pictures that are written out in it, which may be megabytes."""

        def take(found: re.Match[str]) -> str:
            if len(self._taken) < MOST_PICTURES:
                try:
                    content = base64.b64decode(found[2] + "==")
                except binascii.Error:
                    return "data:,"
                self._taken.append(content)
                return f"data:,{len(self._taken) - 1}"
            return "data:,"

        return _DATA.sub(take, source) if "base64," in source else source

    # -- what lxml calls

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        self._elements += 1
        if self._elements > MOST_ELEMENTS or len(self._open) + self._dropped >= _DEEPEST_READ:
            raise _Enough
        if self._dropped or tag in _DROPPED:
            self._dropped += 1
            return
        if tag == "img":
            self._picture(attributes)
        is_written = tag in _TAGS and len(self._open) < DEEPEST and (tag not in _FORMATTING or self._formatting < DEEPEST_FORMATTING)
        self._open.append(tag if is_written else "")
        if not is_written:
            return
        self._formatting += tag in _FORMATTING
        kept = [
            f' {name}="{html.escape(value)}"'
            for name in _NAMES.get(tag, _ATTRIBUTES["*"])
            if name in attributes and (value := _attribute(tag, name, attributes[name])) is not None
        ]
        self.pieces.append(f"<{tag}{''.join(kept)}>")

    def end(self, _tag: str) -> None:
        """The innermost element ends."""
        if self._dropped:
            self._dropped -= 1
        elif self._open:
            tag = self._open.pop()
            self._formatting -= tag in _FORMATTING
            if tag and tag not in _VOID:
                self.pieces.append(f"</{tag}>")

    def data(self, text: str) -> None:
        """Text."""
        if not self._dropped:
            self.pieces.append(text.translate(_MARKED))

    def close(self) -> None:
        """The document ends."""

    # -- what is made of it

    def end_all(self) -> None:
        """End what is still open."""
        self._dropped = 0
        while self._open:
            self.end("")

    def _picture(self, attributes: Mapping[str, str]) -> None:
        source, alt = attributes.get("src", "").strip(), " ".join(attributes.get("alt", "")[:1000].split())[:200]
        data = self._data_uri(source)
        if data:
            self.shown += 1
            self.pieces.append(f'<img src="{data}" alt="{html.escape(alt)}">')
            return
        self.left_out += 1
        # A picture of a dot or two is there to tell the sender that the mail was opened; a note would only be in the way.
        if not {attributes.get("width"), attributes.get("height")} & {"0", "1", "2"}:
            self.pieces.append(f'<span class="{LEFT_OUT}">[Picture{": " * bool(alt)}{alt.translate(_MARKED)}]</span>')

    def _data_uri(self, source: str) -> str:
        if source[:4].lower() == "cid:":
            content = self._pictures.get(unquote(source[4:]).strip("<>"))
        elif source.startswith("data:,") and source[6:].isascii() and source[6:].isdigit() and int(source[6:11]) < len(self._taken):
            content = self._taken[int(source[6:11])]
        else:
            return ""
        if content is None or self.shown >= MOST_PICTURES or self._picture_bytes + len(content) > PICTURE_BYTES:
            return ""
        kind = next((kind for kind, signature in _SIGNATURES if signature.match(content)), "")
        if not kind:
            return ""
        self._picture_bytes += len(content)
        return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _attribute(tag: str, name: str, value: str) -> str | None:
    """The value that an attribute is kept with; None: not at all."""
    if name in _OURS:
        return value if value == _OURS[name] else None
    if name not in _NAMES.get(tag, _ATTRIBUTES["*"]):
        return None
    if name == "src":
        return value if _PICTURE.fullmatch(value) else None
    if len(value) > _LONGEST_VALUE:
        return None
    value = value.strip()
    if name == "href":
        value = value.replace(" ", "%20")
        return value if _LINK.fullmatch(value) else None
    if name == "style":
        return value if not _LOADING.search(value) else None
    if name in _SPANS or name == "span":
        return value if value.isascii() and value.isdigit() and 0 < int(value) <= 100 else None
    if name in _SIZES:
        return value if _SIZE.fullmatch(value) else None
    if name in _WORDS:
        return value if _WORD.fullmatch(value) else None
    if name in _NUMBERS:
        return value if value.isascii() and value.isdigit() and len(value) < 7 else None
    return value  # texts: alt and title


_CLEANER = nh3.Cleaner(
    tags=set(_TAGS) | {"img"},
    clean_content_tags=set(_DROPPED),
    attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
    attribute_filter=_attribute,
    allowed_classes={"span": {LEFT_OUT}},
    filter_style_properties=set(_STYLES),
    url_schemes={"data", "http", "https", "mailto", "tel"},
    url_relative="deny",
    link_rel=_OURS["rel"],
    set_tag_attribute_values={"a": {"target": _OURS["target"]}},
    strip_comments=True,
)


def _clean(written: str) -> str:
    return _CLEANER.clean(written).translate(_UNMARKED)
