"""Entering a contact by hand: a visit to a surgery, papers, a letter, a call without a gateway (COM-6).

Annotations are no strings here (no `from __future__ import annotations`): FastAPI could not find the dependency that the router makes.
"""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, NamedTuple
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.domain.choices import Choices, Method
from services.desk.domain.contact_entry import HANDLES, Entry, contact_of, local_minute
from services.desk.domain.organisation import Organisation
from services.desk.domain.records import SCRIPT_WORDS
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.contacts import Contacts, Upload
from services.desk.settings import DeskSettings
from shared.clock import Clock
from shared.web import Forbidden, Problem
from shared.web.held import Held

MOST_FIELDS = 300
MEGABYTE = 1024 * 1024


class Sent(NamedTuple):
    """The form as it was sent; `trouble`: what is wrong with its files, in words."""

    method: str
    key: UUID
    entry: Entry
    files: tuple[Upload, ...]
    trouble: str


def _too_many() -> Problem:
    return Problem(503, "Many files are being sent just now. Wait a moment, then send the form again.")


def contact_router(
    browser: Browser,
    contacts: Contacts,
    choices: Callable[[], Choices],
    organisation: Callable[[], Organisation],
    settings: DeskSettings,
    clock: Clock,
) -> APIRouter:
    """The page "New contact"."""
    router = APIRouter(prefix="/contacts", include_in_schema=False)
    held = Held(settings.contact_held_bytes, _too_many)

    def enters(visitor: Annotated[Visitor, Depends(browser.visitor)]) -> Visitor:
        if not visitor.may("contact:enter"):
            raise Forbidden("Your roles do not open this page; it needs the permission contact:enter.")
        return visitor

    # Whoever may not enter anything is refused before the form, with its files, is read.
    async def sent_form(request: Request, _visitor: Annotated[Visitor, Depends(enters)]) -> AsyncIterator[Sent]:
        with held.keep(int(request.headers.get("content-length", settings.contact_bytes))):
            try:
                async with request.form(max_files=settings.contact_files + 1, max_fields=MOST_FIELDS) as form:
                    yield await _sent(form, settings)
            except HTTPException as error:
                raise Problem(413, f"The form could not be read. {files_hint(settings)}") from error

    Enters = Annotated[Visitor, Depends(enters)]

    def page(visitor: Visitor, method: Method | None, entry: Entry, key: UUID, errors: dict[str, str], status: int = 200) -> Response:
        known = choices()
        return browser.page(
            "new_contact.html",
            visitor,
            status,
            methods=known.methods,
            method=method,
            subjects=known.subjects,
            handles=HANDLES,
            headings=SCRIPT_WORDS,
            entry=entry,
            key=key,
            errors=errors,
            files_hint=files_hint(settings),
        )

    @router.get("/new")
    def new(visitor: Enters, method: Annotated[str, Query(max_length=64)] = "") -> Response:
        now = local_minute(clock(), organisation().zone)
        found = choices().method(method)
        place = found.locations[0] if found and len(found.locations) == 1 else ""
        return page(visitor, found, Entry(location=place, occurred_at=now), uuid4(), {})

    @router.post("/new", dependencies=[Depends(from_our_own_page)])
    def enter(visitor: Enters, sent: Annotated[Sent, Depends(sent_form)]) -> Response:
        method = choices().method(sent.method)
        if method is None:
            gone = {"": "The communication method is not in the configuration any more. Choose another one; what you wrote is lost."}
            return page(visitor, None, sent.entry, sent.key, gone, 422)
        contact, errors = contact_of(sent.entry, method, organisation().zone, clock())
        if sent.trouble:
            errors["file"] = sent.trouble
        if not errors:
            try:
                communication = contacts.enter(visitor.token.token, contact, sent.files, sent.key)
                return see_other(f"/contacts/entered/{communication}?method={method.code}")
            except Away:
                away = "It could not be taken just now. Send it again in a moment: even if it was taken after all, it is taken once."
                return page(visitor, method, sent.entry, sent.key, _with_files({"": away}, sent), 503)
            except Refused as refused:
                errors[""] = str(refused)
        return page(visitor, method, sent.entry, sent.key, _with_files(errors, sent), 422)

    @router.get("/entered/{communication}")
    def entered(visitor: Enters, communication: UUID, method: Annotated[str, Query(max_length=64)] = "") -> Response:
        return browser.page("contact_entered.html", visitor, communication=communication, method=choices().method(method))

    return router


def files_hint(settings: DeskSettings) -> str:
    """What files may be sent, in words."""
    each, together = settings.contact_file_bytes // MEGABYTE, settings.contact_files_bytes // MEGABYTE
    if settings.contact_files == 1:
        return f"Up to 1 file, up to {min(each, together)} MB."
    return f"Up to {settings.contact_files} files, each up to {each} MB, together up to {together} MB."


async def _sent(form: FormData, settings: DeskSettings) -> Sent:
    def text(name: str) -> str:
        value = form.get(name)
        return value.replace("\x00", "") if isinstance(value, str) else ""

    def texts(name: str) -> list[str]:
        return [value.replace("\x00", "") for value in form.getlist(name) if isinstance(value, str)]

    uploads = [file for file in form.getlist("file") if isinstance(file, UploadFile) and (file.filename or file.size)]
    sizes = [file.size or 0 for file in uploads]
    trouble = ""
    if (
        len(uploads) > settings.contact_files
        or max(sizes, default=0) > settings.contact_file_bytes
        or sum(sizes) > settings.contact_files_bytes
    ):
        trouble, uploads = f"These files are too many or too large. {files_hint(settings)}", []
    try:
        key = UUID(text("key"))
    except ValueError as error:
        raise Problem(400, "The form was not whole. Open the page anew.") from error
    files = [Upload(file.filename or "", file.content_type or "application/octet-stream", await file.read()) for file in uploads]
    prompts = zip(texts("script"), texts("prompt"), texts("answer"), strict=False)
    entry = Entry(
        location=text("location"),
        occurred_at=text("occurred_at"),
        name=text("name"),
        handle_kind=text("handle_kind"),
        handle=text("handle"),
        subject_line=text("subject_line"),
        text=text("text"),
        subjects=texts("subjects"),
        answers={(script, prompt): answer for script, prompt, answer in prompts},
    )
    return Sent(text("method"), key, entry, tuple(files), trouble)


def _with_files(errors: dict[str, str], sent: Sent) -> dict[str, str]:
    """A browser does not send files twice: they have to be chosen again."""
    return errors | {"file": errors.get("file", "Choose your files again.")} if sent.files else errors
