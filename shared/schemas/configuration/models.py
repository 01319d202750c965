"""The organisation's configuration as models. One file in YAML has this shape; services receive it whole, version by version.

Durations are text: `30 minutes`, `4 hours`, `4 working hours`, `2 days`, `2 working days`, `1 month` (see `shared.calendars`).
Codes name things and are referred to by other parts; `check` verifies every reference.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.schemas.configuration.answers import AnswerCategory
from shared.schemas.configuration.approvals import Reminders
from shared.schemas.configuration.assignment import Skill
from shared.schemas.configuration.automation import Automation
from shared.schemas.configuration.channels import MailFetch, PhoneLine, Robots, WebForm, XAccount
from shared.schemas.configuration.chases import Chase
from shared.schemas.configuration.conditions import Condition
from shared.schemas.configuration.customers import Accounts, Area
from shared.schemas.configuration.feedback import CustomerLinks, FeedbackForm
from shared.schemas.configuration.feeds import Feed
from shared.schemas.configuration.late_replies import LateReply
from shared.schemas.configuration.leads import LeadsSection
from shared.schemas.configuration.letters import Language, Letter, Template
from shared.schemas.configuration.notifications import Notifications
from shared.schemas.configuration.products import Products
from shared.schemas.configuration.resources import Resource, Service
from shared.schemas.configuration.section import ClockTime, DurationText, KeepText, Named, Section, Text
from shared.schemas.configuration.sending import RecipientText, SendingLimits, UsefulText
from shared.schemas.configuration.sla import Sla, Target
from shared.schemas.configuration.task_rules import RecurringRule, TaskRule
from shared.schemas.configuration.tasks import TaskDefinition, Workflow
from shared.schemas.configuration.webhooks import Webhook
from shared.schemas.events import CaseLifeCycle, Code, TaskLifeCycle


class Organisation(Section):
    """Who runs this installation."""

    name: Text
    mail_domain: Text
    """Domain of our own Message-IDs and sender addresses."""
    time_zone: Text
    calendar: Code
    """The calendar used where nothing nearer names one."""
    default_unit: Code
    language: Language = "en"
    """Of templates, and of whoever has no other."""
    letter: Letter = Letter()
    words: dict[Language, dict[Text, Text]] = Field(default_factory=dict)
    """What our names (of subjects, statuses, units) and the product's own words are called in other languages."""


class Window(Section):
    """Opening hours: days as `mon`..`sun`, from and to in local time, half open."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...]
    opens: ClockTime
    closes: ClockTime


class Holidays(Section):
    """Public holidays of a country (ISO 3166) and region."""

    country: str
    region: str | None = None


class CalendarSection(Named):
    """A business calendar (SLA-1)."""

    time_zone: Text
    round_the_clock: bool = False
    windows: tuple[Window, ...] = ()
    holidays: Holidays | None = None
    closed_days: tuple[date, ...] = ()
    feeds: tuple[Feed, ...] = Field(default=(), max_length=10)


class Method(Named):
    """A communication method (COM-2)."""

    directions: tuple[Literal["inbound", "outbound"], ...]
    locations: tuple[str, ...] = ()
    default_subject_line: str = ""
    pre_script: tuple[str, ...] = ()
    security_script: tuple[str, ...] = ()
    expire_after: DurationText | None = None
    """Time without activity after which its communications expire."""
    keep_files_for: KeepText | None = None
    """How long raw messages and files of its communications are kept from their arrival; none: for ever. Texts stay."""
    targets: tuple[Target, ...] = ()
    language: Language | None = None
    """Of customers who make contact by it; none: the organisation's."""


class MailAccount(Section):
    """A nominated account that inbound mail reaches (COM-3)."""

    address: Text
    method: Code
    unit: Code | None = None
    fetch: MailFetch | None = None
    """How its mail is fetched; none: it is handed in."""


class Status(Named):
    """The organisation's own label for a life-cycle state of cases (CASE-3)."""

    state: CaseLifeCycle
    waiting_for_customer: bool = False
    """Clocks pause while a case has this status (SLA-2)."""


class TransitionRule(Section):
    """Who may set status `to` on an item in status `from`; no units and no users: anybody with the permission."""

    from_status: Code
    to_status: Code
    units: tuple[Code, ...] = ()
    users: tuple[str, ...] = ()
    reopens: bool = False


class Category(Named):
    """A node of the category tree."""

    parent: Code | None = None
    classification: Code | None = None


class Classification(Named):
    """A predefined class of case, with advice on handling (CASE-4)."""

    advice: str = ""


class PriorityCell(Section):
    """One cell of the prioritisation table."""

    urgency: Code
    impact: Code
    priority: Code


class Prioritisation(Section):
    """Urgency x impact gives the priority (CASE-5). Lists are ordered from least to most."""

    urgencies: tuple[Named, ...]
    impacts: tuple[Named, ...]
    priorities: tuple[Named, ...]
    table: tuple[PriorityCell, ...]
    default_urgency: Code
    default_impact: Code


class Subject(Named):
    """A subject: the type of a case (CASE-2)."""

    complete_within: DurationText | None = None
    unit: Code | None = None
    """Whom new cases go to; None: the mail account's, else the organisation's default unit."""
    default_urgency: Code | None = None
    default_impact: Code | None = None
    statuses: tuple[Code, ...] = ()
    """Allowed statuses; none listed means all."""
    default_statuses: dict[CaseLifeCycle, Code] = Field(default_factory=dict)
    transitions: tuple[TransitionRule, ...] = ()
    """None listed means the life cycle's own transitions."""
    temporary_resolution: bool = False
    """Whether its cases may be resolved temporarily before they are resolved for good."""
    categories: tuple[Code, ...] = ()
    """Allowed categories, each with those below it; none listed means all."""
    default_category: Code | None = None
    opened_by: tuple[Code, ...] = ()
    """Business units whose staff may open its cases by hand; none listed means all."""
    products: tuple[Code, ...] = ()
    """Products that its cases may be about; none listed means all."""
    activity_types: tuple[Code, ...] = ()
    """Task definitions that may be used on its cases, its workflow's among them; none listed means all."""
    recalculate_on_response: bool = False
    """Its time to be completed within counts from the response once there is one, instead of from the opening."""
    targets: tuple[Target, ...] = ()
    workflow: Workflow = Workflow()
    sensitive: bool = False
    """True: who looks at its cases, and at what was written, is recorded (EDGE-17)."""
    keep_for: KeepText | None = None
    """How long after its end a case keeps its texts, its files and who it was about; none: for ever. Figures stay."""
    late_reply: LateReply = "record"
    """What a customer's reply does to a case of it that is completed or cancelled (CASE-8)."""
    chase: Chase | None = None
    """What is done when the customer keeps silent; none: what the organisation's `chase` says (EDGE-10)."""


class Route(Section):
    """A routing rule (CASE-1): in order; every rule that matches adds its subject, `stop` ends the search.

    All given conditions must hold. `keywords` match whole words, any of them, in subject line or text; `pattern` is an RE2 expression.
    """

    subject: Code
    methods: tuple[Code, ...] = ()
    accounts: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    pattern: str | None = None
    urgency: Code | None = None
    impact: Code | None = None
    stop: bool = False


class Routing(Section):
    """From communication to subjects."""

    rules: tuple[Route, ...]
    default_subject: Code


class Role(Named):
    """A role and what it permits; `scope`: whose rows it reaches."""

    permissions: tuple[str, ...] = ()
    scope: Literal["own", "unit", "all"] = "unit"


class UnitSection(Named):
    """A business unit."""

    email: str = ""
    leader: str | None = None
    manager: str | None = None


class User(Section):
    """A member of staff. `password_hash` (argon2) only for local accounts."""

    user: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    name: Text
    email: Text
    unit: Code
    roles: tuple[Code, ...]
    active: bool = True
    password_hash: str | None = None
    skills: tuple[Code, ...] = ()
    capacity: Annotated[int, Field(ge=0, le=10_000)] | None = None
    """Open tasks up to which more are given to them by themselves; none: no limit."""
    language: Language | None = None
    """Of messages to them; none: the organisation's."""
    phone: Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")] | None = None
    """Where they get text messages, such as +441632960001; none: they get none."""


class CommunicationDefinition(Named):
    """On which event, to whom, which template, by which channel (NOTE-1, NOTE-2)."""

    on: Literal[
        "case.opened",
        "case.assigned",
        "case.status-changed",
        "case.due-changed",
        "case.acceptance-asked",
        "case.broadcast",
        "case.chased",
        "case.customer-wrote",
        "task.triggered",
        "task.assigned",
        "task.due-changed",
        "task.completed",
        "clock.due-soon",
        "clock.overdue",
        "clock.escalated",
        "clock.withdrawn",
        "clock.start-late",
        "approval.asked",
        "approval.reminded",
        "approval.decided",
        "lead.customer-wrote",
    ]
    items: tuple[Literal["case", "task", "communication", "lead"], ...] = ()
    """For clock events and approvals: on which kind of item; none listed means all."""
    statuses: tuple[Code, ...] = ()
    """For `case.status-changed` and `case.chased`: only when the case is in one of these then; none listed means any."""
    when: Condition | None = None
    """Only if this holds of what the event tells; none: always."""
    to: tuple[RecipientText, ...]
    """Words of `sending.RECIPIENTS`, `role:CODE` or `user:NAME`.

    `escalation`, of `clock.escalated`: whom the step of the chain tells. `told`, of `clock.withdrawn`: who had the alert.
    """
    channel: Literal["email", "sms", "desk"] = "email"
    """`desk`: members of staff are told there, and by nothing else."""
    template: Code
    useless_after: UsefulText | None = None
    """How long after the event its messages are of use; none: three days for alerts of clocks, else always."""


class TaskStatus(Named):
    """The organisation's own label for a life-cycle state of tasks."""

    state: TaskLifeCycle


class Configuration(Section):
    """The whole configuration of an organisation."""

    organisation: Organisation
    calendars: tuple[CalendarSection, ...]
    units: tuple[UnitSection, ...]
    roles: tuple[Role, ...]
    users: tuple[User, ...]
    skills: tuple[Skill, ...] = ()
    methods: tuple[Method, ...]
    mail_accounts: tuple[MailAccount, ...] = ()
    x_accounts: tuple[XAccount, ...] = ()
    phone_lines: tuple[PhoneLine, ...] = ()
    web_forms: tuple[WebForm, ...] = ()
    robots: Robots = Robots()
    areas: tuple[Area, ...] = ()
    accounts: Accounts = Accounts()
    classifications: tuple[Classification, ...] = ()
    categories: tuple[Category, ...] = ()
    prioritisation: Prioritisation
    statuses: tuple[Status, ...]
    default_statuses: dict[CaseLifeCycle, Code]
    task_statuses: tuple[TaskStatus, ...] = ()
    response_categories: tuple[AnswerCategory, ...] = ()
    temporary_resolution_categories: tuple[AnswerCategory, ...] = ()
    final_resolution_categories: tuple[AnswerCategory, ...] = ()
    cancellation_reasons: tuple[Named, ...] = ()
    default_cancellation_reason: Code | None = None
    task_definitions: tuple[TaskDefinition, ...]
    subjects: tuple[Subject, ...]
    routing: Routing
    leads: LeadsSection = LeadsSection()
    sla: Sla = Sla()
    templates: tuple[Template, ...] = ()
    communications: tuple[CommunicationDefinition, ...] = ()
    notifications: Notifications = Notifications()
    products: Products = Products()
    feedback: tuple[FeedbackForm, ...] = ()
    customer_links: CustomerLinks = CustomerLinks()
    sending_limits: SendingLimits = SendingLimits()
    chase: Chase | None = None
    automation: Automation = ()
    recurring_rules: tuple[RecurringRule, ...] = ()
    task_rules: tuple[TaskRule, ...] = ()
    approvals: Reminders = Reminders()
    services: tuple[Service, ...] = ()
    resources: tuple[Resource, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
