"""What every page shares: the session cookie, protection against forged forms, templates, static files, error pages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.exceptions import HTTPException

from services.desk.handlers.sign_in import SignIn
from services.desk.handlers.tokens import TokenIssuer, UnknownUser, UserToken
from shared.web import NotFound, Problem
from shared.web.problems import problem_of

HERE = Path(__file__).parent
CONTENT_SECURITY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; frame-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_STATIC_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class NotSignedIn(Exception):
    """The page needs a session, and there is none."""


class Static:
    """Files that go to the browser as they are; their address holds a digest of the content, so they may be kept for
    ever.
    """

    def __init__(self, folder: Path) -> None:
        self._files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in _STATIC_TYPES}
        self._digests = {name: hashlib.sha256(content).hexdigest()[:12] for name, content in self._files.items()}

    def address(self, name: str) -> str:
        """The address of a file, for templates."""
        return f"/static/{name}?v={self._digests[name]}"

    def router(self) -> APIRouter:
        """The route that serves them; public, since the sign-in page needs them."""
        router = APIRouter(include_in_schema=False)

        @router.get("/static/{name}")
        def static(name: str) -> Response:
            content = self._files.get(name)
            if content is None:
                raise NotFound
            headers = {"Cache-Control": "public, max-age=31536000, immutable"}
            return Response(content, headers=headers, media_type=_STATIC_TYPES[Path(name).suffix])

        return router


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at the page, with a token to ask the services by."""

    token: UserToken

    @property
    def name(self) -> str:
        """The name to greet them by."""
        return self.token.member.name

    def may(self, permission: str) -> bool:
        """Whether they have this permission."""
        return permission in self.token.grant.permissions

    @property
    def leads(self) -> bool:
        """Whether they look after the tasks of others."""
        return self.may("task:assign") and self.token.grant.scope != "own"

    @property
    def sees_reports(self) -> bool:
        """Whether they see how deadlines were kept: of more than what is their own."""
        return self.may("clock:read") and self.token.grant.scope != "own"

    @property
    def sees_calls(self) -> bool:
        """Whether calls that come in are shown to them: a call belongs to no case yet, so not to who sees their own only."""
        return self.may("communication:read") and self.token.grant.scope != "own"


def _none(_visitor: Visitor) -> int:
    return 0


class Browser:
    """Sessions by cookie, and pages from templates."""

    def __init__(
        self,
        sign_in: SignIn,
        issuer: TokenIssuer,
        is_secure: bool,
        waiting: Callable[[Visitor], int] = _none,
        unread: Callable[[Visitor], int] = _none,
    ) -> None:
        """`waiting`: how many approvals wait for somebody, `unread`: how many notifications they have not read; for every page's head."""
        self.sign_in = sign_in
        self._issuer = issuer
        self._is_secure = is_secure
        self._waiting = waiting
        self._unread = unread
        # The prefix makes browsers insist on Secure, Path=/ and no Domain.
        self._cookie = "__Host-casestream" if is_secure else "casestream_session"
        self.static = Static(HERE / "static")
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["static"] = self.static.address

    def visitor(self, request: Request) -> Visitor:
        """A dependency: who is signed in. Raises `NotSignedIn`."""
        # A page that refreshes itself is no sign of anybody's presence.
        return self._visitor(request, is_present="x-refresh" not in request.headers)

    def onlooker(self, request: Request) -> Visitor:
        """The same, of what a page asks for by itself. Raises `NotSignedIn`."""
        return self._visitor(request, is_present=False)

    def _visitor(self, request: Request, is_present: bool) -> Visitor:
        secret = request.cookies.get(self._cookie, "")
        user = self.sign_in.session_user(secret, is_present=is_present) if secret else None
        try:
            if user is None:
                raise NotSignedIn
            return Visitor(self._issuer.issue(user))
        except UnknownUser as error:
            raise NotSignedIn from error

    def open_session(self, response: Response, user: str) -> None:
        """Begin a session in this browser."""
        secret = self.sign_in.open_session(user)
        response.set_cookie(self._cookie, secret, path="/", secure=self._is_secure, httponly=True, samesite="strict")

    def close_session(self, request: Request, response: Response) -> None:
        """End this browser's session."""
        if secret := request.cookies.get(self._cookie):
            self.sign_in.close_session(secret)
        response.delete_cookie(self._cookie, path="/", secure=self._is_secure, httponly=True, samesite="strict")

    def page(self, template: str, visitor: Visitor | None, status: int = 200, **values: Any) -> HTMLResponse:
        """A page."""
        waiting = self._waiting(visitor) if visitor is not None else 0
        unread = self._unread(visitor) if visitor is not None else 0
        content = self.fragment(template, visitor=visitor, waiting=waiting, unread=unread, **values)
        # With no referrer at all, browsers send `Origin: null` with our own forms.
        return HTMLResponse(content, status, headers={"Referrer-Policy": "same-origin"})

    def fragment(self, template: str, **values: Any) -> str:
        """A piece of a page."""
        return self._templates.get_template(template).render(**values)

    def add_error_pages(self, app: FastAPI) -> None:
        """Answer browsers with pages where programs get problem details, and lead to sign-in who has no session."""

        async def on_not_signed_in(request: Request, _error: Exception) -> Response:
            if "x-refresh" in request.headers or "text/event-stream" in request.headers.get("accept", ""):
                return Response(status_code=401)
            wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return see_other("/sign-in" if request.method != "GET" or wanted == "/" else f"/sign-in?next={quote(wanted, safe='/')}")

        async def on_problem(request: Request, error: Exception) -> Response:
            problem = problem_of(error)
            if "text/html" not in request.headers.get("accept", ""):
                return problem.response()
            page = self.page("problem.html", None, problem.status, problem=problem)
            page.headers.update(problem.headers)
            return page

        app.add_exception_handler(NotSignedIn, on_not_signed_in)
        app.add_exception_handler(Problem, on_problem)
        app.add_exception_handler(HTTPException, on_problem)
        app.add_exception_handler(RequestValidationError, on_problem)


def from_our_own_page(request: Request) -> None:
    """A dependency of every form's route: refuses what another site sent (the cookie is SameSite=Strict besides)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        genuine = site in ("same-origin", "none")
    else:
        origin = request.headers.get("origin")
        genuine = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not genuine:
        raise Problem(403, "This form was sent from another site.")


def see_other(where: str) -> RedirectResponse:
    """Lead the browser on after a form was sent."""
    return RedirectResponse(where, 303)


def local_path(wanted: str, otherwise: str) -> str:
    """`wanted` when it leads to a page of ours; never to another site."""
    if not wanted.startswith("/") or wanted.startswith(("//", "/\\")) or any(ord(sign) < 32 for sign in wanted):
        return otherwise
    return wanted
