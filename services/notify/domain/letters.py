"""How an email looks: a template's text as HTML, in the organisation's letter (NOTE-2).

Everything that is the same in every message is made once for a version of the configuration; a message only fills tags in. Styles are
inlined, layout is tables, so that Outlook shows it too; the one style block is for dark mode, which inlined styles cannot tell. Nothing is
loaded from outside but the organisation's logo.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape

from services.notify.domain.colours import on, readable
from services.notify.domain.templates import Line, Template, Text, tags_of, without_joints
from shared.languages import is_right_to_left
from shared.schemas.configuration.tags import APPROVAL_LINK, DESK_LINK, LINK_TAGS

LABELS: Mapping[str, str] = {
    "acceptance_link": "Accept or decline",
    APPROVAL_LINK: "Approve or decline",
    DESK_LINK: "Open at the desk",
    "feedback_link": "Give feedback",
}
"""What is on the button of a link that stands on a line without a name of its own."""
OURS = frozenset({"message", "description", "reason"})
"""Tags whose values staff wrote: addresses in them can be clicked. In what customers wrote they cannot: whoever writes in somebody else's
name would have us send that person a letter with a link of theirs."""
PREVIEW_LENGTH = 110
LIGHT = {"ground": "#f3f5f4", "card": "#ffffff", "line": "#d8ddd9", "text": "#1a2422", "dim": "#55615e"}
DARK = {"ground": "#111716", "card": "#1a2221", "line": "#3a4745", "text": "#e9efed", "dim": "#a5b2af"}
CLEAR = 7.0
"""The contrast of coloured text on a dark ground: at the least that is allowed, it looks dull."""
FONT = "-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
_URL = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]]")
_SCHEMES = ("https://", "http://")
_NAMED = re.compile(r"([^\W\d_][^:#\n]{0,39}):[ \t]+")
_MOST_WORDS_OF_A_FACT = 3
_LONGEST_FACT = 30
_DOCUMENT = re.compile(r"<(?:!doctype|html)\b", re.IGNORECASE)
_LINE_ENDS = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Look:
    """The organisation's letter."""

    organisation: str
    colour: str = "#0b6e75"
    logo_url: str = ""
    footer: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    """The labels of buttons in the letter's language."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a letter: the text as it was compiled, and the same with its literals as markup. `name`: of a fact, as markup."""

    plain: Line
    marked: Line
    name: str = ""
    tags: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """What every message would ask again."""
        object.__setattr__(self, "tags", tags_of(self.plain))


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together, between what begins and what ends them; `kind`: `text`, `facts` or `button`."""

    kind: str
    rows: tuple[Row, ...]
    begin: str
    between: str
    end: str

    def html(self, values: Mapping[str, str], shown: Mapping[str, str], link: str) -> str:
        """The block, its tags filled; empty where all its lines are left out. `shown`: values as markup; `link`: the colour of links."""
        parts = []
        for row in self.rows:
            tags = row.tags
            if tags and not any(map(values.__getitem__, tags)):
                continue
            if self.kind == "button":
                url = values[tags[0]]
                parts.append(row.marked[0][0].replace("{}", escape(url)) if url.startswith(_SCHEMES) else escape(url))
                continue
            text = _filled(row, values, shown, link)
            parts.append(row.name + text + "</td></tr>" if row.name else text)
        return self.begin + self.between.join(parts) + self.end if parts else ""


class Letter:
    """The letter of a template in one language."""

    def __init__(self, template: Template, look: Look, language: str) -> None:
        self._own = template.html
        self._is_whole = template.html is not None and _is_document("".join(literal for literal, _ in template.html.parts))
        paint = _Paint(look, language)
        self._link = paint.link
        self._blocks = () if template.html else tuple(paint.blocks(template.text))
        self._beginning = tuple([(line, tags_of(line)) for line in _beginning(template.text)])
        self._tags = frozenset(tag for _, tag in template.text.parts if tag)
        self._before_title, self._before_preview, self._before, self._after = paint.frame()

    def html(self, subject_line: str, values: Mapping[str, str]) -> str:
        """The whole document, its tags filled."""
        if self._own is not None and self._is_whole:
            return self._own.html(values)
        if self._own is not None:
            body = self._own.html(values)
        else:
            shown = {tag: _shown(tag, values[tag], self._link) for tag in self._tags}
            body = "\n".join([html for block in self._blocks if (html := block.html(values, shown, self._link))])
        preview = escape(self._preview(values))
        return "".join(
            [self._before_title, escape(subject_line), self._before_preview, preview, self._before, body, self._after],
        )

    def _preview(self, values: Mapping[str, str]) -> str:
        """What a list of mails shows after the subject line: the first words after the greeting."""
        words = " ".join(
            [
                "".join([literal + (values[tag] if tag else "") for literal, tag in without_joints(line, values)])
                for line, tags in self._beginning
                if not tags or any(map(values.__getitem__, tags))
            ]
        ).split()
        text = " ".join(words)
        return text if len(text) <= PREVIEW_LENGTH else text[: PREVIEW_LENGTH - 1].rstrip() + "…"


def framed(look: Look, language: str, subject_line: str, preview: str, body: Callable[[str], str]) -> str:
    """A document of our own making in the organisation's letter. `body`: its markup, by the colour of its links."""
    paint = _Paint(look, language)
    before_title, before_preview, before, after = paint.frame()
    return "".join([before_title, escape(subject_line), before_preview, escape(preview), before, body(paint.link), after])


class _Paint:
    """Makes the markup that is the same in every message."""

    def __init__(self, look: Look, language: str) -> None:
        self.look, self.language = look, language
        self.side = "right" if is_right_to_left(language) else "left"
        self.link = readable(look.colour, LIGHT["ground"])
        self.button = look.colour
        self.dark_link = readable(look.colour, DARK["card"], CLEAR)

    def blocks(self, text: Text) -> Iterator[Block]:
        """The text's lines in paragraphs, tables of facts and buttons."""
        kind, rows = "", list[Row]()
        for line in text.lines:
            row_kind = _kind(line)
            if rows and (row_kind != kind or kind == "button"):
                yield self._block(kind, rows)
                rows = []
            kind = row_kind
            if row_kind:
                rows.append(self._row(row_kind, line))
        if rows:
            yield self._block(kind, rows)

    def _row(self, kind: str, line: Line) -> Row:
        if kind == "button":
            literal, tag = next((literal, tag) for literal, tag in line if tag)
            label = literal.strip().rstrip(":") or self.look.words.get(LABELS[tag], LABELS[tag])
            return Row(line, ((self._quiet(label) if tag == DESK_LINK else self._button(label), ""),))
        if kind == "facts":
            name, _, after = line[0][0].partition(":")
            rest = ((after.lstrip(), line[0][1]), *line[1:])
            return Row(rest, self._marked(rest), self._fact(name))
        return Row(line, self._marked(line))

    def _marked(self, line: Line) -> Line:
        return tuple((_linked(literal, self.link), tag) for literal, tag in line)

    def _block(self, kind: str, rows: list[Row]) -> Block:
        if kind == "facts":
            begin = (
                '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" class="cs-line" '
                f'style="margin:4px 0 20px;border-collapse:collapse;border-top:1px solid {LIGHT["line"]}">\n'
            )
            return Block(kind, tuple(rows), begin, "\n", "\n</table>")
        if kind == "button":
            return Block(kind, tuple(rows), "", "", "")
        return Block(kind, tuple(rows), '<p style="margin:0 0 16px">', "<br>\n", "</p>")

    def _fact(self, name: str) -> str:
        cell = f"padding:9px 0;border-bottom:1px solid {LIGHT['line']};vertical-align:top;text-align:{self.side}"
        gap = f"padding-{'left' if self.side == 'right' else 'right'}:16px"
        return (
            f'<tr><td class="cs-dim cs-line" width="26%" valign="top" style="{cell};{gap};color:{LIGHT["dim"]};font-size:14px;'
            f'line-height:24px;overflow-wrap:normal">{escape(name)}</td>'
            f'<td class="cs-text cs-line" valign="top" style="{cell};color:{LIGHT["text"]};font-size:16px;line-height:24px;'
            'overflow-wrap:anywhere">'
        )

    def _button(self, label: str) -> str:
        ink = on(self.button)
        return (
            '<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:4px 0 20px"><tr>'
            f'<td class="cs-button" bgcolor="{self.button}" style="border-radius:6px;background:{self.button};mso-padding-alt:13px 24px">'
            f'<a class="cs-button" href="{{}}" style="display:inline-block;padding:13px 24px;border-radius:6px;background:{self.button};'
            f'color:{ink};font-size:16px;line-height:22px;font-weight:600;text-decoration:none">{escape(label).replace("{}", "")}</a>'
            "</td></tr></table>"
        )

    def _quiet(self, label: str) -> str:
        """Of what can be done beside answering."""
        return (
            '<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:4px 0 20px"><tr>'
            f'<td class="cs-quiet" style="border:1px solid {self.link};border-radius:6px;mso-padding-alt:11px 22px">'
            f'<a class="cs-link" href="{{}}" style="display:inline-block;padding:11px 22px;color:{self.link};'
            f'font-size:16px;line-height:22px;font-weight:600;text-decoration:none">{escape(label).replace("{}", "")}</a></td></tr></table>'
        )

    def frame(self) -> tuple[str, str, str, str]:
        """What stands before the title, between it and the preview, between that and the text, and after the text."""
        look, direction = self.look, "rtl" if self.side == "right" else "ltr"
        name = escape(look.organisation)
        text = f"font-family:{FONT};text-align:{self.side}"
        logo = (
            f'<img src="{escape(look.logo_url)}" alt="{name}" height="40" border="0" '
            f'style="display:block;height:40px;max-width:240px;width:auto;color:{self.link};font-size:18px;font-weight:600">'
            if look.logo_url
            else name
        )
        footer = "<br>\n".join([_linked(line, self.link) for line in (look.footer or look.organisation).strip().splitlines()])
        table = 'role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"'
        before_title = (
            f'<!DOCTYPE html>\n<html lang="{self.language}" dir="{direction}">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n<meta name="supported-color-schemes" content="light dark">\n<title>'
        )
        before_preview = (
            f'</title>\n<style>\n{self._style()}</style>\n</head>\n<body class="cs-ground" style="margin:0;padding:0;'
            f'background:{LIGHT["ground"]};-webkit-text-size-adjust:100%">\n'
            '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">'
        )
        before = (
            f'</div>\n<table {table} class="cs-ground" bgcolor="{LIGHT["ground"]}" dir="{direction}" style="background:{LIGHT["ground"]}">'
            '<tr><td align="center" style="padding:20px 12px 32px">\n'
            '<!--[if mso]><table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->\n'
            f'<table {table} style="max-width:600px;margin:0 auto">\n'
            f'<tr><td class="cs-link" align="{self.side}" style="padding:4px 4px 14px;{text};font-size:18px;line-height:24px;'
            f'font-weight:600;color:{self.link}">{logo}</td></tr>\n'
            f'<tr><td class="cs-card cs-text" bgcolor="{LIGHT["card"]}" align="{self.side}" style="padding:28px 28px 14px;'
            f"background:{LIGHT['card']};border:1px solid {LIGHT['line']};border-top:4px solid {look.colour};border-radius:8px;{text};"
            f'font-size:16px;line-height:25px;color:{LIGHT["text"]};overflow-wrap:anywhere">\n'
        )
        after = (
            f'\n</td></tr>\n<tr><td class="cs-dim" align="{self.side}" style="padding:16px 4px 0;{text};font-size:13px;line-height:20px;'
            f'color:{LIGHT["dim"]}">{footer}</td></tr>\n</table>\n'
            "<!--[if mso]></td></tr></table><![endif]-->\n</td></tr></table>\n</body>\n</html>\n"
        )
        return before_title, before_preview, before, after

    def _style(self) -> str:
        ink = on(self.dark_link)
        return (
            ":root{color-scheme:light dark;supported-color-schemes:light dark}\n"
            "@media (prefers-color-scheme:dark){\n"
            f" .cs-ground{{background:{DARK['ground']}!important}}\n"
            f" .cs-card{{background:{DARK['card']}!important;border-color:{DARK['line']}!important;"
            f"border-top-color:{self.dark_link}!important}}\n"
            f" .cs-text{{color:{DARK['text']}!important}}\n"
            f" .cs-dim{{color:{DARK['dim']}!important}}\n"
            f" .cs-line{{border-color:{DARK['line']}!important}}\n"
            f" .cs-link,a{{color:{self.dark_link}!important}}\n"
            f" .cs-quiet{{border-color:{self.dark_link}!important}}\n"
            f" .cs-button{{background:{self.dark_link}!important;color:{ink}!important}}\n"
            "}\n"
        )


def _kind(line: Line) -> str:
    """What a line is: `text`, `facts` (`Name: #tag`), `button` (a link, perhaps after a name), or nothing but a space between others."""
    if not any(literal.strip() or tag for literal, tag in line):
        return ""
    tags = [tag for _, tag in line if tag]
    first, named = line[0][0], _NAMED.match(line[0][0])
    is_named = named is not None and named.end() == len(first)
    rest = "".join(literal for literal, _ in line[1:])
    if len(tags) == 1 and tags[0] in LINK_TAGS and not rest.strip() and (not first.strip() or is_named):
        return "button"
    if named is not None and tags and len(named[1]) <= _LONGEST_FACT and len(named[1].split()) <= _MOST_WORDS_OF_A_FACT:
        return "facts"
    return "text"


def _beginning(text: Text) -> tuple[Line, ...]:
    """The lines of the second paragraph, which is the first after the greeting; of the only one, where there is no other."""
    paragraphs: list[list[Line]] = [[]]
    for line in text.lines:
        if _kind(line) == "":
            paragraphs.append([])
        else:
            paragraphs[-1].append(line)
    said = [paragraph for paragraph in paragraphs if paragraph]
    return tuple(said[1] if len(said) > 1 else said[0]) if said else ()


def _filled(row: Row, values: Mapping[str, str], shown: Mapping[str, str], link: str) -> str:
    if all(map(values.__getitem__, row.tags)):
        return "".join([literal + shown[tag] if tag else literal for literal, tag in row.marked])
    return "".join([_linked(literal, link) + (shown[tag] if tag else "") for literal, tag in without_joints(row.plain, values)])


def _shown(tag: str, value: str, link: str) -> str:
    """A value as markup. It keeps its line ends."""
    if tag in LINK_TAGS:
        return _our_link(value, link) if value else ""
    markup = _linked(value, link) if tag in OURS and "://" in value else escape(value)
    return _LINE_ENDS.sub("<br>\n", markup) if "\n" in markup or "\r" in markup else markup


def _linked(text: str, link: str) -> str:
    """Text as markup, its web addresses made clickable."""
    parts, at = [], 0
    for url in _URL.finditer(text):
        parts += [escape(text[at : url.start()]), _anchor(url[0], escape(url[0]), link)]
        at = url.end()
    parts.append(escape(text[at:]))
    return "".join(parts)


def _our_link(url: str, link: str) -> str:
    """A link of ours, which is too long to be shown whole."""
    host = url.partition("://")[2].partition("/")[0]
    return _anchor(url, escape(host) + "/&hellip;", link) if url.startswith(_SCHEMES) else escape(url)


def _anchor(url: str, markup: str, colour: str) -> str:
    return f'<a href="{escape(url)}" style="color:{colour}">{markup}</a>'


def _is_document(markup: str) -> bool:
    """Whether it is a whole document, after whatever comments."""
    left = markup.lstrip()
    while left.startswith("<!--"):
        _, ended, left = left.partition("-->")
        if not ended:
            return False
        left = left.lstrip()
    return _DOCUMENT.match(left) is not None
