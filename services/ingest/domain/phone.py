"""What telephone gateways report (COM-5): calls, their recordings, text messages; and the ids of their communications."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal
from uuid import UUID

from services.ingest.domain.contacts import normal_handle
from services.ingest.domain.mail import clean_text
from shared.handles import LONGEST_HANDLE, BadHandle
from shared.ids import CommunicationId, ConversationId, derive

What = Literal["ringing", "answered", "ended", "voicemail", "recording", "message"]
Outcome = Literal["", "completed", "busy", "no_answer", "cancelled", "failed"]
WITHHELD = frozenset(
    {
        *("anonymous", "blocked", "private", "restricted", "unavailable", "unknown", "withheld"),
        # Networks that want digits get the word as it is dialled: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE.
        *("+266696687", "266696687", "+7378742833", "7378742833", "+2562533", "2562533", "+8656696", "8656696"),
        *("+86282452253", "86282452253"),
    }
)
"""What stands, in lower case, where a caller's number is withheld."""
MOST_MEDIA = 10
TWILIO_FILES = "api.twilio.com"
_TWILIO_ACCOUNT = re.compile(r"/2010-04-01/Accounts/(AC[0-9A-Fa-f]{32})/")
MOST_SECONDS = 999_999
_CALL_STATES: dict[str, tuple[What, Outcome]] = {
    "queued": ("ringing", ""),
    "initiated": ("ringing", ""),
    "ringing": ("ringing", ""),
    "in-progress": ("answered", ""),
    "answered": ("answered", ""),
    "completed": ("ended", "completed"),
    "busy": ("ended", "busy"),
    "no-answer": ("ended", "no_answer"),
    "failed": ("ended", "failed"),
    "canceled": ("ended", "cancelled"),
}


class BadPhoneEvent(Exception):
    """What the gateway sent is no event of a call or a message; the text says why, without its data."""


@dataclass(frozen=True, slots=True)
class PhoneEvent:
    """What a gateway reports.

    `id`: its own name of the call or message. `customer`: the other party as the gateway writes it; None: not told, which is not
    withheld. `at`: when; None: now. `conversation`: the gateway's name for what this belongs to, if it has one. `text`: of a message,
    `media`: the addresses of what came with it, and the types that they are said to be of.
    `recording`: address of a voicemail's or a recording's file, `recording_id` the gateway's name of it. `seconds`: length of that, or of
    the call that ended. `outcome`: how that ended. `answered_by`: who answered, as the gateway names them. `leg`: the gateway's name of
    the leg that this is told of, where a call is passed on by several.
    """

    what: What
    id: str
    customer: str | None
    direction: Literal["inbound", "outbound"] = "inbound"
    name: str = ""
    at: datetime | None = None
    conversation: str = ""
    text: str = ""
    media: tuple[tuple[str, str], ...] = ()
    recording: str = ""
    recording_id: str = ""
    seconds: int | None = None
    outcome: Outcome = ""
    answered_by: str = ""
    leg: str = ""


def twilio_event(form: Mapping[str, str], number: str) -> PhoneEvent | None:
    """What Twilio's `form` about our `number` reports; None: nothing of a contact, as that a message of ours was delivered.

    A leg that a call is passed on by (`<Dial>`) is the call itself. Raises `BadPhoneEvent`.
    """
    message = form.get("MessageSid") or form.get("SmsSid")
    call = form.get("ParentCallSid") or form.get("CallSid")
    if message and not call:
        status = form.get("SmsStatus") or form.get("MessageStatus") or "received"
        if status not in ("receiving", "received") or form.get("From") == number:
            return None
        return PhoneEvent("message", message, form.get("From", ""), text=form.get("Body", ""), media=_media(form))
    if not call:
        raise BadPhoneEvent("it names neither a call (CallSid) nor a message (MessageSid)")
    from_us = form.get("From") == number
    customer = form.get("To" if from_us else "From")
    direction: Literal["inbound", "outbound"] = "outbound" if from_us else "inbound"
    if url := form.get("RecordingUrl"):
        if form.get("RecordingStatus", "completed") != "completed":
            return None
        what: What = "voicemail" if form.get("RecordingSource") == "RecordVerb" else "recording"
        seconds = _seconds(form.get("RecordingDuration", ""))
        return PhoneEvent(what, call, customer, direction, recording=url, recording_id=form.get("RecordingSid", ""), seconds=seconds)
    if "RecordingStatus" in form:
        return None
    if form.get("CallStatus", "") not in _CALL_STATES:
        raise BadPhoneEvent("its CallStatus is none that is known")
    if customer is None:
        raise BadPhoneEvent("it does not tell who calls (From)")
    state, outcome = _CALL_STATES[form["CallStatus"]]
    is_leg = bool(form.get("ParentCallSid"))
    answered_by = ""
    if state == "answered":
        # Of a leg, whom the call was passed on to; of a call that we made, whether a machine picked it up.
        answered_by = form.get("To", "") if is_leg and not from_us else form.get("AnsweredBy", "")
    return PhoneEvent(
        state,
        call,
        customer,
        direction,
        name=form.get("CallerName", ""),
        at=_moment(form.get("Timestamp", "")),
        seconds=_seconds(form.get("CallDuration", "")) if state == "ended" else None,
        outcome=outcome,
        answered_by=answered_by,
        leg=form.get("CallSid", "") if is_leg else "",
    )


def twilio_login(url: str, key: str) -> dict[str, tuple[str, str]]:
    """Host -> user and password, for a file of Twilio's own at `url`; nobody else gets the account's auth token `key`."""
    start = f"https://{TWILIO_FILES}"
    account = _TWILIO_ACCOUNT.match(url, len(start)) if url.startswith(start) else None
    return {TWILIO_FILES: (account.group(1), key)} if account and key else {}


def other_party(value: str, region: str) -> tuple[Literal["phone", "other"], str]:
    """The kind and normal form of the handle that stands for `value`; an empty one is nobody's.

    What is no number (a name that sends texts, a SIP address) is a handle of its own kind.
    """
    trimmed = clean_text(value).strip()
    if trimmed.lower() in WITHHELD:
        return "phone", ""
    try:
        return "phone", normal_handle("phone", trimmed, region)
    except BadHandle:
        return "other", trimmed[:LONGEST_HANDLE]


def phone_communication(number: str, event: PhoneEvent) -> CommunicationId:
    """The communication of the message, or of the call, whatever of it is reported."""
    kind = "phone-message" if event.what == "message" else "phone-call"
    return CommunicationId(derive(kind, number, event.id))


def recording_communication(number: str, event: PhoneEvent) -> CommunicationId:
    """The communication of a call's recording."""
    return CommunicationId(derive("phone-recording", number, event.id, event.recording_id or event.recording))


def phone_conversation(number: str, event: PhoneEvent) -> ConversationId:
    """The conversation that the gateway names; else the call, or the message, begins one."""
    if event.conversation:
        return ConversationId(derive("phone-conversation", number, event.conversation))
    return ConversationId(derive("conversation", phone_communication(number, event)))


def call_report(number: str, event: PhoneEvent) -> UUID:
    """What `event` tells of a call, as far as telling it again is the same: the call, its leg, the stage, how it ended."""
    return derive("phone-call-report", number, event.id, event.leg, event.what, event.outcome)


def _media(form: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The addresses of what came with a message, and their types."""
    places = range(MOST_MEDIA)
    return tuple((url, form.get(f"MediaContentType{place}", "")) for place in places if (url := form.get(f"MediaUrl{place}")))


def _seconds(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


def _moment(text: str) -> datetime | None:
    """A time as mails write it (RFC 2822); None: it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
