"""Pages behind mailed links: `GET PATH/{link}` shows what is asked, `POST` takes the answer (EDGE-14).

Public: the link is all that is needed. Mail scanners open every link, so looking changes nothing, however often; only the page's own
button does. Annotations are no strings here (no `from __future__ import annotations`): FastAPI could not find the dependencies that the
router makes.
"""

import math
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Protocol
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from prometheus_client import Counter

from shared.clock import Clock
from shared.languages import accepted
from shared.links import BadKeys, LinkKeyFile, Read
from shared.links.pages import Given, LinkEnded, NotFilled, Page
from shared.links.words import Said, Voice, voice_for
from shared.observability import get_logger
from shared.observability.tracing import current_traceparent
from shared.schemas.configuration.models import Organisation
from shared.storage import Database, Transaction
from shared.web.allowance import Allowance
from shared.web.problems import MEDIA_TYPE, Problem

FORM_TYPE = "application/x-www-form-urlencoded"
ANSWER_BYTES = 262_144
"""Of a filled-in form: twenty texts as long as they may be, in any script, percent-encoded, are shorter."""
MOST_FIELDS = 100
QUESTION = "q:"
"""Begins the names of fields that answer questions; no button is named so."""
NOT_OURS = Said("This link is not one of ours. Perhaps it was cut off: please copy all of it from our message.")
TOO_MANY = Said("Too many links that are none came from your connection. Please try again later.")
NOT_NOW = Said("We cannot take your answer just now. Please try again later.")
_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
)
_log = get_logger(__name__)
_Declared = dict[int | str, dict[str, Any]]
_HTML = {"content": {"text/html": {"schema": {"type": "string"}}}}
_PAGES_GIVEN: _Declared = {
    200: _HTML | {"description": "The page, or thanks for the answer."},
    404: _HTML | {"description": "The link is none of ours."},
    410: _HTML | {"description": "What the link asked is not asked any more."},
    429: _HTML | {"description": "Too many links that are none came from there; `Retry-After` says when to try again."},
    503: _HTML | {"description": "No answer can be taken just now."},
}
_NOT_FILLED: _Declared = {
    415: {"description": "That is no form.", "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}},
    422: _HTML | {"description": "The page with what is wrong in the form."},
}
_PUBLIC: dict[str, Any] = {"security": []}


class _Told(Exception):
    """An answer in place of the page; `status` and plain words."""

    def __init__(self, status: int, text: Said, wait: int = 0) -> None:
        super().__init__(text)
        self.status, self.text, self.wait = status, text, wait


class Publishing(Protocol):
    """What gives transactions: those of `database.read()` only look."""

    @property
    def database(self) -> Database: ...

    def transaction(self) -> AbstractContextManager[Transaction]: ...


class _Taken(Protocol):
    """What became of an answer."""

    @property
    def thanks(self) -> Said:
        """For whoever gave it."""


class Answering(Protocol):
    """What the links of one place are for. The last two raise `LinkEnded` when there is nothing to be answered (any more)."""

    def language(self, tx: Transaction, read: Read) -> str | None:
        """Of whom the link was sent to; empty: the organisation's; None: nobody knows whom."""

    def page(self, tx: Transaction, read: Read, now: datetime) -> Page:
        """What the link asks; reads only."""

    def take(self, tx: Transaction, read: Read, given: Given, now: datetime, traceparent: str) -> _Taken:
        """Take the answer, once. Raises `NotFilled` when it is none; after either the transaction is to be rolled back."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service has its pages, and what they say of it. `counter`: links by `outcome`: answered, refused, none."""

    path: str
    """Such as `/answer`."""
    tag: str
    """Of the routes."""
    otherwise: Said
    """What else can be done where a link is of no use."""
    example: dict[str, str]
    """A form that is sent."""
    counter: Counter


def answers_router(
    place: Place,
    publisher: Publishing,
    links: Answering,
    organisation: Callable[[], Organisation],
    keys: LinkKeyFile | None,
    wrong_per_hour: int,
    clock: Clock,
) -> APIRouter:
    """The page of every link. `organisation`: whose pages they are; `keys`: those that sign the links; None: there are no links here."""
    router = APIRouter(tags=[place.tag])
    wrong = Allowance(wrong_per_hour)

    # Coroutines: the counting is for one thread.
    async def linked(request: Request, token: str) -> Read | _Told:
        try:
            read = None if keys is None else keys.keys().read(token)
        except BadKeys as error:
            _log.error("links cannot be read", path=place.path, reason=str(error))
            return _Told(503, NOT_NOW)
        if read is not None:
            return read
        wait = math.ceil(wrong.take(request.client.host if request.client else "", clock()).total_seconds())
        return _Told(429, TOO_MANY, wait) if wait else _Told(404, NOT_OURS)

    async def filled_in(request: Request) -> Given:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
            raise Problem(415, f"Send the form as {FORM_TYPE}.", headers={"Accept-Post": FORM_TYPE})
        try:
            fields = dict(parse_qsl((await request.body()).decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_FIELDS))
        except ValueError as error:
            raise Problem(400, f"The form has more than {MOST_FIELDS} fields.") from error
        answers = {name.removeprefix(QUESTION): _clean(text) for name, text in fields.items() if name.startswith(QUESTION)}
        return Given(fields.get("button", ""), answers)

    def voice_of(wanted: str | None, request: Request) -> Voice:
        around = organisation()
        browsers = accepted(request.headers.get("accept-language", ""))
        return voice_for(wanted, browsers, around.language, around.words, ZoneInfo(around.time_zone))

    def voice_to(read: Read, request: Request) -> Voice:
        with publisher.database.read() as tx:
            return voice_of(links.language(tx, read), request)

    def shown(voice: Voice, status: int, **what: object) -> Response:
        nonce = secrets.token_urlsafe(16)
        blank: dict[str, object] = {"page": None, "given": {}, "errors": {}, "thanks": "", "ended": ""}
        around = organisation()
        blank |= {"prefix": QUESTION, "otherwise": place.otherwise, "organisation": around.name, "contact": around.letter.footer}
        text = _PAGES.get_template("answer.html").render(blank | what, nonce=nonce, say=voice, Said=Said)
        policy = f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        headers = {"Content-Security-Policy": policy, "X-Robots-Tag": "noindex, nofollow, noarchive"}
        return Response(text, status, media_type="text/html", headers=headers)

    def told(error: _Told, voice: Voice) -> Response:
        place.counter.labels("none" if error.status in (404, 429) else "refused").inc()
        response = shown(voice, error.status, ended=error.text)
        if error.wait:
            response.headers["Retry-After"] = str(error.wait)
        return response

    def page_of(read: Read) -> Page:
        with publisher.database.read() as tx:
            return links.page(tx, read, clock())

    Linked = Annotated[Read | _Told, Depends(linked)]

    def show(request: Request, token: str, read: Linked) -> Response:  # noqa: ARG001 - the path's
        if isinstance(read, _Told):
            return told(read, voice_of(None, request))
        voice = voice_to(read, request)
        try:
            return shown(voice, 200, page=page_of(read))
        except LinkEnded as error:
            return told(_Told(410, error.why), voice)

    router.get(
        place.path + "/{token}",
        responses=_PAGES_GIVEN,
        openapi_extra=_PUBLIC,
        summary="What a link asks; looking changes nothing.",
        response_class=Response,
    )(show)
    router.head(place.path + "/{token}", include_in_schema=False)(show)

    @router.post(
        place.path + "/{token}",
        responses=_PAGES_GIVEN | _NOT_FILLED,
        openapi_extra=_PUBLIC | _form(place.example),
        summary="Take the answer to a link: once.",
        response_class=Response,
    )
    def take(request: Request, token: str, read: Linked, given: Annotated[Given, Depends(filled_in)]) -> Response:  # noqa: ARG001 - the path's
        if isinstance(read, _Told):
            return told(read, voice_of(None, request))
        voice = voice_to(read, request)
        try:
            with publisher.transaction() as tx:
                taken = links.take(tx, read, given, clock(), current_traceparent())
        except LinkEnded as error:
            return told(_Told(410, error.why), voice)
        except NotFilled as error:
            try:
                return shown(voice, 422, page=page_of(read), given=given.answers, errors=error.errors)
            except LinkEnded as ended:
                return told(_Told(410, ended.why), voice)
        place.counter.labels("answered").inc()
        return shown(voice, 200, thanks=taken.thanks)

    return router


def _clean(text: str) -> str:
    """Without control characters, which no answer needs and PostgreSQL cannot all hold; line ends as one character."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(character for character in lines if character == "\n" or character == "\t" or ord(character) >= 32)


def _form(example: dict[str, str]) -> dict[str, Any]:
    """How a route says that it takes the button that was pressed, and the answers by question."""
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    return {"requestBody": {"required": True, "content": {FORM_TYPE: {"schema": schema, "examples": {"form": {"value": example}}}}}}
