"""Commands over HTTP that are safe to repeat: `Idempotency-Key` and `If-Match`.

A command with a key leaves its answer in the service's `commands` table, in the transaction that does the work. The
same request again gets that answer; another request with the same key is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid4

import orjson
from fastapi import Depends, Header, Request, Response

from shared.ids import derive
from shared.storage import Transaction
from shared.web.auth import Principal, authenticated
from shared.web.problems import Problem

_ETAG = re.compile(r'(?:W/)?"(\d{1,18})"')


@dataclass(frozen=True, slots=True)
class Command:
    """One request that changes something. `cause` names it: derived from its key, so a repeat causes the same events."""

    principal: Principal
    cause: UUID
    key: str | None
    digest: str
    """SHA-256 of method, path and body."""
    revision: int | None
    """The revision that the caller expects (`If-Match`); None: any."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers: JSON-able content, status, and the revision for `ETag`."""

    content: Any
    status: int = 200
    revision: int | None = None

    def response(self) -> Response:
        """The HTTP response."""
        headers = {} if self.revision is None else {"ETag": etag(self.revision)}
        content = orjson.dumps(self.content, default=str)
        return Response(content, self.status, headers=headers, media_type="application/json")


async def command(
    request: Request,
    principal: Annotated[Principal, Depends(authenticated)],
    idempotency_key: Annotated[
        str | None, Header(max_length=200, min_length=1, description="Any text of your own: a repeat with it is done once.")
    ] = None,
    if_match: Annotated[str | None, Header(description="The ETag you last saw: refused if it changed since.")] = None,
) -> Command:
    """A dependency of routes that change something."""
    digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + await request.body()).hexdigest()
    cause = uuid4() if idempotency_key is None else derive("command", principal.user, idempotency_key)
    return Command(principal, cause, idempotency_key, digest, _revision(if_match))


def answer_once(tx: Transaction, command: Command, work: Callable[[], Answer]) -> Response:
    """Do `work` in this transaction, or give the answer that the same command got before.

    A repeat that comes while the first is still at work waits for it. A problem that `work` raises is not stored: the
    transaction is rolled back, and the command may be tried again.
    """
    if command.key is None:
        return work().response()
    user, key = command.principal.user, command.key
    inserted = tx.row(
        "insert into commands (principal, key, request_digest, status, response, created_at)"
        " values (%s, %s, %s, 0, '{}', now()) on conflict (principal, key) do nothing returning 1",
        (user, key, command.digest),
    )
    if inserted is None:
        return _stored(tx, command).response()
    answer = work()
    stored = orjson.dumps({"content": answer.content, "revision": answer.revision}, default=str).decode()
    tx.execute(
        "update commands set status = %s, response = %s::jsonb where principal = %s and key = %s",
        (answer.status, stored, user, key),
    )
    return answer.response()


def _stored(tx: Transaction, command: Command) -> Answer:
    row = tx.row(
        "select request_digest, status, response::text from commands where principal = %s and key = %s",
        (command.principal.user, command.key),
    )
    if row is None:
        raise Problem(409, "The first request with this Idempotency-Key is just being undone; try again.")
    digest, status, text = row
    if digest != command.digest:
        raise Problem(422, "This Idempotency-Key was used for another request; take a new one.")
    response = orjson.loads(text)
    return Answer(response["content"], int(status), response["revision"])


def etag(revision: int) -> str:
    """The entity tag of an aggregate at this revision."""
    return f'"{revision}"'


def check_revision(command: Command, revision: int) -> None:
    """Refuse the command (412) when its caller has seen another revision than the present one."""
    if command.revision is not None and command.revision != revision:
        raise Problem(412, "It was changed since you read it; read it again.", headers={"ETag": etag(revision)}, revision=revision)


def _revision(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise Problem(400, 'If-Match is not an ETag of this service; it looks like "7".')
    return int(match[1])
