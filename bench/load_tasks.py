"""`casestream bench load-tasks`: fills task's tables with made-up cases and their tasks, as many as one wants.

Everything follows from the seed. The newest tasks are mostly open, the old ones ended; a tenth are follow-ups without a case. There is an
`agent-N` for every 1,000 tasks, so that an agent's own list is about as long among many tasks as among few; a fifth of the tasks are with
the configuration's users, who have very many.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg

from bench.indexes import without_indexes
from bench.vocabulary import FIRST_NAMES, LAST_NAMES
from services.cli.commands.settings import the_stack
from services.cli.stack.platform import SAMPLE_CONFIGURATION
from services.cli.stack.postgres import with_database
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.check import check_configuration
from shared.storage import Database, Transaction

CHUNK = 100_000
"""Tasks in one transaction; whole cases, of three tasks each."""
YEARS = 3
TASKS_OF_AN_AGENT = 1_000
TABLES = ("cases", "tasks", "history")


def agents(tasks: int) -> int:
    """How many of `agent-1`, `agent-2`, ... there are among so many tasks."""
    return max(1, tasks // TASKS_OF_AN_AGENT)


def load(
    database: Database,
    configuration: Configuration,
    tasks: int,
    now: datetime,
    seed: int = 1,
    say: Callable[[str], None] = lambda _text: None,
) -> None:
    """Fill the empty tables of task's schema; the database's role owns them. What was made is indexed and analysed at the end."""
    made = _Maker(configuration, tasks, now, seed)
    started = time.monotonic()

    def step(words: str) -> None:
        say(f"{time.monotonic() - started:6.1f} s  {words}")

    with database.transaction() as tx:
        definitions = without_indexes(tx, TABLES)
    chunk = CHUNK // 3 * 3
    for first in range(1, tasks + 1, chunk):
        last = min(tasks, first + chunk - 1)
        with database.transaction() as tx:
            made.tasks(tx, first, last)
        step(f"{last} tasks")
    with database.transaction() as tx:
        tx.execute("set local maintenance_work_mem = '512MB'")
        for definition in definitions:
            tx.execute(definition)
            step(definition.partition(" USING ")[0].lower())
    with psycopg.connect(database.url, autocommit=True) as connection:
        for table in TABLES:
            connection.execute(f"vacuum (analyze) {table}".encode())
    step("vacuumed and analysed")


class _Maker:
    """The statements, over the codes of a configuration."""

    def __init__(self, configuration: Configuration, tasks: int, now: datetime, seed: int) -> None:
        self._count, self._seed = tasks, seed
        self._params: dict[str, Any] = {
            "now": now,
            "first": FIRST_NAMES.split(),
            "last": LAST_NAMES.split(),
            "units": [unit.code for unit in configuration.units],
            "users": [user.user for user in configuration.users],
            "roles": sorted({role for user in configuration.users for role in user.roles}),
            "subjects": [subject.code for subject in configuration.subjects],
            "definitions": [definition.code for definition in configuration.task_definitions],
            "names": [definition.name for definition in configuration.task_definitions],
            "priorities": ["high", "normal", "normal", "low"],
        }

    def _chance(self, salt: int, many: int, number: str = "i") -> str:
        """A number from 0 to below `many` that follows from the row's."""
        return f"mod(hashint8extended({number}, {self._seed * 1000 + salt}) & 2147483647, {many})"

    def _one_of(self, name: str, salt: int, number: str = "i") -> str:
        return f"(%({name})s::text[])[1 + {self._chance(salt, len(self._params[name]), number)}]"

    def tasks(self, tx: Transaction, first: int, last: int) -> None:
        """Cases, the tasks of each, and a change of each task that was begun."""
        age = f"make_interval(days => {YEARS * 365}) * (1 - i / {self._count}::float8)"
        customer = f"""jsonb_build_object('contact_id', md5('contact {self._seed} ' || k)::uuid, 'account_id', null,
            'name', {self._one_of("first", 1, "k")} || ' ' || {self._one_of("last", 2, "k")}, 'email', k || '@customer.example')"""
        definition = f"1 + {self._chance(3, len(self._params['definitions']))}"
        tx.execute(
            f"""create temporary table made on commit drop as
                select r.*, {customer} as customer, case when of_case then case_uuid end as case_id,
                       case when dice %% 10 < 8 then 'user' when dice %% 10 = 8 then 'role' else 'unit' end as owner_kind,
                       case when dice %% 10 < 6 then 'agent-' || agent when dice %% 10 < 8 then its_user
                            when dice %% 10 = 8 then role else unit end as owner_code
                from (select i, (i - 1) / 3 as k, md5('case {self._seed} ' || (i - 1) / 3)::uuid as case_uuid,
                             {self._chance(4, 10, "(i - 1) / 3")} > 0 as of_case, {self._chance(5, 1_000_000)} as dice,
                             {self._chance(6, 1000)} < case when i / {self._count}::float8 > 0.9 then 800 else 60 end as is_open,
                             1 + {self._chance(7, agents(self._count))} as agent, {self._one_of("users", 8)} as its_user,
                             {self._one_of("roles", 9)} as role, {self._one_of("units", 10, "(i - 1) / 3")} as unit,
                             {self._one_of("subjects", 11, "(i - 1) / 3")} as subject, {self._one_of("priorities", 12)} as priority,
                             {definition} as definition, %(now)s::timestamptz - {age} as planned_at
                      from generate_series({first}::bigint, {last}) i) r
                order by i""",
            self._params,
        )
        tx.execute(
            """insert into cases (id, revision, number, title, subject, unit, owner, state, customer, config_version, plan_revision,
                   planned_at, kind)
               select distinct on (k) case_uuid, 1, 'C-' || lpad(k::text, 7, '0'), 'Case ' || k, subject, unit, null, 'pending', customer,
                      1, 1, planned_at, 'case'
               from made where of_case order by k""",
        )
        # From a week ago to three weeks ahead: a quarter of what is open is overdue.
        due = f"%(now)s::timestamptz + make_interval(mins => {self._chance(13, 40_320)}::int - 10080)"
        tx.execute(
            f"""insert into tasks (id, case_id, definition, config_version, revision, subject_line, description, unit, priority, customer,
                    planned_at, triggered_at, due_at, changed_by, state, status, owner_kind, owner_code, assignee, in_progress_at, ended_at)
                select md5('task {self._seed} ' || i)::uuid, case_id,
                       case when of_case then (%(definitions)s::text[])[definition] end, 1, case when is_open then 1 else 2 end,
                       (%(names)s::text[])[definition], '', unit, priority, case when not of_case then customer end,
                       planned_at, planned_at,
                       case when dice %% 20 = 0 then null when is_open then {due} else planned_at + interval '2 days' end, 'system',
                       state, state, owner_kind, owner_code, case when owner_kind = 'user' then owner_code end,
                       case when state <> 'pending' then planned_at end, case when not is_open then planned_at + interval '1 day' end
                from (select *, case when not is_open then case when dice %% 30 = 0 then 'cancelled' else 'completed' end
                                     when dice %% 40 < 10 and owner_kind = 'user' then 'in_progress' else 'pending' end as state
                      from made) m
                order by i""",
            self._params,
        )
        tx.execute(
            f"""insert into history (task_id, revision, at, changed_by, event, changes)
                select md5('task {self._seed} ' || i)::uuid, 2, planned_at + interval '1 day', 'system',
                       'casestream.task.status-changed.v1', '{{"state": ["pending", "completed"]}}'
                from made where not is_open"""
        )
        tx.execute("drop table made")


def main() -> None:
    """Read the options, load."""
    parser = argparse.ArgumentParser(prog="casestream bench load-tasks", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000, help="(default 1000000)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    checked = check_configuration(SAMPLE_CONFIGURATION.read_text()).configuration
    assert checked is not None
    stack = the_stack()
    url = stack.postgres.provision()["task"] if stack.is_up() else ""
    if not url:
        parser.error("the platform is not up (casestream up)")
    database = Database(with_database(url, stack.postgres.database), service="task")
    try:
        with database.read() as tx:
            if tx.row("select 1 from tasks limit 1"):
                parser.error("there are tasks already; it loads into an empty database only")
        load(database, checked, options.tasks, datetime.now(UTC), options.seed, lambda text: print(text, file=sys.stderr))
    finally:
        database.close()


if __name__ == "__main__":
    main()
