"""The app factory of every API, and running it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import FrameType
from typing import Any

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.routing import APIRoute

from shared.observability.health import Facts, Ready, no_facts, readiness
from shared.observability.metrics import exposition
from shared.settings import ProcessSettings
from shared.web.auth import TokenVerifier, authenticated, keys_at
from shared.web.openapi import described
from shared.web.problems import add_problem_handlers
from shared.web.surroundings import API_CONTENT_SECURITY, BodyLimit, Surroundings

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
GRACE_SECONDS = 10
"""How long requests under way may go on after SIGTERM."""


def _always_ready() -> list[str]:
    return []


def create_app(
    service: str,
    settings: ProcessSettings,
    routers: Sequence[APIRouter],
    *,
    ready: Ready = _always_ready,
    facts: Facts = no_facts,
    lifespan: Lifespan | None = None,
    public: Sequence[APIRouter] = (),
    body_limits: Mapping[str, int] | None = None,
    content_security: str = API_CONTENT_SECURITY,
    verifier: TokenVerifier | None = None,
) -> FastAPI:
    """The API of `service`: `routers` behind access tokens, `public` ones not, health and metrics beside them.

    Raises ValueError when a route of `routers` names no permission: a forgotten one must not start.

    `body_limits`: longest body in bytes by path, where it is not 1 MiB. `verifier`: when the keys are not at
    `settings.jwks_url`.
    """
    app = FastAPI(
        title=f"casestream {service}",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        separate_input_output_schemas=False,
    )
    app.state.verifier = verifier or TokenVerifier(keys_at(settings.jwks_url), settings.issuer)
    add_problem_handlers(app)
    app.add_middleware(BodyLimit, limits=body_limits or {})
    app.add_middleware(Surroundings, content_security=content_security)
    app.include_router(_health_router(ready, facts))
    for router in public:
        app.include_router(router)
    app.include_router(_openapi_router(app), dependencies=[Depends(authenticated)])
    for router in routers:
        for route in unguarded(router):
            raise ValueError(f"{service}: {route.name} {route.path} names no permission; give it requires(...)")
        app.include_router(router, dependencies=[Depends(authenticated)])
    return app


def unguarded(router: APIRouter) -> list[APIRoute]:
    """Routes that whoever has any token could call, because nothing they depend on is `requires(...)`."""
    return [route for route in router.routes if isinstance(route, APIRoute) and not permissions_of(route)]


def permissions_of(route: APIRoute) -> frozenset[str]:
    """The permissions that a route demands."""
    found: set[str] = set()
    waiting = [route.dependant]
    while waiting:
        dependant = waiting.pop()
        waiting += dependant.dependencies
        if permission := getattr(dependant.call, "permission", None):
            found.add(permission)
    return frozenset(found)


def _health_router(ready: Ready, facts: Facts) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/health/live", summary="The process runs.")
    def live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/health/ready", summary="The process can do its work, or why not (503).")
    def is_ready(response: Response) -> dict[str, Any]:
        response.status_code, content = readiness(ready, facts)
        return content

    @router.get("/metrics", summary="Prometheus metrics.", include_in_schema=False)
    def metrics() -> Response:
        body, content_type = exposition()
        return Response(body, headers={"Content-Type": content_type})

    return router


def _openapi_router(app: FastAPI) -> APIRouter:
    router = APIRouter()

    @router.get("/openapi.json", include_in_schema=False)
    def openapi() -> dict[str, Any]:
        return described(app)

    return router


def _nothing() -> None:
    return


class _Server(uvicorn.Server):
    """Tells when it is told to stop: a request that goes on until then would otherwise be cut off after the grace."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._on_stop()
        super().handle_exit(sig, frame)


def serve(app: FastAPI, settings: ProcessSettings, on_stop: Callable[[], None] = _nothing) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first. Returns normally after such a stop.

    `on_stop` is called by the signal's handler: it ends requests that have no end of their own.
    """
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=30,
    )
    # uvicorn sends itself the signal again once it has stopped; that must not kill us before what comes after is
    # closed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    _Server(config, on_stop).run()
