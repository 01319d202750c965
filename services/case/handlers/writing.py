"""What messages that staff write by hand are made of (NOTE-2), the same whatever they are about: templates, tags, files, ways to go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from services.case.domain import messages
from services.case.domain.drafting import FILLED_BY_CONTACTS, FILLED_BY_LEADS, Draft, DraftTemplate, Naming, filled_in, filled_with
from services.case.domain.messages import MessageFile
from services.case.domain.refusals import CaseLocked, InputRefused
from services.case.storage import messages as storage
from shared.languages import nearest
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.configuration import Configuration
from shared.schemas.events.messages import LONGEST_TEXT
from shared.schemas.events.texts import LINE_LENGTH
from shared.storage import Transaction

Item = TypeVar("Item")


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
        self.for_cases = {template.code: template for template in templates if template.is_for_cases}
        self.for_leads = {template.code: template for template in templates if template.is_filled_by(FILLED_BY_LEADS)}
        self.for_contacts = {template.code: template for template in templates if template.is_filled_by(FILLED_BY_CONTACTS)}
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


class Kind(NamedTuple, Generic[Item]):
    """How messages about one kind of item are begun. `method`: by which it came; empty: by none. `values`: of the tags that it fills, given
    what codes are called, the names of staff by user, and the user who writes."""

    templates: Callable[[Writing], Mapping[str, DraftTemplate]]
    method: Callable[[Item], str]
    owner: Callable[[Item], str | None]
    values: Callable[[Item, Naming, Mapping[str, str], str], dict[str, str]]


class Drafts(Generic[Item]):
    """What a message about an item may begin with, in the configuration of now."""

    def __init__(self, reference: ReferenceData, kind: Kind[Item]) -> None:
        self._reference = reference
        self._kind = kind
        self._cache = VersionCache(reference, Writing)

    @property
    def writing(self) -> Writing:
        """What the configuration of now says."""
        return self._cache.get(self._reference.version)

    def templates(self) -> Sequence[DraftTemplate]:
        """Those that such a message may begin with, in the configuration's order."""
        return tuple(self._kind.templates(self.writing).values())

    def draft(self, item: Item, code: str, writer: str) -> Draft | None:
        """The template of this code filled for the item. `writer`: the user who writes. None: there is none that it can fill."""
        writing = self.writing
        template = self._kind.templates(writing).get(code)
        if template is None:
            return None
        body, naming = writing.texts(template, self._method(item))
        return filled_with(body, self._kind.values(item, naming, self._people(item, writer), writer))

    def tags(self, item: Item, writer: str) -> dict[str, str]:
        """What each tag stands for in a message about this item."""
        return self._kind.values(item, self.writing.naming(self._method(item)), self._people(item, writer), writer)

    def _method(self, item: Item) -> str:
        return self._kind.method(item) or self.writing.way("")[0]

    def _people(self, item: Item, writer: str) -> dict[str, str]:
        named = (user for user in (self._kind.owner(item), writer) if user is not None)
        return {user: member.name for user in named if (member := self._reference.staff.get(user)) is not None}


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
