"""Templates with `#tags`: compiled once for a version of the configuration, rendered for each message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from shared.schemas.configuration.tags import check_template, tokens

# All of Unicode's line and paragraph ends too: some mail software ends a header at them.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class UnknownTag(ValueError):
    """A template has a tag that nobody knows; the text names it and the nearest known one."""


@dataclass(frozen=True, slots=True)
class Text:
    """A compiled text: literals, each with the tag that follows it (empty: none)."""

    parts: tuple[tuple[str, str], ...]

    def plain(self, values: Mapping[str, str]) -> str:
        """The text with its tags replaced. A value is never searched for tags itself."""
        return "".join([literal + values[tag] if tag else literal for literal, tag in self.parts])

    def header(self, values: Mapping[str, str]) -> str:
        """The text as one line for a header: line ends and control characters, from wherever they came, become a space."""
        return one_line(self.plain(values))

    def html(self, values: Mapping[str, str]) -> str:
        """The text as HTML: literals are markup, values are escaped and keep their line ends."""
        return "".join(
            [literal + escape(values[tag]).replace("\r\n", "\n").replace("\n", "<br>\n") if tag else literal for literal, tag in self.parts]
        )


@dataclass(frozen=True, slots=True)
class Template:
    """A message's template, compiled."""

    code: str
    subject_line: Text
    text: Text
    html: Text | None = None

    @property
    def tags(self) -> frozenset[str]:
        """Every tag that it has."""
        texts = (self.subject_line, self.text, self.html) if self.html else (self.subject_line, self.text)
        return frozenset(tag for text in texts for _, tag in text.parts if tag)


def one_line(text: str) -> str:
    """`text` without line ends and control characters, fit for a header."""
    return _CONTROLS.sub(" ", text).strip() if _CONTROLS.search(text) else text.strip()


def compile_text(text: str) -> Text:
    """Compile a text. Raises `UnknownTag`."""
    problems = check_template(text)
    if problems:
        raise UnknownTag("; ".join(problems))
    return Text(tuple(tokens(text)))


def compile_template(code: str, subject_line: str, text: str, html: str | None = None) -> Template:
    """Compile a whole template. Raises `UnknownTag`."""
    return Template(code, compile_text(subject_line), compile_text(text), None if html is None else compile_text(html))
