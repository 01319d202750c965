"""sla's HTTP API (role `api`): clocks explained and listed, figures, reports, simulations, dead letters."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from services.sla.api.asking import Around
from services.sla.api.clocks import clocks_router
from services.sla.api.reports import reports_router
from services.sla.api.simulations import BODY_BYTES, PATH, simulations_router
from services.sla.consumer import Housekeeper, Projection
from services.sla.settings import Settings
from shared.observability import configure_logging
from shared.observability.health import Ready
from shared.processes import following
from shared.storage import Database
from shared.web import TokenVerifier, create_app, dead_letters_router, serve

CONNECTIONS = 10
"""To the database: one follows the changelog, one keeps house, one may be busy with a simulation; the others answer."""


def routers(database: Database, around: Around) -> list[APIRouter]:
    """Every route behind an access token."""
    return [
        clocks_router(database, around),
        reports_router(database, around),
        simulations_router(database, around),
        dead_letters_router("sla", database),
    ]


def build(settings: Settings, database: Database, around: Around, ready: Ready, verifier: TokenVerifier | None = None) -> FastAPI:
    """The whole API."""
    routes = routers(database, around)
    return create_app(
        "sla",
        settings,
        routes,
        ready=ready,
        facts=lambda: {"config_version": around.reference.version},
        body_limits={PATH: BODY_BYTES},
        verifier=verifier,
    )


def run(settings: Settings) -> None:
    """Follow the changelog and serve until told to stop."""
    configure_logging("sla", "api", settings.log_level)
    database = Database(settings.database, pool_size=CONNECTIONS, service="sla")
    with following(settings) as reference:
        around = Around.of(reference)
        projection = Projection(settings, database, around.policy)
        housekeeper = Housekeeper(settings, database)
        try:
            projection.start()
            housekeeper.start()
            serve(build(settings, database, around, lambda: [*reference.problems(), *projection.problems()]), settings)
        finally:
            housekeeper.close()
            projection.close()
            database.close()
