"""Writing to a customer about a case or a lead, or to a contact: `/write/...` (NOTE-2). A path of its own, since its form may be
larger than others.

Annotations are no strings here (no `from __future__ import annotations`): FastAPI could not find the dependency that the router makes.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Annotated, NamedTuple
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.api.case_actions import ShowCase
from services.desk.api.record_pages import unread, when_of
from services.desk.domain.messages import MOST_BYTES, MOST_FILES, MOST_OFFERED, NEEDS, About, Kind, Letter, Written, errors_of, kept_files
from services.desk.domain.organisation import Organisation
from services.desk.domain.records import Communication, size_words
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.contacts import Upload
from services.desk.gateways.customers import Customers
from services.desk.gateways.leads import Leads
from services.desk.gateways.messages import Messages
from services.desk.gateways.records import Records
from shared.clock import Clock
from shared.web import Forbidden, Problem
from shared.web.held import Held

FORM_BYTES = MOST_BYTES + 512 * 1024
"""What the form may have in all: the files, and what surrounds them."""
HELD_BYTES = 6 * FORM_BYTES
"""Of forms that are worked on at once."""
MOST_FIELDS = 100
FILES_HINT = f"Up to {MOST_FILES} files, together up to {MOST_BYTES // 1024**2} MB, with those of the case."


class Sent(NamedTuple):
    """The form as it was sent; `trouble`: what is wrong with its files, in words."""

    key: UUID
    letter: Letter
    files: tuple[Upload, ...]
    trouble: str


def _too_many() -> Problem:
    return Problem(503, "Many files are being sent just now. Wait a moment, then send the form again.")


class Sources(NamedTuple):
    """Where the pages read."""

    messages: Messages
    records: Records
    leads: Leads
    customers: Customers


def message_pages(
    browser: Browser, sources: Sources, organisation: Callable[[], Organisation], clock: Clock, show_case: ShowCase
) -> list[APIRouter]:
    """`/write/{case}`, `/write/lead/{lead}` and `/write/contact/{contact}`, and sending a message again."""
    held = Held(HELD_BYTES, _too_many)
    return [_pages(kind, browser, sources, organisation, clock, show_case, held) for kind in NEEDS]


def _pages(
    kind: Kind,
    browser: Browser,
    sources: Sources,
    organisation: Callable[[], Organisation],
    clock: Clock,
    show_case: ShowCase,
    held: Held,
) -> APIRouter:
    router = APIRouter(prefix="/write/{id}" if kind == "case" else f"/write/{kind}/{{id}}", include_in_schema=False)
    messages = sources.messages

    def writes(visitor: Annotated[Visitor, Depends(browser.visitor)]) -> Visitor:
        for needed in NEEDS[kind]:
            if not visitor.may(needed):
                raise Forbidden(f"Your roles do not open this page; it needs the permission {needed}.")
        return visitor

    # Whoever may not write is refused before the form, with its files, is read.
    async def sent_form(request: Request, _visitor: Annotated[Visitor, Depends(writes)]) -> AsyncIterator[Sent]:
        with held.keep(int(request.headers.get("content-length", FORM_BYTES))):
            try:
                async with request.form(max_files=MOST_FILES + 1, max_fields=MOST_FIELDS) as form:
                    yield await _sent(form)
            except HTTPException as error:
                raise Problem(413, f"The form could not be read. {FILES_HINT}") from error

    Writes = Annotated[Visitor, Depends(writes)]

    def page(
        visitor: Visitor,
        id: UUID,
        letter: Letter,
        key: UUID,
        errors: dict[str, str],
        status: int = 200,
        template: str = "",
        *,
        is_new: bool = False,
    ) -> Response:
        about, token = About(kind, id), visitor.token.token
        around = organisation()
        try:
            written = _written(sources, visitor, about, around)
            if is_new and not template:
                letter = replace(letter, subject_line=written.title)
            reach = messages.reach(token, about)
        except Away:
            return unread(browser, visitor, about.form)
        except Refused as refused:
            return unread(browser, visitor, about.form, str(refused))
        return browser.page(
            "write.html",
            visitor,
            status,
            about=about,
            written=written,
            reach=reach,
            letter=letter,
            to=letter.to or next((one.address for one in reach.addresses if not one.came_back), ""),
            key=key,
            errors=errors,
            begun_with=template,
            files_hint=FILES_HINT,
            names=around,
            when=when_of(clock, around),
            size_words=size_words,
        )

    @router.get("")
    def write(
        visitor: Writes,
        id: UUID,
        template: Annotated[str, Query(max_length=64, pattern=r"^[a-z0-9._-]*$")] = "",
        task: UUID | None = None,
    ) -> Response:
        letter, about = Letter(task=task), About(kind, id)
        if template:
            try:
                subject_line, text = messages.draft(visitor.token.token, about, template)
                letter = Letter(subject_line=subject_line, text=text, task=task)
            except Away:
                return unread(browser, visitor, about.form)
            except Refused as refused:
                return page(visitor, id, letter, uuid4(), {"": str(refused)}, 404)
        return page(visitor, id, letter, uuid4(), {}, template=template, is_new=True)

    @router.post("", dependencies=[Depends(from_our_own_page)])
    def send(visitor: Writes, id: UUID, sent: Annotated[Sent, Depends(sent_form)]) -> Response:
        letter, about, token = sent.letter, About(kind, id), visitor.token.token
        errors = errors_of(letter)
        if sent.trouble:
            errors["file"] = sent.trouble
        if not errors:
            try:
                ids = [messages.hand_in(token, file, f"desk-file-{sent.key}-{place}") for place, file in enumerate(sent.files)]
                content = {"subject_line": letter.subject_line, "text": letter.text, "to": letter.to}
                if kind == "case" and letter.task:
                    content["task_id"] = str(letter.task)
                messages.send(token, about, content | {"files": kept_files(letter), "handed_in": ids}, sent.key)
            except Away:
                away = "It could not be taken just now. Send it again in a moment: even if it was taken after all, it is sent once."
                return page(visitor, id, letter, sent.key, _with_files({"": away}, sent), 503)
            except Refused as refused:
                errors[""] = str(refused)
            else:
                return see_other(f"{about.page}?done=written#communications")
        # Changed words under the key of a message that was refused are another message.
        return page(visitor, id, letter, uuid4(), _with_files(errors, sent), 422)

    @router.post("/again", dependencies=[Depends(from_our_own_page)])
    def send_again(visitor: Writes, id: UUID, communication: Annotated[UUID, Form()], key: Annotated[UUID, Form()]) -> Response:
        about = About(kind, id)
        try:
            messages.send_again(visitor.token.token, about, communication, key)
        except Away:
            return browser.page("case_away.html", visitor, 503, back=about.page)
        except Refused as refused:
            if kind == "case":
                return show_case(visitor, id, error=str(refused), status=409)
            return browser.page("step_refused.html", visitor, 409, reason=str(refused), back=about.page)
        return see_other(f"{about.page}?done=written#communications")

    return router


def _written(sources: Sources, visitor: Visitor, about: About, names: Organisation) -> Written:
    token, reads = visitor.token.token, visitor.may("communication:read")
    if about.kind == "lead":
        lead = sources.leads.one(token, about.id)
        said = sources.leads.communications(token, about.id) if reads else ()
        return Written(lead.number, lead.title, lead.customer_words, _offered(said))
    if about.kind == "contact":
        return Written("", "", sources.customers.one(token, about.id).heading)
    case = sources.records.case(token, about.id)
    title = case.title or names.name("subject", case.subject)
    return Written(case.number, title, case.customer_name, _offered(case.communications) if reads else ())


def _offered(said: Sequence[Communication]) -> list[tuple[str, str, str]]:
    """Files of these that may go with a message: how the form names each, its name and its size. What may do harm is not sent."""
    found = [
        (f"{communication.id}:{file.position}", file.filename, file.size_words)
        for communication in said
        for file in communication.files
        if file.is_kept and not file.danger
    ]
    return found[:MOST_OFFERED]


async def _sent(form: FormData) -> Sent:
    def text(name: str) -> str:
        value = form.get(name)
        return value.replace("\x00", "").replace("\r\n", "\n") if isinstance(value, str) else ""

    uploads = [file for file in form.getlist("file") if isinstance(file, UploadFile) and (file.filename or file.size)]
    kept = [value for value in form.getlist("kept") if isinstance(value, str)]
    trouble = ""
    if len(uploads) + len(kept) > MOST_FILES or sum(file.size or 0 for file in uploads) > MOST_BYTES:
        trouble, uploads = f"These files are too many or too large. {FILES_HINT}", []
    try:
        key, task = UUID(text("key")), UUID(text("task")) if text("task") else None
    except ValueError as error:
        raise Problem(400, "The form was not whole. Open the page anew.") from error
    files = [Upload(file.filename or "file", file.content_type or "application/octet-stream", await file.read()) for file in uploads]
    letter = Letter(text("to").strip(), " ".join(text("subject_line").split()), text("text"), kept, task)
    return Sent(key, letter, tuple(files), trouble)


def _with_files(errors: dict[str, str], sent: Sent) -> dict[str, str]:
    """A browser does not send files twice: they have to be chosen again."""
    return errors | {"file": errors.get("file", "Choose your files again.")} if sent.files else errors
