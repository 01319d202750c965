"""A mailbox of Microsoft 365, polled by delta queries."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.graph.delta import Page, Place, page_of
from services.ingest.gateways.graph.notes import UNREADABLE, note_from_message
from services.ingest.gateways.source import Batch, Cursor, GatewayError
from services.ingest.gateways.standin import TOO_LARGE, stand_in
from shared.graph import Application, GraphClient, GraphError, KeptCredential, error_of
from shared.observability import get_logger
from shared.schemas.configuration.channels import GraphFetch

log = get_logger(__name__)

LARGEST = 64 * 1024 * 1024
"""Bytes of one mail, and of what one fetch gathers before it stops."""
PAGE = 200
EMPTY_PAGES = 20
"""Pages without anything new that one fetch reads before it hands in its cursor."""
BATCHED = 20
"""Calls in one batch, as many as Graph takes."""
ROUNDS = 5
LONGEST_PAUSE = 15.0
TRIES = 5
"""How often something about one message fails before the others go on without it."""
_AFRESH = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired", "errorinvalidsyncstatedata"})
_PREFER = 'IdType="ImmutableId"'
_FACTS = "internetMessageHeaders,internetMessageId,subject,from"


@dataclass(slots=True)
class _Taken:
    """Mails that were had, by their ids; `absent`: ids that nothing was found of; `is_all`: of those that were asked for."""

    mails: dict[str, bytes] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    is_all: bool = True

    @property
    def size(self) -> int:
        """Bytes of the mails."""
        return sum(map(len, self.mails.values()))


class GraphSource:
    """Gives the mails of one folder. What is given and acknowledged is marked as read or moved away."""

    def __init__(self, mailbox: str, fetch: GraphFetch, credentials: Credentials, *, timeout: float = 30.0, ca_file: str = "") -> None:
        """`timeout`: seconds that a call may make no progress. `ca_file`: certificates to trust, PEM; empty: the system's."""
        self._mailbox = mailbox
        self._section = fetch
        self._credential = KeptCredential(fetch.credential, lambda: credentials.read(fetch.secret), fetch.secret_ends)
        self._user = f"/users/{quote(mailbox, safe='@')}"
        self._folder = f"{self._user}/mailFolders/{quote(fetch.folder, safe='')}"
        application = Application(fetch.tenant, fetch.client_id, fetch.endpoint, fetch.authority)
        self._client = GraphClient(application, self._credential, timeout, ca_file)
        self._closed = threading.Event()
        self._failed: Counter[str] = Counter()
        self._settled: set[str] = set()

    def fetch(self, cursor: Cursor, most: int) -> Batch[bytes]:
        """The next mails, at most `most`, the oldest of a page of Graph's first. Raises `GatewayError`."""
        with _told():
            return self._fetch(Place.of(cursor, self._folder), max(1, most))

    def acknowledge(self, batch: Batch[bytes]) -> None:
        """Mark the batch's messages as read, or move them. One that somebody deleted is passed over. Raises `GatewayError`."""
        self._settled.intersection_update(batch.marks)
        with _told():
            for last in [False] * (ROUNDS - 1) + [True]:
                throttled = self._settle([mark for mark in dict.fromkeys(batch.marks) if mark not in self._settled])
                if throttled is None:
                    return
                # Graph takes a batch's calls side by side, and may find those too many for one mailbox: the rest goes in again.
                pause = 1.0 if throttled.retry_after is None else throttled.retry_after
                if last or pause > LONGEST_PAUSE or self._closed.wait(pause):
                    raise throttled

    def wait(self, seconds: float) -> None:
        """Wait `seconds`, or until `close`: Graph tells of new mail only whom it can reach by HTTPS."""
        self._closed.wait(seconds)

    def close(self) -> None:
        """Let go of connections; from any thread. For good: every later call fails."""
        self._closed.set()
        self._client.close()

    def credential_ends(self) -> datetime | None:
        """When the certificate, or by the configuration the secret, ends; None: not known. Raises `GatewayError`."""
        with _told():
            return self._credential().ends

    # Fetching

    def _fetch(self, place: Place, most: int) -> Batch[bytes]:
        again = self._take(place.absent, most)
        if again.mails:
            left = [one for one in place.absent if one not in again.mails and one not in again.absent]
            place = place.after(list(again.mails), left, None, is_finished=True)
            return Batch(list(again.mails.values()), place.cursor(), is_more=True, marks=list(again.mails))
        place = replace(place, absent=())
        page = Page((), "", is_last=False)
        for _ in range(EMPTY_PAGES):
            place, page = self._page(place, most)
            taken = self._take(place.new(page.ids), most)
            place = place.after(list(taken.mails), (*place.absent, *taken.absent), page, taken.is_all)
            if taken.mails or page.is_last or not taken.is_all:
                is_more = not (taken.is_all and page.is_last)
                return Batch(list(taken.mails.values()), place.cursor(), is_more, list(taken.mails))
        return Batch([], place.cursor(), is_more=not page.is_last)

    def _page(self, place: Place, most: int) -> tuple[Place, Page]:
        """The page at `place`; the first one, where Graph no longer knows of that place."""
        headers = {"Prefer": f"{_PREFER}, odata.maxpagesize={min(most, PAGE)}"}
        first = f"{self._folder}/messages/delta?$select=id,receivedDateTime"
        if place.link:
            try:
                self._client.check_link(place.link)
            except GraphError:
                # Of an endpoint that was configured before.
                place = place.afresh()
        try:
            answer = self._client.call("GET", place.link or first, headers=headers)
        except GraphError as error:
            if not place.link or not (error.status == 410 or error.code.lower() in _AFRESH):
                raise
            log.warning("delta query begun afresh", code=error.code)
            place = place.afresh()
            answer = self._client.call("GET", first, headers=headers)
        page = page_of(answer.json())
        self._client.check_link(page.next_link)
        return place, page

    def _take(self, ids: Sequence[str], most: int) -> _Taken:
        """The mails of `ids`, as far as `most` and the limit of bytes allow, and as far as it goes well: what was had is not had again."""
        taken = _Taken()
        for one in ids:
            if len(taken.mails) >= most or taken.size >= LARGEST:
                taken.is_all = False
                break
            try:
                mail = self._mail(one)
            except (GraphError, GatewayError):
                if not taken.mails:
                    raise
                # The next fetch begins with this message and meets the error again, if it lasts.
                taken.is_all = False
                break
            if mail is None:
                taken.absent.append(one)
            else:
                taken.mails[one] = mail
        return taken

    def _mail(self, message: str) -> bytes | None:
        """The message as it came; None: there is none."""
        address = f"{self._user}/messages/{quote(message, safe='')}"
        try:
            reply = self._client.call("GET", f"{address}/$value", headers={"Prefer": _PREFER, "Accept": "*/*"}, most=LARGEST)
        except GraphError as error:
            if error.is_missing_item:
                return None
            if not self._is_hopeless(message, error):
                raise
            log.warning("message could not be had; its header is given instead", code=error.code, status=error.status)
            return note_from_message(self._mailbox, message, self._facts(address), UNREADABLE)
        self._failed.pop(message, None)
        if not reply.is_whole:
            log.warning("message too large; its header is given instead")
            return stand_in(reply.body, TOO_LARGE)
        return reply.body

    def _facts(self, address: str) -> dict[str, Any]:
        try:
            return self._client.call("GET", f"{address}?$select={_FACTS}", headers={"Prefer": _PREFER}).json()
        except GraphError as error:
            if self._is_general(error):
                raise
            return {}

    # Acknowledging

    def _settle(self, marks: Sequence[str]) -> GraphError | None:
        """Have `marks` marked or moved; the error that says how long to wait, if some must go in again."""
        throttled: GraphError | None = None
        for start in range(0, len(marks), BATCHED):
            chunk = marks[start : start + BATCHED]
            request = {"requests": [self._call_for(number, mark) for number, mark in enumerate(chunk)]}
            answer = self._client.call("POST", "/$batch", message=request).json()
            failed: GraphError | None = None
            for mark, error in zip(chunk, _outcomes(answer, len(chunk)), strict=True):
                if error is None or error.is_missing_item:
                    self._failed.pop(mark, None)
                    self._settled.add(mark)
                elif error.reason == "throttled":
                    throttled = _longer(throttled, error)
                elif self._is_hopeless(mark, error):
                    # It is durable with us, and the cursor knows it: nothing is lost if it stays where it is.
                    log.warning("message could not be marked or moved; left as it is", code=error.code, status=error.status)
                    self._settled.add(mark)
                else:
                    failed = failed or error
            if failed is not None:
                raise failed
        return throttled

    def _call_for(self, number: int, mark: str) -> dict[str, Any]:
        address = f"{self._user}/messages/{quote(mark, safe='')}"
        headers = {"Content-Type": "application/json", "Prefer": _PREFER}
        if self._section.moved_to is None:
            return {"id": str(number), "method": "PATCH", "url": address, "headers": headers, "body": {"isRead": True}}
        body = {"destinationId": self._section.moved_to}
        return {"id": str(number), "method": "POST", "url": f"{address}/move", "headers": headers, "body": body}

    def _is_hopeless(self, message: str, error: GraphError) -> bool:
        """Whether this failed so often for this message alone that the others should not wait for it any longer."""
        if self._is_general(error):
            return False
        self._failed[message] += 1
        if self._failed[message] < TRIES:
            return False
        del self._failed[message]
        return True

    def _is_general(self, error: GraphError) -> bool:
        """Whether the error is about us or the service, so that it says nothing of one message."""
        return error.reason in ("credentials", "throttled") or error.status in (403, 408, 502, 503, 504) or self._client.is_closed


def _outcomes(answer: dict[str, Any], count: int) -> list[GraphError | None]:
    """What became of each call of a batch, in the order of the calls. Raises `GraphError` where an answer is missing."""
    given = answer.get("responses")
    by_id = {str(one.get("id")): one for one in given if isinstance(one, dict)} if isinstance(given, list) else {}
    outcomes: list[GraphError | None] = []
    for number in range(count):
        one = by_id.get(str(number), {})
        status, headers = one.get("status"), one.get("headers")
        if not isinstance(status, int):
            raise GraphError("malformed", "a batch's answer leaves out a call")
        texts = {str(name): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}
        outcomes.append(None if 200 <= status < 300 else error_of(status, texts, one.get("body")))
    return outcomes


def _longer(one: GraphError | None, other: GraphError) -> GraphError:
    return other if one is None or (other.retry_after or 0.0) > (one.retry_after or 0.0) else one


@contextmanager
def _told() -> Iterator[None]:
    """Graph's errors as a gateway's."""
    try:
        yield
    except GraphError as error:
        raise GatewayError(error.reason, str(error), error.retry_after) from error
