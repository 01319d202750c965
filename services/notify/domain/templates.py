"""Templates with `#tags`: compiled once for a version of the configuration, rendered for each message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape

from shared.schemas.configuration.tags import check_template, tokens

# All of Unicode's line and paragraph ends too: some mail software ends a header at them.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class UnknownTag(ValueError):
    """A template has a tag that nobody knows; the text names it and the nearest known one."""


# What joins a tag to the next one: it goes with a tag that stands for nothing.
_JOINT = re.compile(r"\s*[,:;]+(?=\s|$)")
_END = re.compile(r"[\s,:;]+$")


Line = tuple[tuple[str, str], ...]
"""Literals, each with the tag that follows it (empty: none)."""


@dataclass(frozen=True, slots=True)
class Text:
    """A compiled text: literals, each with the tag that follows it; and the same line by line."""

    parts: Line
    lines: tuple[Line, ...]
    tags: tuple[tuple[str, ...], ...] = field(init=False)
    """Those of each line."""

    def __post_init__(self) -> None:
        """What every message would ask again."""
        object.__setattr__(self, "tags", tuple(map(tags_of, self.lines)))

    def plain(self, values: Mapping[str, str]) -> str:
        """The text with its tags replaced. A value is never searched for tags itself.

        A line whose tags all stand for nothing is left out: a task without a case has no line for it.
        """
        shown: list[str] = []
        was_left_out = False
        for line, tags in zip(self.lines, self.tags, strict=True):
            if tags and not any(map(values.__getitem__, tags)):
                was_left_out = True
                continue
            text = _filled(line, tags, values)
            if was_left_out and not text.strip() and (not shown or not shown[-1].strip()):
                continue  # the empty lines around it are one
            was_left_out = False
            shown.append(text)
        return "\n".join(shown)

    def header(self, values: Mapping[str, str]) -> str:
        """The text as one line for a header: line ends and control characters, from wherever they came, become a space."""
        return one_line("\n".join([_filled(line, tags, values) for line, tags in zip(self.lines, self.tags, strict=True)]))

    def html(self, values: Mapping[str, str]) -> str:
        """The text as HTML: literals are markup, values are escaped and keep their line ends."""
        return "".join(
            [literal + escape(values[tag]).replace("\r\n", "\n").replace("\n", "<br>\n") if tag else literal for literal, tag in self.parts]
        )


def tags_of(line: Line) -> tuple[str, ...]:
    """The tags of a line, in order."""
    return tuple([tag for _, tag in line if tag])


def _filled(line: Line, tags: tuple[str, ...], values: Mapping[str, str]) -> str:
    """A line with its tags replaced. What joins one that stands for nothing to the next goes with it: `#case_number, #case_title`."""
    if not tags:
        return line[0][0] if line else ""
    if all(map(values.__getitem__, tags)):
        return "".join([literal + values[tag] if tag else literal for literal, tag in line])
    return "".join([literal + values[tag] if tag else literal for literal, tag in without_joints(line, values)]).rstrip()


def without_joints(line: Line, values: Mapping[str, str]) -> Line:
    """The line, with its literals cut where they join a tag that stands for nothing to something else."""
    kept: list[tuple[str, str]] = []
    last, is_after_nothing = "", False
    for literal, tag in line:
        if is_after_nothing:
            joint = _JOINT.match(literal)
            literal = literal[joint.end() :] if joint else literal
            literal = literal.lstrip() if last.isspace() or not last else literal
        value = values[tag] if tag else ""
        last = (last + literal + value)[-1:]
        kept.append((literal, tag))
        is_after_nothing = bool(tag) and not value
    while is_after_nothing and kept:
        literal, tag = kept.pop()
        if tag and values[tag]:
            kept.append((literal, tag))
            break
        literal = _END.sub("", literal)
        if literal:
            kept.append((literal, ""))
            break
    return tuple(kept)


def _lines_of(parts: Line) -> Iterator[Line]:
    line: list[tuple[str, str]] = []
    for literal, tag in parts:
        *ended, rest = literal.split("\n")
        for piece in ended:
            yield (*line, (piece, "")) if piece or not line else tuple(line)
            line = []
        line.append((rest, tag))
    yield tuple(line)


@dataclass(frozen=True, slots=True)
class Template:
    """A message's template, compiled."""

    code: str
    subject_line: Text
    text: Text
    html: Text | None = None
    tags: frozenset[str] = field(init=False)
    """Every tag that it has."""

    def __post_init__(self) -> None:
        """What every message would ask again."""
        texts = (self.subject_line, self.text, self.html) if self.html else (self.subject_line, self.text)
        object.__setattr__(self, "tags", frozenset(tag for text in texts for _, tag in text.parts if tag))


def one_line(text: str) -> str:
    """`text` without line ends and control characters, fit for a header."""
    return _CONTROLS.sub(" ", text).strip() if _CONTROLS.search(text) else text.strip()


def compile_text(text: str) -> Text:
    """Compile a text. Raises `UnknownTag`."""
    problems = check_template(text)
    if problems:
        raise UnknownTag("; ".join(problems))
    parts = tuple(tokens(text))
    return Text(parts, tuple(_lines_of(parts)))


def compile_template(code: str, subject_line: str, text: str, html: str | None = None) -> Template:
    """Compile a whole template. Raises `UnknownTag`."""
    return Template(code, compile_text(subject_line), compile_text(text), None if html is None else compile_text(html))
