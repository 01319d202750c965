"""What telephone gateways report (COM-5): calls, their recordings, text messages; and the ids of their communications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.ingest.domain.contacts import LONGEST_HANDLE, BadHandle, normal_handle
from services.ingest.domain.mail import clean_text
from shared.ids import CommunicationId, ConversationId, derive

What = Literal["ringing", "answered", "ended", "voicemail", "recording", "message"]
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
_CALL_STATES: dict[str, What] = {
    "queued": "ringing",
    "initiated": "ringing",
    "ringing": "ringing",
    "in-progress": "answered",
    "answered": "answered",
    "completed": "ended",
    "busy": "ended",
    "no-answer": "ended",
    "failed": "ended",
    "canceled": "ended",
}


class BadPhoneEvent(Exception):
    """What the gateway sent is no event of a call or a message; the text says why, without its data."""


@dataclass(frozen=True, slots=True)
class PhoneEvent:
    """What a gateway reports.

    `id`: its own name of the call or message. `customer`: the other party as the gateway writes it; None: not told, which is not
    withheld. `at`: when; None: now. `conversation`: the gateway's name for what this belongs to, if it has one. `text`: of a message.
    `recording`: address of a voicemail's or a recording's file, `recording_id` the gateway's name of it, `seconds` its length.
    """

    what: What
    id: str
    customer: str | None
    direction: Literal["inbound", "outbound"] = "inbound"
    name: str = ""
    at: datetime | None = None
    conversation: str = ""
    text: str = ""
    recording: str = ""
    recording_id: str = ""
    seconds: int | None = None


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
        return PhoneEvent("message", message, form.get("From", ""), text="\n\n".join(filter(None, [form.get("Body", ""), _media(form)])))
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
    state = _CALL_STATES.get(form.get("CallStatus", ""))
    if state is None:
        raise BadPhoneEvent("its CallStatus is none that is known")
    if customer is None:
        raise BadPhoneEvent("it does not tell who calls (From)")
    return PhoneEvent(state, call, customer, direction, name=form.get("CallerName", ""))


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


def _media(form: Mapping[str, str]) -> str:
    """The addresses of what came with a message."""
    return "\n".join(url for place in range(MOST_MEDIA) if (url := form.get(f"MediaUrl{place}")))


def _seconds(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None
