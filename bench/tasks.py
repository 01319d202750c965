"""`casestream bench tasks`: the lists that staff look at all day, among a million tasks: my tasks, my unit's, and how many there are.

Each is asked for over HTTP beside two others in the same run: its bare SQL (the statements that the service ran for it, by the same
driver), and an endpoint that only checks the token. `ratio` is the request's median over the sum of theirs. `pages` are the 8 KB pages of
the database that its SQL touches, among 10,000 tasks and among all. `insert_us` is a task's share of an insert of 200, now and with an
index for the order by due time alone. Nothing is published, so there is no Kafka.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg_pool import ConnectionPool

from bench.load_tasks import agents, load
from bench.pages import CLONE, FEW, Call, loaded, measured, milliseconds, pages_touched, sample, served, statements_of
from bench.pipeline import say
from services.cli.stack.postgres import Postgres
from shared.schemas.configuration import Configuration
from shared.storage import Database
from shared.web.permissions import PERMISSIONS, Grant
from shared.web.tokens import TokenSigner, new_signing_key

VARIANTS = 10
"""Callers of each kind, who ask in turn."""
MINE, TEAM = "/tasks/mine?with_available=true&limit=50", "/tasks?unit={unit}&state=pending&state=in_progress&limit=50"
KINDS: dict[str, tuple[str, str]] = {
    "mine_by_due": ("agent", f"{MINE}&sort=due"),
    "mine_by_priority": ("agent", f"{MINE}&sort=priority"),
    "mine_of_very_many": ("user", f"{MINE}&sort=due"),
    "mine_overdue": ("user", f"{MINE}&sort=priority&overdue=true"),
    "reach_of_a_leader": ("leader", "/tasks?state=pending&state=in_progress&limit=50"),
    "all_by_due": ("manager", "/tasks?state=pending&state=in_progress&limit=50"),
    "team_by_due": ("leader", f"{TEAM}&sort=due"),
    "team_by_priority": ("leader", f"{TEAM}&sort=priority"),
    "team_latest_due": ("leader", f"{TEAM}&sort=-due"),
    "counts_of_mine": ("agent", "/tasks/mine/counts"),
    "counts_of_team": ("leader", "/tasks/counts?unit={unit}"),
}
"""Kind of page -> who asks for it, and its address."""


class Callers:
    """Who asks, with their tokens."""

    def __init__(self, configuration: Configuration, signer: TokenSigner) -> None:
        self._users = configuration.users
        self._units = [unit.code for unit in configuration.units]
        self._signer = signer

    def calls(self, who: str, address: str, tasks: int) -> list[Call]:
        """Addresses with the headers of `VARIANTS` different callers, as far as there are so many."""
        made = []
        for number in range(VARIANTS):
            user = self._users[number % len(self._users)]
            unit = self._units[number % len(self._units)]
            name = f"agent-{1 + number * 7 % agents(tasks)}" if who == "agent" else user.user
            scope: Any = {"leader": "unit", "manager": "all"}.get(who, "own")
            grant = Grant(frozenset(PERMISSIONS), scope)
            token = self._signer.user_token(name, user.roles, unit, grant, datetime.now(UTC), timedelta(hours=2))
            made.append((address.format(unit=unit), {"Authorization": f"Bearer {token}"}))
        return made


def run(folder: Any, count: int, rounds: int) -> dict[str, Any]:
    """The whole benchmark."""
    configuration = sample()
    key = new_signing_key()
    signer = TokenSigner(key)
    few, many = loaded("task", folder, count, lambda database, tasks: load(database, configuration, tasks, datetime.now(UTC), say=say))
    callers = Callers(configuration, signer)
    found: dict[str, Any] = {}
    bare = Database(many, service="task")
    say("measuring")
    nobody = callers.calls("agent", "/empty", count)[0][1]
    with served("task", many, configuration, key, nobody) as client:
        for kind, (who, address) in KINDS.items():
            calls = callers.calls(who, address, count)
            made = statements_of("task", many, configuration, signer, calls)
            made_of_few = statements_of("task", few, configuration, signer, callers.calls(who, address, FEW))
            found[kind] = measured(client, bare, calls, made, rounds) | {
                "pages_few": pages_touched("task", few, made_of_few),
                "pages_many": pages_touched("task", many, made),
            }
            say(f"{kind}: {found[kind]}")
    bare.close()
    found["insert_us"] = {"now": insert_microseconds(many, as_before=False), "before": insert_microseconds(many, as_before=True)}
    say(f"insert_us: {found['insert_us']}")
    return found


BEFORE = """
drop index open_tasks_by_assignee, open_tasks_by_unit, available_tasks, open_tasks_in_the_stead_of;
alter table tasks drop column due_order, drop column rank, drop column waits;
create index on tasks (assignee, coalesce(due_at, 'infinity'), id)
    where state in ('planned', 'pending', 'in_progress') and assignee is not null;
create index on tasks (unit, coalesce(due_at, 'infinity'), id) where state in ('pending', 'in_progress');
create index on tasks (owner_kind, owner_code, coalesce(due_at, 'infinity'), id)
    where state in ('pending', 'in_progress') and assignee is null;
"""
"""The table with an index of each kind, by due time only."""


def insert_microseconds(url: str, *, as_before: bool) -> float:
    """A task's share of an insert of 200 open ones by one statement, the fastest of 60; nothing of it stays."""
    columns = """case_id, definition, config_version, revision, subject_line, description, unit, priority, customer, planned_at,
        triggered_at, due_at, changed_by, state, status, owner_kind, owner_code, assignee"""
    taken = []
    with ConnectionPool(url, min_size=1, max_size=1) as pool, pool.connection() as connection:
        if as_before:
            connection.execute(BEFORE.encode())
        connection.execute(
            f"""create temporary table pattern on commit drop as
                select {columns} from tasks where state = 'pending' order by id limit 200""".encode()
        )
        for _ in range(60):
            insert = f"insert into tasks (id, {columns}) select gen_random_uuid(), * from pattern".encode()
            taken.append(milliseconds(lambda insert=insert: connection.execute(insert)))
        connection.rollback()
    return round(min(taken) * 1000 / 200, 1)


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(prog="casestream bench tasks", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000, help="(default 1000000)")
    parser.add_argument("--rounds", type=int, default=200, help="requests of each kind (default 200)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    folder = CLONE / ".casestream" / "bench" / f"tasks-{os.getpid()}"
    try:
        found = run(folder, options.tasks, options.rounds)
    finally:
        Postgres(folder).stop()
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps(found))
        return
    for kind, figures in found.items():
        print(f"{kind:22}" + "".join(f"  {name} {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
