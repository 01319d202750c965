"""Writing to the customer of a case: `/cases/{id}/messages`, and files that go with a message (NOTE-2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field, StringConstraints

from services.case.api.commanding import Body
from services.case.api.merging import asked_of
from services.case.api.reach import READS, Asking, may_see, refusals
from services.case.api.shapes.declaring import gives
from services.case.api.shapes.messages import AskedMessage, MessageChoices, MessageDraft, MessageFile
from services.case.domain import messages as rules
from services.case.domain.case import Case
from services.case.domain.drafting import Draft
from services.case.domain.messages import Reachable
from services.case.handlers import writing
from services.case.handlers.commands import Asked
from services.case.handlers.messages import Messages
from services.case.handlers.writing import Drafts, Item, Wanted
from services.case.storage import cases
from services.case.storage import messages as storage
from shared.clock import Clock
from shared.dangers import danger
from shared.ids import derive
from shared.messaging import EventPublisher
from shared.schemas.configuration.tags import TAGS
from shared.schemas.events import Code, Line
from shared.schemas.events.messages import LONGEST_TEXT
from shared.storage import Transaction
from shared.storage.objects import ObjectStore, StoreUnavailable
from shared.web import Answer, Command, Forbidden, NotFound, Principal, Problem, Unprocessable, answer_once, requires

PATH = "/message-files"
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
Writer = Annotated[Principal, Depends(requires("message:send"))]
Template = Annotated[Code | None, Query(description="One of those that `message-choices` lists; none: an empty message.")]


class KeptFile(Body):
    """A file of a communication of the case."""

    communication_id: UUID
    position: int = Field(ge=0, lt=10_000, description="Its place among the communication's files, from 0.")


class MessageBody(Body):
    """What to write. `to`: one of the customer's email addresses; empty: where they are reached."""

    subject_line: Annotated[Line, StringConstraints(min_length=1, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]*$")] = Field(
        examples=["Your leak"]
    )
    text: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, strip_whitespace=True, pattern=r"^[^\x00]*$")] = Field(
        examples=["Dear Ann, a plumber comes on Tuesday between 9 and 12."]
    )
    to: Annotated[str, StringConstraints(max_length=320, pattern=r"^[^\x00\s]*$")] = Field(default="", examples=["ann@customer.example"])
    files: Annotated[tuple[KeptFile, ...], Field(max_length=rules.MOST_FILES)] = ()
    handed_in: Annotated[tuple[UUID, ...], Field(max_length=rules.MOST_FILES, description="Ids that `POST /message-files` gave.")] = ()


class CaseMessageBody(MessageBody):
    """What to write about a case."""

    task_id: UUID | None = Field(default=None, description="The task of the case that it is written for; it is named in the record.")


def messages_router(publisher: EventPublisher, commands: Messages, clock: Clock) -> APIRouter:
    """The routes under `/cases/{id}`."""
    router = APIRouter(prefix="/cases/{case_id}", tags=["messages"])
    sends = Depends(requires("message:send"))

    def once(asking: Command, case_id: UUID, work: Callable[[Transaction, Asked], tuple[Case, writing.Asking]]) -> Response:
        def answer() -> Answer:
            # What was said since does not matter to a message; whoever writes has read what they answer.
            case, message = work(tx, asked_of(asking, case_id, clock, checks_revision=False))
            return asked_answer(message, case)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.get(
        "/message-choices", responses=gives(MessageChoices), summary="Where the customer of a case can be written to, and with how much."
    )
    def choices(case_id: UUID, principal: Writer) -> Response:
        with publisher.database.read() as tx:
            case = _visible(tx, case_id, principal)
            found = storage.reachable(tx, case.customer_email, case.contact_id)
        return choices_of(commands.drafts, case, found, principal.user)

    @router.get(
        "/message-draft",
        responses=gives(MessageDraft),
        summary="What a message begins with: a template filled for the case, to be changed.",
    )
    def show_draft(
        case_id: UUID,
        principal: Writer,
        template: Template = None,
    ) -> Response:
        with publisher.database.read() as tx:
            case = _visible(tx, case_id, principal)
        return draft_of(commands.drafts, case, template, principal.user)

    @router.post(
        "/messages",
        responses=gives(AskedMessage, 202, etag=True),
        status_code=202,
        dependencies=[sends],
        summary="Write to its customer: recorded as an outbound communication, and sent.",
    )
    def send(case_id: UUID, body: CaseMessageBody, asking: Asking) -> Response:
        wanted = wanted_of(body, asking.principal)._replace(task_id=body.task_id)
        return once(asking, case_id, lambda tx, asked: commands.send(tx, asked, wanted))

    @router.post(
        "/messages/{communication_id}/send-again",
        responses=gives(AskedMessage, 202, etag=True),
        status_code=202,
        dependencies=[sends],
        summary="Send a message that failed or came back once more, as a message of its own.",
    )
    def send_again(case_id: UUID, communication_id: UUID, asking: Asking) -> Response:
        return once(asking, case_id, lambda tx, asked: commands.send_again(tx, asked, communication_id))

    return router


def wanted_of(body: MessageBody, principal: Principal) -> Wanted:
    """The message that was asked for. Raises `Forbidden` where it takes files along that its writer may not read."""
    if body.files and not principal.may(READS):
        raise Forbidden(f"Sending files of communications needs the permission {READS}.")
    files = tuple([(file.communication_id, file.position) for file in body.files])
    return Wanted(body.subject_line, body.text.replace("\r\n", "\n"), body.to, files, body.handed_in)


def asked_answer(message: writing.Asking, case: Case | None = None) -> Answer:
    """That a message waits to be sent. `case`: that it is about."""
    content = {"id": message.communication_id, "recipient": message.recipient, "state": storage.QUEUED}
    return Answer(content, 202) if case is None else Answer(content | {"case_id": case.id}, 202, case.revision)


def draft_of(drafts: Drafts[Item], item: Item, template: str | None, user: str) -> Response:
    """What a message about an item begins with. Raises `NotFound` where it has no such template."""
    found = drafts.draft(item, template, user) if template is not None else Draft("", "")
    if found is None:
        raise NotFound("There is no such template that can be filled here.")
    return Answer(found._asdict()).response()


def choices_of(drafts: Drafts[Item], item: Item, found: Sequence[Reachable], user: str) -> Response:
    """Where a customer can be written to, how a message may begin, what its tags stand for, and how much goes with it."""
    answer = Answer(
        {
            "recipients": [one._asdict() for one in found],
            "templates": [{"code": one.code, "name": one.name} for one in drafts.templates()],
            "tags": [{"tag": tag, "means": TAGS[tag], "value": value} for tag, value in drafts.tags(item, user).items()],
            "most_files": rules.MOST_FILES,
            "most_bytes": rules.MOST_BYTES,
            "longest_text": LONGEST_TEXT,
        }
    )
    return answer.response()


def _visible(tx: Transaction, case_id: UUID, principal: Principal) -> Case:
    case = cases.get(tx, case_id)
    if case is None or not may_see(principal, case.unit, case.owner):
        raise NotFound
    return case


async def _content(request: Request) -> bytes:
    return await request.body()


def message_files_router(publisher: EventPublisher, objects: ObjectStore, clock: Clock) -> APIRouter:
    """`POST /message-files`."""
    router = APIRouter(prefix=PATH, tags=["messages"])

    @router.post(
        "",
        responses=gives(MessageFile, 201),
        status_code=201,
        dependencies=[Depends(requires("message:send"))],
        summary="Hand a file in, as the body, that is to go with a message of the caller's within a day.",
    )
    def hand_in(
        asking: Asking,
        request: Request,
        content: Annotated[bytes, Depends(_content)],
        filename: Annotated[str, Query(min_length=1, max_length=255, description="Its name; folders are cut off.")],
    ) -> Response:
        name = rules.file_name(filename)
        declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not content:
            raise Unprocessable("The body is empty; it is the file.")
        if harm := danger(name, content):
            raise Unprocessable(f"{name} may harm whoever opens it ({harm}), so it is not sent.")
        try:
            digest = objects.put(content)
        except StoreUnavailable as error:
            raise Problem(503, "The object store is away just now; try again shortly.", headers={"Retry-After": "5"}) from error
        now = clock()
        file = storage.HandedIn(
            id=derive("message file", asking.cause),
            size=len(content),
            handed_in_at=now,
            handed_in_by=asking.principal.user,
            sha256=digest,
            filename=name,
            content_type=declared if _MEDIA_TYPE.fullmatch(declared) else "application/octet-stream",
        )

        def answer() -> Answer:
            storage.hand_in(tx, file, now - rules.HANDED_IN_FOR)
            return Answer({"id": file.id, "filename": name, "size": file.size}, 201)

        with publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    return router
