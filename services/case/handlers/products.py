"""What staff do with the products of a case or an account: add, change, remove, check the warranty, judge a return (CASE-14).

Each locks the case (where there is one) and the product, decides, and keeps what was decided, all in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.case.domain.case import Case, HistoryEntry
from services.case.domain.notes import RecordEntry, RecordKind
from services.case.domain.products import Catalogue, Check, Holder, Item, Product, ProductRefused, ReplacementRefused
from services.case.domain.refusals import CaseLocked
from services.case.domain.returns import ReturnOutcome, ReturnPolicy, check_return
from services.case.domain.warranty import check_warranty, warranty_end
from services.case.handlers.commands import UnknownCase
from services.case.storage import cases, notes, products
from shared.calendars import CalendarError, parse_duration
from shared.ids import derive
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.configuration import Configuration
from shared.schemas.events import ReplacementApproved
from shared.storage import Transaction


class UnknownItem(LookupError):
    """The case or account has no such product."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a version of the configuration offers, and in which zone its days begin."""

    catalogue: Catalogue
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a product. `warranty_until`, `return_policy`: None lets the catalogue say."""

    product: str
    serial_number: str
    issued_on: date | None
    warranty_until: date | None
    return_policy: str | None


@dataclass(frozen=True, slots=True)
class AskedOfItem:
    """Who asks, of which case or account, and when; `permit` raises what the locked case forbids, `expect` what the product's revision."""

    holder: Holder
    holder_id: UUID
    user: str
    cause: UUID
    now: datetime
    traceparent: str
    permit: Callable[[Case], None]
    expect: Callable[[int], None]


class ProductCommands:
    """The commands. Raise `UnknownCase`, `UnknownItem`, what the caller's checks raise, or a `CaseRefusal`.

    The catalogue is the newest: what is sold does not depend on the configuration that a case began with.
    """

    def __init__(self, reference: ReferenceData, offers: VersionCache[Offer]) -> None:
        self._reference = reference
        self._offers = offers

    def add(self, tx: Transaction, asked: AskedOfItem, told: Told) -> Item:
        """One more product on the case, or among the account's goods."""
        case = self._opened(tx, asked)
        item = self._item(derive("product", asked.holder, asked.holder_id, asked.cause), told, asked, case, 1)
        products.add(tx, asked.holder, item)
        _remember(tx, asked, None, _label(item))
        return item

    def change(self, tx: Transaction, asked: AskedOfItem, item_id: UUID, told: Told) -> Item:
        """Tell all of it anew."""
        case = self._opened(tx, asked)
        old = self._locked(tx, asked, item_id)
        if old.replaced_by is not None:
            raise ProductRefused(f"change of product {old.product}", "it is replaced under warranty; what was decided on must stay")
        item = self._item(old.id, told, asked, case, old.revision + 1)
        products.change(tx, asked.holder, item)
        _remember(tx, asked, _label(old), _label(item))
        return item

    def remove(self, tx: Transaction, asked: AskedOfItem, item_id: UUID) -> None:
        """Take it away."""
        self._opened(tx, asked)
        old = self._locked(tx, asked, item_id)
        if old.replaced_by is not None:
            raise ProductRefused(f"removal of product {old.product}", "it is replaced under warranty")
        products.remove(tx, asked.holder, item_id)
        _remember(tx, asked, _label(old), None)

    def check_warranty(self, tx: Transaction, asked: AskedOfItem, item_id: UUID, on: date | None, replace: bool) -> Check:
        """Whether the warranty covers it; `replace`: then have it replaced by a planned task, once."""
        offer = self._offers.get()
        case = self._case(tx, asked)
        item = self._locked(tx, asked, item_id)
        asked_on = on or asked.now.astimezone(offer.zone).date()
        answer = check_warranty(asked_on, item.issued_on, item.warranty_until)
        task: UUID | None = None
        if replace:
            if not answer.is_covered:
                raise ReplacementRefused(f"replacement of {item.product}", f"{answer.why} {answer.reckoning}")
            task = self._approve(tx, asked, case, item, offer.catalogue.product(item.product), asked_on)
        outcome = "covered" if answer.is_covered else "refused"
        check = _check(asked, item, "warranty", asked_on, outcome, answer.why, answer.reckoning, last_day=item.warranty_until, task=task)
        products.add_check(tx, check)
        _remember(tx, asked, None, f"{_label(item)}: {outcome}", "warranty check")
        return check

    def check_return(self, tx: Transaction, asked: AskedOfItem, item_id: UUID, on: date | None, reason: str) -> Check:
        """What comes of bringing it back on this day (None: today) for this coverage reason."""
        offer = self._offers.get()
        self._case(tx, asked)
        item = self._locked(tx, asked, item_id)
        product = offer.catalogue.product(item.product)
        policy = offer.catalogue.policy(item.return_policy) if item.return_policy else None
        returned_on = on or asked.now.astimezone(offer.zone).date()
        answer = check_return(returned_on, item.issued_on, product.is_physical, policy, reason)
        check = _check(
            asked, item, "return", returned_on, answer.outcome.value, answer.why, answer.reckoning, last_day=answer.last_day, reason=reason
        )
        products.add_check(tx, check)
        _remember(tx, asked, None, f"{_label(item)}: {answer.outcome}", "return check")
        return check

    def _approve(self, tx: Transaction, asked: AskedOfItem, case: Case | None, item: Item, product: Product, asked_on: date) -> UUID:
        what = f"replacement of {item.product}"
        if case is None:
            raise ReplacementRefused(what, "a replacement is planned on a case: add the product to one")
        if case.state.is_closed:
            raise CaseLocked(what, f"the case is {case.state}")
        if item.replaced_by is not None:
            raise ReplacementRefused(what, f"it is replaced already, by the task {item.replaced_by}")
        if not product.replacement_task:
            raise ReplacementRefused(what, "the catalogue names no task for it (replacement_task)")
        task = derive("replacement", item.id)
        changed = item._replace(revision=item.revision + 1, replaced_by=task, changed_at=asked.now, changed_by=asked.user)
        products.change(tx, asked.holder, changed)
        products.expect_task(tx, case.id, task)
        tx.emit(
            ReplacementApproved(
                case_id=case.id,
                item_id=item.id,
                task_id=task,
                definition=product.replacement_task,
                product=item.product,
                product_name=product.name,
                serial_number=item.serial_number,
                asked_on=asked_on,
                warranty_until=item.warranty_until or asked_on,
                approved_by=asked.user,
            ),
            aggregate_id=item.id,
            key=case.id,
            revision=1,
            cause=asked.cause,
            time=asked.now,
            config_version=self._reference.version,
            traceparent=asked.traceparent,
        )
        return task

    def _item(self, item_id: UUID, told: Told, asked: AskedOfItem, case: Case | None, revision: int) -> Item:
        catalogue = self._offers.get().catalogue
        product = catalogue.product(told.product)
        if case is not None:
            catalogue.require_allowed(product.code, case.subject)
        what = f"product {product.code}"
        try:
            until = told.warranty_until or warranty_end(told.issued_on, product.warranty)
        except CalendarError as error:
            raise ProductRefused(what, f"its issue date is out of reach: {error}") from error
        if until is not None and told.issued_on is not None and until < told.issued_on:
            raise ProductRefused(what, f"its warranty ends on {until}, before its issue on {told.issued_on}")
        policy = product.return_policy if told.return_policy is None else told.return_policy
        if policy:
            catalogue.policy(policy)
        if policy and not product.is_physical:
            raise ProductRefused(what, "only physical goods are returned, so no return policy can hold for it")
        return Item(
            item_id, revision, asked.holder_id, product.code, told.serial_number, told.issued_on, until, policy, None, asked.now, asked.user
        )

    def _case(self, tx: Transaction, asked: AskedOfItem) -> Case | None:
        if asked.holder is not Holder.CASE:
            return None
        case = cases.lock(tx, [asked.holder_id]).get(asked.holder_id)
        if case is None:
            raise UnknownCase(str(asked.holder_id))
        asked.permit(case)
        return case

    def _opened(self, tx: Transaction, asked: AskedOfItem) -> Case | None:
        case = self._case(tx, asked)
        if case is not None and case.state.is_closed:
            raise CaseLocked(f"products of case {case.number}", f"the case is {case.state}")
        return case

    def _locked(self, tx: Transaction, asked: AskedOfItem, item_id: UUID) -> Item:
        item = products.lock(tx, asked.holder, asked.holder_id, item_id)
        if item is None:
            raise UnknownItem(str(item_id))
        asked.expect(item.revision)
        return item


def offer_of(configuration: Configuration) -> Offer:
    """Compile what a configuration offers."""
    section = configuration.products
    return Offer(
        Catalogue(
            products={
                product.code: Product(
                    product.code,
                    product.name,
                    product.kind,
                    product.is_physical,
                    parse_duration(product.warranty) if product.warranty else None,
                    product.return_policy or "",
                    product.replacement_task or "",
                )
                for product in section.catalogue
            },
            policies={
                policy.code: ReturnPolicy(
                    policy.code, parse_duration(policy.within), {reason.code: ReturnOutcome(reason.gives) for reason in policy.reasons}
                )
                for policy in section.return_policies
            },
            allowed={subject.code: frozenset(subject.products) for subject in configuration.subjects if subject.products},
        ),
        ZoneInfo(configuration.organisation.time_zone),
    )


def _check(
    asked: AskedOfItem,
    item: Item,
    kind: str,
    on: date,
    outcome: str,
    why: str,
    reckoning: str,
    *,
    last_day: date | None,
    reason: str = "",
    task: UUID | None = None,
) -> Check:
    return Check(
        derive("product check", item.id, kind, asked.cause),
        asked.holder.value,
        item.holder_id,
        item.id,
        kind,
        item.product,
        item.serial_number,
        on,
        item.issued_on,
        last_day,
        item.return_policy,
        reason,
        outcome,
        why,
        reckoning,
        task,
        asked.user,
        asked.now,
    )


def _label(item: Item) -> str:
    return f"{item.product} {item.serial_number}".strip()


def _remember(tx: Transaction, asked: AskedOfItem, old: str | None, new: str | None, field: str = "product") -> None:
    """In the history of the case or account, whose own revision stays: others are told nothing."""
    if asked.holder is Holder.CASE:
        cases.add_history(tx, [HistoryEntry(asked.holder_id, None, field, old, new, asked.user, asked.now)])
    else:
        notes.add_history(tx, [RecordEntry(RecordKind.ACCOUNT.value, asked.holder_id, None, field, old, new, asked.user, asked.now)])
