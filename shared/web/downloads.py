"""Giving out files that others sent: always to be saved, never to be shown as a page of ours."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from urllib.parse import quote

from fastapi import Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from shared.observability import get_logger
from shared.storage.objects import DamagedObject, ObjectStore, StoreUnavailable
from shared.web.problems import Conflict, NotFound, Problem

DOWNLOAD_SECURITY = "sandbox; default-src 'none'"
"""Content-Security-Policy of a file: should a browser show it all the same, it loads, runs and sends nothing."""
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}/[a-z0-9][a-z0-9.+-]{0,100}")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 ()_.-]")
_log = get_logger("downloads")


class Download(StreamingResponse):
    """A file as it comes, in pieces. Its source is let go of also when the client goes away in the middle."""

    def __init__(self, pieces: Iterator[bytes], headers: Mapping[str, str], let_go: Callable[[], object]) -> None:
        super().__init__(pieces, headers=headers)
        self._let_go = let_go

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it (ASGI)."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await run_in_threadpool(self._let_go)


def download(objects: ObjectStore, digest: str, size: int, filename: str, content_type: str) -> Response:
    """The content with this SHA-256 as a file to save, streamed.

    Raises problems: 404 where the store has it no more, 409 where it is damaged, 503 where the store is away. Of a content longer than a
    piece damage may show only while it is on its way: the answer then breaks off, short of its length.
    """
    try:
        first, rest = _begun(objects, digest, size)
    except FileNotFoundError as error:
        _log.error("a content is not in the object store", sha256=digest)
        raise NotFound("The content of this file is not in the object store any more.") from error
    except DamagedObject as error:
        _log.error("a content in the object store is damaged", sha256=digest)
        raise Conflict("The content of this file is damaged in the object store, so it is not given out.") from error
    except StoreUnavailable as error:
        raise Problem(503, "The object store is away just now; try again shortly.", headers={"Retry-After": "5"}) from error
    media_type = content_type if _MEDIA_TYPE.fullmatch(content_type) else "application/octet-stream"
    headers = {
        "Content-Disposition": as_attachment(filename),
        "Content-Length": str(size),
        "Content-Type": media_type,
        "Content-Security-Policy": DOWNLOAD_SECURITY,
        "X-Content-Type-Options": "nosniff",
    }
    return Download(itertools.chain([first], rest), headers, rest.close)


def as_attachment(filename: str) -> str:
    """The value of `Content-Disposition` (RFC 6266) for this name: without folders, in ASCII, and as it is in the way of RFC 8187."""
    name = "".join(letter for letter in filename if letter.isprintable()).replace("\\", "/").rpartition("/")[2].strip()
    name = name.encode("utf-8", "replace").decode()[:255]
    if not name.strip(". "):
        name = "file"
    return f"attachment; filename=\"{_NOT_PLAIN.sub('_', name)}\"; filename*=UTF-8''{quote(name, safe='')}"


def _begun(objects: ObjectStore, digest: str, size: int) -> tuple[bytes, Generator[bytes, None, None]]:
    """The first piece of a content, and the others: most of what can be wrong shows by the first."""
    opened = objects.open(digest)
    if opened.size != size:
        raise DamagedObject(digest)
    return next(opened.pieces), opened.pieces
