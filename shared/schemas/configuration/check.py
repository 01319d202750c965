"""Checking a configuration as a whole: shape, references and rules, all problems at once, each with line, key and what
to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from shared.schemas.configuration.automation_rules import check_automation
from shared.schemas.configuration.channels import MailSender
from shared.schemas.configuration.clones import fill_in_clones
from shared.schemas.configuration.codes import generate_codes
from shared.schemas.configuration.document import Document, Path, Problem, read_document
from shared.schemas.configuration.feeds import FeedUrl
from shared.schemas.configuration.lead_rules import check_leads
from shared.schemas.configuration.letters import Language
from shared.schemas.configuration.models import Configuration
from shared.schemas.configuration.references import check_references
from shared.schemas.configuration.resource_rules import check_resources
from shared.schemas.configuration.resources import TimeText
from shared.schemas.configuration.rules import check_rules
from shared.schemas.configuration.section import ClockTime, DurationText, SpanText
from shared.schemas.configuration.sending import UsefulText, check_sending
from shared.schemas.configuration.webhooks import EventPattern, WebhookUrl
from shared.schemas.configuration.workflow_rules import check_workflows
from shared.schemas.events import Code

__all__ = ["Checked", "Problem", "check_configuration"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: the configuration when there is no problem, else the problems in the order of the text."""

    configuration: Configuration | None
    problems: tuple[Problem, ...]


def check_configuration(text: str) -> Checked:
    """Check a configuration given as YAML. Never raises because of the text."""
    document = read_document(text)
    if not isinstance(document.data, dict):
        if not document.problems:
            document.problem((), "the text is no mapping; it begins with a section such as `organisation:`")
        return Checked(None, document.problems)
    generate_codes(document)
    fill_in_clones(document)
    configuration = _validated(document)
    check_references(document)
    check_rules(document)
    check_workflows(document)
    check_leads(document)
    check_automation(document)
    check_resources(document)
    check_sending(document)
    problems = document.problems
    return Checked(None if problems else configuration, problems)


def _validated(document: Document) -> Configuration | None:
    try:
        return Configuration.model_validate(document.data)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            path = tuple(part for part in problem["loc"] if part not in _TAGS)
            document.problem(path, _message(path, problem))
        return None


def _message(path: Path, problem: Mapping[str, Any]) -> str:
    """pydantic's word on a value, in words that say what to do."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "missing":
        return "it is missing; add it"
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "string_pattern_mismatch":
        return f"{str(problem['input'])[:80]!r} is not {_PATTERNS.get(str(context.get('pattern')), 'of the right form')}"
    if kind in ("literal_error", "enum"):
        return f"{str(problem['input'])[:80]!r} is none of {context.get('expected')}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "it must be a mapping of keys to values"
    if kind in ("tuple_type", "list_type"):
        return "it must be a list; put `- ` before each item"
    if kind == "string_type":
        return "it must be text; put it in quotes"
    text = str(problem["msg"])
    return text[:1].lower() + text[1:]


_TAGS = ("[key]", "[code]", "[conditional]")
"""What pydantic adds to the place of a problem: of a mapping's keys, and of which kind an entry was taken for."""


def _unknown_key(path: Path) -> str:
    model = _model_at(path[:-1])
    known = [field.alias or name for name, field in model.model_fields.items()] if model else []
    near = get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)
    if near:
        return f"there is no such key here; did you mean {near[0]!r}?"
    return f"there is no such key here; there are {', '.join(known)}" if known else "there is no such key here"


def _model_at(path: Path) -> type[BaseModel] | None:
    """The model that describes what is at `path`."""
    shape: Any = Configuration
    for part in path:
        if isinstance(shape, type) and issubclass(shape, BaseModel):
            field = next((field for name, field in shape.model_fields.items() if (field.alias or name) == str(part)), None)
            if field is None:
                return None
            shape = _bare(field.annotation)
        elif get_origin(shape) in (tuple, dict):
            shape = _bare(get_args(shape)[0 if get_origin(shape) is tuple else 1])
        else:
            return None
    return shape if isinstance(shape, type) and issubclass(shape, BaseModel) else None


def _bare(annotation: Any) -> Any:
    """Without `Annotated` and `| None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _bare(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation


def _pattern(annotated: Any) -> str:
    return str(next(part.pattern for part in get_args(annotated) if hasattr(part, "pattern")))


_PATTERNS = {
    _pattern(Code): "a code: lower-case letters, digits and `.`, `_`, `-`, beginning with a letter or digit",
    _pattern(DurationText): "a duration such as `30 minutes`, `4 working hours` or `2 days`",
    _pattern(SpanText): "a duration of at least one, such as `30 minutes`, `4 working hours` or `2 days`",
    _pattern(UsefulText): "a time such as `30 minutes`, `2 hours` or `3 days`",
    _pattern(TimeText): "a time such as `30 minutes` or `2 hours`",
    _pattern(MailSender): "an address, or `@` with a domain",
    _pattern(FeedUrl): "the address of a feed: https://, a host, without user or `#`; for webcal:// write https://",
    _pattern(WebhookUrl): "the address of a webhook: https://, a host, without user or `#`",
    _pattern(EventPattern): "a type of event such as `casestream.case.opened.v1`, or `casestream.case.*`",
    _pattern(ClockTime): "a time such as 09:00, up to 24:00",
    _pattern(Language): "a language: its tag, such as `nl` or `pt-BR`",
    r"^#[0-9a-fA-F]{6}$": "a colour such as `#0b6e75`",
    r"^[a-z0-9][a-z0-9._-]{0,63}$": "a user name: lower-case letters, digits and `.`, `_`, `-`, at most 64",
}
