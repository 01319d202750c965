"""Readable text from a mail's bodies."""

from __future__ import annotations

import html as entities
import re
from dataclasses import dataclass

from inscriptis import get_text
from inscriptis.model.config import ParserConfig
from lxml.etree import ParserError

from services.ingest.domain.mail.charsets import clean_text, decode_text

MAX_RENDERED = 200_000
"""Characters of HTML laid out properly; a longer one only has its tags taken out, which takes a tenth of the time."""

MAX_TAGS = 6_000
"""Tags of HTML laid out properly, for the same reason."""
MAX_FLOWED = 50_000
"""Lines of format=flowed that are joined; a text that has more is left as it is."""
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_INVISIBLE = re.compile(r"<(?=[shtn])(script|style|head|title|template|noscript)\b[^>]*+>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_AMPERSAND = re.compile(r"&(?:amp|#0*38|#x0*26);", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
# Both cases spelt out: with a flag for it the search for `<` takes twice as long.
_BREAK = re.compile(
    r"<(?:[bB][rR]|/(?:[pP]|[dD][iI][vV]|[tT][rR]|[hH][1-6]|[lL][iI]|[tT][aA][bB][lL][eE]|[bB][lL][oO][cC][kK][qQ][uU][oO][tT][eE]))\b[^>]*+>"
)
_CELL = re.compile(r"</[tT][dDhH]\b[^>]*+>")
_TAG = re.compile(r"<[a-zA-Z/!?][^>]*+>?")
_LINK = re.compile(r"\[([^\[\]\n]{0,2000})\]\((?:mailto:|tel:)?([^()\s]{0,2000})\)")
_ANCHOR = re.compile(r"<a\b", re.IGNORECASE)
_ROW = re.compile(r"<(?:table|td|th|tr)\b", re.IGNORECASE)
_STYLE = re.compile(r"\bstyle\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>]+)", re.IGNORECASE)
_MAX_STYLES = 5_000
_TAGS_A_BODY = 30
"""Laying out begins with as much work as so many tags are."""
_SPAN = re.compile(r"\b(?:colspan|rowspan)\s*=\s*[\"']?\s*\d+[\"']?", re.IGNORECASE)
_BLANKS = re.compile(r"(?<![ \t\u00a0])[ \t\u00a0]++(?=\n|\Z)")
_COMMON_ENTITIES = (("&nbsp;", "\u00a0"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'))
_UNESCAPED_AT_ONCE = 100_000
_ENTITY = re.compile(r"(&(?:#[0-9]{1,8};?|#[xX][0-9a-fA-F]{1,6};?|[A-Za-z][A-Za-z0-9]{1,31};?))")
_EMPTY_LINES = re.compile(r"\n{3,}")
_WIDE = re.compile(r"(?<=\S) {3,}(?=\S)")
_DEEP = 200
_RENDER = ParserConfig(display_links=True)
_RENDER_WITHOUT_LINKS = ParserConfig(display_links=False)


@dataclass(slots=True)
class Room:
    """How much HTML of a mail may still be laid out."""

    characters: int = MAX_RENDERED
    tags: int = MAX_TAGS


def decode_plain(data: bytes, charset: str, *, flowed: bool = False, delsp: bool = False) -> str:
    text = newlines(decode_text(data, charset))
    return unflow(text, delsp=delsp) if flowed and text.count("\n") <= MAX_FLOWED else text


def decode_html(data: bytes, charset: str) -> str:
    if not charset and not data.isascii() and (declared := _META_CHARSET.search(data, 0, 4096)):
        charset = declared[1].decode("ascii")
    return newlines(decode_text(data, charset))


def newlines(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")
    return text


def unflow(text: str, *, delsp: bool = False) -> str:
    """Join the soft line breaks of format=flowed (RFC 3676); quoted lines join only within one depth."""
    out: list[str] = []
    joined: list[str] = []
    depth_open = -1
    for line in text.split("\n"):
        rest = line.lstrip(">")
        depth = len(line) - len(rest)
        rest = rest.removeprefix(" ")
        signature = rest == "-- "
        if joined and (depth != depth_open or signature):
            out.append(_quoted(depth_open, "".join(joined)))
            joined = []
        if rest.endswith(" ") and not signature:
            joined.append(rest[:-1] if delsp else rest)
            depth_open = depth
            continue
        out.append(_quoted(depth, "".join([*joined, rest])))
        joined = []
    if joined:
        out.append(_quoted(depth_open, "".join(joined)))
    return "\n".join(out)


def _quoted(depth: int, text: str) -> str:
    return f"{'>' * depth} {text}" if depth else text


def html_to_text(html: str, room: Room | None = None) -> str:
    """Readable text: no scripts or styles, links as [words](address). Never fails, and linear in the input.

    `room` is what the bodies of one mail may take together; behind it, tags are only taken out.
    """
    room = room or Room()
    tags = html.count("<")
    if len(html) > room.characters or tags > room.tags or _is_deep(html) or _are_tables_deep(html):
        return _strip_tags(html)
    room.characters -= len(html)
    room.tags -= tags + _TAGS_A_BODY
    if html.count(";") > _MAX_STYLES:
        html = _STYLE.sub("", html)
    if _ROW.search(html):
        html = _SPAN.sub("", html)  # a cell said to span a million columns would be laid out so
    # inscriptis resolves entities once more after lxml has: what stands for an ampersand must be one after both.
    twice = _AMPERSAND.sub("&amp;amp;", _COMMENT.sub("", html))
    try:
        text = get_text(twice, _RENDER if _ANCHOR.search(html) else _RENDER_WITHOUT_LINKS)
    except (ParserError, ValueError, RecursionError, AttributeError, KeyError, IndexError, TypeError, AssertionError):
        return _strip_tags(html)
    return _tidy(_WIDE.sub("  ", _LINK.sub(_plain_link, text)))


def _plain_link(match: re.Match[str]) -> str:
    words, target = match[1].strip(), match[2]
    if not target or target.startswith("#") or words.rstrip("/") in (target.rstrip("/"), target.partition("://")[2].rstrip("/")):
        return words
    return f"[{words}]({target})" if words else target


def _is_deep(html: str) -> bool:
    """Whether tags open so much more often than they close that laying out would recurse far."""
    return html.count("<") > 2 * _DEEP and _depth(html, _OPEN_OR_CLOSE) > _DEEP


def _are_tables_deep(html: str) -> bool:
    """Whether so much text is in tables within tables that laying it out, once for each of them, would take long."""
    return len(html) > _TABLE_WORK // _DEEP and _depth(html, _TABLE) * len(html) > _TABLE_WORK


_TABLE_WORK = 3_000_000
"""Characters times tables around them."""
_TABLE = re.compile(r"<(/?)table\b", re.IGNORECASE)
_OPEN_OR_CLOSE = re.compile(r"<(/?)(?:div|span|table|tr|td|blockquote|ul|ol|b|i|u|font|em|strong|center|section|a|p)\b", re.I)


def _depth(html: str, tags: re.Pattern[str]) -> int:
    depth = deepest = 0
    for match in tags.finditer(html):
        depth = max(0, depth - 1) if match[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _strip_tags(html: str) -> str:
    text = _COMMENT.sub("", html)
    if _TAG.search(text):
        text = _TAG.sub("", _CELL.sub("  ", _BREAK.sub("\n", _INVISIBLE.sub(" ", text))))
    return _tidy(clean_text(_unescape(text)))


def _unescape(text: str) -> str:
    for written, letter in _COMMON_ENTITIES:
        text = text.replace(written, letter)
    known: dict[str, str] = {}
    out: list[str] = []
    start = 0
    while start < len(text):
        end = start + _UNESCAPED_AT_ONCE
        cut = text.rfind("&", start, end) if end < len(text) else -1
        end = cut if cut > start else end
        out.append(_unescape_piece(text[start:end], known))
        start = end
    return "".join(out)


def _unescape_piece(text: str, known: dict[str, str]) -> str:
    """Each entity is looked up once, since there are mails that write every letter as one."""
    pieces = _ENTITY.split(text)
    for number in range(1, len(pieces), 2):
        written = pieces[number]
        letter = known.get(written)
        if letter is None:
            letter = known[written] = entities.unescape(written)
        pieces[number] = letter
    return "".join(pieces)


def _tidy(text: str) -> str:
    """Layout tables leave columns of blanks and rows of nothing."""
    text = _BLANKS.sub("", newlines(text).replace(" \n", "\n"))
    return clean_text(_EMPTY_LINES.sub("\n\n", text) if "\n\n\n" in text else text).strip()
