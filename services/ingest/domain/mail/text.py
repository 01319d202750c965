"""Readable text from a mail's bodies."""

from __future__ import annotations

import html as entities
import re

from inscriptis import get_text
from inscriptis.model.config import ParserConfig
from lxml.etree import ParserError

from services.ingest.domain.mail.charsets import clean_text, decode_text

MAX_RENDERED = 400_000
"""Characters of HTML laid out properly; a longer one only has its tags taken out, which takes a tenth of the time."""

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_INVISIBLE = re.compile(r"<(script|style|head|title|template|noscript)\b[^>]*+>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_AMPERSAND = re.compile(r"&(?:amp|#0*38|#x0*26);", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/h[1-6]|/li|/table|/blockquote)\b[^>]*+>", re.IGNORECASE)
_TAG = re.compile(r"<[a-zA-Z/!?][^>]*+>?")
_LINK = re.compile(r"\[([^\[\]\n]{0,2000})\]\((?:mailto:|tel:)?([^()\s]{0,2000})\)")
_ANCHOR = re.compile(r"<a\b", re.IGNORECASE)
_ROW = re.compile(r"<(?:table|td|th|tr)\b", re.IGNORECASE)
_SPAN = re.compile(r"\b(?:colspan|rowspan)\s*=\s*[\"']?\s*\d+[\"']?", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\u00a0]+(?=\n|\Z)")
_EMPTY_LINES = re.compile(r"\n{3,}")
_WIDE = re.compile(r"(?<=\S) {3,}(?=\S)")
_DEEP = 200
_RENDER = ParserConfig(display_links=True)
_RENDER_WITHOUT_LINKS = ParserConfig(display_links=False)


def decode_plain(data: bytes, charset: str, *, flowed: bool = False, delsp: bool = False) -> str:
    text = newlines(decode_text(data, charset))
    return unflow(text, delsp=delsp) if flowed else text


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


def html_to_text(html: str) -> str:
    """Readable text: no scripts or styles, links as [words](address). Never fails, and linear in the input."""
    if len(html) > MAX_RENDERED or _is_deep(html):
        return _strip_tags(html)
    if _ROW.search(html):
        html = _SPAN.sub("", html)  # a cell said to span a million columns would be laid out so
    # inscriptis resolves entities once more after lxml has: what stands for an ampersand must be one after both.
    twice = _AMPERSAND.sub("&amp;amp;", _COMMENT.sub("", html))
    try:
        text = get_text(twice, _RENDER if _ANCHOR.search(html) else _RENDER_WITHOUT_LINKS)
    except (ParserError, ValueError, RecursionError, AttributeError, KeyError, IndexError, TypeError, AssertionError):
        return _strip_tags(html)
    return _tidy(_LINK.sub(_plain_link, text))


def _plain_link(match: re.Match[str]) -> str:
    words, target = match[1].strip(), match[2]
    if not target or target.startswith("#") or words.rstrip("/") in (target.rstrip("/"), target.partition("://")[2].rstrip("/")):
        return words
    return f"[{words}]({target})" if words else target


def _is_deep(html: str) -> bool:
    """Whether tags open so much more often than they close that laying out would recurse far."""
    return html.count("<") > 2 * _DEEP and _depth(html) > _DEEP


_OPEN_OR_CLOSE = re.compile(r"<(/?)(?:div|span|table|tr|td|blockquote|ul|ol|b|i|u|font|em|strong|center|section|a|p)\b", re.I)


def _depth(html: str) -> int:
    depth = deepest = 0
    for match in _OPEN_OR_CLOSE.finditer(html):
        depth = max(0, depth - 1) if match[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _strip_tags(html: str) -> str:
    text = _INVISIBLE.sub(" ", _COMMENT.sub("", html))
    text = _TAG.sub("", _BREAK.sub("\n", text))
    return _tidy(clean_text(entities.unescape(text)))


def _tidy(text: str) -> str:
    """Layout tables leave columns of blanks and rows of nothing."""
    text = _BLANKS.sub("", newlines(text))
    text = _WIDE.sub("  ", text)
    return clean_text(_EMPTY_LINES.sub("\n\n", text)).strip()
