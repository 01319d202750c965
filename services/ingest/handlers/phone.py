"""Calls and text messages in (COM-5): tell Kafka at once, and only then fetch what takes time.

There is no outbox: the gateway sends a webhook again until it was taken, and the ids derive from the gateway's own of the call.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.ingest import metrics
from services.ingest.domain.communication import LONGEST_NAME, cut, occurred
from services.ingest.domain.mail import clean_text
from services.ingest.domain.phone import (
    PhoneEvent,
    other_party,
    phone_communication,
    phone_conversation,
    recording_communication,
)
from services.ingest.gateways.downloads import Downloads, Unavailable
from services.ingest.gateways.source import GatewayError
from services.ingest.handlers.contacts import contact_rules
from services.ingest.handlers.events import event_of
from shared.messaging import ReferenceData, VersionCache
from shared.messaging.direct import DirectPublisher, NotAcknowledged
from shared.observability.tracing import current_traceparent
from shared.schemas.configuration.channels import PhoneLine
from shared.schemas.events import BODY_LIMIT_BYTES, CommunicationReceived
from shared.schemas.parts import FileRef, Handle
from shared.storage.objects import ObjectStore, StoreUnavailable

RECORDING_BYTES = 64 * 1024 * 1024
RECORDING_SECONDS = 10.0
"""Twilio waits 15 seconds for an answer."""
RECORDINGS_AT_ONCE = 4
"""More would take the threads, and the memory, that ringing calls need."""
_ENDINGS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/ogg": "ogg", "audio/mp4": "m4a"}


class PhoneRefused(Exception):
    """No communication can be made of this event; the text says why, without its data."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as it came."""

    body: bytes
    filename: str
    content_type: str


class PhoneIntake:
    """Takes what telephone gateways report. One per process; safe to use from several threads."""

    def __init__(
        self,
        reference: ReferenceData,
        objects: ObjectStore,
        publisher: DirectPublisher,
        region: str,
        *,
        private_hosts: Collection[str] = (),
        ca_file: str = "",
    ) -> None:
        """`region`: country of numbers without an international prefix. `private_hosts`, `ca_file`: as `Downloads` has them."""
        self._reference = reference
        self._rules = VersionCache(reference, contact_rules)
        self._objects = objects
        self._publisher = publisher
        self._region = region
        self._private_hosts = private_hosts
        self._ca_file = ca_file
        self._fetching = threading.BoundedSemaphore(RECORDINGS_AT_ONCE)

    def take(self, event: PhoneEvent, line: PhoneLine, webhook: Webhook, now: datetime) -> UUID:
        """Take what was reported of `line`; the id of its call, message or recording, once Kafka has it. Repeating it changes nothing.

        Raises `PhoneRefused`, and, for the gateway to send it again, `StoreUnavailable`, `NotAcknowledged` and `GatewayError` (the
        recording cannot be had just now).
        """
        method = line.messages if event.what == "message" else line.calls
        if method is None:
            raise PhoneRefused("text messages to this line are not taken")
        rules = self._rules.get(self._reference.version).methods.get(method)
        if rules is None or event.direction not in rules.directions:
            raise PhoneRefused(f"communication method {method} is not for {event.direction} contacts")
        id = phone_communication(line.number, event)
        if event.customer is not None:
            # A call is shown while it rings: nothing is stored before it is published.
            raw = self._raw(webhook) if event.what == "message" else None
            self._publish(self._communication(event, line, method, id, event.text, raw, (), now), now)
        if event.recording:
            id = recording_communication(line.number, event)
            text, files = self._recording(event, line)
            self._publish(self._communication(event, line, method, id, text, self._raw(webhook), files, now), now)
        metrics.PHONE_EVENTS.labels(event.what).inc()
        return id

    def _communication(
        self,
        event: PhoneEvent,
        line: PhoneLine,
        method: str,
        id: UUID,
        text: str,
        raw: FileRef | None,
        files: tuple[FileRef, ...],
        now: datetime,
    ) -> CommunicationReceived:
        """What the event says. Of a call it is the same whichever stage is the first that we hear of."""
        kind, value = other_party(event.customer or "", self._region)
        inbound = event.direction == "inbound"
        name = clean_text(event.name)[:LONGEST_NAME] if inbound else ""
        cut_text, truncated = cut(clean_text(text), BODY_LIMIT_BYTES)
        return CommunicationReceived(
            communication_id=id,
            conversation_id=phone_conversation(line.number, event),
            direction=event.direction,
            method=method,
            channel_account=line.number,
            sender=Handle(kind=kind, value=value if inbound else line.number, name=name),
            recipients=(line.number if inbound else value,),
            text=cut_text,
            text_truncated=truncated,
            occurred_at=occurred(event.at, now),
            received_at=now,
            attachments=files,
            raw=raw,
            opens_case=event.what == "message",
        )

    def _recording(self, event: PhoneEvent, line: PhoneLine) -> tuple[str, tuple[FileRef, ...]]:
        """The text and the file of a recording: where it cannot be had for good, its address. Raises `GatewayError`."""
        title = "Voicemail" if event.what == "voicemail" else "Recording of a call"
        if event.seconds is not None:
            title = f"{title}, {event.seconds} seconds"
        if not self._fetching.acquire(blocking=False):
            raise GatewayError("throttled", "too many recordings at once", 5)
        downloads = Downloads(
            line.recording_hosts, private_hosts=self._private_hosts, timeout=5, total=RECORDING_SECONDS, ca_file=self._ca_file
        )
        try:
            file = downloads.get(event.recording, RECORDING_BYTES)
        except Unavailable as error:
            return f"{title}. It was not fetched, because {error}: {event.recording}", ()
        finally:
            downloads.close()
            self._fetching.release()
        ending = _ENDINGS.get(file.content_type, "bin")
        return title, (self._stored(file.content, f"{event.what}.{ending}", file.content_type or "application/octet-stream"),)

    def _raw(self, webhook: Webhook) -> FileRef:
        return self._stored(webhook.body, webhook.filename, webhook.content_type)

    def _stored(self, content: bytes, filename: str, content_type: str) -> FileRef:
        try:
            digest = self._objects.put(content)
        except StoreUnavailable:
            metrics.REFUSED.labels("objects").inc()
            raise
        metrics.STORED_BYTES.inc(len(content))
        return FileRef(sha256=digest, size=len(content), filename=filename, content_type=content_type)

    def _publish(self, data: CommunicationReceived, now: datetime) -> None:
        try:
            self._publisher.publish([event_of(data, now=now, config_version=self._reference.version, traceparent=current_traceparent())])
        except NotAcknowledged:
            metrics.REFUSED.labels("kafka").inc()
            raise
