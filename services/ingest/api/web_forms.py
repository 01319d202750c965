"""Forms on the organisation's web pages: `GET /forms/{code}` is the page, `POST` takes it filled in. Public: tickets keep floods out.

Annotations are no strings here (no `from __future__ import annotations`): FastAPI could not find the dependencies that the router makes.
"""

import hashlib
import math
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from services.ingest import metrics
from services.ingest.api.answers import as_problems, configured
from services.ingest.api.contacts import read_form, too_many
from services.ingest.domain.contacts import Upload, contact_key_id, normal_handle
from services.ingest.domain.mail import clean_text
from services.ingest.domain.tickets import LEAST_AGE_WITHOUT_WORK, WORK_BITS, is_worked, make_ticket, read_ticket, wait_left
from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.forms import FORM_TYPE, FormLimits
from services.ingest.handlers.contacts import ContactIntake, ContactRefused
from services.ingest.settings import ApiSettings
from shared.clock import Clock
from shared.handles import BadHandle
from shared.ids import CommunicationId
from shared.messaging import ReferenceData
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.channels import WebForm
from shared.schemas.events import ContactEvent
from shared.schemas.parts import Handle
from shared.web import NotFound, Problem
from shared.web.allowance import Allowance
from shared.web.held import Held

FIELDS = ("ticket", "work", "website", "name", "email", "phone", "subject", "message")
FIELD_BYTES = 200_000
LONGEST = {"name": 200, "email": 320, "phone": 40, "subject": 200, "message": 50_000}
_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
)


class Filled(NamedTuple):
    """What a customer filled in. `fields`: those that were sent, by name, as text."""

    fields: Mapping[str, str]
    files: Sequence[Upload]


class _Offer(NamedTuple):
    """A form as a configuration has it, with the names of its subjects."""

    form: WebForm
    subjects: Sequence[tuple[str, str]]


def web_forms_router(
    contacts: ContactIntake, reference: ReferenceData, credentials: Credentials, settings: ApiSettings, clock: Clock
) -> APIRouter:
    """The pages of the forms that the configuration has (`web_forms`)."""
    router = APIRouter(tags=["web forms"], dependencies=[Depends(configured(reference))])
    allowance = Allowance(settings.form_per_hour)
    held = Held(settings.contact_held_bytes, too_many)
    limits = FormLimits(FIELD_BYTES, settings.contact_files, settings.contact_file_bytes, settings.contact_files_bytes)

    async def filled_in(request: Request) -> AsyncIterator[Filled]:
        content_type = request.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() != FORM_TYPE:
            raise Problem(415, f"Send the form as {FORM_TYPE}.", headers={"Accept-Post": FORM_TYPE})
        with held.keep(int(request.headers.get("content-length", settings.contact_bytes))):
            try:
                fields, files = await read_form(request, content_type, limits, FIELDS)
            except ClientDisconnect as error:
                raise Problem(400, "The body breaks off.") from error
            yield Filled({name: clean_text(value.decode("utf-8", "replace")) for name, value in fields.items()}, files)

    # A coroutine: the counting is for one thread.
    async def wait_of(request: Request) -> int:
        return math.ceil(allowance.take(request.client.host if request.client else "", clock()).total_seconds())

    def page(offer: _Offer, ticket: str, status: int = 200, **shown: object) -> Response:
        nonce = secrets.token_urlsafe(16)
        text = _PAGES.get_template("web_form.html").render(
            form=offer.form,
            subjects=[{"code": code, "name": name} for code, name in offer.subjects],
            ticket=ticket,
            nonce=nonce,
            work_bits=WORK_BITS,
            patience=int(LEAST_AGE_WITHOUT_WORK.total_seconds()),
            most_files=limits.files,
            most_megabytes=limits.files_bytes // (1024 * 1024),
            **{"given": dict.fromkeys(LONGEST, ""), "errors": {}, "files_lost": False, "answer_by": ""} | shown,
        )
        framing = " ".join(offer.form.may_embed) or "'none'"
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; form-action 'self'; "
            f"base-uri 'none'; frame-ancestors {framing}"
        )
        return Response(text, status, media_type="text/html", headers={"Content-Security-Policy": policy})

    def offer_and_key(code: str) -> tuple[_Offer, str]:
        offer = _offer(reference.configuration(reference.version), code)
        with as_problems():
            return offer, credentials.read(offer.form.secret)

    @router.get("/forms/{code}", summary="The page of a web form.", response_class=Response)
    def show(code: str) -> Response:
        offer, key = offer_and_key(code)
        return page(offer, make_ticket(code, key, secrets.token_hex(16), clock()))

    @router.post("/forms/{code}", summary="Take a web form that a customer filled in; repeating it is safe.", response_class=Response)
    def take(code: str, filled: Annotated[Filled, Depends(filled_in)], wait: Annotated[int, Depends(wait_of)]) -> Response:
        offer, key = offer_and_key(code)
        now = clock()
        given = {name: filled.fields.get(name, "").strip() for name in LONGEST}

        def again(errors: Mapping[str, str], ticket: str, status: int = 422) -> Response:
            metrics.FORMS.labels(code, "shown again").inc()
            return page(offer, ticket, status, given=given, errors=errors, files_lost=bool(filled.files))

        text = filled.fields.get("ticket", "")
        ticket = read_ticket(text, code, key, now)
        if ticket is None:
            fresh = make_ticket(code, key, secrets.token_hex(16), now)
            return again({"": "This page had been open for too long. Please wait some seconds and send it once more."}, fresh)
        if wait:
            told = again({"": f"Too many messages came from your connection. Please try again in {_minutes(wait)}."}, text, 429)
            told.headers["Retry-After"] = str(wait)
            return told
        early = math.ceil(wait_left(ticket, is_worked(text, filled.fields.get("work", "")), now).total_seconds())
        errors = _errors(offer, given, filled, settings.phone_region)
        if early and not errors:
            errors = {"": f"That was quick. Please wait {early} seconds and send it once more."}
        if errors:
            return again(errors, text)
        contact, communication = _contact_of(offer.form, given, filled, ticket.nonce, now)
        try:
            with as_problems():
                contacts.take(contact, communication, filled.files, now)
        except Problem as problem:
            if isinstance(problem.__cause__, ContactRefused):
                return again({"": f"It cannot be taken: {problem.__cause__}."}, text)
            return again({"": "We cannot take your message just now. Please send it once more in a minute."}, text, problem.status)
        metrics.FORMS.labels(code, "taken").inc()
        return page(offer, "", answer_by="email" if given["email"] else "phone")

    return router


def _offer(configuration: Configuration, code: str) -> _Offer:
    names = {subject.code: subject.name for subject in configuration.subjects}
    for form in configuration.web_forms:
        if form.code == code:
            return _Offer(form, [(subject, names[subject]) for subject in form.subjects])
    raise NotFound("The configuration has no such form (web_forms).")


def _errors(offer: _Offer, given: Mapping[str, str], filled: Filled, region: str) -> dict[str, str]:
    """What is wrong with each field, in plain words and in the page's order."""
    errors: dict[str, str] = {}
    if filled.fields.get("website"):
        errors[""] = "A hidden field was filled in, perhaps by your browser. Please send it once more."
    if not given["name"]:
        errors["name"] = "Please tell us your name."
    if not (given["email"] or given["phone"]):
        errors["email"] = "Please give an email address or a phone number, so that we can answer."
    for kind, wrong in (("email", "This is no email address; it looks like name@example.org."), ("phone", "This is no phone number.")):
        try:
            normal_handle(kind, given[kind], region)
        except BadHandle:
            errors[kind] = wrong
    if offer.subjects and given["subject"] and given["subject"] not in dict(offer.subjects):
        errors["subject"] = "Please choose one of these."
    if not given["message"]:
        errors["message"] = "Please write a message."
    for name, longest in LONGEST.items():
        if len(given[name]) > longest:
            errors[name] = f"This is longer than {longest:,} characters."
    if filled.files and not offer.form.files:
        errors[""] = "This form takes no files."
    return errors


def _contact_of(form: WebForm, given: Mapping[str, str], filled: Filled, nonce: str, now: datetime) -> tuple[ContactEvent, CommunicationId]:
    """The contact, and its communication: the same page sent again as it was is the same; written anew, it is another."""
    content = hashlib.sha256("\x1f".join(given[name] for name in LONGEST).encode("utf-8", "replace"))
    for file in filled.files:
        content.update(hashlib.sha256(file.content).digest())
    kind = "email" if given["email"] else "phone"
    other = f"\n\nPhone: {given['phone']}" if given["email"] and given["phone"] else ""
    source = f"form.{form.code}"[:64]
    try:
        contact = ContactEvent(
            source_system=source,
            external_id=nonce,
            method=form.method,
            sender=Handle(kind=kind, value=given[kind], name=given["name"]),
            subject_line="" if form.subjects else given["subject"],
            text=given["message"] + other,
            occurred_at=now,
            subjects=(given["subject"],) if form.subjects and given["subject"] else (),
        )
    except ValidationError as error:
        raise Problem(422, "The form cannot be taken as it is filled in.") from error
    return contact, contact_key_id(source, nonce + content.hexdigest())


def _minutes(seconds: int) -> str:
    minutes = max(1, round(seconds / 60))
    return "a minute" if minutes == 1 else f"{minutes} minutes"
