"""The HTTP API of cases, communications and contacts: decode, call, encode."""

from __future__ import annotations

from fastapi import APIRouter

from services.case import metrics
from services.case.api import lead_imports
from services.case.api.accounts import accounts_router, visible_account
from services.case.api.bulk import bulk_router
from services.case.api.commanding import commanding_router
from services.case.api.communications import communications_router
from services.case.api.contact_messages import contact_messages_router
from services.case.api.contacts import contacts_router, visible_contact
from services.case.api.deletion import deletion_router
from services.case.api.erasure import erasing
from services.case.api.feedback import feedback_router
from services.case.api.figures import figures_router
from services.case.api.files import files_router
from services.case.api.lead_messages import lead_messages_router
from services.case.api.leads import leads_routers
from services.case.api.lists import lists_router
from services.case.api.merging import merging_router
from services.case.api.messages import PATH as MESSAGE_FILES
from services.case.api.messages import message_files_router, messages_router
from services.case.api.notes import noted_on_case, notes_routes, visible_case
from services.case.api.operating import operating
from services.case.api.people import erasing_people, exporting_people
from services.case.api.products import products_router
from services.case.api.reading import reading_router
from services.case.api.related import major_router, related_router
from services.case.api.search import search_router
from services.case.domain.messages import MOST_BYTES
from services.case.domain.notes import RecordKind
from services.case.handlers.acceptance import PURPOSE as ACCEPTANCE
from services.case.handlers.acceptance import Acceptance, waiting_answer
from services.case.handlers.commands import Commands
from services.case.handlers.contact_messages import ContactMessages
from services.case.handlers.feedback import PURPOSE as FEEDBACK
from services.case.handlers.feedback import FeedbackIntake, FeedbackLink, forms_of
from services.case.handlers.leads.writing import LeadMessages
from services.case.handlers.links import CustomerLinks, Purpose
from services.case.handlers.major import Major
from services.case.handlers.merging import Merging
from services.case.handlers.messages import Messages
from services.case.handlers.products import ProductCommands, offer_of
from services.case.handlers.rules import rules_of
from services.case.handlers.splitting import Splitting
from services.case.handlers.staff import CommunicationCommands
from services.case.settings import ApiSettings
from shared.clock import Clock, utc_now
from shared.links import LinkKeyFile
from shared.links.words import Said
from shared.messaging import EventPublisher, ReferenceData, VersionCache
from shared.processes import run_api
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.models import Organisation
from shared.schemas.configuration.targets import Targets
from shared.storage.objects import ObjectStore, open_store
from shared.web import dead_letters_router
from shared.web.answering import ANSWER_BYTES, Answering, Place, answers_router

ANSWERS = Place("/answer", "customer links", Said("You can always answer our message itself."), {"button": "accept"}, metrics.LINKS)


def routers(publisher: EventPublisher, reference: ReferenceData, clock: Clock = utc_now) -> list[APIRouter]:
    """Every route of the service; `publisher` gives the transactions."""
    rules = VersionCache(reference, rules_of)
    return [
        reading_router(publisher, rules, VersionCache(reference, Targets), clock),
        commanding_router(publisher, Commands(reference, rules), rules, clock),
        lists_router(publisher.database, rules, clock),
        search_router(publisher.database),
        figures_router(publisher.database, clock),
        bulk_router(publisher, Commands(reference, rules), clock),
        communications_router(publisher, CommunicationCommands(reference, rules), rules, clock),
        deletion_router(publisher, clock),
        merging_router(publisher, Merging(rules), Splitting(reference, rules), clock),
        related_router(publisher, clock),
        major_router(publisher, Major(rules), clock),
        messages_router(publisher, Messages(reference), clock),
        contacts_router(publisher, rules, clock),
        accounts_router(publisher, rules, clock),
        notes_routes(publisher, clock, "/cases", RecordKind.CASE, visible_case, noted_on_case),
        notes_routes(publisher, clock, "/contacts", RecordKind.CONTACT, visible_contact),
        notes_routes(publisher, clock, "/accounts", RecordKind.ACCOUNT, visible_account),
        *leads_routers(publisher, reference, clock),
        lead_messages_router(publisher, LeadMessages(reference), clock),
        contact_messages_router(publisher, ContactMessages(reference), clock),
        operating(publisher, clock),
        erasing(publisher, clock),
        erasing_people(publisher, clock),
        products_router(publisher, reference, ProductCommands(reference, VersionCache(reference, offer_of)), clock),
        feedback_router(publisher, reference, FeedbackIntake(reference, VersionCache(reference, forms_of)), clock),
        dead_letters_router("case", publisher.database),
    ]


def all_routers(publisher: EventPublisher, reference: ReferenceData, objects: ObjectStore, clock: Clock = utc_now) -> list[APIRouter]:
    """`routers`, and those that give out or take in files."""
    return [
        *routers(publisher, reference, clock),
        files_router(publisher.database, objects),
        message_files_router(publisher, objects, clock),
        lead_imports.lead_imports_router(publisher, reference, objects, clock),
        exporting_people(publisher.database, objects, clock),
    ]


def purposes(reference: ReferenceData) -> dict[str, Purpose]:
    """What customers' links may be for, by the name that stands in the link."""
    commands = Commands(reference, VersionCache(reference, rules_of))
    return {
        ACCEPTANCE: Acceptance(waiting_answer, commands.record_acceptance),
        FEEDBACK: FeedbackLink(FeedbackIntake(reference, VersionCache(reference, forms_of))),
    }


def public_routers(publisher: EventPublisher, reference: ReferenceData, settings: ApiSettings, clock: Clock = utc_now) -> list[APIRouter]:
    """What needs no access token: the pages behind customers' links."""
    keys = LinkKeyFile(settings.link_keys) if settings.link_keys else None
    links = CustomerLinks(purposes(reference), VersionCache(reference, _languages).get)
    return [customer_answers(publisher, reference, links, keys, settings.wrong_links_per_hour, clock)]


def _languages(configuration: Configuration) -> dict[str, str]:
    return {method.code: method.language for method in configuration.methods if method.language}


def customer_answers(
    publisher: EventPublisher, reference: ReferenceData, links: Answering, keys: LinkKeyFile | None, wrong_per_hour: int, clock: Clock
) -> APIRouter:
    """The pages of customers' links."""

    def organisation() -> Organisation:
        return reference.configuration(reference.version).organisation

    return answers_router(ANSWERS, publisher, links, organisation, keys, wrong_per_hour, clock)


def run(settings: ApiSettings) -> None:
    """Serve the API until the process is told to stop."""
    objects = open_store(settings)

    run_api(
        "case",
        settings,
        lambda publisher, reference: all_routers(publisher, reference, objects),
        public=lambda publisher, reference: public_routers(publisher, reference, settings),
        body_limits={"/answer/": ANSWER_BYTES, lead_imports.PATH: lead_imports.MOST_BYTES, MESSAGE_FILES: MOST_BYTES},
    )
