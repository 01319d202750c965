"""Handing text messages to a gateway over HTTPS: Twilio's, or any that takes JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import requests
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from services.notify.domain.retry import Outcome
from services.notify.settings import SmsSettings
from shared.fetching import GatewayError, GuardedHttps, PlainSession

LONGEST_ANSWER = 256 * 1024
_ABOUT_US = frozenset({401, 403, 404, 405, 407})
"""Statuses that are about our login or the gateway's address, not about the message; so is a redirect."""
_FOR_NOW = frozenset({408, 409, 423, 425, 429})
_ABOUT_OUR_NUMBER = frozenset({21212, 21266, 21603, 21606, 21659, 21660, 21705})
"""Twilio's codes that are about whom we send from: every message would be refused until an operator has put that right."""


class NoSecret(Exception):
    """The gateway's secret cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Handed:
    """How an attempt ended. `gateway_id`: the gateway's own name for the message; `retry_after`: seconds that it asked to wait."""

    outcome: Outcome
    code: int = 0
    error: str = ""
    gateway_id: str = ""
    retry_after: float | None = None
    dead_status: str = ""
    """Where it was refused since none arrives at this number: the gateway's code."""


class SmsGateway(Protocol):
    """Takes messages one after the other; not for several threads."""

    def send(self, reference: str, number: str, text: str) -> Handed:
        """Hand over one message, for an E.164 number. Blocks; never raises for what the gateway or the network does. `reference` is the
        same whenever a message is handed over again.
        """

    def close(self) -> None:
        """Let go of the connection. From any thread."""


def secret_in(file: Path | None) -> str:
    """The secret in a file. Raises `NoSecret`."""
    try:
        text = file.read_text(encoding="utf-8").strip() if file is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        raise NoSecret(f"the gateway's secret cannot be read: {type(error).__name__}") from error
    if not text:
        raise NoSecret("the gateway's secret is empty")
    return text


class _Https:
    """One connection to a gateway, that stays open."""

    def __init__(self, url: str, timeout: float, ca_file: str) -> None:
        self._url = url
        self._timeout = timeout
        self._host = urlsplit(url).hostname or ""
        self._https = GuardedHttps(PlainSession(), ca_file, keep=True)
        self._https.speak("https://", LONGEST_ANSWER)

    def post(self, content: bytes, headers: Mapping[str, str], login: tuple[str, str] | None) -> requests.Response:
        """The answer. Raises `GatewayError`."""
        with self._https.within(self._timeout, self._host):
            return self._https.session.post(
                self._url, data=content, headers=headers, auth=login, allow_redirects=False, timeout=self._timeout
            )

    def close(self) -> None:
        self._https.close()


class TwilioGateway:
    """Twilio's Messages API. It knows no idempotency: a message whose answer was lost is sent twice."""

    def __init__(
        self, account: str, secret: Path | None, sender: str, status_url: str, endpoint: str, timeout: float, ca_file: str = ""
    ) -> None:
        """`secret`: file with the account's auth token, read each time. `sender`: a number, a name, or the id of a messaging service.
        `status_url`: where Twilio tells what became of messages; empty: nowhere.
        """
        self._account, self._secret, self._sender, self._status_url = account, secret, sender, status_url
        self._https = _Https(f"{endpoint.rstrip('/')}/2010-04-01/Accounts/{quote(account, safe='')}/Messages.json", timeout, ca_file)

    def send(self, reference: str, number: str, text: str) -> Handed:
        """See `SmsGateway`."""
        form = {"To": number, "Body": text, "MessagingServiceSid" if self._sender.startswith("MG") else "From": self._sender}
        if self._status_url:
            form["StatusCallback"] = f"{self._status_url}?delivery={quote(reference, safe='')}"
        try:
            login = (self._account, secret_in(self._secret))
            answer = self._https.post(urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}, login)
        except (GatewayError, NoSecret) as error:
            return Handed(Outcome.UNREACHABLE, error=str(error))
        content = _object(answer)
        if answer.status_code in (200, 201):
            return Handed(Outcome.SENT, answer.status_code, gateway_id=str(content.get("sid", ""))[:100])
        code = content.get("code")
        number_of_error = code if isinstance(code, int) else 0
        handed = _refused(answer, f"{number_of_error} {content.get('message', '')}".strip() if number_of_error else "")
        if number_of_error in _ABOUT_OUR_NUMBER:
            return Handed(Outcome.UNREACHABLE, handed.code, handed.error)
        if handed.outcome is Outcome.REFUSED and str(number_of_error) in _DEAD:
            return replace(handed, dead_status=str(number_of_error))
        return handed

    def close(self) -> None:
        """See `SmsGateway`."""
        self._https.close()


class HttpGateway:
    """A gateway that takes a JSON object for each message."""

    def __init__(
        self,
        url: str,
        fields: Mapping[str, str],
        more: Mapping[str, Any],
        sender: str,
        id_pointer: str,
        user: str,
        secret: Path | None,
        timeout: float,
        ca_file: str = "",
    ) -> None:
        """`fields`: how it calls `to`, `text`, `from` and `reference`; what is not there is not sent. `more`: what else it wants.
        `id_pointer`: where in its answer its own name for the message is (RFC 6901); empty: nowhere. `user`: for basic login with the
        secret; empty: the secret is a bearer token.
        """
        self._fields, self._more, self._sender, self._pointer = fields, more, sender, id_pointer
        self._user, self._secret = user, secret
        self._https = _Https(url, timeout, ca_file)

    def send(self, reference: str, number: str, text: str) -> Handed:
        """See `SmsGateway`."""
        values = {"to": number, "text": text, "from": self._sender, "reference": reference}
        content = {**self._more, **{self._fields[name]: value for name, value in values.items() if name in self._fields and value}}
        headers = {"Content-Type": "application/json", "Idempotency-Key": reference}
        try:
            secret = secret_in(self._secret)
            login = (self._user, secret) if self._user else None
            if login is None:
                headers["Authorization"] = f"Bearer {secret}"
            answer = self._https.post(json.dumps(content).encode(), headers, login)
        except (GatewayError, NoSecret) as error:
            return Handed(Outcome.UNREACHABLE, error=str(error))
        if 200 <= answer.status_code < 300:
            return Handed(Outcome.SENT, answer.status_code, gateway_id=pointed_at(_json(answer), self._pointer)[:100])
        return _refused(answer, "")

    def close(self) -> None:
        """See `SmsGateway`."""
        self._https.close()


def pointed_at(content: object, pointer: str) -> str:
    """The text or number at a JSON pointer; empty: there is none."""
    found: Any = content if pointer else None
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(key)
        elif isinstance(found, list) and key.isascii() and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            return ""
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""


def _refused(answer: requests.Response, words: str) -> Handed:
    status = answer.status_code
    wait = answer.headers.get("Retry-After", "")
    seconds = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 10 else None
    error = f"HTTP {status} {words}".strip()[:500]
    if status in _ABOUT_US or status < 400:
        return Handed(Outcome.UNREACHABLE, status, error)
    if status in _FOR_NOW or status >= 500:
        return Handed(Outcome.DEFERRED, status, error, retry_after=seconds)
    return Handed(Outcome.REFUSED, status, error)


def _json(answer: requests.Response) -> object:
    try:
        return answer.json()
    except ValueError:
        return None


def _object(answer: requests.Response) -> dict[str, Any]:
    content = _json(answer)
    return content if isinstance(content, dict) else {}


def connector(settings: SmsSettings) -> Callable[[], SmsGateway] | None:
    """Makes connections to what the settings name; None: they name nothing."""
    timeout, ca_file = settings.sms_timeout_seconds, settings.sms_ca_file
    if settings.sms_by == "twilio":
        return lambda: TwilioGateway(
            settings.sms_account,
            settings.sms_secret_file,
            settings.sms_from,
            settings.sms_status_url,
            settings.sms_twilio_endpoint,
            timeout,
            ca_file,
        )
    if settings.sms_by == "http":
        return lambda: HttpGateway(
            settings.sms_url,
            settings.sms_fields,
            settings.sms_more,
            settings.sms_from,
            settings.sms_id_pointer,
            settings.sms_user,
            settings.sms_secret_file,
            timeout,
            ca_file,
        )
    return None


class NotSigned(Exception):
    """The report has not Twilio's signature; the text says why."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of a message that Twilio had taken. `status`: its error code, or its word for the state."""

    status: str
    is_lost: bool
    """Whether it has not arrived, and will not."""
    is_dead: bool
    """Whether none will at this number."""


_LOST = frozenset({"undelivered", "failed"})
_DEAD = frozenset({"21211", "21610", "21614", "30005", "30006"})
"""No such number, no number of a mobile telephone, or its owner wants none. An absent or full telephone may change."""
MOST_FIELDS = 100


def twilio_report(url: str, body: bytes, signature: str, key: str) -> Reported:
    """What Twilio reports. `url`: what it called, with the query; `key`: the account's auth token. Raises `NotSigned`."""
    try:
        # Twilio sends UTF-8; other bytes are replaced, so that their signature cannot fit.
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise NotSigned(f"the form has more than {MOST_FIELDS} fields") from error
    form = dict(pairs)
    if len(form) != len(pairs) or not RequestValidator(key).validate(url, form, signature):
        raise NotSigned("X-Twilio-Signature does not fit")
    state, code = form.get("MessageStatus", ""), form.get("ErrorCode", "")
    is_lost = state in _LOST
    return Reported((code or state)[:40], is_lost, is_lost and code in _DEAD)
