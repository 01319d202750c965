"""What the routes share: kinds of text, whose rows a caller reaches, and refusals as problems."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Depends
from pydantic import StringConstraints

from services.case.domain.refusals import (
    CaseRefusal,
    ContactRefused,
    InputRefused,
    LeadRefused,
    PriorityRefused,
    PromptRefused,
    SubjectRefused,
)
from services.case.handlers.commands import UnknownCase
from services.case.handlers.contact_merging import UnknownMerge
from services.case.handlers.contacts import UnknownAccount, UnknownContact
from services.case.handlers.leads.commands import UnknownLead
from services.case.handlers.staff import UnknownCommunication
from services.case.storage import views
from shared.web import Command, Conflict, NotFound, Principal, Unprocessable, command

# PostgreSQL cannot hold a NUL in text, so none gets that far.
Plain = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]
Asking = Annotated[Command, Depends(command)]
READS = "communication:read"
"""Whoever lacks it sees a case without its communications."""


def rows_of(principal: Principal) -> views.Rows:
    """The rows that the caller reaches."""
    return views.Rows.reached_by(principal.scope, principal.unit, principal.user)


def may_see(principal: Principal, unit: str, owner: str | None) -> bool:
    """Whether a case of this unit and owner is among the rows that the caller reaches."""
    if principal.scope == "all" or owner == principal.user:
        return True
    return principal.scope == "unit" and unit == principal.unit


@contextmanager
def refusals() -> Iterator[None]:
    """Answer what the domain refuses as problems."""
    try:
        yield
    except (UnknownCase, UnknownCommunication, UnknownContact, UnknownAccount, UnknownMerge, UnknownLead) as error:
        raise NotFound from error
    except (ContactRefused, InputRefused, LeadRefused, PriorityRefused, PromptRefused, SubjectRefused) as error:
        raise Unprocessable(str(error), what=error.what, why=error.why) from error
    except CaseRefusal as error:
        raise Conflict(str(error), what=error.what, why=error.why) from error


def described_case(row: dict[str, Any]) -> dict[str, Any]:
    """A case as the API shows it: with the customer as one member."""
    shown = dict(row)
    shown["customer"] = {
        "contact_id": shown.pop("contact_id"),
        "account_id": shown.pop("account_id"),
        "name": shown.pop("customer_name"),
        "email": shown.pop("customer_email"),
    }
    return shown
