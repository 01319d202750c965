"""Webhooks of telephone gateways: whether they are authentic, and what they say. Nothing of one is looked at before its signature."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from services.ingest.domain.phone import MOST_SECONDS, BadPhoneEvent, Outcome, PhoneEvent, What, twilio_event

TOLERANCE_SECONDS = 300
"""How old, or ahead of our clock, a signature may be."""
MOST_FIELDS = 500


class NotSigned(Exception):
    """The webhook has not the gateway's signature; the text says why."""


class SignedEvent(BaseModel):
    """The JSON of a gateway of the kind `signed`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    event: What
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    """The gateway's own name of the call or message, the same in all that it reports of it."""
    sender: Annotated[str, StringConstraints(max_length=320)] = Field(alias="from")
    """Who calls or writes; of an outbound call, whom we call. Empty or `anonymous`: withheld."""
    direction: Literal["inbound", "outbound"] = "inbound"
    name: Annotated[str, StringConstraints(max_length=1000)] = ""
    at: AwareDatetime | None = None
    conversation: Annotated[str, StringConstraints(max_length=200)] = ""
    text: str = ""
    recording_url: Annotated[str, StringConstraints(max_length=4000)] = ""
    recording_id: Annotated[str, StringConstraints(max_length=200)] = ""
    duration_seconds: Annotated[int, Field(ge=0, le=MOST_SECONDS)] | None = None
    """Of the recording, or of the call that ended."""
    outcome: Outcome = ""
    """How the call ended."""
    answered_by: Annotated[str, StringConstraints(max_length=320)] = ""
    """Who answered the call."""

    @model_validator(mode="after")
    def _has_its_file(self) -> Self:
        if self.event in ("voicemail", "recording") and not self.recording_url:
            raise ValueError(f"a {self.event} needs its recording_url")
        return self


def from_twilio(url: str, body: bytes, signature: str, key: str, number: str) -> PhoneEvent | None:
    """What Twilio reports of our `number`; None: nothing of a contact. `url`: what Twilio called. `key`: the account's auth token.

    Raises `NotSigned` and `BadPhoneEvent`.
    """
    try:
        # Twilio sends UTF-8; other bytes are replaced, so that their signature cannot fit.
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise NotSigned(f"the form has more than {MOST_FIELDS} fields") from error
    if not RequestValidator(key).validate(url, ImmutableMultiDict(pairs), signature):
        raise NotSigned("X-Twilio-Signature does not fit")
    return twilio_event(dict(pairs), number)


def from_signed(timestamp: str, body: bytes, signature: str, key: str, now: datetime) -> PhoneEvent:
    """What a gateway of the kind `signed` reports. Raises `NotSigned` and `BadPhoneEvent`."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise NotSigned("Casestream-Timestamp is no time in whole seconds since 1970")
    right = "sha256=" + hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), signature.encode("utf-8", "replace")):
        raise NotSigned("Casestream-Signature does not fit")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise NotSigned(f"Casestream-Timestamp is more than {TOLERANCE_SECONDS} seconds from our clock")
    try:
        given = SignedEvent.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadPhoneEvent(f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}") from error
    return PhoneEvent(
        given.event,
        given.id,
        given.sender,
        given.direction,
        name=given.name,
        at=given.at,
        conversation=given.conversation,
        text=given.text,
        recording=given.recording_url,
        recording_id=given.recording_id,
        seconds=given.duration_seconds,
        outcome=given.outcome if given.event == "ended" else "",
        answered_by=given.answered_by if given.event == "answered" else "",
    )
