"""Notes on records (CASE-10): cases, contacts, accounts, and whatever else has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.case.api.reach import Asking, may_see
from services.case.api.shapes.declaring import Listed, gives
from services.case.api.shapes.records import Note as ShownNote
from services.case.domain.case import HistoryEntry
from services.case.domain.notes import NOTE_LENGTH, Note, RecordKind
from services.case.storage import cases, notes
from shared.clock import Clock
from shared.ids import derive
from shared.messaging import EventPublisher
from shared.storage import Transaction
from shared.web import Answer, Command, NotFound, PageRequest, Principal, answer_once, page_request, requires

Paging = Annotated[PageRequest, Depends(page_request)]
Visible = Callable[[Transaction, UUID, Principal], Sequence[UUID]]
"""The records whose notes are shown with this one, itself the first; raises `NotFound` where the caller does not reach it."""
Noted = Callable[[Transaction, Note], None]
"""What else a new note does."""


class NoteBody(BaseModel):
    """What is to be noted."""

    model_config = ConfigDict(extra="forbid")
    text: Annotated[str, StringConstraints(min_length=1, max_length=NOTE_LENGTH, pattern=r"^[^\x00]*$", strip_whitespace=True)] = Field(
        examples=["Rang back; the key is with the neighbour."]
    )


def notes_routes(
    publisher: EventPublisher,
    clock: Clock,
    path: str,
    kind: RecordKind,
    visible: Visible,
    noted: Noted = lambda _tx, _note: None,
    reads: str = "case:read",
) -> APIRouter:
    """`GET` and `POST {path}/{id}/notes`. A note is written whatever the record's state, and never changed. `reads`: who sees them."""
    router = APIRouter(prefix=f"{path}/{{record_id}}/notes", tags=[path.strip("/")])
    reader = Depends(requires(reads))

    @router.get("", responses=gives(Listed[ShownNote]), summary=f"Notes on one of the {path.strip('/')}, the newest first.")
    def list_notes(record_id: UUID, page: Paging, principal: Principal = reader) -> Response:
        with publisher.database.read() as tx:
            found = notes.of_records(tx, kind, visible(tx, record_id, principal), page.limit + 1, page.place())
        shown = found[: page.limit]
        following = page.following(len(found), shown, lambda row: (row["written_at"].isoformat(), str(row["id"])))
        return Answer({"items": shown, "next": following}).response()

    @router.post(
        "", responses=gives(ShownNote, 201), status_code=201, dependencies=[Depends(requires("note:write"))], summary="Write a note."
    )
    def write_note(record_id: UUID, body: NoteBody, asking: Asking) -> Response:
        def answer() -> Answer:
            visible(tx, record_id, asking.principal)
            note = _note(record_id, body, asking)
            notes.add(tx, [note])
            noted(tx, note)
            return Answer(_shown(note), 201)

        with publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    def _note(record_id: UUID, body: NoteBody, asking: Command) -> Note:
        return Note(derive("note", asking.cause), kind.value, record_id, body.text, asking.principal.user, clock())

    return router


def _shown(note: Note) -> dict[str, Any]:
    return {"id": note.id, "text": note.text, "author": note.author, "written_at": note.written_at}


def visible_case(tx: Transaction, case_id: UUID, principal: Principal) -> list[UUID]:
    """The case, alone. Raises `NotFound`."""
    case = cases.get(tx, case_id)
    if case is None or not may_see(principal, case.unit, case.owner):
        raise NotFound
    return [case_id]


def noted_on_case(tx: Transaction, note: Note) -> None:
    """Write into the case's history that it was noted upon."""
    cases.add_history(tx, [HistoryEntry(note.record_id, None, "note", None, str(note.id), note.author, note.written_at)])
