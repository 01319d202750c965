"""Microsoft Graph and its authority on a local port: HTTPS, tokens, delta queries, MIME, batches, moving, sending, as documented.

What is kept are messages in folders, each change numbered. `fail` scripts errors; `hold` makes a call hang.
"""

from __future__ import annotations

import json
import re
import threading
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.support.authority import Authority
from tests.support.graph_https import Answer, Listener

TENANT = "harbour.onmicrosoft.example"
CLIENT = "11111111-2222-3333-4444-555555555555"
SECRET = "s3cret~of.the.client"
MAILBOX = "contact@harbour.example"
VERSION = "/v1.0"


@dataclass
class Message:
    """A message in the mailbox; `changed`: the number of its last change, `gone`: of its leaving a folder."""

    id: str
    raw: bytes
    received: datetime
    folder: str = "inbox"
    is_read: bool = False
    changed: int = 0
    gone: dict[str, int] = field(default_factory=dict)


@dataclass
class Fault:
    """An answer instead of the real one, for so many calls whose `METHOD /path` matches."""

    pattern: re.Pattern[str]
    status: int
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    times: int = 1_000_000


class GraphServer:
    """The mailbox, and everything that was asked of it."""

    def __init__(self, folder: Path, secret: str = SECRET) -> None:
        self.secret = secret
        self.secret_has_ended = False
        self.certificate: bytes | None = None
        """DER of the certificate that the application may use."""
        self.messages: dict[str, Message] = {}
        self.sent: list[bytes] = []
        self.calls: list[str] = []
        """`METHOD /path` of every call, those in batches too."""
        self.prefers: list[str] = []
        self.tokens: set[str] = set()
        self.granted = 0
        self.generation = 0
        """States of delta queries that were given out before this number are gone."""
        self.ignores_page_size = False
        self.holding = threading.Event()
        self._hold: re.Pattern[str] | None = None
        self._released = threading.Event()
        self._faults: list[Fault] = []
        self._changes = 0
        self._sessions: list[tuple[list[dict[str, Any]], int]] = []
        self._lock = threading.RLock()
        authority = Authority(folder)
        self.ca_file = authority.file
        self.spoil: Callable[[Answer, str], Answer] = lambda answer, _target: answer
        """What becomes of the answer to a target on its way."""
        self._server = Listener(lambda *given: self.spoil(self.answer(*given), given[1]), authority.context)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="graph")

    def __enter__(self) -> GraphServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()

    @property
    def origin(self) -> str:
        """The authority's URL."""
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    @property
    def endpoint(self) -> str:
        """Graph's URL."""
        return self.origin + VERSION

    # What a test does

    def add(self, raw: bytes | str, id: str = "", folder: str = "inbox") -> Message:
        """A new message, received a minute after the last."""
        with self._lock:
            content = raw if isinstance(raw, bytes) else f"Subject: {raw}\r\nMessage-ID: <{raw}@mail.example>\r\n\r\n{raw}\r\n".encode()
            received = datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(minutes=len(self.messages))
            message = Message(id or f"AAkALg/{len(self.messages):04}=", content, received, folder)
            self.messages[message.id] = message
            self._touch(message)
            return message

    def put(self, message: Message, folder: str) -> None:
        """Somebody moves a message."""
        with self._lock:
            self._touch(message)
            if folder != message.folder:
                message.gone[message.folder] = message.changed
                message.gone.pop(folder, None)
                message.folder = folder

    def touch(self, message: Message) -> None:
        """Somebody changes a message, its flag for instance."""
        with self._lock:
            self._touch(message)

    def delete(self, message: Message) -> None:
        """Somebody deletes a message for good."""
        self.put(message, "")

    def forget_states(self) -> None:
        """Delta links given out so far are too old from now on."""
        with self._lock:
            self.generation = self._changes + 1
            self._changes += 1
            self._sessions.clear()

    def fail(
        self, pattern: str, status: int, code: str = "", *, times: int = 1_000_000, body: bytes | None = None, **headers: str
    ) -> Fault:
        """Answer calls that match with an error. `headers`: with `_` for `-`."""
        fault = Fault(re.compile(pattern), status, code, {name.replace("_", "-"): value for name, value in headers.items()}, body, times)
        self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """No errors any more."""
        self._faults.clear()

    def drop_connections(self) -> None:
        """End all connections, as a server does with idle ones."""
        self._server.hang_up()

    def hold(self, pattern: str) -> None:
        """Let calls that match hang until the end; `holding` is set with the first."""
        self._hold = re.compile(pattern)

    def called(self, pattern: str) -> int:
        """How many calls match."""
        return sum(1 for call in list(self.calls) if re.search(pattern, call))

    # What it answers

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """The answer to a call. `headers`: names in lower case."""
        parts = urlsplit(target)
        call = f"{method} {unquote(parts.path)}"
        self.calls.append(call)
        if self._hold is not None and self._hold.search(call):
            self.holding.set()
            self._released.wait(30)
        for fault in self._faults:
            if fault.times > 0 and fault.pattern.search(call):
                fault.times -= 1
                if fault.body is not None:
                    return Answer(fault.status, fault.body, headers=fault.headers)
                return Answer.error(fault.status, fault.code, fault.headers)
        with self._lock:
            if parts.path.startswith(f"/{TENANT}/"):
                return self._authority(method, parts.path.removeprefix(f"/{TENANT}"), body)
            if headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
                return Answer.error(401, "InvalidAuthenticationToken")
            return self._graph(method, parts.path.removeprefix(VERSION), parse_qs(parts.query), headers, body)

    def _authority(self, method: str, path: str, body: bytes) -> Answer:
        tenant = f"{self.origin}/{TENANT}"
        if (method, path) == ("GET", "/v2.0/.well-known/openid-configuration"):
            return Answer.json(
                {
                    "issuer": f"{tenant}/v2.0",
                    "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{tenant}/oauth2/v2.0/token",
                }
            )
        if (method, path) != ("POST", "/oauth2/v2.0/token"):
            return Answer.error(404, "NotFound")
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if (form.get("grant_type"), form.get("client_id")) != ("client_credentials", CLIENT):
            return _token_error(400, "unauthorized_client", 700016)
        if form.get("scope") != f"{self.origin}/.default":
            return _token_error(400, "invalid_scope", 70011)
        if self.secret_has_ended:
            return _token_error(401, "invalid_client", 7000222)
        if not (self._is_signed(form, tenant) if "client_assertion" in form else form.get("client_secret") == self.secret):
            return _token_error(401, "invalid_client", 7000215)
        self.granted += 1
        token = f"token-{self.granted}"
        self.tokens.add(token)
        return Answer.json({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token})

    def _is_signed(self, form: dict[str, str], tenant: str) -> bool:
        """Whether the assertion is the certificate's (thumbprint of SHA-256, PS256)."""
        if self.certificate is None:
            return False
        certificate = x509.load_der_x509_certificate(self.certificate)
        thumbprint = urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
        assertion = form["client_assertion"]
        if jwt.get_unverified_header(assertion).get("x5t#S256", "").rstrip("=") != thumbprint:
            return False
        try:
            jwt.decode(assertion, certificate.public_key(), ["PS256"], audience=f"{tenant}/oauth2/v2.0/token", issuer=CLIENT)  # type: ignore[arg-type]
        except jwt.InvalidTokenError:
            return False
        return True

    def _graph(self, method: str, path: str, query: dict[str, list[str]], headers: dict[str, str], body: bytes) -> Answer:
        prefer = headers.get("prefer", "")
        self.prefers.append(prefer)
        if (method, path) == ("POST", "/$batch"):
            return self._batch(headers, json.loads(body))
        user = re.fullmatch(r"/users/([^/]+)(/.*)", path)
        if user is None or unquote(user[1]) != MAILBOX:
            return Answer.error(404, "ErrorInvalidUser")
        rest = user[2]
        if (method, rest) == ("POST", "/sendMail"):
            if headers.get("content-type") != "text/plain":
                return Answer.error(415, "UnsupportedMediaType")
            try:
                self.sent.append(b64decode(body, validate=True))
            except ValueError:
                return Answer.error(400, "ErrorMimeContentInvalidBase64String")
            return Answer(202)
        if delta := re.fullmatch(r"/mail[Ff]olders(?:/([^/(]+)|\('([^']+)'\))/messages/delta", rest):
            return self._delta(unquote(delta[1] or delta[2]), query, prefer)
        if one := re.fullmatch(r"/messages/([^/]+)(/\$value|/move)?", rest):
            message = self._found(unquote(one[1]))
            if message is None:
                return Answer.error(404, "ErrorItemNotFound")
            return self._message(method, one[2] or "", message, body)
        return Answer.error(400, "BadRequest")

    def _message(self, method: str, what: str, message: Message, body: bytes) -> Answer:
        if (method, what) == ("GET", "/$value"):
            return Answer(200, message.raw, "text/plain")
        if (method, what) == ("GET", ""):
            head = message.raw.decode("utf-8", "replace").partition("\r\n\r\n")[0].splitlines()
            fields = [line.partition(": ") for line in head]
            return Answer.json(
                {
                    "id": message.id,
                    "internetMessageHeaders": [{"name": name, "value": value} for name, _, value in fields],
                    "subject": next((value for name, _, value in fields if name == "Subject"), None),
                }
            )
        if (method, what) == ("PATCH", ""):
            message.is_read = json.loads(body)["isRead"]
            self._touch(message)
            return Answer.json({"id": message.id, "isRead": message.is_read})
        if (method, what) == ("POST", "/move"):
            folder = json.loads(body)["destinationId"]
            if folder == "nowhere":
                return Answer.error(404, "ErrorFolderNotFound")
            self.put(message, folder)
            return Answer.json({"id": message.id}, 201)
        return Answer.error(405, "ErrorInvalidRequest")

    def _batch(self, headers: dict[str, str], asked: dict[str, Any]) -> Answer:
        if len(asked["requests"]) > 20:
            return Answer.error(400, "BadRequest")
        responses = []
        for one in asked["requests"]:
            own = {name.lower(): value for name, value in one.get("headers", {}).items()}
            content = json.dumps(one["body"]).encode() if "body" in one else b""
            authorisation = {"authorization": headers["authorization"]}
            answer = self.answer(one["method"], VERSION + one["url"], own | authorisation, content)
            body = json.loads(answer.body) if answer.body else None
            responses.append({"id": one["id"], "status": answer.status, "headers": answer.headers, "body": body})
        return Answer.json({"responses": responses[::-1]})

    def _delta(self, folder: str, query: dict[str, list[str]], prefer: str) -> Answer:
        if folder == "nowhere":
            return Answer.error(404, "ErrorItemNotFound")
        immutable = 'IdType="ImmutableId"' in prefer
        wanted = re.search(r"odata\.maxpagesize=(\d+)", prefer)
        size = int(wanted[1]) if wanted and not self.ignores_page_size else 2000
        base = f"{self.endpoint}/users/{quote(MAILBOX)}/mailfolders('{folder}')/messages/delta"
        if "$skiptoken" in query:
            generation, session, start = map(int, query["$skiptoken"][0].split("."))
            if generation < self.generation:
                return Answer.error(410, "SyncStateNotFound")
            entries, upto = self._sessions[session]
        else:
            since = int(query["$deltatoken"][0]) if "$deltatoken" in query else -1
            if 0 <= since < self.generation:
                return Answer.error(410, "SyncStateNotFound")
            entries, upto, start = list(self._entries(folder, since, immutable)), self._changes, 0
            session = len(self._sessions)
            self._sessions.append((entries, upto))
        page: dict[str, Any] = {"@odata.context": f"{self.endpoint}/$metadata#Collection(message)", "value": entries[start : start + size]}
        if start + size < len(entries):
            page["@odata.nextLink"] = f"{base}?$skiptoken={self._changes}.{session}.{start + size}"
        else:
            page["@odata.deltaLink"] = f"{base}?$deltatoken={upto}"
        return Answer.json(page)

    def _entries(self, folder: str, since: int, immutable: bool) -> Iterator[dict[str, Any]]:
        # The newest first, to see whether anybody relies on the order.
        for message in reversed(self.messages.values()):
            id = message.id if immutable else f"{folder}.{message.id}"
            if message.folder == folder and message.changed > since:
                received = message.received.strftime("%Y-%m-%dT%H:%M:%SZ")
                yield {"@odata.type": "#microsoft.graph.message", "@odata.etag": "W/x", "receivedDateTime": received, "id": id}
            elif since >= 0 and message.gone.get(folder, -1) > since:
                yield {"@odata.type": "#microsoft.graph.message", "id": id, "@removed": {"reason": "deleted"}}

    def _found(self, id: str) -> Message | None:
        message = self.messages.get(id)
        if message is None:
            # An id that is not immutable holds only as long as the message stays in its folder.
            folder, _, rest = id.partition(".")
            message = self.messages.get(rest)
            if message is not None and message.folder != folder:
                return None
        return message if message is not None and message.folder else None

    def _touch(self, message: Message) -> None:
        self._changes += 1
        message.changed = self._changes


def _token_error(status: int, error: str, number: int) -> Answer:
    text = f"AADSTS{number}: about application {CLIENT}. Trace ID: t Correlation ID: c Timestamp: 2026-03-02 09:00:00Z"
    return Answer.json({"error": error, "error_description": text, "error_codes": [number], "trace_id": "t", "correlation_id": "c"}, status)
