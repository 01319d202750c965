"""What came with a communication: its files, the message as it came, and its HTML as it was sent."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import HTMLResponse

from services.desk.api.browser import Browser, Visitor, from_our_own_page
from services.desk.domain.records import Communication
from services.desk.gateways.asking import Away, Fetched, Refused
from services.desk.gateways.records import Records, communication_of
from shared.web import Forbidden
from shared.web.downloads import DOWNLOAD_SECURITY, Download

Position = Annotated[int, Path(ge=0, lt=10_000)]

# What was sent is dark on light, as its sender saw it, whatever the colours of the desk.
STYLE = (
    "html{color-scheme:light;background:#fff;color:#1a2422}"
    'body{margin:1rem;font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:break-word}'
    "img,table{max-width:100%}img{height:auto}pre{white-space:pre-wrap}"
    "blockquote{margin:.5rem 0;padding-left:.75rem;border-left:3px solid #c3cac7}"
    ".left-out{color:#55615e;background:#eef1ef;padding:0 .25em}"
    ".told{margin:-1rem -1rem 1rem;padding:.5rem 1rem;background:#e8f2f3;border-bottom:1px solid #c3d5d6;font-size:.9rem}"
)
MAIL_SECURITY = (
    f"default-src 'none'; img-src data:; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}';"
    " style-src-attr 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self';"
    " sandbox allow-popups allow-popups-to-escape-sandbox"
)
"""Nothing loads and nothing runs: the mail's own pictures are written out in it, and of styles only colours and the like are left."""


def passed_on(file: Fetched, name: str = "") -> Response:
    """What a service gives out, to be saved; `name`: what the file is called where the service does not say."""
    own = {"Content-Security-Policy": DOWNLOAD_SECURITY, "Content-Disposition": f'attachment; filename="{name}"' if name else "attachment"}
    return Download(file.pieces, own | {name.title(): value for name, value in file.headers.items()}, file.close)


def file_pages(browser: Browser, records: Records) -> APIRouter:
    """`/communications/{id}/files/{position}`, `.../raw` and `.../html`."""

    # As defaults, since annotations are evaluated outside of this function.
    signed_in: Visitor = Depends(browser.visitor)

    def readers(visitor: Visitor = signed_in) -> Visitor:
        if not visitor.may("communication:read"):
            raise Forbidden("Your roles do not open this page; it needs the permission communication:read.")
        return visitor

    router = APIRouter(prefix="/communications/{communication}", include_in_schema=False)
    reading: Visitor = Depends(readers)

    def told(visitor: Visitor, communication: UUID, work: Callable[[], Response]) -> Response:
        again = f"/communications/{communication}"
        try:
            return work()
        except Away:
            return browser.page("unread.html", visitor, 503, reason="", again=again)
        except Refused as refused:
            return browser.page("unread.html", visitor, 404, reason=str(refused), again=again)

    def seen(visitor: Visitor, communication: UUID) -> Communication:
        return communication_of(records.communication(visitor.token.token, communication))

    @router.get("/files/{position}")
    def show_file(communication: UUID, position: Position, visitor: Visitor = reading) -> Response:
        """The file; one that may do harm asks first, and is given to the answer (POST) only."""

        def work() -> Response:
            found = seen(visitor, communication)
            file = next((file for file in found.files if file.position == position), None)
            if file is None:
                raise Refused("There is no such file.")
            if file.danger:
                address = f"/communications/{communication}/files/{position}"
                return browser.page(
                    "dangerous_file.html", visitor, communication=found, name=file.filename, why=file.danger_words, address=address
                )
            return passed_on(records.file(visitor.token.token, communication, position))

        return told(visitor, communication, work)

    @router.post("/files/{position}", dependencies=[Depends(from_our_own_page)])
    def show_file_all_the_same(communication: UUID, position: Position, visitor: Visitor = reading) -> Response:
        return told(visitor, communication, lambda: passed_on(records.file(visitor.token.token, communication, position)))

    @router.get("/raw")
    def show_raw(communication: UUID, visitor: Visitor = reading) -> Response:
        def work() -> Response:
            found = seen(visitor, communication)
            if found.is_dangerous:
                address, name, why = f"/communications/{communication}/raw", "The message as it came", "It holds a file that may do harm."
                return browser.page("dangerous_file.html", visitor, communication=found, name=name, why=why, address=address)
            return passed_on(records.raw(visitor.token.token, communication))

        return told(visitor, communication, work)

    @router.post("/raw", dependencies=[Depends(from_our_own_page)])
    def show_raw_all_the_same(communication: UUID, visitor: Visitor = reading) -> Response:
        return told(visitor, communication, lambda: passed_on(records.raw(visitor.token.token, communication)))

    @router.get("/html")
    def show_html(communication: UUID, visitor: Visitor = reading) -> Response:
        token = visitor.token.token
        try:
            found = seen(visitor, communication)
            if found.raw_sha256 is None:
                return _document("", ["This message was not kept as it came."], 404)
            shown = records.html(token, found.raw_sha256)
        except Away:
            return _document("", ["It cannot be shown just now. Nothing is lost; try again in a moment."], 503)
        except Refused as refused:
            return _document("", [str(refused)], 404)
        words = []
        if shown.pictures_left_out:
            many = shown.pictures_left_out != 1
            words.append(
                f"{shown.pictures_left_out} picture{'s are' if many else ' is'} not shown. Pictures on the internet are never loaded:"
                " that would tell the sender that somebody has read this."
            )
        if shown.is_cut:
            words.append("It is too long or too intricate to be shown whole; what is missing is in the message as it came.")
        return _document(shown.html, words)

    return router


def _document(content: str, words: list[str], status: int = 200) -> HTMLResponse:
    """A document by itself for what a mail holds; `content` has been made safe."""
    notes = f'<p class="told" role="note">{html.escape(" ".join(words))}</p>' if words else ""
    page = (
        '<!doctype html><html lang=""><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>The message as it was sent</title><style>{STYLE}</style></head><body>{notes}{content}</body></html>"
    )
    return HTMLResponse(page, status, headers={"Content-Security-Policy": MAIL_SECURITY, "X-Frame-Options": "SAMEORIGIN"})
