"""A mail's HTML for staff to read, made safe when it is asked for: nothing of this is done while mail comes in."""

from __future__ import annotations

import threading
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from services.ingest.domain.mail import parse_mail, safe_html
from shared.observability import get_logger
from shared.storage.objects import DamagedObject, ObjectStore, StoreUnavailable
from shared.web import Conflict, NotFound, Principal, Problem, Unprocessable, requires

AT_ONCE = 2
"""Mails that are read at the same time: each may hold its longest size a few times over."""
_WAIT_SECONDS = 5.0
_log = get_logger(__name__)


class ShownHtml(BaseModel):
    """A mail's HTML, to be put into the body of a page of its own, in a sandbox and without any right to load."""

    html: str
    pictures_shown: int
    pictures_left_out: int
    """Those elsewhere on the internet, which are never loaded, and those of other kinds or too many."""
    is_cut: bool
    """It was too long or too deep, and the rest is missing."""


def mail_html_router(objects: ObjectStore, longest: int) -> APIRouter:
    """`GET /mails/{sha256}/html`; mails longer than `longest` bytes are refused."""
    router = APIRouter(tags=["mails"])
    free = threading.BoundedSemaphore(AT_ONCE)

    # Whoever knows the digest has been shown the communication it belongs to: case gives it within its reader's reach only.
    @router.get("/mails/{sha256}/html", summary="The HTML of a mail that was taken in, made safe to be shown.")
    def show_html(
        sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the raw mail.")],
        _principal: Annotated[Principal, Depends(requires("communication:read"))],
    ) -> ShownHtml:
        if not free.acquire(timeout=_WAIT_SECONDS):
            raise Problem(503, "Too many mails are being read at once; try again shortly.", headers={"Retry-After": "5"})
        try:
            mail = parse_mail(_raw(objects, sha256, longest))
            if mail.html is None:
                raise NotFound("This message has no HTML; its text is all there is to read.")
            pictures = {file.content_id: file.content for file in mail.attachments if file.content_id}
            return ShownHtml(**safe_html(mail.html, pictures)._asdict())
        finally:
            free.release()

    return router


def _raw(objects: ObjectStore, digest: str, longest: int) -> bytes:
    try:
        opened = objects.open(digest)
        if opened.size > longest:
            raise Unprocessable(f"This mail is longer than {longest} bytes, so its HTML is not shown.")
        return b"".join(opened.pieces)
    except FileNotFoundError as error:
        raise NotFound("There is no such mail in the object store.") from error
    except DamagedObject as error:
        _log.error("a mail in the object store is damaged", sha256=digest)
        raise Conflict("This mail is damaged in the object store, so it cannot be shown.") from error
    except StoreUnavailable as error:
        raise Problem(503, "The object store is away just now; try again shortly.", headers={"Retry-After": "5"}) from error
