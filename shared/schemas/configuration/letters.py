"""What messages say and how they look (NOTE-2): templates, their translations, and the letter around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from shared.languages import TAGS as LANGUAGES
from shared.languages import is_known
from shared.schemas.configuration.channels import HttpsUrl
from shared.schemas.configuration.document import Document, Path
from shared.schemas.configuration.references import Found, find
from shared.schemas.configuration.section import Named, Section, Text
from shared.schemas.configuration.tags import LINK_TAGS, check_template, refusal_of, tags_for, tokens

_TAG = r"^[a-z]{2,3}(-[A-Z]{2})?$"
Language = Annotated[str, StringConstraints(pattern=_TAG)]
"""As BCP 47 has it: `nl`, `pt-BR`."""
HtmlText = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]


class Letter(Section):
    """How emails look."""

    colour: Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")] = "#0b6e75"
    """Of the head's line, of buttons and links; where text would be unreadable in it, a darker or lighter one is taken."""
    logo_url: HttpsUrl | None = None
    """A picture, shown up to 40 pixels high; none: the organisation's name alone."""
    footer: Annotated[str, StringConstraints(max_length=2000)] = ""
    """Plain text below every letter: the address, who supervises us."""


class Translation(Section):
    """A template in another language."""

    subject_line: Text
    text: Text
    html: HtmlText | None = None


class Template(Named):
    """Text of a message with `#tags` (NOTE-2)."""

    subject_line: Text
    text: Text
    html: HtmlText | None = None
    """Markup that stands in the letter instead of what is made from the text; a whole document stands by itself."""
    translations: dict[Language, Translation] = Field(default_factory=dict)


_BODIES = ("templates[]", "templates[].translations{}")
_LANGUAGES = ("organisation.language", "users[].language", "methods[].language")
_ATTRIBUTE = re.compile(r"""\b(href|src|srcset|action|background|poster|style|on[a-z]+)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)""", re.IGNORECASE)
_FORBIDDEN = re.compile(r"<\s*(script|iframe|object|embed|form|base)\b|\bon[a-z]+\s*=\s*[\"']|javascript:", re.IGNORECASE)


def check_letters(document: Document) -> None:
    """Templates use tags that there are and that stand for something; their markup does no harm; languages are known."""
    for body in _BODIES:
        for pattern in (f"{body}.subject_line", f"{body}.text", f"{body}.html"):
            for item in _texts(document, pattern):
                for problem in check_template(item.value):
                    document.problem(item.path, problem)
        for item in _texts(document, f"{body}.subject_line"):
            if "\n" in item.value or "\r" in item.value:
                document.problem(item.path, "a subject line is one line")
        for item in _texts(document, f"{body}.html"):
            for problem in html_problems(item.value):
                document.problem(item.path, problem)
    _check_languages(document)
    _check_use(document)


def html_problems(html: str) -> list[str]:
    """What in a template's markup could do harm: programs, and data of customers where an address or a style is expected."""
    problems = []
    if forbidden := _FORBIDDEN.search(html):
        problems.append(f"{forbidden[0].strip()!r} has no place in an email; remove it")
    for attribute in _ATTRIBUTE.finditer(html):
        for _, tag in tokens(attribute[2]):
            if tag and tag not in LINK_TAGS:
                links = ", ".join(sorted(f"#{name}" for name in LINK_TAGS))
                problems.append(f"#{tag} stands in {attribute[1]}=; only links may: {links} (write ## for a # that is text)")
    return problems


def _check_languages(document: Document) -> None:
    found = [(item.path, item.value) for pattern in _LANGUAGES for item in _texts(document, pattern)]
    for pattern in ("templates[].translations", "organisation.words"):
        found += [
            ((*item.path, name), name) for item in find(document.data, pattern) if isinstance(item.value, dict) for name in item.value
        ]
    for path, language in found:
        if isinstance(language, str) and re.match(_TAG, language) and not is_known(language):
            document.problem(path, f"we cannot write dates in the language {language!r}; known are {', '.join(LANGUAGES)}")
    (own, *_) = (*(item.value for item in _texts(document, "organisation.language")), "en")
    for item in find(document.data, "templates[].translations"):
        if isinstance(item.value, dict) and own in item.value:
            document.problem((*item.path, own), f"{own} is the organisation's language: it is what the template itself is written in")


def _check_use(document: Document) -> None:
    """A tag that stands for nothing in every message that a template is for is a mistake; rules and people use templates for anything."""
    known: dict[str, frozenset[str]] = {}
    users: dict[str, list[str]] = {}
    free = {item.value for item in _texts(document, "automation[].then[].template")}
    for item in find(document.data, "communications[]"):
        definition = item.value
        if isinstance(definition, dict) and isinstance(template := definition.get("template"), str):
            to = definition.get("to")
            recipients = [one for one in to if isinstance(one, str)] if isinstance(to, list) else []
            known[template] = known.get(template, frozenset()) | tags_for(str(definition.get("on")), recipients)
            users.setdefault(template, []).append(str(definition.get("code")))
    for item in find(document.data, "templates[]"):
        code = item.value.get("code") if isinstance(item.value, dict) else None
        if not isinstance(code, str) or code in free or code not in known:
            continue
        for path, text in _texts_of(item):
            for tag in dict.fromkeys(tag for _, tag in tokens(text) if tag):
                if problem := refusal_of(tag, known[code], ", ".join(users[code])):
                    document.problem(path, problem)


def _texts_of(item: Found) -> Iterator[tuple[Path, str]]:
    section: dict[str, Any] = item.value
    bodies = [(item.path, section)]
    translations = section.get("translations")
    if isinstance(translations, dict):
        bodies += [((*item.path, "translations", name), body) for name, body in translations.items() if isinstance(body, dict)]
    for path, body in bodies:
        for name in ("subject_line", "text", "html"):
            if isinstance(text := body.get(name), str):
                yield (*path, name), text


def _texts(document: Document, pattern: str) -> list[Found]:
    return [item for item in find(document.data, pattern) if isinstance(item.value, str)]
