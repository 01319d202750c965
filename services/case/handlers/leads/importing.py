"""Rows of a file become leads, some hundred at a time in one transaction (LEAD-3).

A lead's id follows from the file's content and its row: a row that comes again, after a crash or with the same file, is the lead that it
was. A row becomes a lead whole or not at all, and the place in the file is written with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.case.domain.case import Actor
from services.case.domain.leads.customer import Customer, HandleKey, whose
from services.case.domain.leads.lead import Opened
from services.case.domain.notes import RecordEntry, RecordKind, record_entries
from services.case.gateways.lead_files import Row
from services.case.handlers.leads.creating import of_contact
from services.case.handlers.leads.events import emit_lead
from services.case.handlers.leads.opening import Circumstances, first_changes, numbered, open_lead
from services.case.handlers.leads.rows import Parsed, RowReader
from services.case.handlers.leads.rules import LeadRules
from services.case.storage import contacts, lead_imports, leads, notes
from services.case.storage.contacts import Contact, HandleRow
from services.case.storage.lead_imports import Job, ProblemRow, Step
from shared.ids import derive
from shared.schemas.events import LeadOpened
from shared.storage import Transaction

ROWS = 500
"""In one transaction."""


def lead_id(job: Job, row_number: int) -> UUID:
    """The lead that this row of this content is."""
    return derive("lead", "import", job.sha256, row_number)


def take_rows(
    tx: Transaction, job: Job, reader: RowReader, rules: LeadRules, config_version: int, rows: Sequence[Row], now: datetime
) -> Step:
    """Make leads of these rows, or with a dry run only see whether they would be; what became of them, and their problems kept."""
    wrong: list[ProblemRow] = []
    good: list[tuple[UUID, Parsed]] = []
    for row in rows:
        found = reader.read(row.cells, row.formulas)
        if isinstance(found, Parsed):
            good.append((lead_id(job, row.number), found))
        else:
            wrong += [ProblemRow(job.id, row.number, place, *problem) for place, problem in enumerate(found)]
    lead_imports.add_problems(tx, wrong)
    there = leads.known(tx, [id for id, _ in good])
    new = [(id, parsed) for id, parsed in good if id not in there]
    if not job.dry_run:
        _open(tx, job, rules, config_version, new, now)
    return Step(rows[-1].number, len(rows), len(new), len(there), len(rows) - len(good))


def _open(tx: Transaction, job: Job, rules: LeadRules, config_version: int, new: Sequence[tuple[UUID, Parsed]], now: datetime) -> None:
    contacts.recording(tx)
    customers = _recognised(tx, [parsed.customer for _, parsed in new], now)
    actor = Actor(job.requested_by, job.unit)
    opened: list[Opened] = []
    history: list[RecordEntry] = []
    for (id, parsed), customer, number in zip(new, customers, leads.next_numbers(tx, len(new)), strict=True):
        how = Circumstances(id, actor, now, config_version, import_id=job.id)
        one = numbered(open_lead(parsed.wanted, parsed.kind, rules, customer, how), number)
        opened.append(one)
        history += record_entries(RecordKind.LEAD, id, 1, first_changes(one), actor.user, now)
    leads.add(tx, opened)
    notes.add_history(tx, history)
    for one in opened:
        emit_lead(tx, LeadOpened, one, job.id, now, job.traceparent)


def _recognised(tx: Transaction, customers: Sequence[Customer], now: datetime) -> list[Customer]:
    """The customers with their contacts: those who have the handles; whoever is new becomes one, once."""
    handles = sorted({handle for customer in customers for handle in customer.handles})
    known: dict[HandleKey, list[Contact]]
    known, strangers = contacts.meet(tx, handles) if handles else ({}, {})
    new: list[Contact] = []
    new_handles: list[HandleRow] = []
    found: list[Customer] = []
    for customer in customers:
        contact, anybody = whose(customer, known)
        if contact is None and not anybody:
            contact = Contact(strangers[customer.handles[0]], 1, None, customer.name, customer.email, now)
            new.append(contact)
            for kind, value in customer.handles:
                known.setdefault((kind, value), []).append(contact)
                new_handles.append(HandleRow(kind, value, contact.id))
        found.append(customer if contact is None else of_contact(customer, contact))
    contacts.add(tx, new, new_handles)
    return found
