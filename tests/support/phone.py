"""Telephone gateways as they call ingest: Twilio's forms, as its documentation shows them, and signed JSON."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

import orjson
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

NUMBER, CUSTOMER = "+441632960100", "+441632960001"
CALL, LEG, MESSAGE, RECORDING = "CA" + "1" * 32, "CA" + "2" * 32, "SM" + "3" * 32, "RE" + "4" * 32
TOKEN = "twilio-auth-token"
KEY = "the key of the switchboard"
ACCOUNT = "AC" + "0" * 32
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def a_call(status: str = "ringing", **changes: str) -> dict[str, str]:
    """Twilio's word of a call's state."""
    given = {
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
        "CallSid": CALL,
        "CallStatus": status,
        "Called": NUMBER,
        "Caller": CUSTOMER,
        "Direction": "inbound",
        "From": CUSTOMER,
        "To": NUMBER,
    }
    return given | changes


def a_leg(status: str = "ringing", **changes: str) -> dict[str, str]:
    """Twilio's word of a leg that a call is passed on by (`<Dial>`)."""
    return a_call(status, **({"CallSid": LEG, "ParentCallSid": CALL, "Direction": "outbound-dial", "To": "+441632960555"} | changes))


def a_text(body: str = "The tap leaks", **changes: str) -> dict[str, str]:
    """Twilio's word of an incoming message."""
    given = {
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
        "Body": body,
        "From": CUSTOMER,
        "MessageSid": MESSAGE,
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsMessageSid": MESSAGE,
        "SmsSid": MESSAGE,
        "SmsStatus": "received",
        "To": NUMBER,
    }
    return given | changes


def a_recording(url: str, **changes: str) -> dict[str, str]:
    """Twilio's word of a recording (`recordingStatusCallback`), which does not say who called."""
    given = {
        "AccountSid": ACCOUNT,
        "CallSid": CALL,
        "RecordingChannels": "1",
        "RecordingDuration": "42",
        "RecordingSid": RECORDING,
        "RecordingSource": "RecordVerb",
        "RecordingStatus": "completed",
        "RecordingUrl": url,
    }
    return given | changes


def by_twilio(url: str, form: Mapping[str, str], token: str = TOKEN) -> tuple[bytes, dict[str, str]]:
    """Body and headers of Twilio's request to `url`, signed by its own library."""
    signature = RequestValidator(token).compute_signature(url, form)
    return urlencode(form).encode(), FORM | {"X-Twilio-Signature": signature}


def an_event(event: str = "ringing", **changes: object) -> bytes:
    """The JSON of a gateway of the kind `signed`."""
    return orjson.dumps({"event": event, "id": "call-1", "from": CUSTOMER} | changes)


def signed(body: bytes, at: datetime, key: str = KEY) -> dict[str, str]:
    """The headers that such a gateway sends with `body`."""
    timestamp = str(int(at.timestamp()))
    digest = hmac.new(key.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Casestream-Timestamp": timestamp, "Casestream-Signature": f"sha256={digest}", "Content-Type": "application/json"}
