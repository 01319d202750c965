"""What templates would say, and the tags that they are written with."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.notify.domain.templates import UnknownTag
from services.notify.handlers.composing import NotComposable, Worded, Wording
from services.notify.handlers.previewing import made_up, merged, preview
from services.notify.storage import previews
from shared.languages import is_known
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.configuration.letters import HtmlText, Language, html_problems
from shared.schemas.configuration.section import Text
from shared.schemas.configuration.tags import LINK_TAGS, TAGS, check_template, tags_for
from shared.schemas.events import Code
from shared.storage import Database
from shared.web import NotFound, Principal, Unprocessable, requires

READER = Annotated[Principal, Depends(requires("delivery:read"))]
PREVIEWER = Annotated[Principal, Depends(requires("template:preview"))]
Value = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")]


class PreviewBody(BaseModel):
    """Either the `code` of a template, or a text that is in the making.

    `case_id`: whose last messages the tags are filled from; none: a made-up case. `values` of tags go before both.
    """

    model_config = ConfigDict(extra="forbid")

    code: Code | None = None
    subject_line: Text | None = None
    text: Text | None = None
    html: HtmlText | None = None
    language: Language | None = Field(default=None, description="None: the organisation's.")
    audience: Literal["customer", "staff"] = "customer"
    case_id: UUID | None = None
    values: dict[str, Value] = Field(default_factory=dict, max_length=100)

    @model_validator(mode="after")
    def _is_one(self) -> PreviewBody:
        texts = (self.subject_line, self.text)
        if (self.code is None) == (self.text is None) or (self.text is None) != (self.subject_line is None):
            raise ValueError("give either `code`, or `subject_line` and `text`")
        if self.code is not None and (self.html is not None or any(texts)):
            raise ValueError("a template given by its `code` brings its own texts")
        return self


class PreviewView(BaseModel):
    """The message as it would be sent, but for links, which lead nowhere.

    Show `html` in a frame that runs no scripts. `empty`: tags that stand for nothing here; lines of these alone are left out.
    """

    subject_line: str
    text: str
    html: str
    language: str
    empty: list[str]


class TagView(BaseModel):
    """A tag, without its `#`, and what stands in its place."""

    tag: str
    meaning: str


class Tags(BaseModel):
    """By name."""

    items: list[TagView]


def templates_router(database: Database, reference: ReferenceData) -> APIRouter:
    """`GET /tags` and `POST /templates/preview`."""
    router = APIRouter(tags=["templates"])
    wordings = VersionCache(reference, Wording)

    @router.get("/tags", summary="The tags of templates.")
    def tags(
        _principal: READER,
        on: Annotated[str, Query(max_length=64, description="Only those that can stand for something at this event.")] = "",
        to: Annotated[str, Query(max_length=64, description="The same in messages to these, such as `customer`.")] = "",
    ) -> Tags:
        known = tags_for(on, [to]) if on else frozenset(TAGS)
        return Tags(items=[TagView(tag=tag, meaning=meaning) for tag, meaning in TAGS.items() if tag in known])

    @router.post("/templates/preview", summary="What a template would say.")
    def previewed(body: PreviewBody, principal: PREVIEWER) -> PreviewView:
        worded = _worded(body, wordings.get())
        _refuse([problem for tag in body.values if tag not in TAGS for problem in check_template(f"#{tag}") or [f"there is no tag #{tag}"]])
        _refuse([f"#{tag} is a link, which a preview makes itself" for tag in body.values if tag in LINK_TAGS])
        facts = made_up(reference.configuration())
        if body.case_id is not None:
            with database.read() as tx:
                unit = principal.unit if principal.scope == "unit" else None
                kept = previews.facts_of_case(tx, body.case_id, unit=unit, assignee=principal.user if principal.scope == "own" else None)
            if not kept:
                raise NotFound("There is no message yet about a case with this id that you can see.")
            facts = merged(kept)
        member = reference.staff.get(principal.user)
        recipient = member.name if member else principal.user
        found = preview(worded, facts, body.values, reference, recipient, body.audience == "customer")
        return PreviewView(**{**found._asdict(), "empty": list(found.empty)})

    return router


def _worded(body: PreviewBody, wording: Wording) -> Worded:
    language = body.language or ""
    if language and not is_known(language):
        raise Unprocessable(f"We cannot write dates in the language {language}.")
    if body.code is not None:
        try:
            return wording.worded(body.code, language)
        except NotComposable as error:
            raise NotFound(f"There is no template {body.code}.") from error
    texts = [text for text in (body.subject_line, body.text, body.html) if text]
    _refuse([*(problem for text in texts for problem in check_template(text)), *html_problems(body.html or "")])
    try:
        return wording.compiled("", body.subject_line or "", body.text or "", body.html, language)
    except UnknownTag as error:
        raise Unprocessable(str(error)) from error


def _refuse(problems: list[str]) -> None:
    if problems:
        raise Unprocessable("; ".join(dict.fromkeys(problems)), problems=problems)
