"""A delivery and the configuration it was decided under become a message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notify.domain.digest import DIGEST
from services.notify.domain.letters import Letter, Look, framed
from services.notify.domain.message import Address, Message, Written, numbered, write
from services.notify.domain.recipients import thread_reference
from services.notify.domain.tags import Names, tag_values
from services.notify.domain.templates import Template, compile_template
from services.notify.handlers import by_hand
from services.notify.handlers.digesting import NothingToTell, digest_of
from services.notify.storage.deliveries import Claimed
from shared.calendars import ROUND_THE_CLOCK, Duration, due, parse_duration
from shared.languages import nearest
from shared.links import BadKeys, Link, LinkKeyFile
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.tags import APPROVAL_LINK, DESK_LINK, LINKS
from shared.schemas.events import StaffChanged
from shared.storage.objects import ObjectStore

_PAGES = {"case": "cases", "communication": "communications", "lead": "leads", "task": "tasks"}
"""Where the desk has its pages, by the kind of item."""


class NotComposable(Exception):
    """The message cannot be made, and another attempt would not change that; the text says why."""


class _Named(Protocol):
    @property
    def code(self) -> str: ...
    @property
    def name(self) -> str: ...


class Worded(NamedTuple):
    """A template in one language, with all that fills it."""

    template: Template
    letter: Letter
    names: Names


class Wording:
    """What a version of the configuration says about texts. Templates are compiled when first used: a bad one stops only its own."""

    def __init__(self, configuration: Configuration) -> None:
        organisation = configuration.organisation
        self.mail_domain = organisation.mail_domain
        self.organisation = organisation.name
        self.links_valid_for = parse_duration(configuration.customer_links.valid_for)
        self.approval_links_valid_for = parse_duration(configuration.approvals.links_valid_for)
        self.language = organisation.language
        self._configuration = configuration
        self._sections = {template.code: template for template in configuration.templates}
        self._compiled: dict[tuple[str, str], Worded] = {}
        self._names: dict[str, Names] = {}
        self._of_methods = {method.code: method.language for method in configuration.methods if method.language}
        self._of_staff = {
            address.lower(): user.language for user in configuration.users if user.language for address in (user.email, user.phone or "")
        }
        self.phones = {user.user: user.phone for user in configuration.users if user.phone}
        self._accounts: dict[str, str] = {}
        for account in configuration.mail_accounts:
            self._accounts.setdefault(account.method, account.address)

    def worded(self, code: str, language: str = "") -> Worded:
        """The compiled template, in the language that is wanted where it is translated. Raises NotComposable, also through UnknownTag's own
        text.
        """
        found = self._compiled.get((code, language))
        if found is None:
            section = self._sections.get(code)
            if section is None:
                raise NotComposable(f"the configuration has no template {code}")
            chosen = nearest(language, section.translations)
            body = section.translations.get(chosen, section)
            found = self.compiled(code, body.subject_line, body.text, body.html, chosen)
            self._compiled[(code, language)] = found
        return found

    def compiled(self, code: str, subject_line: str, text: str, html: str | None, language: str = "") -> Worded:
        """A template that need not be in the configuration; no language: the organisation's. Raises UnknownTag."""
        template = compile_template(code, subject_line, text, html)
        names, written_in = self.names(language), language or self.language
        return Worded(template, Letter(template, self.look(names), written_in), names)

    def look(self, names: Names) -> Look:
        """The organisation's letter."""
        letter = self._configuration.organisation.letter
        return Look(self.organisation, letter.colour, letter.logo_url or "", letter.footer, names.words)

    def names(self, language: str = "") -> Names:
        """What everything is called in this language; none: the organisation's."""
        found = self._names.get(language)
        if found is None:
            configuration, organisation = self._configuration, self._configuration.organisation
            words = organisation.words.get(language or self.language, {})

            def called(named: Iterable[_Named]) -> dict[str, str]:
                return {one.code: words.get(one.name, one.name) for one in named}

            found = self._names[language] = Names(
                organisation=organisation.name,
                zone=ZoneInfo(organisation.time_zone),
                subjects=called(configuration.subjects),
                statuses=called(configuration.statuses),
                priorities=called(configuration.prioritisation.priorities),
                units=called(configuration.units),
                roles=called(configuration.roles),
                lead_types=called(configuration.leads.types),
                language=language or self.language,
                words=words,
            )
        return found

    def language_of(self, audience: str, address: str, method: str) -> str:
        """The recipient's: staff's own, a customer's by the method that they made contact by; empty: the organisation's."""
        if audience == "customer":
            return self._of_methods.get(method, "")
        return self._of_staff.get(address.lower(), "") if audience == "staff" else ""

    def account(self, method: str) -> str:
        """The mail account whose answers come in by this communication method; empty: there is none."""
        return self._accounts.get(method, "")


@dataclass(frozen=True, slots=True)
class LinkMaker:
    """Makes the links by which customers and approvers answer, whose pages are at these addresses; empty: there are none."""

    answer_url: str
    decide_url: str
    keys: LinkKeyFile

    def link(self, purpose: str, record: UUID, at: datetime, valid_for: Duration, user: str = "") -> str:
        """The same whenever it is made. `user`: the approver; empty: it is for a customer. Raises `BadKeys`."""
        link = Link(purpose, record, at, due(valid_for, at, ROUND_THE_CLOCK), user)
        url = self.decide_url if user else self.answer_url
        return f"{url.rstrip('/')}/{self.keys.keys().token(link)}"


class PeopleNames(Mapping[str, str]):
    """Names of staff by user, read from the directory as it is now."""

    def __init__(self, staff: Mapping[str, StaffChanged]) -> None:
        self._staff = staff

    def __getitem__(self, user: str) -> str:
        return self._staff[user].name

    def __iter__(self) -> Iterator[str]:
        return iter(self._staff)

    def __len__(self) -> int:
        return len(self._staff)


class Composer:
    """Makes messages; safe to use from several threads."""

    def __init__(
        self,
        reference: ReferenceData,
        mail_from: str,
        links: LinkMaker | None = None,
        *,
        desk_url: str = "",
        objects: ObjectStore | None = None,
    ) -> None:
        """`objects`: where files are that go with messages; None: none can."""
        self._links = links
        self._objects = objects
        self._desk_url = desk_url.rstrip("/")
        self._reference = reference
        self._wordings = VersionCache(reference, Wording)
        self._mail_from = mail_from

    def knows(self, claimed: Claimed) -> bool:
        """Whether the configuration that the delivery was decided under has arrived here yet."""
        return claimed.config_version <= self._reference.version

    def compose(self, claimed: Claimed) -> Written:
        """The message, the same bytes each time while names stay the same. Raises NotComposable, UnknownTag or UnusableAddress, and
        StoreUnavailable where its files cannot be had just now.
        """
        wording = self._wordings.get(claimed.config_version)
        if by_hand.is_by_hand(claimed.definition, claimed.template):
            try:
                return by_hand.compose(claimed, self._look(claimed, wording), self._objects)
            except by_hand.NoFile as error:
                raise NotComposable(str(error)) from error
        if claimed.item_kind == DIGEST:
            return self._digest(claimed, wording)
        worded, values = self._filled(claimed, wording)
        subject_line = numbered(worded.template.subject_line.header(values), claimed.facts.get("number", ""))
        thread = claimed.thread_id if claimed.audience == "customer" else claimed.case_id or claimed.item_id
        reply_to = self._reply_to(claimed, wording)
        written = write(
            Message(
                message_id=claimed.message_id,
                sender=Address(self._mail_from, wording.organisation),
                to=Address(claimed.recipient, claimed.recipient_name),
                subject_line=subject_line,
                date=claimed.created_at.astimezone(UTC),
                text=worded.template.text.plain(values),
                html=worded.letter.html(subject_line, values),
                reply_to=Address(reply_to) if reply_to else None,
                references=(thread_reference(thread, wording.mail_domain),),
                language=worded.names.language,
            )
        )
        return written._replace(text=_without_links(written.text, values))

    def _look(self, claimed: Claimed, wording: Wording) -> by_hand.Look:
        language = wording.language_of(claimed.audience, claimed.recipient, claimed.facts.get("method", ""))

        def html(subject_line: str, text: str) -> str:
            worded = wording.compiled(by_hand.BY_HAND, "", by_hand.as_template(text), None, language)
            return worded.letter.html(subject_line, {})

        return by_hand.Look(Address(self._mail_from, wording.organisation), wording.mail_domain, language or wording.language, html)

    def _digest(self, claimed: Claimed, wording: Wording) -> Written:
        """What a member of staff wanted gathered. Raises NotComposable."""
        names = wording.names(wording.language_of(claimed.audience, claimed.recipient, ""))
        try:
            digest = digest_of(claimed, names)
        except NothingToTell as error:
            raise NotComposable(f"not sent: {error}") from error
        reply_to = self._reply_to(claimed, wording)
        return write(
            Message(
                message_id=claimed.message_id,
                sender=Address(self._mail_from, wording.organisation),
                to=Address(claimed.recipient, claimed.recipient_name),
                subject_line=digest.subject_line,
                date=claimed.created_at.astimezone(UTC),
                text=digest.text,
                html=framed(wording.look(names), names.language, digest.subject_line, digest.beginning, digest.html),
                reply_to=Address(reply_to) if reply_to else None,
                language=names.language,
            )
        )

    def _filled(self, claimed: Claimed, wording: Wording) -> tuple[Worded, dict[str, str]]:
        """The template in the recipient's language, and the values of its tags. Raises NotComposable or UnknownTag."""
        facts = claimed.facts
        worded = wording.worded(claimed.template, wording.language_of(claimed.audience, claimed.recipient, facts.get("method", "")))
        links = self._links_of(claimed, worded.template, wording)
        if DESK_LINK in worded.template.tags and (page := self._page(claimed)):
            links[DESK_LINK] = page
        people, is_person = PeopleNames(self._reference.staff), claimed.audience != "unit"
        return worded, tag_values(facts, worded.names, people, claimed.recipient_name, is_person, links, wanted=worded.template.tags)

    def text(self, claimed: Claimed) -> str:
        """The text alone, for a text message. Raises NotComposable or UnknownTag."""
        worded, values = self._filled(claimed, self._wordings.get(claimed.config_version))
        return worded.template.text.plain(values)

    def told(self, claimed: Claimed) -> str:
        """The same as others may read it. Raises NotComposable or UnknownTag."""
        worded, values = self._filled(claimed, self._wordings.get(claimed.config_version))
        return _without_links(worded.template.text.plain(values), values)

    def _links_of(self, claimed: Claimed, template: Template, wording: Wording) -> dict[str, str]:
        """The recipient's links that the template asks for, by their tags. Raises NotComposable.

        A customer's are for nobody else, nor is an approver's: whoever has one can answer.
        """
        at = claimed.facts.get("at", "")
        if not at:
            return {}
        made_at = datetime.fromisoformat(at)
        try:
            if claimed.audience == "customer" and claimed.case_id is not None and (wanted := template.tags & LINKS.keys()):
                maker = self._maker(min(wanted), "CASESTREAM_ANSWER_URL")
                return {tag: maker.link(LINKS[tag], claimed.case_id, made_at, wording.links_valid_for) for tag in wanted}
            if APPROVAL_LINK in template.tags and (approver := self._approver(claimed, wording)):
                maker, approval = self._maker(APPROVAL_LINK, "CASESTREAM_DECIDE_URL"), UUID(claimed.facts["approval_id"])
                return {APPROVAL_LINK: maker.link("approval", approval, made_at, wording.approval_links_valid_for, approver)}
        except BadKeys as error:
            raise NotComposable(f"the keys of links: {error}") from error
        return {}

    def _page(self, claimed: Claimed) -> str:
        """Of the item, at the desk; empty: customers have none, nor has an installation without a desk."""
        pages = _PAGES.get(claimed.item_kind, "")
        return f"{self._desk_url}/{pages}/{claimed.item_id}" if self._desk_url and pages and claimed.audience != "customer" else ""

    def _maker(self, tag: str, url: str) -> LinkMaker:
        maker = self._links
        if maker is None or not (maker.decide_url if tag == APPROVAL_LINK else maker.answer_url):
            raise NotComposable(f"#{tag} needs the settings {url} and CASESTREAM_LINK_KEYS")
        return maker

    def _approver(self, claimed: Claimed, wording: Wording) -> str:
        """The user who is asked for an approval, if the message goes to them."""
        facts = claimed.facts
        if claimed.audience in ("customer", "unit") or "approval_id" not in facts or facts.get("status") != "asked":
            return ""
        user = facts["approver"]
        member = self._reference.staff.get(user)
        if member is None:
            return ""
        return user if claimed.recipient.lower() in (member.email.lower(), wording.phones.get(user)) else ""

    def _reply_to(self, claimed: Claimed, wording: Wording) -> str:
        """A customer's answer belongs where their method's mail comes in; a colleague's with the unit, never in a customers' mailbox."""
        if claimed.audience == "customer":
            return wording.account(claimed.facts.get("method", ""))
        unit = self._reference.units.get(claimed.facts.get("unit", ""))
        return unit.email if unit else ""


def _without_links(text: str, values: Mapping[str, str]) -> str:
    """What is told of a message is shown to staff, and whoever has a link can answer by it."""
    for tag in (*LINKS, APPROVAL_LINK):
        if link := values.get(tag):
            text = text.replace(link, "[link]")
    return text
