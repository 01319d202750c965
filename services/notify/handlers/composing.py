"""A delivery and the configuration it was decided under become a message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from zoneinfo import ZoneInfo

from services.notify.domain.message import Address, Message, Written, numbered, write
from services.notify.domain.recipients import thread_reference
from services.notify.domain.tags import Names, tag_values
from services.notify.domain.templates import Template, compile_template
from services.notify.storage.deliveries import Claimed
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.configuration import Configuration
from shared.schemas.events import StaffChanged


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
        )
        self.mail_domain = organisation.mail_domain
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

    def __init__(self, reference: ReferenceData, mail_from: str) -> None:
        self._reference = reference
        self._wordings = VersionCache(reference, Wording)
        self._mail_from = mail_from

    def knows(self, claimed: Claimed) -> bool:
        """Whether the configuration that the delivery was decided under has arrived here yet."""
        return claimed.config_version <= self._reference.version

    def compose(self, claimed: Claimed) -> Written:
        """The message, the same bytes each time while names stay the same. Raises NotComposable, UnknownTag or UnusableAddress."""
        wording = self._wordings.get(claimed.config_version)
        template = wording.template(claimed.template)
        people, is_person = PeopleNames(self._reference.staff), claimed.audience != "unit"
        values = tag_values(claimed.facts, wording.names, people, claimed.recipient_name, is_person)
        thread = claimed.thread_id if claimed.audience == "customer" else claimed.case_id or claimed.item_id
        reply_to = self._reply_to(claimed, wording)
        return write(
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

    def _reply_to(self, claimed: Claimed, wording: Wording) -> str:
        """A customer's answer belongs where their method's mail comes in; a colleague's with the unit, never in a customers' mailbox."""
        if claimed.audience == "customer":
            return wording.account(claimed.facts.get("method", ""))
        unit = self._reference.units.get(claimed.facts.get("unit", ""))
        return unit.email if unit else ""
