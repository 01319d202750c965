"""The API for programs: log-in, tokens, keys, configuration, staff, counts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from services.desk.domain.directory import Member
from services.desk.handlers.configuration import Applied, Invalid, apply_configuration
from services.desk.handlers.sign_in import SignIn, SignInRefused, TooManyTries
from services.desk.handlers.tokens import TokenIssuer, UnknownUser, UserToken
from services.desk.storage import configurations, directory
from shared.clock import Clock, utc_now
from shared.messaging import EventPublisher
from shared.schemas.configuration.check import Problem as FoundProblem
from shared.storage import dead_letters
from shared.web import Command, NotFound, Page, PageRequest, Principal, Problem, Unprocessable, command, page_of, page_request, requires

YAML = "application/yaml"
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]
Paging = Annotated[PageRequest, Depends(page_request)]


NO_NUL = r"^[^\x00]*$"
"""PostgreSQL cannot hold a NUL in text, so none gets that far."""


class LogIn(BaseModel):
    """User and password of a local account."""

    model_config = ConfigDict(extra="forbid")

    user: str = Field(max_length=64, pattern=NO_NUL)
    password: str = Field(max_length=200)


class TokenFor(BaseModel):
    """Whom a token is wanted for."""

    model_config = ConfigDict(extra="forbid")

    user: str = Field(max_length=64, pattern=NO_NUL)


class Token(BaseModel):
    """An access token; send it as `Authorization: Bearer ...`."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: int


class StaffMember(BaseModel):
    """A member of staff."""

    user: str
    name: str
    email: str
    unit: str
    roles: list[str]
    active: bool


class ConfigurationVersion(BaseModel):
    """A version of the configuration."""

    version: int
    digest: str
    applied_by: str
    applied_at: str


class ProblemView(BaseModel):
    """Something wrong in a configuration, and where; `line` 0: nowhere in particular."""

    line: int
    column: int
    key: str
    message: str


def open_routes(sign_in: SignIn, issuer: TokenIssuer, clock: Clock = utc_now) -> APIRouter:
    """Routes that need no token."""
    router = APIRouter(tags=["access"])

    @router.get("/.well-known/jwks.json", summary="The keys that access tokens are checked by (RFC 7517).")
    def keys(response: Response) -> dict[str, Any]:
        response.headers["Cache-Control"] = "public, max-age=300"
        return issuer.jwks()

    @router.post("/login", summary="An access token for user and password of a local account.")
    def log_in(body: LogIn, request: Request) -> Token:
        try:
            user = sign_in.check(body.user, body.password, address_of(request))
        except TooManyTries as error:
            seconds = int(error.wait.total_seconds()) + 1
            raise Problem(429, f"Too many tries; try again in {seconds} seconds.", headers={"Retry-After": str(seconds)}) from error
        except SignInRefused as error:
            raise Problem(401, "User and password do not belong together.") from error
        return _token(issuer.issue(user), clock)

    return router


def routes(publisher: EventPublisher, issuer: TokenIssuer, clock: Clock = utc_now) -> list[APIRouter]:
    """Routes that need a token."""
    return [_tokens(issuer, clock), _configuration(publisher, clock), _staff(publisher)]


def _tokens(issuer: TokenIssuer, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["access"])

    @router.post("/tokens", dependencies=[Depends(requires("tokens:issue"))], summary="An access token for a user (machines only).")
    def issue(body: TokenFor) -> Token:
        try:
            return _token(issuer.issue(body.user), clock)
        except UnknownUser as error:
            raise Unprocessable(f"There is no active member of staff {body.user}.") from error

    return router


def _configuration(publisher: EventPublisher, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/configuration", tags=["configuration"])
    reads = Depends(requires("configuration:read"))
    database = publisher.database

    @router.get("", dependencies=[reads], summary="The configuration in force, as YAML; as JSON where that is preferred.")
    def current(request: Request) -> Response:
        return _shown(request, None)

    @router.post("", summary="Check a configuration (YAML) and make it the newest version; unchanged content changes nothing.")
    async def apply(
        request: Request,
        principal: Annotated[Principal, Depends(requires("configuration:apply"))],
        asked: Annotated[Command, Depends(command)],
    ) -> Response:
        body = await request.body()
        return await run_in_threadpool(_apply, body, principal, asked)

    def _apply(body: bytes, principal: Principal, asked: Command) -> Response:
        text = text_of(body)
        try:
            return applied_response(apply_configuration(publisher, text, principal.user, asked.cause, clock()))
        except Invalid as error:
            raise invalid(error) from error

    @router.get("/versions", dependencies=[reads], summary="Every version, the newest first.")
    def versions(page: Paging) -> Page[ConfigurationVersion]:
        after = page.keys(1)
        if after and not isinstance(after[0], int):
            raise Problem(400, "The cursor is not one that this list gave; start without it.")
        with database.read() as tx:
            found = configurations.versions(tx, page.limit + 1, after[0] if after else None)
        shown = [
            ConfigurationVersion(version=v.version, digest=v.digest, applied_by=v.applied_by, applied_at=v.applied_at.isoformat())
            for v in found
        ]
        return page_of(shown, page.limit, lambda version: (version.version,))

    @router.get("/versions/{version}", dependencies=[reads], summary="One version, as it was handed in.")
    def one(version: Version, request: Request) -> Response:
        return _shown(request, version)

    @router.get("/versions/{version}/difference", dependencies=[reads], summary="What this version changed, as a unified diff of the YAML.")
    def difference(version: Version, since: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None) -> Response:
        before = since if since is not None else version - 1
        with database.read() as tx:
            found = {number: configurations.source(tx, number) for number in (before, version) if number}
        if any(source is None for source in found.values()):
            raise NotFound("There is no such version of the configuration.")
        old, new = ((found.get(number) or (0, ""))[1].splitlines(keepends=True) for number in (before, version))
        lines = difflib.unified_diff(old, new, f"version {before}", f"version {version}")
        return Response("".join(lines), media_type="text/x-diff")

    @router.post("/versions/{version}/apply", summary="Go back to this version: its content becomes the newest version.")
    def go_back(
        version: Version,
        principal: Annotated[Principal, Depends(requires("configuration:apply"))],
        asked: Annotated[Command, Depends(command)],
    ) -> Response:
        with database.read() as tx:
            found = configurations.source(tx, version)
        if found is None:
            raise NotFound("There is no such version of the configuration.")
        return _apply(found[1].encode(), principal, asked)

    def _shown(request: Request, version: int | None) -> Response:
        with database.read() as tx:
            found = configurations.source(tx, version)
            data = configurations.document(tx, version)
        if found is None or data is None:
            raise NotFound("There is no such version of the configuration.")
        headers = {"X-Configuration-Version": str(found[0])}
        if prefers_json(request.headers.get("accept", "")):
            return Response(orjson.dumps({"version": data[0], "configuration": data[1]}), headers=headers, media_type="application/json")
        return Response(found[1], headers=headers, media_type=YAML)

    return router


def _staff(publisher: EventPublisher) -> APIRouter:
    router = APIRouter(tags=["staff"])
    reads = Depends(requires("staff:read"))
    database = publisher.database

    @router.get("/staff", dependencies=[reads], summary="Members of staff, by user.")
    def listed(page: Paging) -> Page[StaffMember]:
        after = page.keys(1)
        with database.read() as tx:
            found = directory.page_of_members(tx, page.limit + 1, str(after[0]) if after else None)
        return page_of([_member(member) for member in found], page.limit, lambda member: (member.user,))

    @router.get("/staff/{user}", dependencies=[reads], summary="One member of staff.")
    def one(user: Annotated[str, Path(max_length=64, pattern=NO_NUL)]) -> StaffMember:
        with database.read() as tx:
            member = directory.member(tx, user)
        if member is None:
            raise NotFound(f"There is no member of staff {user}.")
        return _member(member)

    @router.get("/counts", dependencies=[Depends(requires("status:read"))], tags=["operation"], summary="How many records there are.")
    def counts() -> dict[str, int]:
        with database.read() as tx:
            return {"dead_letters": dead_letters.count_open(tx)}

    return router


def prefers_json(accept: str) -> bool:
    """Whether an Accept header ranks JSON above YAML; without a word on either, YAML it is."""
    ranks = {}
    for part in accept.split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            ranks[kind.lower()] = float(quality)
        except ValueError:
            continue
    return ranks.get("application/json", 0.0) > max(ranks.get(YAML, 0.0), ranks.get("text/yaml", 0.0))


def address_of(request: Request) -> str:
    """Where a request comes from, for throttling."""
    return request.client.host if request.client else "unknown"


def _token(issued: UserToken, clock: Clock) -> Token:
    return Token(access_token=issued.token, expires_in=max(0, round((issued.expires_at - clock()).total_seconds())))


def _member(member: Member) -> StaffMember:
    return StaffMember(
        user=member.user, name=member.name, email=member.email, unit=member.unit, roles=list(member.roles), active=member.active
    )


def text_of(body: bytes) -> str:
    """The text of a body. Raises `Unprocessable` where it is not UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Unprocessable(f"The body is not UTF-8: byte {error.start}.") from error


def problem_views(problems: Iterable[FoundProblem]) -> list[ProblemView]:
    """What is wrong with a configuration, to be shown."""
    return [ProblemView(line=p.line, column=p.column, key=p.path, message=p.message) for p in problems]


def invalid(error: Invalid) -> Unprocessable:
    """The answer to a configuration that has problems."""
    problems = [view.model_dump() for view in problem_views(error.problems)]
    count = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
    return Unprocessable(f"The configuration has {count}; nothing was applied.", problems=problems)


def applied_response(applied: Applied) -> Response:
    """The answer to one that was applied."""
    content = {"version": applied.version.version, "digest": applied.version.digest, "changed": applied.is_new}
    return Response(orjson.dumps(content), 201 if applied.is_new else 200, media_type="application/json")
