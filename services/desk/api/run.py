"""Putting the desk together, and serving it."""

from __future__ import annotations

import sys
from datetime import timedelta

from fastapi import FastAPI

from services.desk.api.browser import CONTENT_SECURITY, Browser
from services.desk.api.machines import open_routes, routes
from services.desk.api.pages import open_pages, pages
from services.desk.domain.organisation import Organisation, organisation_of
from services.desk.gateways.processes import Processes
from services.desk.gateways.tasks import Tasks
from services.desk.handlers.sign_in import SessionLife, SignIn
from services.desk.handlers.tokens import TokenIssuer
from services.desk.settings import DeskSettings
from services.desk.storage import configurations
from shared.clock import Clock, utc_now
from shared.messaging import EventPublisher
from shared.observability import configure_logging
from shared.storage import Database
from shared.storage.database import CONNECTION_LOST
from shared.web import TokenVerifier, create_app, serve
from shared.web.tokens import TokenSigner

CONFIGURATION_LIMIT = 8_000_000


class Desk:
    """The desk's parts, made from its settings; `close` gives back what they hold."""

    def __init__(self, settings: DeskSettings, clock: Clock = utc_now) -> None:
        self.settings = settings
        self.clock = clock
        self.signer = TokenSigner(settings.signing_key.read_bytes(), settings.issuer)
        self.database = Database(settings.database, pool_size=8, service="desk")
        self.publisher = EventPublisher(self.database, settings.kafka, settings.topic_prefix, "desk")
        life = SessionLife(timedelta(hours=settings.session_hours), timedelta(minutes=settings.session_idle_minutes))
        self.sign_in = SignIn(self.database, life, clock)
        self.issuer = TokenIssuer(self.database, self.signer, timedelta(minutes=settings.token_minutes), clock)
        self.tasks = Tasks(settings.task_url)
        apis = {f"{name} api": getattr(settings, f"{name}_url") for name in ("ingest", "case", "task", "sla", "notify")}
        known = set(settings.processes.values())
        self.processes = Processes({name: url for name, url in apis.items() if url not in known} | settings.processes)
        self._organisation: tuple[int, Organisation] = (0, Organisation())

    def organisation(self) -> Organisation:
        """Time zone and names, from the configuration in force."""
        with self.database.read() as tx:
            newest = configurations.newest(tx)
            if newest is not None and newest.version != self._organisation[0]:
                found = configurations.document(tx, newest.version)
                self._organisation = (newest.version, organisation_of(found[1] if found else {}))
        return self._organisation[1]

    def problems(self) -> list[str]:
        """Why the desk cannot do its work just now."""
        try:
            with self.database.read() as tx:
                tx.row("select 1 from configurations limit 1")
        except CONNECTION_LOST:
            return ["the database does not answer"]
        return []

    def facts(self) -> dict[str, object]:
        """The configuration version in force."""
        with self.database.read() as tx:
            newest = configurations.newest(tx)
        return {"config_version": newest.version if newest else 0}

    def close(self) -> None:
        """Send what waits, and close connections."""
        self.publisher.close()
        self.tasks.close()
        self.processes.close()
        self.database.close()


def desk_app(desk: Desk) -> FastAPI:
    """The desk's whole web face."""
    browser = Browser(desk.sign_in, desk.issuer, desk.settings.desk_url.startswith("https:"))
    app = create_app(
        "desk",
        desk.settings,
        routes(desk.publisher, desk.issuer, desk.clock),
        public=[
            open_routes(desk.sign_in, desk.issuer, desk.clock),
            browser.static.router(),
            open_pages(browser),
            pages(browser, desk.tasks, desk.processes, desk.organisation, desk.clock),
        ],
        ready=desk.problems,
        facts=desk.facts,
        body_limits={"/configuration": CONFIGURATION_LIMIT},
        content_security=CONTENT_SECURITY,
        verifier=TokenVerifier(desk.issuer.jwks, desk.settings.issuer),
    )
    browser.add_error_pages(app)
    return app


def run(settings: DeskSettings) -> None:
    """Serve until the process is told to stop."""
    configure_logging("desk", "api", settings.log_level)
    try:
        desk = Desk(settings)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"setting CASESTREAM_SIGNING_KEY: {error}\n")
        sys.exit(2)
    try:
        desk.publisher.start_sweeper()
        serve(desk_app(desk), settings)
    finally:
        desk.close()
