"""The whole platform of one state folder: Kafka, PostgreSQL, the supervisor and its processes, up and down."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from services.cli.stack import client, keys
from services.cli.stack.errors import NotRunningError, RefusedError, StackError
from services.cli.stack.kafka import CLONE, Kafka
from services.cli.stack.mail_batches import deliver
from services.cli.stack.ports import LOOPBACK, Ports
from services.cli.stack.postgres import SERVICES, Postgres, with_database, without_password
from services.cli.stack.preparation import migrations_fingerprint, output_of, plain_environment, read_json, run_module
from services.cli.stack.processes import PidFile, last_lines, spawn, started_at, stop_process, stop_recorded, wait_until
from services.cli.stack.roles import MAIL_DOOR, MAIL_SINK, Surroundings, environment, instances
from services.cli.stack.secret_file import write_private

READY_LIMIT_SECONDS = 300.0
SAMPLE_CONFIGURATION = CLONE / "config" / "housing.yaml"
SAMPLE_MAILS = CLONE / "config" / "samples"
SAMPLE_ACCOUNT = "contact@housing.example"
# What the command line may do with a token it signs itself (shared.web.permissions).
PERMISSIONS = (
    *("tokens:issue", "configuration:read", "configuration:apply", "status:read", "republish", "dead-letter:read", "dead-letter:replay"),
    *("communication:deliver", "delivery:revive", "suppression:manage", "lead:import", "case:read"),
    *("template:preview", "webhook:read", "webhook:manage"),
)
COUNTS = ("communications", "cases", "tasks", "timers", "deliveries", "dead_letters")


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One process as the supervisor knows it."""

    name: str
    state: str
    pid: int | None
    url: str
    restarts: int


class Stack:
    """The local platform. `kafka` and `database` name servers that somebody else runs.

    Stacks with different folders live side by side; with the same Kafka they need different prefixes, and with the
    same PostgreSQL different databases. `variables` are added to every service's environment.
    """

    def __init__(
        self,
        folder: Path,
        replicas: int | None = 1,
        prefix: str = "",
        kafka: str | None = None,
        database: str | None = None,
        *,
        configuration: Path | None = SAMPLE_CONFIGURATION,
        samples: Path | None = None,
        variables: Mapping[str, str] | None = None,
        progress: Callable[[str], None] = print,
    ) -> None:
        self.folder = folder.absolute()
        self.prefix = prefix
        self.mail_folder = self.folder / "mail"
        self.kafka = Kafka(self.folder, external=kafka, progress=progress)
        self.postgres = Postgres(self.folder, external=database, progress=progress)
        self._configuration = configuration
        self._samples = samples
        self._variables = dict(variables or {})
        self._progress = progress
        self._ports = Ports(self.folder / "ports.json")
        self._supervisor = PidFile(self.folder / "supervisor.pid")
        self._plan_file = self.folder / "plan.json"
        self._signing_key = self.folder / "signing-key.pem"
        self.replicas = replicas or self._planned_replicas()

    # -- up and down

    def up(self) -> bool:
        """Start what does not run and return once everything is ready; false when all of it ran already."""
        with self._one_at_a_time():
            was_up = self.is_up()
            if was_up and self._planned_names() == self._wanted_names() and self._servers_answer():
                return False
            databases = self._start_servers()
            keys.prepare(self._signing_key)
            self._write_plan(databases)
            if (pid := self._supervisor.pid()) is not None:
                os.kill(pid, signal.SIGHUP)
            else:
                self._spawn_supervisor()
            self._wait_for(["desk-api-0"])
            self._apply_configuration()
            self._wait_for(sorted(self._planned_names()))
            self._send_samples()
            return True

    def down(self) -> None:
        """Stop everything, keeping the data."""
        with self._one_at_a_time():
            # The supervisor needs its own limit for the processes, and a little more.
            self._supervisor.stop(signal.SIGTERM, 30)
            stop_recorded(self._state().values())
            (self.folder / "state.json").unlink(missing_ok=True)
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda server: server.stop(), (self.kafka, self.postgres)))

    def is_up(self) -> bool:
        """Whether the supervisor runs."""
        return self._supervisor.pid() is not None

    def _servers_answer(self) -> bool:
        return self.kafka.is_ready() and self.postgres.is_ready()

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "up.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._progress("waiting for another up or down of this folder")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _start_servers(self) -> Mapping[str, str]:
        """Start PostgreSQL and Kafka side by side, and as soon as each answers create what belongs to it."""
        with ThreadPoolExecutor() as pool:
            topics = pool.submit(self._prepare_kafka)
            databases = self._prepare_database(pool)
            topics.result()
        return databases

    def _prepare_kafka(self) -> None:
        bootstrap = self.kafka.start()
        self._progress("creating topics")
        variables = {"CASESTREAM_KAFKA": bootstrap, "CASESTREAM_TOPIC_PREFIX": self.prefix}
        run_module(["shared.messaging", "topics"], {**variables, "CASESTREAM_REPLICATION": "1"})

    def _prepare_database(self, pool: ThreadPoolExecutor) -> Mapping[str, str]:
        self.postgres.start()
        databases = self.postgres.provision()
        # Beside the data, so that it goes with it. What somebody else runs may be replaced: there it counts for nothing.
        marker = self.folder / "postgres" / "migrated.json"
        fingerprint = {"migrations": migrations_fingerprint()}
        if self.postgres.pid is None or read_json(marker) != fingerprint:
            self._progress("migrating the services' schemas")
            started = [
                pool.submit(run_module, [f"services.{name}", "migrate"], {"CASESTREAM_DATABASE": databases[name]}) for name in SERVICES
            ]
            for migration in started:
                migration.result()
            if self.postgres.pid is not None:
                marker.write_text(json.dumps(fingerprint))
        return databases

    # -- the plan

    def _wanted_names(self) -> set[str]:
        return {instance.name for instance in instances(self.replicas)} | {MAIL_SINK}

    def _planned_names(self) -> set[str]:
        return {str(entry["name"]) for entry in read_json(self._plan_file) or []}

    def _planned_replicas(self) -> int:
        return 1 + max((int(name.rpartition("-")[2]) for name in self._planned_names() - {MAIL_SINK}), default=0)

    @property
    def kafka_address(self) -> str:
        """The bootstrap address that the services were started with."""
        return self._planned_variable("CASESTREAM_KAFKA")

    @property
    def mail_address(self) -> str:
        """Where a mail server may hand mail in."""
        return f"{LOOPBACK}:{self._planned_variable('CASESTREAM_RECEIVE_PORT')}"

    @property
    def database_url(self) -> str:
        """The services' database for a person to look into; an external server's password stays out of it."""
        if self.postgres.pid is None:
            return without_password(self._planned_variable("CASESTREAM_DATABASE"))
        return with_database(self.postgres.url, self.postgres.database)

    def _planned_variable(self, name: str) -> str:
        return next((str(entry["environment"][name]) for entry in self._plan() if name in entry["environment"]), "")

    def _write_plan(self, databases: Mapping[str, str]) -> None:
        wanted = instances(self.replicas)
        running = {name for name, record in self._state().items() if record["pid"] is not None and self.is_up()}
        names = [instance.name for instance in wanted] + [MAIL_SINK, f"{MAIL_SINK}-health", MAIL_DOOR]
        kept = {name for name in names if name.removesuffix("-health").removesuffix("-mail") in running}
        self._ports.claim(name for name in names if name not in kept)
        ports = {name: port for name, port in self._ports.known().items() if name in names}
        around = Surroundings(self.folder, self.kafka.bootstrap, databases, self.prefix, ports, self._signing_key.absolute())
        sink = [self.mail_folder, ports[MAIL_SINK], ports[f"{MAIL_SINK}-health"]]
        plan: list[dict[str, Any]] = [
            {
                "name": MAIL_SINK,
                "url": f"http://{LOOPBACK}:{ports[f'{MAIL_SINK}-health']}",
                "command": [sys.executable, "-m", "services.cli.stack.mail_sink", *map(str, sink)],
                "environment": plain_environment(),
                "folder": str(CLONE),
            }
        ]
        plan += [
            {
                "name": instance.name,
                "url": around.url(instance.name),
                "command": [sys.executable, "-m", f"services.{instance.role.service}", instance.role.name],
                "environment": {**environment(instance, around, os.environ), **self._variables},
                "folder": str(CLONE),
            }
            for instance in wanted
        ]
        self._save_plan(plan)

    def _save_plan(self, plan: Sequence[Mapping[str, Any]]) -> None:
        # It holds the passwords of the database roles.
        write_private(self._plan_file, json.dumps(plan, indent=1).encode())

    def _spawn_supervisor(self) -> None:
        (self.folder / "objects").mkdir(exist_ok=True)
        self.mail_folder.mkdir(exist_ok=True)
        self._progress(f"starting {len(self._planned_names())} processes")
        command = [sys.executable, "-m", "services.cli.stack.supervisor", str(self.folder)]
        self._supervisor.write(spawn(command, self.folder / "logs" / "supervisor.log", folder=CLONE))

    # -- after the start

    def _wait_for(self, names: Sequence[str]) -> None:
        urls = {str(entry["name"]): str(entry["url"]) for entry in read_json(self._plan_file) or []}
        missing = list(names)

        def all_ready() -> bool:
            with ThreadPoolExecutor(max_workers=8) as pool:
                ready = list(pool.map(lambda name: client.is_ready(urls[name]), missing))
            missing[:] = [name for name, is_ready in zip(missing, ready, strict=True) if not is_ready]
            if not self.is_up():
                raise StackError(f"the supervisor ended: {last_lines(self.folder / 'logs' / 'supervisor.log')}")
            return not missing

        if not wait_until(all_ready, READY_LIMIT_SECONDS, 0.2):
            name = missing[0]
            log = self.folder / "logs" / f"{name}.log"
            raise StackError(f"not ready: {', '.join(missing)}; {name} says: {last_lines(log, 1)[:400]} ({log})")

    def _apply_configuration(self) -> None:
        """Apply the configuration's file when there is none yet, or when the file changed since it was applied.

        So a version that was applied otherwise stays, until the file is edited.
        """
        if self._configuration is None:
            return
        content = self._configuration.read_bytes()
        marker = self.folder / "configuration.json"
        applied = {"sha256": sha256(content).hexdigest()}
        url, token = f"{self.url('desk')}/configuration", self.machine_token()
        if read_json(marker) == applied:
            with contextlib.suppress(RefusedError):
                client.request("GET", url, token=token)
                return
        self._progress(f"applying {self._configuration.name}")
        client.request("POST", url, token=token, content=content, headers={"Content-Type": "application/yaml"})
        marker.write_text(json.dumps(applied))

    def _send_samples(self) -> None:
        marker = self.folder / "samples-sent"
        if self._samples is None or marker.exists():
            return
        mails = sorted(self._samples.glob("*.eml"))
        self._progress(f"sending {len(mails)} sample mails through")
        self.deliver([mail.read_bytes() for mail in mails], SAMPLE_ACCOUNT)
        marker.touch()

    # -- for commands and tests

    def url(self, service: str, role: str = "api", ordinal: int = 0) -> str:
        """Where a process listens."""
        name = f"{service}-{role}-{ordinal}"
        port = self._ports.known().get(name)
        if port is None or not self.is_up():
            raise NotRunningError("the platform is not up (casestream up)")
        return f"http://{LOOPBACK}:{port}"

    def machine_token(self) -> str:
        """A short token for the command line itself."""
        if not self._signing_key.exists():
            raise NotRunningError("the platform has never been up here (casestream up)")
        return keys.machine_token(self._signing_key, *PERMISSIONS)

    def token(self, user: str) -> str:
        """An access token of a local user, issued by desk."""
        content = json.dumps({"user": user}).encode()
        headers = {"Content-Type": "application/json"}
        url = f"{self.url('desk')}/tokens"
        answer = client.request("POST", url, token=self.machine_token(), content=content, headers=headers)
        return str(answer.json()["access_token"])

    def deliver(self, mails: Sequence[bytes], account: str | None = None, patience: float = 30) -> list[dict[str, Any]]:
        """Give raw mails to ingest and return each one's communication (`id`). `patience`: seconds to wait for an ingest that is away."""
        return deliver(self.url("ingest"), self.machine_token, mails, account, patience)

    def counts(self) -> dict[str, int]:
        """The services' counts, summed: what was recorded, and what was set aside."""
        token = self.machine_token()
        totals = dict.fromkeys(COUNTS, 0)
        with ThreadPoolExecutor() as pool:
            urls = [f"{self.url(service)}/counts" for service in SERVICES]
            for answer in pool.map(lambda url: client.request("GET", url, token=token), urls):
                for name, count in answer.json().items():
                    totals[name] = totals.get(name, 0) + int(count)
        return totals

    def processes(self) -> list[ProcessState]:
        """Every process of the plan as it is now."""
        state = self._state()
        found = []
        for entry in read_json(self._plan_file) or []:
            record = state.get(entry["name"]) or {"state": "stopped", "pid": None, "restarts": 0, "started": None}
            alive = record["pid"] is not None and started_at(record["pid"]) == record["started"]
            shown = record["state"] if alive or record["state"] != "running" else "waiting"
            pid = record["pid"] if alive else None
            found.append(ProcessState(str(entry["name"]), shown, pid, str(entry["url"]), int(record["restarts"])))
        return found

    def process(self, name: str) -> ProcessState:
        """One process by its name, like `case-consume-0`."""
        for process in self.processes():
            if process.name == name:
                return process
        raise NotRunningError(f"no process is called {name}")

    def kill(self, name: str) -> int:
        """End a process as a crash would (SIGKILL) and return its pid; the supervisor starts it again."""
        process = self.process(name)
        if process.pid is None:
            raise NotRunningError(f"{name} does not run")
        os.kill(process.pid, signal.SIGKILL)
        return process.pid

    def ask(self, name: str, *arguments: str) -> str:
        """What another role of a process's service prints, run to its end with that process's settings."""
        entry = next((entry for entry in self._plan() if entry["name"] == name), None)
        if entry is None or not self.is_up():
            raise NotRunningError("the platform is not up (casestream up)")
        return output_of([*entry["command"][:-1], *arguments], arguments, entry["environment"], entry["folder"])

    def restart(self, name: str) -> None:
        """Stop a process gracefully, have it started again, and wait until it is ready."""
        process = self.process(name)
        if process.pid is not None:
            stop_process(process.pid)
        self._wait_for([name])

    def stop(self, *names: str) -> None:
        """Stop processes and keep them stopped until `resume`."""
        self._set_wanted(names, wanted=False)
        if not wait_until(lambda: all(self.process(name).pid is None for name in names), 30):
            raise StackError(f"these do not stop: {', '.join(names)}")

    def resume(self, *names: str) -> None:
        """Start stopped processes again and wait until they are ready."""
        self._set_wanted(names, wanted=True)
        self._wait_for(names)

    def _set_wanted(self, names: Sequence[str], *, wanted: bool) -> None:
        plan = [{**e, "wanted": wanted if e["name"] in names else e.get("wanted", True)} for e in self._plan()]
        self._save_plan(plan)
        pid = self._supervisor.pid()
        if pid is None:
            raise NotRunningError("the platform is not up (casestream up)")
        os.kill(pid, signal.SIGHUP)

    def _plan(self) -> list[dict[str, Any]]:
        return list(read_json(self._plan_file) or [])

    def _state(self) -> dict[str, dict[str, Any]]:
        return dict((read_json(self.folder / "state.json") or {}).get("processes", {}))

    def destroy(self) -> None:
        """Stop everything and remove the state folder: for tests."""
        self.down()
        shutil.rmtree(self.folder)
