"""Writing to the customer of a case by hand (NOTE-2)."""

from __future__ import annotations

from uuid import UUID

from services.case.domain import hearing, messages
from services.case.domain.case import Case, HistoryEntry, entries
from services.case.domain.drafting import tag_values
from services.case.domain.messages import MessageFile
from services.case.domain.refusals import CaseLocked, InputRefused
from services.case.handlers.commands import Asked, UnknownCase
from services.case.handlers.contacts import Origin
from services.case.handlers.events import emit_case
from services.case.handlers.outbound import Letter, ask
from services.case.handlers.staff import UnknownCommunication
from services.case.handlers.writing import Asking, Drafts, Kind, Wanted, check_again, with_new, with_tags
from services.case.storage import cases, contacts, plans
from services.case.storage import messages as storage
from services.case.storage import record_messages as items
from services.case.storage.record_messages import CommunicationItem
from shared.messaging import ReferenceData
from shared.schemas.events import CaseAmended, ItemKind
from shared.schemas.parts import CustomerRef
from shared.storage import Transaction

_CASES = Kind[Case](
    templates=lambda writing: writing.for_cases, method=lambda case: case.method, owner=lambda case: case.owner, values=tag_values
)


class Messages:
    """The commands. Raise `UnknownCase`, `UnknownCommunication`, what `permit` raises, or a `CaseRefusal`."""

    def __init__(self, reference: ReferenceData) -> None:
        self._reference = reference
        self.drafts = Drafts(reference, _CASES)

    def send(self, tx: Transaction, asked: Asked, wanted: Wanted) -> tuple[Case, Asking]:
        """Record the message and have it sent."""
        case = _locked(tx, asked)
        what = f"writing to the customer of case {case.number}"
        if case.merged_into is not None:
            raise CaseLocked(what, "it was merged into another case: write from that one")
        if wanted.task_id is not None and not plans.is_task_of(tx, case.id, wanted.task_id):
            raise InputRefused(what, "the task that it is for is none of this case")
        to = messages.recipient(what, wanted.to, storage.reachable(tx, case.customer_email, case.contact_id))
        files = _files(tx, asked, what, case, wanted)
        return self._ask(tx, asked, case, to, with_tags(what, wanted, self.drafts.tags(case, asked.actor.user)), files)

    def send_again(self, tx: Transaction, asked: Asked, communication_id: UUID) -> tuple[Case, Asking]:
        """Send a message that did not reach the customer once more, as it was, to where they are reached now: a message of its own."""
        _locked(tx, asked)
        before = storage.written(tx, asked.case_id, communication_id)
        if before is None:
            raise UnknownCommunication(str(communication_id))
        check_again("sending the message again", before)
        files = tuple([(communication_id, position) for position in range(before.files)])
        again = Wanted(before.subject_line, before.text, files=files, task_id=items.task_of(tx, communication_id))
        return self.send(tx, asked, again)

    def _ask(self, tx: Transaction, asked: Asked, case: Case, to: str, wanted: Wanted, files: list[MessageFile]) -> tuple[Case, Asking]:
        by, now = asked.actor.user, asked.now
        about = {"case_id": case.id, "item_id": case.id, "number": case.number, "unit": case.unit, "owner": case.owner or ""}
        if wanted.task_id is not None:
            about |= {"item_kind": ItemKind.TASK, "item_id": wanted.task_id}
        customer = CustomerRef(contact_id=case.contact_id, account_id=case.account_id, name=case.customer_name, email=to)
        letter = Letter(case.conversation_id, customer, about, wanted, files, storage.last_mail(tx, case.id), case.id, case.method)
        message = ask(tx, self._reference, self.drafts.writing, Origin(by, asked.cause, now, asked.traceparent), letter)
        id = message.communication_id
        if wanted.task_id is not None:
            items.add(tx, [CommunicationItem(id, items.TASK, wanted.task_id)])
        heard, changes = hearing.heard(case, now, by, now)
        cases.change(tx, [heard])
        cases.add_history(tx, [HistoryEntry(case.id, None, "communication", None, str(id), by, now), *entries(heard, changes)])
        if changes:
            emit_case(tx, CaseAmended, heard, asked.cause, now, asked.traceparent)
        return heard, message


def _files(tx: Transaction, asked: Asked, what: str, case: Case, wanted: Wanted) -> list[MessageFile]:
    kept = storage.files_of_case(tx, case.id, wanted.files)
    if len(kept) < len(wanted.files):
        raise InputRefused(what, "one of the files is none of a communication of this case")
    return with_new(tx, what, kept, wanted, asked.actor.user, asked.now)


def _locked(tx: Transaction, asked: Asked) -> Case:
    # A contact that is merged away meanwhile would keep this communication.
    contacts.recording(tx)
    case = cases.lock(tx, [asked.case_id]).get(asked.case_id)
    if case is None:
        raise UnknownCase(str(asked.case_id))
    asked.permit(case)
    return case
