"""Putting the desk together, and serving it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import FastAPI

from services.desk.api.absence_pages import absence_pages
from services.desk.api.account_pages import account_pages
from services.desk.api.approval_pages import ApprovalsOf, approval_pages, approval_steps
from services.desk.api.booking_pages import booking_pages
from services.desk.api.browser import CONTENT_SECURITY, Browser, Visitor
from services.desk.api.calendar_pages import calendar_pages
from services.desk.api.call_pages import call_pages
from services.desk.api.case_actions import case_actions_router
from services.desk.api.case_tasks import case_tasks_router
from services.desk.api.communication_actions import actions_of, communication_actions_router
from services.desk.api.contact_pages import contact_router
from services.desk.api.customer_merging import customer_merging_pages
from services.desk.api.customer_pages import customer_pages
from services.desk.api.deadline_pages import deadline_pages
from services.desk.api.deadline_report_pages import deadline_report_pages
from services.desk.api.deadlines_of import DeadlinesOf
from services.desk.api.drafts import draft_routes
from services.desk.api.feedback_pages import feedback_pages
from services.desk.api.feeds import feed_routes
from services.desk.api.file_pages import file_pages
from services.desk.api.lead_pages import lead_pages
from services.desk.api.machines import open_routes, routes
from services.desk.api.message_pages import FORM_BYTES as MESSAGE_BYTES
from services.desk.api.message_pages import Sources, message_pages
from services.desk.api.notification_pages import notification_pages, preference_pages
from services.desk.api.overview_pages import overview_pages
from services.desk.api.pages import open_pages, pages
from services.desk.api.record_pages import CasePage, CommunicationPage, record_pages
from services.desk.api.related_pages import related_pages
from services.desk.api.search_pages import search_pages
from services.desk.api.simulation_pages import FORM_BYTES, simulation_pages
from services.desk.api.task_page import TaskPage
from services.desk.api.task_stream import LivePages, task_stream
from services.desk.api.task_time import TaskTime, task_time_routes
from services.desk.api.workload_pages import workload_pages
from services.desk.domain.calls import KEPT
from services.desk.domain.choices import Choices, choices_of
from services.desk.domain.organisation import Organisation, organisation_of
from services.desk.domain.records import Case
from services.desk.domain.tasks import Task
from services.desk.gateways.approvals import Approvals
from services.desk.gateways.bookings import Bookings
from services.desk.gateways.calendar_feeds import CalendarFeeds
from services.desk.gateways.calls import Calls
from services.desk.gateways.case_steps import CaseSteps
from services.desk.gateways.communications import Communications
from services.desk.gateways.contacts import Contacts
from services.desk.gateways.customers import Customers
from services.desk.gateways.deadlines import Deadlines
from services.desk.gateways.feedback import FeedbackReader
from services.desk.gateways.figures import FiguresReader
from services.desk.gateways.leads import Leads
from services.desk.gateways.messages import Messages
from services.desk.gateways.notifications import Notifications
from services.desk.gateways.processes import Processes
from services.desk.gateways.records import Records
from services.desk.gateways.related import RelatedCases
from services.desk.gateways.search import Search
from services.desk.gateways.staffing import Staffing
from services.desk.gateways.task_changes import TaskChangesReader
from services.desk.gateways.tasks import Tasks
from services.desk.handlers.calls import LiveCalls
from services.desk.handlers.feed_rounds import FeedRounds
from services.desk.handlers.feeds import Feeds
from services.desk.handlers.sign_in import SessionLife, SignIn
from services.desk.handlers.tokens import TokenIssuer
from services.desk.handlers.waiting import Waiting
from services.desk.settings import DeskSettings
from services.desk.storage import configurations
from shared.clock import Clock, utc_now
from shared.messaging import EventPublisher
from shared.messaging.follow import Follower
from shared.observability import configure_logging
from shared.schemas.events import CallChanged
from shared.storage import Database
from shared.storage.database import CONNECTION_LOST
from shared.web import TokenVerifier, create_app, serve
from shared.web.tokens import TokenSigner

CONFIGURATION_LIMIT = 8_000_000


class Desk:
    """The desk's parts, made from its settings; `close` gives back what they hold."""

    def __init__(self, settings: DeskSettings, clock: Clock = utc_now) -> None:
        self.settings = settings
        self.clock = clock
        self.signer = TokenSigner(settings.signing_key.read_bytes(), settings.issuer)
        self.database = Database(settings.database, pool_size=8, service="desk")
        self.publisher = EventPublisher(self.database, settings.kafka, settings.topic_prefix, "desk")
        life = SessionLife(timedelta(hours=settings.session_hours), timedelta(minutes=settings.session_idle_minutes))
        self.sign_in = SignIn(self.database, life, clock)
        self.issuer = TokenIssuer(self.database, self.signer, timedelta(minutes=settings.token_minutes), clock)
        self.tasks = Tasks(settings.task_url)
        self.approvals = Approvals(settings.task_url)
        self.waiting = Waiting(self.approvals.waiting, clock)
        self.bookings = Bookings(settings.task_url)
        self.staffing = Staffing(settings.task_url)
        self.records = Records(settings.case_url, settings.ingest_url)
        self.search = Search(settings.case_url)
        self.customers = Customers(settings.case_url)
        self.calls = Calls(settings.case_url)
        self.live = LiveCalls(clock)
        self.live_tasks = LivePages()
        self.follower = Follower(settings.kafka, settings.topic_prefix, (CallChanged,), self.live.take_all, clock() - KEPT)
        apis = {f"{name} api": getattr(settings, f"{name}_url") for name in ("ingest", "case", "task", "sla", "notify")}
        known = set(settings.processes.values())
        self.processes = Processes({name: url for name, url in apis.items() if url not in known} | settings.processes)
        self.communications = Communications(settings.case_url)
        self.case_steps = CaseSteps(settings.case_url)
        self.messages = Messages(settings.case_url)
        self.contacts = Contacts(settings.ingest_url)
        self.feedback = FeedbackReader(settings.case_url)
        self.related = RelatedCases(settings.case_url)
        self.figures = FiguresReader(settings.case_url)
        self.leads = Leads(settings.case_url)
        self.calendar_feeds = CalendarFeeds(settings.feed_private_hosts, settings.feeds_ca_file)
        self.feeds = Feeds(self.publisher, self.calendar_feeds.get)
        self.feed_rounds = FeedRounds(self.feeds, timedelta(hours=settings.feeds_every_hours), clock)
        self.deadlines = Deadlines(settings.sla_url)
        self.notifications = Notifications(settings.notify_url)
        self.told = Waiting(self.notifications.unread, clock)
        self._known: tuple[int, Organisation, Choices] = (0, Organisation(), Choices())

    def organisation(self) -> Organisation:
        """Time zone and names, from the configuration in force."""
        return self._configured()[1]

    def choices(self) -> Choices:
        """What forms let people choose from, from the configuration in force."""
        return self._configured()[2]

    def _configured(self) -> tuple[int, Organisation, Choices]:
        with self.database.read() as tx:
            newest = configurations.newest(tx)
            if newest is not None and newest.version != self._known[0]:
                found = configurations.document(tx, newest.version)
                document = found[1] if found else {}
                self._known = (newest.version, organisation_of(document), choices_of(document))
        return self._known

    def problems(self) -> list[str]:
        """Why the desk cannot do its work just now."""
        try:
            with self.database.read() as tx:
                tx.row("select 1 from configurations limit 1")
        except CONNECTION_LOST:
            return ["the database does not answer"]
        return self.follower.problems()

    def facts(self) -> dict[str, object]:
        """The configuration version in force."""
        with self.database.read() as tx:
            newest = configurations.newest(tx)
        return {"config_version": newest.version if newest else 0}

    def stop(self) -> None:
        """End what follows calls or tasks. Safe within a signal's handler."""
        self.live.stop()
        self.live_tasks.stop()

    def close(self) -> None:
        """Send what waits, and close connections."""
        self.stop()
        self.follower.close()
        self.calendar_feeds.close()
        self.feed_rounds.close()
        self.publisher.close()
        self.tasks.close()
        self.approvals.close()
        self.bookings.close()
        self.staffing.close()
        self.communications.close()
        self.case_steps.close()
        self.messages.close()
        self.contacts.close()
        self.feedback.close()
        self.related.close()
        self.figures.close()
        self.leads.close()
        self.deadlines.close()
        self.notifications.close()
        self.records.close()
        self.search.close()
        self.customers.close()
        self.calls.close()
        self.processes.close()
        self.database.close()


def desk_app(desk: Desk) -> FastAPI:
    """The desk's whole web face."""

    def waiting(visitor: Visitor) -> int:
        return desk.waiting.of(visitor.token.member.user, visitor.token.token) if visitor.may("task:read") else 0

    def unread(visitor: Visitor) -> int:
        return desk.told.of(visitor.token.member.user, visitor.token.token) if visitor.may("notification:own") else 0

    browser = Browser(desk.sign_in, desk.issuer, desk.settings.desk_url.startswith("https:"), waiting, unread)

    def more(visitor: Visitor, found: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"actions": actions_of(visitor, found, desk.choices(), desk.communications)}

    communication_page = CommunicationPage(browser, desk.records, desk.organisation, desk.clock, more)
    approvals_of = ApprovalsOf(desk.approvals, desk.choices)
    deadlines_of = DeadlinesOf(desk.deadlines, desk.organisation, desk.clock)
    time_of = TaskTime(desk.bookings, desk.organisation, desk.choices, desk.clock)

    def more_of_case(visitor: Visitor, found: Case) -> dict[str, Any]:
        return {**approvals_of.case(visitor, found), **deadlines_of(visitor, found.id)}

    def more_of_task(visitor: Visitor, found: Task) -> dict[str, Any]:
        return {**approvals_of.task(visitor, found), **time_of(visitor, found), **deadlines_of(visitor, found.id)}

    writing_sources = Sources(desk.messages, desk.records, desk.leads, desk.customers)
    case_page = CasePage(browser, desk.records, desk.tasks, desk.case_steps, desk.organisation, desk.clock, more_of_case)

    task_page = TaskPage(browser, desk.tasks, desk.customers, desk.organisation, desk.clock, more_of_task)
    app = create_app(
        "desk",
        desk.settings,
        [*routes(desk.publisher, desk.issuer, desk.clock), draft_routes(desk.publisher, desk.clock), feed_routes(desk.feeds, desk.clock)],
        public=[
            open_routes(desk.sign_in, desk.issuer, desk.clock),
            browser.static.router(),
            open_pages(browser),
            task_stream(browser, desk.live_tasks, TaskChangesReader(desk.settings.task_url)),
            approval_pages(browser, desk.approvals, desk.waiting, desk.organisation, desk.choices, desk.clock),
            approval_steps(browser, desk.approvals, desk.waiting, desk.tasks, case_page, task_page),
            # Before `pages`, whose steps on a task have paths like these.
            task_time_routes(browser, desk.bookings, task_page, desk.organisation),
            pages(browser, desk.tasks, task_page, desk.processes, desk.organisation, desk.clock),
            absence_pages(browser, desk.staffing, desk.organisation, desk.choices, desk.clock),
            workload_pages(browser, desk.staffing, desk.tasks, desk.organisation, desk.choices, desk.clock),
            booking_pages(browser, desk.bookings, desk.tasks, desk.records, desk.organisation, desk.choices, desk.clock),
            calendar_pages(browser, desk.bookings, desk.organisation, desk.choices, desk.settings.calendar_url, desk.clock),
            contact_router(browser, desk.contacts, desk.choices, desk.organisation, desk.settings, desk.clock),
            record_pages(browser, desk.records, desk.organisation, desk.clock, communication_page, case_page),
            case_actions_router(browser, desk.case_steps, case_page),
            case_tasks_router(browser, desk.tasks, case_page),
            *message_pages(browser, writing_sources, desk.organisation, desk.clock, case_page),
            customer_pages(browser, desk.customers, desk.tasks, desk.organisation, desk.clock),
            customer_merging_pages(browser, desk.customers, desk.organisation, desk.clock),
            account_pages(browser, desk.customers, desk.organisation, desk.clock),
            communication_actions_router(browser, desk.communications, communication_page),
            related_pages(browser, desk.related, desk.records, desk.organisation, desk.choices, desk.clock),
            file_pages(browser, desk.records),
            feedback_pages(browser, desk.feedback, desk.organisation, desk.clock),
            overview_pages(browser, desk.figures, desk.organisation, desk.clock),
            lead_pages(browser, desk.leads, desk.organisation, desk.clock, deadlines_of),
            deadline_pages(browser, desk.deadlines, desk.organisation, desk.clock),
            deadline_report_pages(browser, desk.deadlines, desk.organisation, desk.clock),
            simulation_pages(browser, desk.deadlines, desk.database, desk.organisation, desk.clock),
            search_pages(browser, desk.search, desk.organisation, desk.clock),
            notification_pages(browser, desk.notifications, desk.told, desk.organisation, desk.clock),
            preference_pages(browser, desk.notifications, desk.organisation, desk.clock),
            call_pages(browser, desk.live, desk.calls, desk.organisation, desk.clock),
        ],
        ready=desk.problems,
        facts=desk.facts,
        body_limits={
            "/configuration": CONFIGURATION_LIMIT,
            "/configuration/drafts/": CONFIGURATION_LIMIT,
            "/deadlines/simulation": FORM_BYTES,
            "/contacts/new": desk.settings.contact_bytes,
            "/write/": MESSAGE_BYTES,
        },
        content_security=CONTENT_SECURITY,
        verifier=TokenVerifier(desk.issuer.jwks, desk.settings.issuer),
    )
    browser.add_error_pages(app)
    return app


def run(settings: DeskSettings) -> None:
    """Serve until the process is told to stop."""
    configure_logging("desk", "api", settings.log_level)
    try:
        desk = Desk(settings)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"setting CASESTREAM_SIGNING_KEY: {error}\n")
        sys.exit(2)
    try:
        desk.publisher.start_sweeper()
        desk.follower.start()
        desk.feed_rounds.start()
        serve(desk_app(desk), settings, on_stop=desk.stop)
    finally:
        desk.close()
