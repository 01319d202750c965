"""Who gets which message for an occasion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from services.notify.domain.occasions import Definition, Delivery, Occasion, Recipient
from shared.ids import delivery_id

MOST_MEMBERS = 25
"""A message to a role or unit goes to at most so many of its members; past that, to the unit's own address where it has one."""


_NO_PHONES: Mapping[str, str] = {}


class Person(Protocol):
    """A member of staff, as the directory has them."""

    @property
    def user(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def email(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def roles(self) -> tuple[str, ...]: ...
    @property
    def active(self) -> bool: ...


class Unit(Protocol):
    """A business unit, as the directory has it."""

    @property
    def name(self) -> str: ...
    @property
    def email(self) -> str: ...
    @property
    def leader(self) -> str | None: ...
    @property
    def manager(self) -> str | None: ...


class Directory:
    """Staff and units as they are now. For one batch: whom a user, role or unit means is worked out once, when first asked."""

    def __init__(self, staff: Mapping[str, Person], units: Mapping[str, Unit], phones: Mapping[str, str] = _NO_PHONES) -> None:
        """`phones`: where users get text messages."""
        self._staff = staff
        self._units = units
        self._phones = phones
        self._people: dict[str, list[Recipient]] = {}
        self._shared: dict[str, list[Recipient]] = {}
        self._holders: dict[tuple[str, str], list[Recipient]] = {}
        self._by_role: dict[str, list[Person]] | None = None
        self._by_unit: dict[str, list[Person]] = {}

    def person(self, user: str | None) -> list[Recipient]:
        """The user, if active and reachable; nobody otherwise."""
        if not user:
            return []
        found = self._people.get(user)
        if found is None:
            person = self._staff.get(user)
            found = self._people[user] = _reachable([person]) if person else []
        return found

    def unit(self, code: str) -> list[Recipient]:
        """The unit's own address; a unit without one: its members."""
        found = self._shared.get(code)
        if found is None:
            found = self._shared[code] = self._address(code) or self._members(code)
        return found

    def role(self, code: str, unit: str) -> list[Recipient]:
        """Who has the role: those of the unit in charge where it has any, else all of them; too many: the unit's address."""
        found = self._holders.get((code, unit))
        if found is None:
            holders = self._index().get(code, [])
            members = _reachable([p for p in holders if p.unit == unit] or holders)
            address = self._address(unit) if len(members) > MOST_MEMBERS else []
            found = self._holders[(code, unit)] = address or members[:MOST_MEMBERS]
        return found

    def leader(self, unit: str) -> list[Recipient]:
        """The unit's team leader."""
        found = self._units.get(unit)
        return self.person(found.leader) if found else []

    def manager(self, unit: str) -> list[Recipient]:
        """The unit's manager."""
        found = self._units.get(unit)
        return self.person(found.manager) if found else []

    def by_text(self, recipient: Recipient) -> Recipient | None:
        """The member of staff at their telephone number; None: who has none, or is nobody of staff."""
        number = self._phones.get(recipient.user, "") if recipient.user else ""
        return recipient._replace(address=number) if number else None

    def _address(self, unit: str) -> list[Recipient]:
        found = self._units.get(unit)
        return [Recipient(found.email, found.name, "unit")] if found and found.email else []

    def _members(self, unit: str) -> list[Recipient]:
        self._index()
        return _reachable(self._by_unit.get(unit, ()))[:MOST_MEMBERS]

    def _index(self) -> dict[str, list[Person]]:
        if self._by_role is None:
            self._by_role = {}
            for user in sorted(self._staff):
                person = self._staff[user]
                self._by_unit.setdefault(person.unit, []).append(person)
                for role in person.roles:
                    self._by_role.setdefault(role, []).append(person)
        return self._by_role


def recipients(to: str, occasion: Occasion, directory: Directory, default_unit: str = "") -> list[Recipient]:
    """Whom `to` of a communication definition means for this occasion. `default_unit`: where an escalation goes that nobody else gets."""
    match to:
        case "assignee":
            return directory.person(occasion.assignee)
        case "owner":
            return _owner(occasion, directory)
        case "unit":
            return directory.unit(occasion.unit)
        case "leader":
            return directory.leader(occasion.unit)
        case "manager":
            return directory.manager(occasion.unit)
        case "escalation":
            return [recipient for role in occasion.tell for recipient in _up_the_chain(role, occasion, directory, default_unit)]
        case "told":
            return list(occasion.told)
        case "approver":
            return directory.person(str(occasion.facts.get("approver", "")))
        case "asker":
            return directory.person(str(occasion.facts.get("asked_by", "")))
        case "customer" if occasion.customer_email:
            return [Recipient(occasion.customer_email, occasion.customer_name, "customer")]
        case _ if to.startswith("user:"):
            return directory.person(to.removeprefix("user:"))
        case _ if to.startswith("role:"):
            return directory.role(to.removeprefix("role:"), occasion.unit)
        case _:
            return []


def plan_deliveries(
    occasion: Occasion, definitions: Iterable[Definition], directory: Directory, mail_domain: str, default_unit: str = ""
) -> list[Delivery]:
    """The messages that `occasion` makes. One address gets one message an occasion: the first definition that names it wins."""
    planned: list[Delivery] = []
    taken: set[tuple[str, str]] = set()
    for definition in definitions:
        if definition.items and occasion.item_kind not in definition.items:
            continue
        if definition.statuses and occasion.facts.get("status") not in definition.statuses:
            continue
        for to in definition.to:
            for found in recipients(to, occasion, directory, default_unit):
                # Customers' numbers are looked up elsewhere (`handlers.texting`).
                recipient = directory.by_text(found) if definition.channel == "sms" else found
                if recipient is None or (definition.channel == "desk" and not recipient.user):
                    continue
                address = recipient.address.lower()
                if (definition.channel, address) in taken:
                    continue
                taken.add((definition.channel, address))
                identity = delivery_id(occasion.cause, definition.code, address)
                thread = occasion.item_id
                if recipient.audience == "customer" and occasion.conversation_id is not None:
                    thread = occasion.conversation_id
                planned.append(
                    Delivery(
                        identity,
                        definition.code,
                        definition.channel,
                        definition.template,
                        recipient,
                        thread,
                        message_id(thread, identity, mail_domain),
                        occasion,
                        definition.expiry(occasion),
                    )
                )
    return planned


def message_id(thread: UUID, delivery: UUID, mail_domain: str) -> str:
    """Our own Message-IDs: always the same for a delivery, and telling which thread a reply to it belongs to."""
    return f"<{thread}.{delivery}@{mail_domain}>"


def thread_reference(thread: UUID, mail_domain: str) -> str:
    """The id that all messages of a thread refer to, so that mail programs show them together; of the same form as their own."""
    return message_id(thread, thread, mail_domain)


def _owner(occasion: Occasion, directory: Directory) -> list[Recipient]:
    match occasion.owner_kind:
        case "user":
            return directory.person(occasion.owner_code)
        case "role":
            return directory.role(occasion.owner_code, occasion.unit)
        case "unit":
            return directory.unit(occasion.owner_code)
        case _:
            return []


def _up_the_chain(role: str, occasion: Occasion, directory: Directory, default: str) -> list[Recipient]:
    """Whom a step tells for one of its roles: who has it, else the next one up, else whoever of the unit can be reached, else of the
    default unit. An escalation that reaches nobody would be worse than one that reaches somebody beside.
    """
    unit = occasion.unit

    def has_it() -> list[Recipient]:
        return directory.person(occasion.assignee) or _owner(occasion, directory)

    def leader() -> list[Recipient]:
        return directory.leader(unit)

    def manager() -> list[Recipient]:
        return directory.manager(unit)

    up = {"owner": (has_it, leader, manager), "leader": (leader, manager), "manager": (manager, leader)}.get(role, ())
    for ask in up:
        if found := ask():
            return found
    return directory.unit(unit) or directory.manager(default) or directory.leader(default) or directory.unit(default)


def _reachable(people: Sequence[Person]) -> list[Recipient]:
    return [Recipient(person.email, person.name, "staff", person.user) for person in people if person.active and person.email]
