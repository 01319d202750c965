"""Which handler takes in which topic's events, and the `consume` role.

Upstream systems publish to `casestream.contact-events` as CloudEvents in binary mode: the attributes as headers `ce_id` (a UUID, new for
every event), `ce_type` (`casestream.contact-event.v1`), `ce_source`, `ce_subject`, `ce_time` and `ce_revision` (`1`), the contact as JSON
in the value. The key is theirs to choose; events with one key stay in order. Anything else becomes a dead letter.
"""

from __future__ import annotations

from services.ingest.handlers.contacts import OnContactEvents
from services.ingest.settings import Settings
from shared.clock import Clock, utc_now
from shared.messaging import ReferenceData
from shared.messaging.handler import Handlers
from shared.messaging.process import run_consumer
from shared.schemas import topics
from shared.storage.objects import ObjectStore, open_store


def handlers(reference: ReferenceData, objects: ObjectStore, region: str, clock: Clock = utc_now) -> Handlers:
    """Topic -> handler. `region`: country of phone numbers without an international prefix."""
    return {topics.CONTACT_EVENTS: OnContactEvents(reference, objects, region, clock).handler()}


def run(settings: Settings) -> None:
    """Consume until told to stop."""
    objects = open_store(settings)
    run_consumer("ingest", settings, lambda reference: handlers(reference, objects, settings.phone_region), objects.problems)
