"""Calls and text messages in (COM-5): tell Kafka at once, and only then fetch what takes time.

There is no outbox: the gateway sends a webhook again until it was taken, and the ids derive from the gateway's own of the call.
"""

from __future__ import annotations

import mimetypes
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.ingest import metrics
from services.ingest.domain.communication import LONGEST_NAME, LONGEST_TYPE, cut, occurred
from services.ingest.domain.mail import clean_text
from services.ingest.domain.phone import (
    PhoneEvent,
    call_report,
    other_party,
    phone_communication,
    phone_conversation,
    recording_communication,
    twilio_login,
)
from services.ingest.gateways.source import GatewayError
from services.ingest.handlers.contacts import contact_rules
from services.ingest.handlers.events import event_of, update_of
from shared.dangers import danger
from shared.fetching import Download, Downloads, Unavailable
from shared.handles import LONGEST_HANDLE
from shared.messaging import ReferenceData, VersionCache
from shared.messaging.direct import DirectPublisher, NotAcknowledged
from shared.observability.tracing import current_traceparent
from shared.schemas.configuration.channels import PhoneLine
from shared.schemas.envelope import Event
from shared.schemas.events import BODY_LIMIT_BYTES, CallStage, CommunicationReceived, CommunicationUpdated
from shared.schemas.parts import FileRef, Handle
from shared.storage.objects import ObjectStore, StoreUnavailable

RECORDING_BYTES = 64 * 1024 * 1024
RECORDING_SECONDS = 10.0
"""Twilio waits 15 seconds for an answer."""
RECORDINGS_AT_ONCE = 4
"""More would take the threads, and the memory, that ringing calls need."""
MEDIA_BYTES = 16 * 1024 * 1024
MEDIA_SECONDS = 8.0
"""What came with one message, together: the rest of Twilio's 15 seconds is for storing and publishing."""
MEDIA_AT_ONCE = 4
MEDIA_WAIT_SECONDS = 1.0
MEDIA_REDIRECTS = 3
"""Gateways give files out by other hosts of theirs; those must be among the hosts that are named."""
_TYPES = mimetypes.MimeTypes()
_STAGES = frozenset(CallStage)
"""Which events tell how far a call has got."""
_ENDINGS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/ogg": "ogg", "audio/mp4": "m4a"}


class PhoneRefused(Exception):
    """No communication can be made of this event; the text says why, without its data."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as it came. `key`: what its line's webhooks are signed with."""

    body: bytes
    filename: str
    content_type: str
    key: str = field(default="", repr=False)


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
        self._fetching_media = threading.BoundedSemaphore(MEDIA_AT_ONCE)

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
        if event.what == "message":
            text, files = self._with_media(event, line, webhook.key)
            self._publish(self._communication(event, line, method, id, text, self._raw(webhook), files, now), now)
        elif event.customer is not None:
            # A call is shown while it rings: nothing is stored before it is published.
            self._publish(self._communication(event, line, method, id, "", None, (), now), now, self._update(event, line, id, now))
        if event.recording:
            id = recording_communication(line.number, event)
            text, files = self._recording(event, line, webhook.key)
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

    def _update(self, event: PhoneEvent, line: PhoneLine, id: UUID, now: datetime) -> tuple[Event, ...]:
        """What the event says of how far the call has got."""
        if event.what not in _STAGES:
            return ()
        data = CommunicationUpdated(
            communication_id=id,
            conversation_id=phone_conversation(line.number, event),
            stage=CallStage(event.what),
            at=occurred(event.at, now),
            outcome=event.outcome,
            duration_seconds=event.seconds,
            answered_by=clean_text(event.answered_by)[:LONGEST_HANDLE],
            leg=bool(event.leg),
        )
        report, version = call_report(line.number, event), self._reference.version
        return (update_of(data, report, now=now, config_version=version, traceparent=current_traceparent()),)

    def _recording(self, event: PhoneEvent, line: PhoneLine, key: str) -> tuple[str, tuple[FileRef, ...]]:
        """The text and the file of a recording: where it cannot be had for good, its address. Raises `GatewayError`."""
        title = "Voicemail" if event.what == "voicemail" else "Recording of a call"
        if event.seconds is not None:
            title = f"{title}, {event.seconds} seconds"
        if not self._fetching.acquire(blocking=False):
            raise GatewayError("throttled", "too many recordings at once", 5)
        downloads = self._downloads(line, RECORDING_SECONDS, event.recording, key)
        try:
            file = downloads.get(event.recording, RECORDING_BYTES)
        except Unavailable as error:
            return f"{title}. It was not fetched, because {error}: {event.recording}", ()
        finally:
            downloads.close()
            self._fetching.release()
        ending = _ENDINGS.get(file.content_type, "bin")
        return title, (self._stored(file.content, f"{event.what}.{ending}", file.content_type or "application/octet-stream"),)

    def _with_media(self, event: PhoneEvent, line: PhoneLine, key: str) -> tuple[str, tuple[FileRef, ...]]:
        """A message's text and files. The address of what cannot be had now stays in the text: the message waits for nothing."""
        if not event.media or not line.recording_hosts or not self._fetching_media.acquire(timeout=MEDIA_WAIT_SECONDS):
            return "\n\n".join(filter(None, [event.text, "\n".join(url for url, _ in event.media)])), ()
        try:
            fetched = list(self._media(event, line, key))
        finally:
            self._fetching_media.release()
        files = []
        for number, (file, told) in enumerate((file, told) for file, told in fetched if isinstance(file, Download)):
            content_type = file.content_type or told[:LONGEST_TYPE] or "application/octet-stream"
            name = f"picture-{number + 1}" if content_type.startswith("image/") else f"file-{number + 1}"
            files.append(self._stored(file.content, name + (_TYPES.guess_extension(content_type) or ".bin"), content_type))
        missing = "\n".join(file for file, _ in fetched if isinstance(file, str))
        return "\n\n".join(filter(None, [event.text, missing])), tuple(files)

    def _media(self, event: PhoneEvent, line: PhoneLine, key: str) -> Iterator[tuple[Download | str, str]]:
        """Each file, or what is to be said instead of it; and the type that it is said to be of."""
        give_up_at, room = time.monotonic() + MEDIA_SECONDS, MEDIA_BYTES
        for url, told in event.media:
            seconds = give_up_at - time.monotonic()
            if seconds <= 0:
                yield f"A file was not fetched, because those before it took too long: {url}", told
                continue
            downloads = self._downloads(line, seconds, url, key, MEDIA_REDIRECTS)
            try:
                file = downloads.get(url, room)
            except Unavailable as error:
                yield f"A file was not fetched, because {error}: {url}", told
            except GatewayError:
                yield f"A file was not fetched, because its host did not give it in time: {url}", told
            else:
                room -= len(file.content)
                yield file, told
            finally:
                downloads.close()

    def _downloads(self, line: PhoneLine, seconds: float, url: str, key: str, redirects: int = 0) -> Downloads:
        return Downloads(
            line.recording_hosts,
            private_hosts=self._private_hosts,
            timeout=min(5.0, seconds),
            total=seconds,
            ca_file=self._ca_file,
            redirects=redirects,
            logins=twilio_login(url, key) if line.gateway == "twilio" else {},
        )

    def _raw(self, webhook: Webhook) -> FileRef:
        return self._stored(webhook.body, webhook.filename, webhook.content_type)

    def _stored(self, content: bytes, filename: str, content_type: str) -> FileRef:
        try:
            digest = self._objects.put(content)
        except StoreUnavailable:
            metrics.REFUSED.labels("objects").inc()
            raise
        metrics.STORED_BYTES.inc(len(content))
        harm = danger(filename, content)
        return FileRef(sha256=digest, size=len(content), filename=filename, content_type=content_type, danger=harm)

    def _publish(self, data: CommunicationReceived, now: datetime, further: Sequence[Event] = ()) -> None:
        first = event_of(data, now=now, config_version=self._reference.version, traceparent=current_traceparent())
        try:
            self._publisher.publish([first, *further])
        except NotAcknowledged:
            metrics.REFUSED.labels("kafka").inc()
            raise
