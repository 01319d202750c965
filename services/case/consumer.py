"""Which handler takes in which topic's events."""

from __future__ import annotations

from services.case.handlers import tasks
from services.case.handlers.automation import OnFirings
from services.case.handlers.clocks import OnClocks
from services.case.handlers.communications import OnCommunications
from services.case.handlers.deliveries import OnDeliveries
from services.case.handlers.rules import rules_of
from shared.clock import Clock, utc_now
from shared.messaging import ReferenceData, VersionCache
from shared.messaging.handler import Handlers
from shared.schemas import topics


def handlers(reference: ReferenceData, clock: Clock = utc_now) -> Handlers:
    """Topic -> handler."""
    rules = VersionCache(reference, rules_of)
    return {
        topics.COMMUNICATIONS: OnCommunications(reference, rules, clock).handler(),
        topics.NOTIFICATIONS: OnDeliveries(reference, clock).handler(),
        topics.SLA: OnClocks(rules, clock).handler(),
        topics.TASKS: tasks.handler(OnFirings(reference, rules, clock)),
    }
