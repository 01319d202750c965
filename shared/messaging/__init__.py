"""The event path over Kafka: consume a batch, one database transaction, publish, next. Nothing lost, nothing doubled.

Owns the consumer loop, publishing through the outbox, reference data (configuration and directory), and the topics' creation.
Decides nothing of the domain: services give it handlers.
"""

from shared.messaging.handler import Handler, NotYet, Refused
from shared.messaging.publisher import EventPublisher
from shared.messaging.reference import Reference, ReferenceData, StaticReference, VersionCache

__all__ = ["EventPublisher", "Handler", "NotYet", "Reference", "ReferenceData", "Refused", "StaticReference", "VersionCache"]
