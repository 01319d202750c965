"""`casestream bench plan`: thousands of cases open at once, each with a workflow of ten tasks; and the plan of a workflow of a thousand.

The batches go through the real handlers of task's consumer on a real PostgreSQL, from the messages' bytes to the commit, the outbox
included; with `--kafka` also to a real Kafka, else all is done but sending. `ratio` is their rate over that of bare inserts: the same rows
into the same tables with the same indexes, in the same batches and commits, the faster of COPY and of arrays by `unnest`; `ratio_tasks` is
the same without the rows of inbox, outbox and offsets. Rounds alternate, figures are medians.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from bench.bare_rows import Bare, Kept
from bench.pages import CLONE, NOWHERE, milliseconds
from bench.pipeline import say
from bench.workflows import SUBJECTS, TASKS, a_large_workflow, with_workflows
from services.cli.stack.kafka import Kafka
from services.cli.stack.postgres import Postgres, provision
from services.cli.stack.preparation import run_module
from services.task.consumer import handlers
from services.task.domain.critical_path import forecast, forecast_workflow
from services.task.domain.plan import on_task_completed, plan_tasks
from services.task.handlers.compile import compile_configuration
from shared.ids import CaseId, case_id, derive
from shared.messaging import EventPublisher, StaticReference
from shared.messaging.batch import BatchProcessor, Incoming
from shared.messaging.topics import create_topics
from shared.observability import configure_logging
from shared.roles import collect_rarely
from shared.schemas import topics
from shared.schemas.configuration import Configuration
from shared.schemas.envelope import Event
from shared.schemas.events import CaseLifeCycle, CaseOpened
from shared.schemas.parts import CustomerRef
from shared.storage import Database, inbox, offsets, outbox
from shared.storage.database import Emitted, Encoded

AT_ONE_MOMENT = 250
"""So many cases were opened in one transaction of case's, and have its moment."""
WHERE = (topics.CASES, 0)


class Unsent(EventPublisher):
    """The real publisher, but for Kafka: what would be sent is made ready, and its parcel deleted as if it had been sent."""

    kept: list[tuple[list[str], str]] | None = None
    """Parcels are kept here, if anywhere."""

    def _publish_inline(self, sequence: int, emitted: Sequence[Emitted | Encoded]) -> None:
        for one in emitted:
            one.headers()
        with self.database.transaction() as tx:
            if self.kept is not None:
                self.kept += [(row[0], row[1]) for row in tx.rows("select aggregates, events from outbox where sequence = %s", (sequence,))]
            outbox.delete(tx, [sequence])


def openings(configuration: Configuration, count: int, now: datetime) -> list[Incoming]:
    """Messages of cases that have just opened, as case publishes them."""
    units = [unit.code for unit in configuration.units]
    urgency, impact = configuration.prioritisation.urgencies[0].code, configuration.prioritisation.impacts[0].code
    status = configuration.default_statuses[CaseLifeCycle.PENDING]
    made = []
    for number in range(count):
        at = now - timedelta(milliseconds=30 * (count // AT_ONE_MOMENT - number // AT_ONE_MOMENT))
        communication = derive("bench communication", number)
        subject = SUBJECTS[number % len(SUBJECTS)]
        id = case_id(communication, subject)
        person = number % max(1, count // 2)
        customer = CustomerRef(
            contact_id=derive("bench contact", person), name=f"Tenant Number {person}", email=f"tenant{person}@mail.example"
        )
        data = CaseOpened(
            case_id=id,
            number=f"C-2026-{number:06d}",
            subject=subject,
            title=f"Water comes through the ceiling of flat {number}",
            communication_id=communication,
            conversation_id=communication,
            method="email",
            customer=customer,
            state=CaseLifeCycle.PENDING,
            status=status,
            urgency=urgency,
            impact=impact,
            priority="high",
            unit=units[number % 3],
            opened_at=at,
        )
        trace = f"00-{number:032x}-{number + 1:016x}-01"
        key = str(id)
        event = Event(derive("bench event", number), data.event_type, "/casestream/case", key, at, 1, 1, trace, key, data)
        made.append(Incoming(WHERE, number, key.encode(), event.headers(), event.value()))
    return made


class Bench:
    """Both sides, on one database, which is emptied before each round."""

    def __init__(self, database: Database, publisher: EventPublisher, configuration: Configuration, count: int, batch: int) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        self.database, self.publisher = database, publisher
        messages = openings(configuration, count, now)
        self.batches = [messages[start : start + batch] for start in range(0, count, batch)]
        reference = StaticReference(configuration)
        self._processor = BatchProcessor("task", handlers(reference, lambda: now + timedelta(seconds=1)), publisher, reference)
        with database.transaction() as tx:
            inbox.maintain(tx, now)

    def emptied(self) -> None:
        """Nothing in the tables; nothing left to write of what was there."""
        with self.database.transaction() as tx:
            tx.execute("truncate cases, tasks, history, inbox, outbox, offsets")
            offsets.assigned(tx, {WHERE: 0})

    def handled(self) -> float:
        """Seconds that the handlers took for all batches."""
        self.emptied()
        positions = {WHERE: 0}

        def work() -> None:
            for batch in self.batches:
                taken = self._processor.take(batch, positions)
                assert not taken.letters, taken.letters[0].error
                assert not taken.waiting

        return milliseconds(work) / 1000

    def kept(self) -> list[Kept]:
        """The rows that the handlers make of each batch."""
        assert isinstance(self.publisher, Unsent)
        self.publisher.kept = parcels = []
        self.handled()
        self.publisher.kept = None
        assert len(parcels) == len(self.batches)
        with self.database.read() as tx:
            return [
                Kept.read(tx, [m.key.decode() for m in batch if m.key], parcel, [dict(m.headers)["ce_id"] for m in batch])
                for batch, parcel in zip(self.batches, parcels, strict=True)
            ]


class Times(NamedTuple):
    """Seconds of one side's round: on the clock, and of processors; the latter tell more while other work goes on beside."""

    passed: float
    own: float
    database: float

    @property
    def processor(self) -> float:
        """Of both processes."""
        return self.own + self.database


class Processor:
    """What this process and the connections to a database use of the processors."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, work: Callable[[], float]) -> Times:
        """Do the work; it says how long it took."""
        own, others = time.process_time(), self._of_connections()
        passed = work()
        return Times(passed, time.process_time() - own, self._of_connections() - others)

    def _of_connections(self) -> float:
        with self._database.read() as tx:
            pids = [row[0] for row in tx.rows("select pid from pg_stat_activity where usename = current_user")]
        used = [psutil.Process(pid).cpu_times() for pid in pids]
        return sum(one.user + one.system for one in used)


def measured(
    bench: Bench, sending: Bench | None, kept: list[Kept], rounds: int, profile: Callable[[Callable[[], float]], float]
) -> dict[str, Any]:
    """Rates and ratios."""
    bare, processor = Bare(bench.database, kept), Processor(bench.database)
    cases, tasks = sum(len(one.cases) for one in kept), sum(len(one.tasks) for one in kept)
    sides: dict[str, Callable[[], float]] = {
        "handlers": lambda: profile(bench.handled),
        "copied": lambda: bare.inserted(bench.emptied, by_copy=True, whole=True),
        "unnested": lambda: bare.inserted(bench.emptied, by_copy=False, whole=True),
        "copied_tasks": lambda: bare.inserted(bench.emptied, by_copy=True, whole=False),
        "unnested_tasks": lambda: bare.inserted(bench.emptied, by_copy=False, whole=False),
    }
    if sending is not None:
        sending.handled()
        sides["handlers_with_kafka"] = sending.handled
    times: dict[str, list[Times]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, side in sides.items():
            times[name].append(processor.of(side))
        say(f"round {number + 1}: " + "  ".join(f"{name} {taken[-1].passed:.2f} s" for name, taken in times.items()))
    medians = {name: Times(*map(statistics.median, zip(*taken, strict=True))) for name, taken in times.items()}
    seconds = {name: taken.passed for name, taken in medians.items()}
    bare_all, bare_tasks = min(seconds["copied"], seconds["unnested"]), min(seconds["copied_tasks"], seconds["unnested_tasks"])
    return {
        "cases": cases,
        "tasks": tasks,
        "tasks_per_second": round(tasks / seconds["handlers"]),
        "bare_per_second": round(tasks / bare_all),
        "ratio": round(bare_all / seconds["handlers"], 3),
        "bare_tasks_per_second": round(tasks / bare_tasks),
        "ratio_tasks": round(bare_tasks / seconds["handlers"], 3),
        **({"ratio_with_kafka": round(bare_all / seconds["handlers_with_kafka"], 3)} if sending is not None else {}),
        "ratio_of_processor_time": round(min(medians[n].processor for n in ("copied", "unnested")) / medians["handlers"].processor, 3),
        "seconds": {name: {part: round(value, 3) for part, value in taken._asdict().items()} for name, taken in medians.items()},
    }


def large(tasks: int, rounds: int) -> dict[str, Any]:
    """Milliseconds for one workflow of so many tasks, medians: compiled, planned, forecast, and forecast after its first task is done."""
    configuration, edges = a_large_workflow(tasks)
    now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    taken: dict[str, list[float]] = {}

    def step(name: str, work: Callable[..., Any], *given: Any) -> Any:
        started = time.perf_counter()
        result = work(*given)
        taken.setdefault(name, []).append((time.perf_counter() - started) * 1000)
        return result

    for _ in range(rounds):
        compiled = step("compile", compile_configuration, configuration)
        workflow, calendars = compiled.workflows["large"], compiled.calendars
        plan = step("plan", plan_tasks, CaseId(derive("large")), workflow, now, calendars)
        step("critical_path", forecast_workflow, workflow, now, calendars)
        first = next(code for code, task in plan.tasks.items() if task.due_at is not None)
        later = now + timedelta(hours=2)
        advance = step("completion", on_task_completed, plan, first, later, calendars)
        step("forecast_after", forecast, advance.plan, later, calendars)
        if importlib.util.find_spec("networkx"):
            import networkx

            graph = networkx.DiGraph()
            graph.add_weighted_edges_from(edges)
            step("networkx_longest_path", networkx.dag_longest_path, graph)
    return {f"{name}_ms": round(statistics.median(times), 2) for name, times in taken.items()}


def run(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The whole benchmark on servers of its own in `folder`."""
    found: dict[str, Any] = {}
    found["large"] = large(options.large, 15)
    say(f"large: {found['large']}")
    server = Postgres(folder, progress=say)
    server.start()
    url = provision(server.url, "plan", {"task": "bench"})["task"]
    run_module(["services.task", "migrate"], {"CASESTREAM_DATABASE": url})
    configuration = with_workflows()
    database = Database(url, service="task")
    unsent = Unsent(database, NOWHERE, "", "task")
    bench = Bench(database, unsent, configuration, options.cases, options.batch)
    kept = bench.kept()
    kafka = Kafka(folder, progress=say)
    sending: EventPublisher | None = None
    try:
        if options.kafka:
            bootstrap = kafka.start()
            create_topics(bootstrap, "", 1)
            sending = EventPublisher(database, bootstrap, "", "task")
        sent = Bench(database, sending, configuration, options.cases, options.batch) if sending else None
        found |= measured(bench, sent, kept, options.rounds, profiler(options.profile))
    finally:
        if sending is not None:
            sending.close()
            kafka.stop()
    assert found["tasks"] == TASKS * found["cases"]
    unsent.close()
    database.close()
    return found


def profiler(file: Path | None) -> Callable[[Callable[[], float]], float]:
    """Runs the work; with a file, under cProfile, whose figures it gets."""
    if file is None:
        return lambda work: work()
    import cProfile

    profile = cProfile.Profile()

    def profiled(work: Callable[[], float]) -> float:
        try:
            return profile.runcall(work)
        finally:
            profile.dump_stats(file)

    return profiled


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(prog="casestream bench plan", description=__doc__)
    parser.add_argument("--cases", type=int, default=5_000, help="(default 5000)")
    parser.add_argument("--batch", type=int, default=1_000, help="messages in a batch (default 1000, as in production)")
    parser.add_argument("--rounds", type=int, default=5, help="(default 5)")
    parser.add_argument("--large", type=int, default=1_000, help="tasks of the large workflow (default 1000)")
    parser.add_argument("--kafka", action="store_true", help="measure with a real Kafka as well")
    parser.add_argument("--profile", type=Path, help="write the handlers' cProfile to this file; the ratio then means nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    configure_logging("task", "bench", "WARNING")
    collect_rarely()  # as the service's own start does
    folder = CLONE / ".casestream" / "bench" / f"plan-{os.getpid()}"
    try:
        found = run(folder, options)
    finally:
        Postgres(folder).stop()
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:28}" + (f" {value}" if not isinstance(value, dict) else "".join(f"  {n} {v}" for n, v in value.items())))


if __name__ == "__main__":
    main()
