"""A delivery and the configuration it was decided under become a message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notify.domain.message import Address, Message, Written, numbered, write
from services.notify.domain.recipients import thread_reference
from services.notify.domain.tags import Names, tag_values
from services.notify.domain.templates import Template, compile_template
from services.notify.handlers import by_hand
from services.notify.storage.deliveries import Claimed
from shared.calendars import ROUND_THE_CLOCK, Duration, due, parse_duration
from shared.links import BadKeys, Link, LinkKeyFile
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.tags import APPROVAL_LINK, LINKS
from shared.schemas.events import StaffChanged
from shared.storage.objects import ObjectStore


class NotComposable(Exception):
    """The message cannot be made, and another attempt would not change that; the text says why."""


class Wording:
    """What a version of the configuration says about texts. Templates are compiled when first used: a bad one stops only its own."""

    def __init__(self, configuration: Configuration) -> None:
        organisation = configuration.organisation
        self.names = Names(
            organisation=organisation.name,
            zone=ZoneInfo(organisation.time_zone),
            subjects={subject.code: subject.name for subject in configuration.subjects},
            statuses={status.code: status.name for status in configuration.statuses},
            priorities={priority.code: priority.name for priority in configuration.prioritisation.priorities},
            units={unit.code: unit.name for unit in configuration.units},
            roles={role.code: role.name for role in configuration.roles},
            lead_types={kind.code: kind.name for kind in configuration.leads.types},
        )
        self.mail_domain = organisation.mail_domain
        self.links_valid_for = parse_duration(configuration.customer_links.valid_for)
        self.approval_links_valid_for = parse_duration(configuration.approvals.links_valid_for)
        self._sections = {template.code: template for template in configuration.templates}
        self._compiled: dict[str, Template] = {}
        self._accounts: dict[str, str] = {}
        for account in configuration.mail_accounts:
            self._accounts.setdefault(account.method, account.address)

    def template(self, code: str) -> Template:
        """The compiled template. Raises NotComposable, also through UnknownTag's own text."""
        found = self._compiled.get(code)
        if found is None:
            section = self._sections.get(code)
            if section is None:
                raise NotComposable(f"the configuration has no template {code}")
            found = compile_template(code, section.subject_line, section.text, section.html)
            self._compiled[code] = found
        return found

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
        self, reference: ReferenceData, mail_from: str, links: LinkMaker | None = None, objects: ObjectStore | None = None
    ) -> None:
        """`objects`: where files are that go with messages; None: none can."""
        self._links = links
        self._objects = objects
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
        if by_hand.is_by_hand(claimed.template):
            try:
                sender = Address(self._mail_from, wording.names.organisation)
                return by_hand.compose(claimed, sender, wording.mail_domain, self._objects)
            except by_hand.NoFile as error:
                raise NotComposable(str(error)) from error
        template = wording.template(claimed.template)
        people, is_person = PeopleNames(self._reference.staff), claimed.audience != "unit"
        links = self._links_of(claimed, template, wording)
        values = tag_values(claimed.facts, wording.names, people, claimed.recipient_name, is_person, links)
        thread = claimed.thread_id if claimed.audience == "customer" else claimed.case_id or claimed.item_id
        reply_to = self._reply_to(claimed, wording)
        written = write(
            Message(
                message_id=claimed.message_id,
                sender=Address(self._mail_from, wording.names.organisation),
                to=Address(claimed.recipient, claimed.recipient_name),
                subject_line=numbered(template.subject_line.header(values), claimed.facts.get("number", "")),
                date=claimed.created_at.astimezone(UTC),
                text=template.text.plain(values),
                html=template.html.html(values) if template.html else None,
                reply_to=Address(reply_to) if reply_to else None,
                references=(thread_reference(thread, wording.mail_domain),),
            )
        )
        # What is told of the message is shown to staff, and whoever has a link can answer by it.
        for link in links.values():
            written = written._replace(text=written.text.replace(link, "[link]"))
        return written

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
            if APPROVAL_LINK in template.tags and (approver := self._approver(claimed)):
                maker, approval = self._maker(APPROVAL_LINK, "CASESTREAM_DECIDE_URL"), UUID(claimed.facts["approval_id"])
                return {APPROVAL_LINK: maker.link("approval", approval, made_at, wording.approval_links_valid_for, approver)}
        except BadKeys as error:
            raise NotComposable(f"the keys of links: {error}") from error
        return {}

    def _maker(self, tag: str, url: str) -> LinkMaker:
        maker = self._links
        if maker is None or not (maker.decide_url if tag == APPROVAL_LINK else maker.answer_url):
            raise NotComposable(f"#{tag} needs the settings {url} and CASESTREAM_LINK_KEYS")
        return maker

    def _approver(self, claimed: Claimed) -> str:
        """The user who is asked for an approval, if the message goes to them."""
        facts = claimed.facts
        if claimed.audience in ("customer", "unit") or "approval_id" not in facts or facts.get("status") != "asked":
            return ""
        member = self._reference.staff.get(facts["approver"])
        return facts["approver"] if member is not None and member.email.lower() == claimed.recipient.lower() else ""

    def _reply_to(self, claimed: Claimed, wording: Wording) -> str:
        """A customer's answer belongs where their method's mail comes in; a colleague's with the unit, never in a customers' mailbox."""
        if claimed.audience == "customer":
            return wording.account(claimed.facts.get("method", ""))
        unit = self._reference.units.get(claimed.facts.get("unit", ""))
        return unit.email if unit else ""
