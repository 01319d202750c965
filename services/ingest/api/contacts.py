"""`POST /contacts` and `POST /contacts/by-hand`: a contact as JSON, or as a form with files.

Annotations are no strings here (no `from __future__ import annotations`): FastAPI could not find the dependency that the router makes.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any, NamedTuple, TypeVar

from fastapi import APIRouter, Depends, Header, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError
from starlette.requests import ClientDisconnect

from services.ingest import metrics
from services.ingest.api.answers import AGAIN, Taken, as_problems
from services.ingest.domain.contacts import Upload, contact_event_id, contact_key_id, entry_id
from services.ingest.gateways.forms import FORM_TYPE, BadForm, Form, FormLimits, FormTooLarge
from services.ingest.handlers.contacts import ContactIntake
from services.ingest.settings import CONTACT_JSON_BYTES, Settings
from shared.clock import Clock
from shared.schemas.events import Code, ContactEvent
from shared.schemas.events.ingest import ExternalId, ScriptAnswers
from shared.schemas.events.texts import Line
from shared.schemas.parts import Handle
from shared.web import Principal, Problem, Unprocessable, requires
from shared.web.held import Held

JSON_TYPE = "application/json"
ENTERED = "desk"
"""The source system of what staff enter."""
Model = TypeVar("Model", bound=BaseModel)


class ContactReport(ContactEvent):
    """A contact as it is sent by HTTP. Its id may be missing where the header `Idempotency-Key` stands for it."""

    external_id: ExternalId = ""


class ContactEntry(BaseModel):
    """A contact that a member of staff enters by hand: inbound, and in their name, so that it says neither source nor id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Code
    sender: Handle
    subject_line: Line = ""
    text: Annotated[str, StringConstraints(max_length=1_000_000)] = ""
    occurred_at: AwareDatetime
    subjects: tuple[Code, ...] = ()
    location: Annotated[str, StringConstraints(max_length=200)] = ""
    scripts: ScriptAnswers = ()


class Sent(NamedTuple):
    """The body of a request: the contact's JSON, and the files."""

    contact: bytes
    files: tuple[Upload, ...]


def too_many() -> Problem:
    """That what is sent does not fit into memory just now."""
    metrics.REFUSED.labels("memory").inc()
    return Problem(503, "Too many contacts are being taken just now; send it again.", headers=AGAIN)


def contacts_router(contacts: ContactIntake, settings: Settings, clock: Clock) -> APIRouter:
    """`POST /contacts`, and `POST /contacts/by-hand`."""
    router = APIRouter()
    sent_contact = contact_reader(settings)

    @router.post(
        "/contacts",
        status_code=202,
        openapi_extra=_accepted(ContactReport),
        summary="Take word of a contact, with files; one with the same external id (or else Idempotency-Key) is the same contact.",
    )
    def report(
        _principal: Annotated[Principal, Depends(requires("contact-event:write"))],
        sent: Annotated[Sent, Depends(sent_contact)],
        idempotency_key: Annotated[
            str | None,
            Header(
                min_length=1,
                max_length=200,
                description="Names a contact that has no external_id: under the same key of the same source system it is taken once, "
                "the first that comes. Ignored where there is an external_id.",
            ),
        ] = None,
    ) -> Taken:
        contact = _read(ContactReport, sent.contact)
        if contact.external_id:
            communication = contact_event_id(contact.source_system, contact.external_id)
        elif idempotency_key:
            communication = contact_key_id(contact.source_system, idempotency_key)
        else:
            wanted = {"type": "missing", "loc": ("body", "external_id"), "msg": "Field required, or the header Idempotency-Key"}
            raise RequestValidationError([wanted])
        with as_problems():
            contacts.take(contact, communication, sent.files, clock())
        return Taken(id=communication)

    # Of its own, so that a token of staff can report nothing in another system's or another person's name.
    @router.post(
        "/contacts/by-hand",
        status_code=202,
        openapi_extra=_accepted(ContactEntry),
        summary="Take a contact that the caller enters, with files; under the same Idempotency-Key it is taken once.",
    )
    def enter(
        principal: Annotated[Principal, Depends(requires("contact:enter"))],
        sent: Annotated[Sent, Depends(sent_contact)],
        idempotency_key: Annotated[
            str, Header(min_length=1, max_length=200, description="Made when the entry is begun; sent again with every attempt.")
        ],
    ) -> Taken:
        entry = _read(ContactEntry, sent.contact)
        communication = entry_id(principal.user, idempotency_key)
        contact = ContactEvent(source_system=ENTERED, external_id=str(communication), **dict(entry))
        with as_problems():
            contacts.take(contact, communication, sent.files, clock(), principal.user)
        return Taken(id=communication)

    return router


def contact_reader(settings: Settings) -> Callable[[Request], AsyncIterator[Sent]]:
    """A dependency that reads the request's body; it counts as held in memory until the request is answered."""
    held = Held(settings.contact_held_bytes, too_many)
    limits = FormLimits(CONTACT_JSON_BYTES, settings.contact_files, settings.contact_file_bytes, settings.contact_files_bytes)

    async def sent_contact(request: Request) -> AsyncIterator[Sent]:
        content_type = request.headers.get("content-type", "")
        kind = content_type.partition(";")[0].strip().lower()
        if kind not in (JSON_TYPE, FORM_TYPE):
            accepted = f"{JSON_TYPE}, {FORM_TYPE}"
            raise Problem(415, f"Send a contact as {JSON_TYPE}, or with files as {FORM_TYPE}.", headers={"Accept-Post": accepted})
        longest = CONTACT_JSON_BYTES if kind == JSON_TYPE else settings.contact_bytes
        size = int(request.headers.get("content-length", longest))
        if size > longest:
            raise _too_long(longest)
        with held.keep(size):
            try:
                yield await (_json(request) if kind == JSON_TYPE else _form(request, content_type, limits))
            except ClientDisconnect as error:
                raise Problem(400, "The body breaks off.") from error

    return sent_contact


async def _json(request: Request) -> Sent:
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > CONTACT_JSON_BYTES:
            raise _too_long(CONTACT_JSON_BYTES)
        body += chunk
    return Sent(bytes(body), ())


async def _form(request: Request, content_type: str, limits: FormLimits) -> Sent:
    fields, files = await read_form(request, content_type, limits, ("contact",))
    if "contact" not in fields:
        raise _no_form(BadForm("it has no part named contact"))
    return Sent(fields["contact"], files)


async def read_form(
    request: Request, content_type: str, limits: FormLimits, names: Sequence[str]
) -> tuple[dict[str, bytes], tuple[Upload, ...]]:
    """The fields `names` of a form, and its files. Raises `Problem`.

    A form that is refused is read to its end: a sender that is still sending would see a broken connection and not the answer.
    """
    form: Form | None = None
    problem: Problem | None = None
    try:
        form = Form(content_type, limits, names)
    except BadForm as error:
        problem = _no_form(error)
    async for chunk in request.stream():
        if form is None:
            continue
        try:
            form.feed(chunk)
        except BadForm as error:
            form, problem = None, _no_form(error)
        except FormTooLarge as error:
            form, problem = None, Problem(413, str(error))
    if form is None:
        raise problem or Problem(400)
    try:
        return form.finish()
    except BadForm as error:
        raise _no_form(error) from error


def _no_form(error: BadForm) -> Problem:
    return Problem(400, f"This is no form as it is asked for: {error}.")


def _read(model: type[Model], body: bytes) -> Model:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**problem, "loc": ("body", *problem["loc"])} for problem in problems]) from error
    except RecursionError as error:
        raise Unprocessable("The contact is nested too deeply.") from error


def _too_long(longest: int) -> Problem:
    return Problem(413, f"The body is longer than {longest} bytes.")


def _accepted(model: type[BaseModel]) -> dict[str, Any]:
    """The request body's part of the OpenAPI document."""
    contact = _in_one_piece(model)
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    form = {"type": "object", "required": ["contact"], "properties": {"contact": contact, "file": files}}
    return {"requestBody": {"required": True, "content": {JSON_TYPE: {"schema": contact}, FORM_TYPE: {"schema": form}}}}


def _in_one_piece(model: type[BaseModel]) -> dict[str, Any]:
    """The model's schema with its parts in their places: references would point into the OpenAPI document, which does not have them."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})

    def resolved(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return resolved(parts[node["$ref"].rpartition("/")[2]]) | {name: value for name, value in node.items() if name != "$ref"}
            return {name: resolved(value) for name, value in node.items()}
        return [resolved(each) for each in node] if isinstance(node, list) else node

    whole: dict[str, Any] = resolved(schema)
    return whole
