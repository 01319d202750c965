"""Fixtures for real Kafka and PostgreSQL.

A pair that already runs is used when CASESTREAM_TEST_KAFKA and CASESTREAM_TEST_DATABASE name it. Otherwise the first
test that needs one starts it in `.casestream/test/`; all workers share it, and the session that ends last stops it.
"""

import contextlib
import fcntl
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from psycopg import sql

from services.cli.stack.kafka import Kafka
from services.cli.stack.postgres import (
    Postgres,
    derived_passwords,
    drop_database,
    provision,
    random_name,
    role_of,
    with_database,
    with_user,
)

CLONE = Path(__file__).resolve().parents[2]
FOLDER = CLONE / ".casestream" / "test"
UNSAFE = {"fsync": "off", "full_page_writes": "off"}
"""Of the tests' server, which no test kills: what it writes would outlive a killed process, not a fall of the machine."""


@contextlib.contextmanager
def _locked(name: str, how: int) -> Iterator[None]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / name).open("w") as lock:
        fcntl.flock(lock, how)
        yield


@pytest.fixture(scope="session")
def _platform_in_use() -> Iterator[None]:
    """Tells other sessions of this clone not to stop the platform under us."""
    with _locked("users.lock", fcntl.LOCK_SH):
        yield


@pytest.fixture(scope="session")
def kafka(_platform_in_use: None) -> str:
    """The bootstrap address of a real Kafka."""
    if given := os.environ.get("CASESTREAM_TEST_KAFKA"):
        return given
    with _locked("start.lock", fcntl.LOCK_EX):
        return Kafka(FOLDER).start()


@pytest.fixture(scope="session")
def database(_platform_in_use: None) -> str:
    """The administrator's URL of a real PostgreSQL."""
    if given := os.environ.get("CASESTREAM_TEST_DATABASE"):
        return given
    with _locked("start.lock", fcntl.LOCK_EX):
        return Postgres(FOLDER, settings=UNSAFE).start()


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix for topic and group names that no other test has; its topics are removed after the test.

    A broker that keeps every test's partitions runs out of memory maps after some hundred tests.
    """
    prefix = f"t{secrets.token_hex(4)}."
    yield prefix
    if "kafka" in request.fixturenames:
        remove_topics(request.getfixturevalue("kafka"), prefix)


def remove_topics(kafka: str, prefix: str) -> None:
    """Remove the topics whose names begin so."""
    admin = AdminClient({"bootstrap.servers": kafka})
    names = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
    for removal in admin.delete_topics(names).values() if names else ():
        removal.result(timeout=30)


@pytest.fixture
def empty_database(database: str) -> Iterator[str]:
    """The administrator's URL of an empty database of this test's own."""
    name = random_name("empty")
    with psycopg.connect(database, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield with_database(database, name)
    drop_database(database, name)


@pytest.fixture
def fresh_database(database: str) -> Iterator[Callable[[str], str]]:
    """Makes a migrated database for a service (`fresh_database("case")`) and returns the URL for the service's role."""
    with fresh_databases(database) as make:
        yield make


@contextlib.contextmanager
def fresh_databases(database: str) -> Iterator[Callable[[str], str]]:
    """The same, for as long as the block runs.

    Each is a copy of a template, which is migrated once for each state of the service's migrations.
    """
    made: list[str] = []

    def make(service: str) -> str:
        template = _template_of(service, database)
        name = random_name(service)
        made.append(name)
        with psycopg.connect(database, autocommit=True) as server:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            server.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        password = derived_passwords(database, template)[service]
        return with_user(with_database(database, name), role_of(template, service), password)

    try:
        yield make
    finally:
        for name in made:
            drop_database(database, name)


def _template_of(service: str, admin_url: str) -> str:
    name = f"template_{service}_{_fingerprint(service)}"
    with psycopg.connect(admin_url, autocommit=True) as server:
        server.execute("SELECT pg_advisory_lock(hashtext(%s))", (name,))
        # The flag is set last, so a database with it is a template that was finished.
        row = server.execute("SELECT datistemplate FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if row == (True,):
            return name
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        password = derived_passwords(admin_url, name)[service]
        url = provision(admin_url, name, {service: password})[service]
        _migrate(service, url)
        server.execute(sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE true").format(sql.Identifier(name)))
    return name


def _migrate(service: str, url: str) -> None:
    command = [sys.executable, "-m", f"services.{service}", "migrate"]
    environment = {**os.environ, "CASESTREAM_DATABASE": url}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=CLONE, check=False)
    assert done.returncode == 0, f"services.{service} migrate failed:\n{done.stdout}{done.stderr}"


def _fingerprint(service: str) -> str:
    """Changes with anything that the migrated schema may depend on."""
    digest = sha256()
    for folder in (CLONE / "services" / service / "storage", CLONE / "shared" / "storage"):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.suffix in (".py", ".sql", ".ini"):
                digest.update(file.relative_to(CLONE).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:10]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the platform at the end, in the process that rules the workers, unless another session uses it."""
    if not hasattr(config, "workerinput"):
        stop_unless_used()


@contextlib.contextmanager
def kept_up() -> Iterator[None]:
    """Sessions that end while the block runs leave the platform to the next; after it, nobody does."""
    with _locked("users.lock", fcntl.LOCK_SH):
        yield
    stop_unless_used()


def stop_unless_used() -> None:
    """Stop the platform unless some session uses it."""
    if not FOLDER.exists():
        return
    with (FOLDER / "users.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        Kafka(FOLDER).stop()
        Postgres(FOLDER).stop()
