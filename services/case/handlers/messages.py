"""Writing to the customer of a case by hand (NOTE-2): recorded as an outbound communication at once, sent by notify.

A message has one id: that of its communication is that of its delivery. So what notify tells of the delivery is told of the communication.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.case.domain import hearing, messages
from services.case.domain.case import Case, HistoryEntry, entries
from services.case.domain.drafting import FILLED_BY_CONTACTS, FILLED_BY_LEADS, Draft, DraftTemplate, Naming, draft, filled_in, tag_values
from services.case.domain.matching import Effect
from services.case.domain.messages import MessageFile
from services.case.domain.refusals import CaseLocked, InputRefused
from services.case.handlers.commands import Asked, UnknownCase
from services.case.handlers.events import emit_case
from services.case.handlers.outbound import Outbound, keep
from services.case.handlers.staff import UnknownCommunication
from services.case.storage import cases, contacts, plans
from services.case.storage import messages as storage
from services.case.storage import record_messages as items
from services.case.storage.communications import CaseCommunication
from services.case.storage.record_messages import CommunicationItem
from shared.ids import derive
from shared.languages import nearest
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.configuration import Configuration
from shared.schemas.events import CaseAmended, CommunicationRecorded, ItemKind, MessageAsked
from shared.schemas.events.messages import LONGEST_TEXT
from shared.schemas.events.texts import LINE_LENGTH
from shared.schemas.parts import CustomerRef
from shared.storage import Transaction


class Writing:
    """What a configuration says about messages: our mail domain, mail accounts, the templates that a case can fill, and names."""

    def __init__(self, configuration: Configuration) -> None:
        self.mail_domain = configuration.organisation.mail_domain
        self.accounts: dict[str, str] = {}
        for account in configuration.mail_accounts:
            self.accounts.setdefault(account.method, account.address)
        templates = [
            DraftTemplate(
                section.code,
                section.name,
                section.subject_line,
                section.text,
                {language: Draft(body.subject_line, body.text) for language, body in section.translations.items()},
            )
            for section in configuration.templates
        ]
        self.templates = {template.code: template for template in templates if template.is_for_cases}
        self.templates_of_leads = {template.code: template for template in templates if template.is_filled_by(FILLED_BY_LEADS)}
        self.templates_of_contacts = {template.code: template for template in templates if template.is_filled_by(FILLED_BY_CONTACTS)}
        self._first_method = next((method.code for method in configuration.methods), "email")
        self._languages = {method.code: method.language for method in configuration.methods if method.language}
        self._configuration = configuration

    def way(self, method: str) -> tuple[str, str]:
        """By which method a message about a case of this method goes, and the account that answers come in by; empty: there is none.

        `method` empty: it is about no case, and goes by the first mail account's, or the first of all.
        """
        if self.accounts and method not in self.accounts:
            return next(iter(self.accounts.items()))
        return method or self._first_method, self.accounts.get(method, "")

    def texts(self, template: DraftTemplate, method: str) -> tuple[Draft, Naming]:
        """A template's texts for customers of this method, in their language where it is translated, and what is called how in them."""
        language = nearest(self._languages.get(method, ""), template.translations)
        body = template.translations.get(language) or Draft(template.subject_line, template.text)
        return body, self._naming(language)

    def naming(self, method: str) -> Naming:
        """What is called how in the language of customers of this method."""
        return self._naming(self._languages.get(method, ""))

    def _naming(self, language: str) -> Naming:
        configuration, organisation = self._configuration, self._configuration.organisation
        written_in = language or organisation.language
        words = organisation.words.get(written_in, {})
        return Naming(
            organisation=organisation.name,
            zone=ZoneInfo(organisation.time_zone),
            subjects={subject.code: words.get(subject.name, subject.name) for subject in configuration.subjects},
            statuses={status.code: words.get(status.name, status.name) for status in configuration.statuses},
            priorities={one.code: words.get(one.name, one.name) for one in configuration.prioritisation.priorities},
            units={unit.code: words.get(unit.name, unit.name) for unit in configuration.units},
            language=written_in,
            words=words,
        )


class Wanted(NamedTuple):
    """A message as somebody wants it sent. `to` empty: where the customer is reached. `files`: of communications of the case, each by its
    place there; `handed_in`: those that were handed in for it. `task_id`: the task of the case that it is written for.
    """

    subject_line: str
    text: str
    to: str = ""
    files: tuple[tuple[UUID, int], ...] = ()
    handed_in: tuple[UUID, ...] = ()
    task_id: UUID | None = None


class Asking(NamedTuple):
    """A message that was asked for: its communication."""

    communication_id: UUID
    recipient: str


class Messages:
    """The commands. Raise `UnknownCase`, `UnknownCommunication`, what `permit` raises, or a `CaseRefusal`."""

    def __init__(self, reference: ReferenceData) -> None:
        self._reference = reference
        self._writing = VersionCache(reference, Writing)

    def templates(self) -> Sequence[DraftTemplate]:
        """Those that a message about a case may begin with, in the configuration's order."""
        return tuple(self._writing.get(self._reference.version).templates.values())

    def draft(self, case: Case, code: str, writer: str) -> Draft | None:
        """The template of this code filled for a case; None: there is none that a case can fill."""
        writing = self._writing.get(self._reference.version)
        template = writing.templates.get(code)
        if template is None:
            return None
        body, naming = writing.texts(template, case.method)
        return draft(body, case, naming, self._people(case, writer), writer)

    def tags(self, case: Case, writer: str) -> dict[str, str]:
        """What each tag stands for in a message about this case."""
        naming = self._writing.get(self._reference.version).naming(case.method)
        return tag_values(case, naming, self._people(case, writer), writer)

    def _people(self, case: Case, writer: str) -> dict[str, str]:
        named = (user for user in (case.owner, writer) if user is not None)
        return {user: member.name for user in named if (member := self._reference.staff.get(user)) is not None}

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
        return self._ask(tx, asked, case, to, with_tags(what, wanted, self.tags(case, asked.actor.user)), files)

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
        version, by, now = self._reference.version, asked.actor.user, asked.now
        writing = self._writing.get(version)
        method, account = writing.way(case.method)
        id = derive("message", asked.cause)
        member = self._reference.staff.get(by)
        sent = Outbound(
            id=id,
            config_version=version,
            conversation_id=case.conversation_id,
            effect=Effect.JOINS,
            method=method,
            account=account,
            message_id=messages.message_id(case.conversation_id, id, writing.mail_domain),
            answered=messages.answerable(storage.last_mail(tx, case.id)),
            to=to,
            contact_id=case.contact_id,
            subject_line=wanted.subject_line,
            text=wanted.text,
            files=files,
            by=by,
            writer=member.name if member else by,
            now=now,
        )
        keep(tx, sent, [CaseCommunication(id, case.id, 0)])
        about: dict[str, Any] = {"item_id": case.id}
        if wanted.task_id is not None:
            items.add(tx, [CommunicationItem(id, items.TASK, wanted.task_id)])
            about = {"item_kind": ItemKind.TASK, "item_id": wanted.task_id}
        heard, changes = hearing.heard(case, now, by, now)
        cases.change(tx, [heard])
        cases.add_history(tx, [HistoryEntry(case.id, None, "communication", None, str(id), by, now), *entries(heard, changes)])
        customer = CustomerRef(contact_id=case.contact_id, account_id=case.account_id, name=case.customer_name, email=to)
        recorded = CommunicationRecorded(
            communication_id=id,
            conversation_id=case.conversation_id,
            method=method,
            case_ids=(case.id,),
            customer=customer,
            subject_line=wanted.subject_line,
            direction="outbound",
            occurred_at=now,
        )
        message = MessageAsked(
            case_id=case.id, number=case.number, unit=case.unit, owner=case.owner or "", **about, **sent.asked(case.customer_name)
        )
        for revision, payload in enumerate((recorded, message), 1):
            tx.emit(
                payload,
                aggregate_id=id,
                key=case.id,
                revision=revision,
                cause=asked.cause,
                time=now,
                config_version=version,
                traceparent=asked.traceparent,
            )
        if changes:
            emit_case(tx, CaseAmended, heard, asked.cause, now, asked.traceparent)
        return heard, Asking(id, to)


def _files(tx: Transaction, asked: Asked, what: str, case: Case, wanted: Wanted) -> list[MessageFile]:
    kept = storage.files_of_case(tx, case.id, wanted.files)
    if len(kept) < len(wanted.files):
        raise InputRefused(what, "one of the files is none of a communication of this case")
    return with_new(tx, what, kept, wanted, asked.actor.user, asked.now)


def with_new(tx: Transaction, what: str, kept: Sequence[MessageFile], wanted: Wanted, user: str, now: datetime) -> list[MessageFile]:
    """The files that go with a message: these, and those that the user handed in for it. Raises `InputRefused`."""
    new = storage.handed_in(tx, wanted.handed_in, user, now - messages.HANDED_IN_FOR)
    if len(new) < len(wanted.handed_in):
        raise InputRefused(what, "one of the files was not handed in by you, or too long ago: hand it in again")
    files = [*kept, *new]
    messages.check_files(what, files)
    return files


def with_tags(what: str, wanted: Wanted, tags: Mapping[str, str]) -> Wanted:
    """The message with its tags filled. Raises `InputRefused`."""
    subject_line, text = " ".join(filled_in(wanted.subject_line, tags).split()), filled_in(wanted.text, tags)
    if len(subject_line) > LINE_LENGTH or len(text) > LONGEST_TEXT:
        raise InputRefused(what, "with its tags filled it is too long")
    return wanted._replace(subject_line=subject_line, text=text)


def check_again(what: str, before: storage.Written) -> None:
    """Raise where this message is not to be sent once more."""
    if before.is_erased:
        raise InputRefused(what, "it was erased")
    if before.state not in (storage.FAILED, storage.BOUNCED):
        raise CaseLocked(what, "it has reached the customer as far as is known, or is on its way")


def _locked(tx: Transaction, asked: Asked) -> Case:
    # A contact that is merged away meanwhile would keep this communication.
    contacts.recording(tx)
    case = cases.lock(tx, [asked.case_id]).get(asked.case_id)
    if case is None:
        raise UnknownCase(str(asked.case_id))
    asked.permit(case)
    return case
