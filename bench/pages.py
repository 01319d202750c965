"""Measuring an API's pages: over HTTP, beside their bare SQL and an endpoint that only checks the token, among few records and among many.

Nothing is published, so there is no Kafka.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import httpx
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Response

from bench.pipeline import free_port, say
from services.case.api import routers as case_routers
from services.case.settings import Settings as CaseSettings
from services.cli.stack.platform import SAMPLE_CONFIGURATION
from services.cli.stack.postgres import Postgres, provision
from services.cli.stack.preparation import run_module
from services.task.api import routers as task_routers
from services.task.settings import TaskSettings
from shared.messaging import EventPublisher, StaticReference
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.check import check_configuration
from shared.storage import Database
from shared.web import Answer, Principal, create_app, requires
from shared.web.auth import TokenVerifier
from shared.web.tokens import TokenSigner
from tests.support.explaining import RecordingDatabase, Statement, explain
from tests.support.web import served as served_here

CLONE = Path(__file__).parents[1]
FEW = 10_000
NOWHERE = "127.0.0.1:9"

Call = tuple[str, dict[str, str]]
"""An address, and the headers of who asks."""


def sample() -> Configuration:
    """The sample organisation."""
    configuration = check_configuration(SAMPLE_CONFIGURATION.read_text()).configuration
    assert configuration is not None
    return configuration


def an_app(service: str, database: Database, configuration: Configuration, signer: TokenSigner) -> FastAPI:
    """The API of `case` or `task`, and an endpoint that does nothing."""
    publisher, reference = EventPublisher(database, NOWHERE, "", service), StaticReference(configuration)
    reader = Annotated[Principal, Depends(requires(f"{service}:read"))]
    empty = APIRouter()

    def nothing(_principal: Principal) -> Response:
        return Answer({}).response()

    nothing.__annotations__["_principal"] = reader
    empty.get("/empty", summary="Nothing.")(nothing)
    made = case_routers(publisher, reference) if service == "case" else task_routers(publisher, reference)
    settings = (CaseSettings if service == "case" else TaskSettings)(kafka=NOWHERE, database=database.url, port=0)
    return create_app(service, settings, [*made, empty], verifier=TokenVerifier(signer.jwks, "casestream"))


def _serve(service: str, url: str, configuration: Configuration, key: bytes, port: int) -> None:
    app = an_app(service, Database(url, pool_size=8, service=service), configuration, TokenSigner(key))
    uvicorn.run(app, port=port, log_config=None, access_log=False, server_header=False)


@contextmanager
def served(service: str, url: str, configuration: Configuration, key: bytes, headers: dict[str, str]) -> Iterator[httpx.Client]:
    """The API over HTTP while the block runs, in a process of its own, as in production. `headers`: of somebody who may read."""
    port = free_port()
    arguments = (service, url, configuration, key, port)
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=arguments, daemon=True)
    process.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False) as client:
            for _ in range(600):
                with suppress(httpx.TransportError):
                    if client.get("/empty", headers=headers).status_code == 200:
                        break
                time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.join()


def statements_of(
    service: str, url: str, configuration: Configuration, signer: TokenSigner, calls: Sequence[Call]
) -> list[list[Statement]]:
    """What the service runs in its database for each of these."""
    database = RecordingDatabase(url)
    found = []
    with served_here(an_app(service, database, configuration, signer), token="") as client:
        for address, headers in calls:
            database.statements.clear()
            answer = client.get(address, headers=headers)
            assert answer.status_code == 200, (address, answer.text)
            found.append(list(database.statements))
    database.close()
    return found


def milliseconds(work: Callable[[], object]) -> float:
    """How long it took."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def measured(
    client: httpx.Client, bare: Database, calls: Sequence[Call], made: Sequence[Sequence[Statement]], rounds: int
) -> dict[str, float]:
    """The calls in turn, `rounds` times in all after each was made once: the request, its statements alone, the empty endpoint.

    `ratio` is the request's median over the sum of the two others'.
    """
    taken: dict[str, list[float]] = {"request": [], "sql": [], "empty": []}
    for number in range(rounds + len(calls)):
        (address, headers), statements = calls[number % len(calls)], made[number % len(calls)]
        times = (
            milliseconds(lambda address=address, headers=headers: client.get(address, headers=headers).raise_for_status()),
            milliseconds(lambda statements=statements: _run_bare(bare, statements)),
            milliseconds(lambda headers=headers: client.get("/empty", headers=headers).raise_for_status()),
        )
        if number >= len(calls):
            for name, one in zip(taken, times, strict=True):
                taken[name].append(one)
    p50 = {name: statistics.median(times) for name, times in taken.items()}
    return {
        "p50_ms": round(p50["request"], 2),
        "p95_ms": round(statistics.quantiles(taken["request"], n=20)[-1], 2),
        "sql_ms": round(p50["sql"], 2),
        "empty_ms": round(p50["empty"], 2),
        "ratio": round(p50["request"] / (p50["sql"] + p50["empty"]), 2),
    }


def _run_bare(database: Database, statements: Sequence[Statement]) -> None:
    """The statements of a page, in a transaction as the service has it."""
    with database.read() as tx:
        for sql, params in statements:
            tx.rows(sql, params)


def pages_touched(service: str, url: str, made: list[list[Statement]]) -> int:
    """Database pages of 8 KB that a page's statements touch, the median."""
    database = Database(url, service=service)
    try:
        return int(statistics.median(explain(database, statements).buffers for statements in made))
    finally:
        database.close()


def loaded(service: str, folder: Any, count: int, fill: Callable[[Database, int], None]) -> tuple[str, str]:
    """The URLs of two databases of a server in `folder`: with few records, and with `count`."""
    server = Postgres(folder, progress=say)
    server.start()
    urls = []
    for name, records in (("few", FEW), ("many", count)):
        url = provision(server.url, name, {service: "bench"})[service]
        run_module([f"services.{service}", "migrate"], {"CASESTREAM_DATABASE": url})
        database = Database(url, service=service)
        fill(database, records)
        database.close()
        urls.append(url)
    return urls[0], urls[1]
