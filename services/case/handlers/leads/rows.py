"""A row of an imported table as a lead is wanted (LEAD-3): its columns, what belongs into them, and what is wrong with a cell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from services.case.domain.leads.customer import Customer, email_of, phone_of
from services.case.domain.leads.lead import Interest
from services.case.domain.leads.types import LeadTypeRules
from services.case.domain.refusals import LeadRefused
from services.case.handlers.leads.opening import Wanted, problems
from services.case.handlers.leads.rules import LeadRules
from shared.messaging import ReferenceData

COLUMNS: tuple[tuple[str, str], ...] = (
    ("type", "Lead type: its name or code. May be left out where the import names one for all rows."),
    ("title", "What it is about, in a line. Empty: the name of the lead type."),
    ("description", "More about it."),
    ("source", "Where it came from: advertisement, notification, communication, recommended by contact, website, ... Empty: the type's."),
    ("priority", "From 1 to 10. Empty: the type's."),
    ("importance", "From 1 to 10. Empty: the type's."),
    ("category", "Code of a category of leads. Empty: the type's."),
    ("unit", "Code of the business unit that gets it. Empty: the type's."),
    ("owner", "User who gets it. Empty: nobody yet."),
    ("products", "Codes of products, with ; between them; or type:..., brand:..., family:... for all of one."),
    ("competitors", "Names, with ; between them."),
    ("contact_name", "Name of the customer."),
    ("contact_email", "The customer's email address. This or the phone number is needed."),
    ("contact_phone", "The customer's phone number, with its country code, such as +44 1632 960123."),
    ("estimated_completion", "When it may be decided, as 2026-11-23."),
)
NAMES = tuple(name for name, _ in COLUMNS)
_KINDS = ("product", "type", "brand", "family")
_SHOWN = 200

Line = Annotated[str, StringConstraints(max_length=998, pattern=r"^[^\x00\r\n]*$")]
Short = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
Level = Annotated[int, Field(ge=1, le=10)]


class LeadRow(BaseModel):
    """The cells of a row that are not empty, by column."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Short = ""
    title: Line = ""
    description: Annotated[str, StringConstraints(max_length=20_000, pattern=r"^[^\x00]*$")] = ""
    source: Short | None = None
    priority: Level | None = None
    importance: Level | None = None
    category: Short | None = None
    unit: Short | None = None
    owner: Short | None = None
    products: tuple[Interest, ...] = Field(default=(), max_length=100)
    competitors: tuple[Short, ...] = Field(default=(), max_length=50)
    contact_name: Short = ""
    contact_email: Annotated[str, StringConstraints(max_length=320)] = ""
    contact_phone: Short = ""
    estimated_completion: datetime | None = None

    @field_validator("competitors", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return tuple(name for part in value.split(";") if (name := part.strip())) if isinstance(value, str) else value

    @field_validator("products", mode="before")
    @classmethod
    def _interests(cls, value: Any) -> Any:
        return tuple(_interest(part) for part in value.split(";") if part.strip()) if isinstance(value, str) else value

    @field_validator("estimated_completion", mode="before")
    @classmethod
    def _day(cls, value: Any) -> Any:
        try:
            return datetime.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            raise ValueError("it is no date; write it as 2026-11-23") from None


class Problem(NamedTuple):
    """What is wrong with a row: the column (empty: the row as a whole), what stands there, and what to do."""

    column: str
    value: str
    problem: str


class Parsed(NamedTuple):
    """A row that can become a lead."""

    kind: LeadTypeRules
    wanted: Wanted
    customer: Customer


def columns_of(header: Sequence[str], has_default_type: bool) -> tuple[list[str], list[Problem]]:
    """The columns that a header names, in its order, and what is wrong with it."""
    names = [" ".join(cell.replace("_", " ").replace("-", " ").split()).lower().replace(" ", "_") for cell in header]
    found: list[Problem] = []
    if not header:
        return [], [Problem("", "", "the first row is empty; it has to name the columns")]
    for cell, name in zip(header, names, strict=True):
        if name not in NAMES:
            why = "a column without a name; name it, or remove it" if not name else "there is no such column; remove it, or take one of: "
            found.append(Problem(cell[:_SHOWN], cell[:_SHOWN], why + (", ".join(NAMES) if name else "")))
        elif names.count(name) > 1:
            found.append(Problem(name, cell[:_SHOWN], "the column is there twice; remove one"))
    if "type" not in names and not has_default_type:
        found.append(Problem("type", "", "the column is missing; add it, or name the lead type for the whole import"))
    if not {"contact_email", "contact_phone"}.intersection(names):
        found.append(Problem("contact_email", "", "the column is missing; add it, or contact_phone"))
    return names, found


class RowReader:
    """Reads rows for one import, by one version of the configuration. `unit`: that of whoever imports."""

    def __init__(self, columns: Sequence[str], default_type: str, unit: str, rules: LeadRules, reference: ReferenceData) -> None:
        self._columns = columns
        self._default_type = default_type
        self._unit = unit
        self._rules = rules
        self._reference = reference

    def read(self, cells: Sequence[str], formulas: Sequence[int]) -> Parsed | list[Problem]:
        """The lead that a row wants, or all that is wrong with it."""
        given = {name: cell for name, cell in zip(self._columns, cells, strict=False) if cell}
        found = [Problem(self._columns[at], cells[at][:_SHOWN], _FORMULA) for at in formulas if at < len(self._columns)]
        if len(cells) > len(self._columns):
            found.append(Problem("", cells[len(self._columns)][:_SHOWN], "the row has more cells than there are columns"))
        row: LeadRow | None = None
        try:
            row = LeadRow.model_validate(given)
        except ValidationError as error:
            columns = dict.fromkeys((str(each["loc"][0]), _said(each["type"], each["msg"])) for each in error.errors(include_url=False))
            found += [Problem(column, given.get(column, "")[:_SHOWN], text) for column, text in columns]
        if row is None or found:
            return found

        def refuse(column: str, error: LeadRefused) -> None:
            found.append(Problem(column, given.get(column, "")[:_SHOWN], str(error)))

        try:
            kind = self._rules.type(row.type or self._default_type)
            kind.check_creation(self._unit)
        except LeadRefused as error:
            refuse("type", error)
            return found
        customer = Customer(row.contact_name)
        try:
            customer = customer._replace(email=email_of(row.contact_email))
        except LeadRefused as error:
            refuse("contact_email", error)
        try:
            customer = customer._replace(phone=phone_of(row.contact_phone, self._rules.region))
        except LeadRefused as error:
            refuse("contact_phone", error)
        wanted = self._wanted(row)
        for field, problem in problems(wanted, kind, self._rules, self._reference):
            refuse(field, problem)
        if not found and not customer.handles:
            found.append(Problem("contact_email", "", "the customer cannot be reached; give an email address or a phone number"))
        return found or Parsed(kind, wanted, customer)

    def _wanted(self, row: LeadRow) -> Wanted:
        at = row.estimated_completion
        if at is not None and at.tzinfo is None:
            at = datetime.combine(at.date(), at.time() or time(), ZoneInfo(self._rules.calendar.zone))
        return Wanted(
            title=row.title,
            description=row.description,
            source=self._rules.source(row.source) if row.source else None,
            priority=row.priority,
            importance=row.importance,
            category=row.category.lower() if row.category else None,
            unit=row.unit.lower() if row.unit else None,
            owner=row.owner.lower() if row.owner else None,
            estimated_completion_at=at,
            competitors=row.competitors,
            interests=row.products,
        )


_FORMULA = "it is a formula; put its value there (copy, paste special, values)"


def _interest(part: str) -> Interest:
    kind, colon, code = part.strip().partition(":")
    if not colon or kind.strip().lower() not in _KINDS:
        kind, code = "product", part
    if not 0 < len(code.strip()) <= 200 or "\x00" in code:
        raise ValueError("it names no product; write codes with ; between them")
    return Interest(kind.strip().lower(), code.strip())


def _said(kind: str, message: str) -> str:
    if kind in ("int_parsing", "greater_than_equal", "less_than_equal", "int_from_float"):
        return "it is no level; write a whole number from 1 to 10"
    if kind == "string_too_long":
        return message.replace("String should have", "it is too long: write")
    if kind == "string_pattern_mismatch":
        return "it holds a character that cannot be kept (a NUL), or goes over more than one line"
    return message.removeprefix("Value error, ")
