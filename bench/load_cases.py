"""`casestream bench load-cases`: fills case's tables with made-up customers, communications and cases, as many as one wants.

Everything follows from the seed: what a row holds is a hash of its number. The newest cases are mostly open, the old ones mostly closed; a
contact has many cases or one; texts are in four languages, some words misspelt; `water` stands in about a tenth of them. Every text names a
street; there are the more streets the more cases, so that a street's name stands in about 20 texts however many there are.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg

from bench.indexes import without_indexes
from bench.vocabulary import FIRST_NAMES, LAST_NAMES, SYLLABLES, WORDS
from services.case.storage import search_index
from services.cli.commands.settings import the_stack
from services.cli.stack.platform import SAMPLE_CONFIGURATION
from services.cli.stack.postgres import with_database
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.check import check_configuration
from shared.storage import Database, Transaction

CHUNK = 100_000
"""Cases in one transaction."""
YEARS = 3
SENTENCES = 5_000
CASES_OF_A_STREET = 20
TABLES = ("contacts", "handles", "communications", "cases", "case_communications", "history", "search_documents", "search_words")


def load(
    database: Database,
    configuration: Configuration,
    cases: int,
    contacts: int,
    now: datetime,
    seed: int = 1,
    say: Callable[[str], None] = lambda _text: None,
) -> None:
    """Fill the empty tables of case's schema; the database's role owns them. What was made is indexed and analysed at the end."""
    made = _Maker(configuration, cases, contacts, now, seed)
    started = time.monotonic()

    def step(words: str) -> None:
        say(f"{time.monotonic() - started:6.1f} s  {words}")

    with database.transaction() as tx:
        definitions = without_indexes(tx, TABLES)
        for table in TABLES[:6]:
            tx.execute(f"alter table {table} disable trigger user")
        step("contacts")
        made.contacts(tx)
    for first in range(1, cases + 1, CHUNK):
        last = min(cases, first + CHUNK - 1)
        with database.transaction() as tx:
            made.sentences(tx)
            made.cases(tx, first, last)
        step(f"{last} cases")
    with database.transaction() as tx:
        tx.execute("select setval('case_numbers', %s)", (cases,))
        _restore(tx, [one for one in definitions if "search_" not in one], step)
    for kind in search_index.DOCUMENTS:
        with database.transaction() as tx:
            search_index.make_all(tx, kind)
        step(f"search documents: {kind}")
    with database.transaction() as tx:
        tx.execute("set local work_mem = '256MB'")
        search_index.count_words(tx)
    step("words")
    with database.transaction() as tx:
        _restore(tx, [one for one in definitions if "search_" in one], step)
        for table in TABLES[:6]:
            tx.execute(f"alter table {table} enable trigger user")
    with psycopg.connect(database.url, autocommit=True) as connection:
        for table in TABLES:
            connection.execute(f"vacuum (analyze) {table}".encode())
    step("vacuumed and analysed")


def _restore(tx: Transaction, definitions: Sequence[str], step: Callable[[str], None]) -> None:
    tx.execute("set local maintenance_work_mem = '512MB'")
    for definition in definitions:
        tx.execute(definition)
        step(definition.partition(" USING ")[0].lower())


class _Maker:
    """The statements, over the codes of a configuration."""

    def __init__(self, configuration: Configuration, cases: int, contacts: int, now: datetime, seed: int) -> None:
        self._count, self._contacts, self._seed, self._now = cases, contacts, seed, now
        users: dict[str, list[str]] = {unit.code: [] for unit in configuration.units}
        for user in configuration.users:
            users[user.unit].append(user.user)
        statuses = {str(state): code for state, code in configuration.default_statuses.items()}
        priorities = configuration.prioritisation
        self._params: dict[str, Any] = {
            "now": now,
            "first": FIRST_NAMES.split(),
            "last": LAST_NAMES.split(),
            "syllables": SYLLABLES.split(),
            "units": list(users),
            "owners": ["|".join(owners or [f"{unit}-1", f"{unit}-2"]) for unit, owners in users.items()],
            "subjects": [subject.code for subject in configuration.subjects],
            "methods": [method.code for method in configuration.methods],
            "urgencies": [urgency.code for urgency in priorities.urgencies],
            "impacts": [impact.code for impact in priorities.impacts],
            "cell_urgencies": [cell.urgency for cell in priorities.table],
            "cell_impacts": [cell.impact for cell in priorities.table],
            "cell_priorities": [cell.priority for cell in priorities.table],
            "states": list(statuses),
            "statuses": list(statuses.values()),
            "account": configuration.mail_accounts[0].address if configuration.mail_accounts else "contact@housing.example",
        }
        self._texts = list(self._made_sentences())

    def _chance(self, salt: int, many: int, number: str = "i") -> str:
        """A number from 0 to below `many` that follows from the row's."""
        return f"mod(hashint8extended({number}, {self._seed * 1000 + salt}) & 2147483647, {many})"

    def _one_of(self, name: str, salt: int, number: str = "i") -> str:
        return f"(%({name})s::text[])[1 + {self._chance(salt, len(self._params[name]), number)}]"

    def _made_sentences(self) -> Iterable[str]:
        chance = random.Random(self._seed)
        languages = {language: words.split() for language, words in WORDS.items()}
        stems = sorted({word for words in languages.values() for word in words if len(word) > 4})
        for _ in range(SENTENCES):
            words = languages[chance.choices(list(languages), (60, 20, 12, 8))[0]]
            # As in language, the first words of a list come far more often than the last.
            said = [words[int(len(words) * chance.random() ** 2)] for _ in range(chance.randint(5, 10))]
            if chance.random() < 0.5:
                said.append(chance.choice(stems) + chance.choice(stems))
            if chance.random() < 0.1:
                said[0] = _misspelt(chance, chance.choice(stems))
            if chance.random() < 0.026:
                said.append("water")
            yield " ".join(said).capitalize() + "."

    def _name(self, number: str) -> str:
        return f"{self._one_of('first', 1, number)} || ' ' || {self._one_of('last', 2, number)}"

    def _street(self, salt: int) -> str:
        """A street's name. Streets of neighbouring numbers have names that differ much."""
        many = len(self._params["syllables"])
        street = f"({self._chance(salt, max(1, self._count // CASES_OF_A_STREET))} * 7919::bigint)"
        return " || ".join(f"(%(syllables)s::text[])[1 + {street} / {many**place} %% {many}]" for place in range(3))

    def _email(self, number: str) -> str:
        return f"lower({self._one_of('last', 2, number)}) || '.' || {number} || '@customer.example'"

    def contacts(self, tx: Transaction) -> None:
        """Contacts with an address each, and a telephone number for half of them."""
        series = {"contacts": self._contacts} | self._params
        contact = f"md5('contact {self._seed} ' || i)::uuid"
        tx.execute(
            f"""insert into contacts (id, revision, account_id, name, email, created_at)
                select {contact}, 1, null, {self._name("i")}, {self._email("i")},
                       %(now)s::timestamptz - make_interval(days => {YEARS * 365}) * (1 - i / %(contacts)s::float8)
                from generate_series(1::bigint, %(contacts)s) i""",
            series,
        )
        tx.execute(
            f"""insert into handles (kind, value, contact_id)
                select 'email', {self._email("i")}, {contact} from generate_series(1::bigint, %(contacts)s) i
                union all
                select 'phone', '+316' || lpad({self._chance(3, 100_000_000)}::text, 8, '0'), {contact}
                from generate_series(1::bigint, %(contacts)s, 2) i""",
            series,
        )

    def sentences(self, tx: Transaction) -> None:
        """The sentences that texts consist of, for this transaction."""
        tx.execute("create temporary table sentences (n bigint primary key, said text not null) on commit drop")
        tx.execute("insert into sentences select n - 1, said from unnest(%s::text[]) with ordinality as t (said, n)", (self._texts,))
        tx.execute("analyze sentences")

    def cases(self, tx: Transaction, first: int, last: int) -> None:
        """Communications, the case that each opened, and the history of it."""
        some = [f"{self._chance(10 + n, SENTENCES)}" for n in range(5)]
        # Squared: a few contacts have many cases.
        contact = f"(1 + ({self._chance(20, 1_000_000)} / 1000000.0) ^ 2 * {self._contacts})::bigint"
        share = f"i / {self._count}::float8"
        states = """case when is_open then (array['pending', 'pending', 'pending', 'responded', 'finally_resolved'])[1 + dice %% 5]
                         when dice %% 10 = 0 then 'cancelled' else 'completed' end"""
        tx.execute(
            f"""create temporary table made on commit drop as
                select r.*, {self._name("person")} as name, {self._email("person")} as email, {states} as state,
                       opened_at + make_interval(hours => (2 + dice %% 300)::int) as closed_at,
                       md5('contact {self._seed} ' || person)::uuid as contact_id,
                       md5('mail {self._seed} ' || i)::uuid as mail_id, md5('case {self._seed} ' || i)::uuid as case_id,
                       md5('conversation {self._seed} ' || i)::uuid as thread_id,
                       rtrim(s0.said, '.') as title,
                       concat_ws(' ', 'Dear all,', s1.said, s2.said, s3.said, s4.said, street, 'Ref ' || i) as body
                from (select i, {contact} as person, {self._chance(21, 1_000_000)} as dice,
                             {self._chance(22, 1000)} < case when {share} > 0.95 then 800 else 60 end as is_open,
                             %(now)s::timestamptz - make_interval(days => {YEARS * 365}) * (1 - {share})
                                 - make_interval(secs => 1) as opened_at,
                             {self._one_of("subjects", 23)} as subject, {self._one_of("methods", 24)} as method,
                             {self._one_of("urgencies", 25)} as urgency, {self._one_of("impacts", 26)} as impact,
                             1 + {self._chance(27, len(self._params["units"]))} as unit, {self._street(28)} as street,
                             {", ".join(f"{one} as n{n}" for n, one in enumerate(some))}
                      from generate_series({first}::bigint, {last}) i) r
                {" ".join(f"join sentences s{n} on s{n}.n = r.n{n}" for n in range(5))}
                order by i""",
            self._params,
        )
        tx.execute(
            """insert into communications (id, revision, config_version, conversation_id, effect, direction, method, channel_account,
                   location, sender_kind, sender, sender_name, recipients, contact_id, subject_line, body, body_truncated, message_id,
                   in_reply_to, reference_ids, robot, raw_sha256, raw_size, occurred_at, received_at, expired_at)
               select mail_id, 1, 1, thread_id, 'opens', 'inbound', method, %(account)s, '', 'email', email, name,
                      array[%(account)s::text], contact_id, title, body, false, '<' || i || '@customer.example>', '', '{}', 'none', null,
                      null, opened_at, opened_at, null
               from made""",
            self._params,
        )
        tx.execute(
            f"""insert into cases (id, number, revision, config_version, subject, title, communication_id, conversation_id, method,
                    contact_id, account_id, customer_name, customer_email, state, status, status_before, urgency, impact, priority,
                    category, unit, owner, waiting_for_customer, needs_review, reason, opened_at, responded_at, resolved_at,
                    completed_at, expected_completion_at, changed_at, changed_by)
                select case_id, 'C-' || extract(year from opened_at) || '-' || lpad(i::text, greatest(6, length(i::text)), '0'), 1, 1,
                       subject, title, mail_id, thread_id, method, contact_id, null, name, email, state, s.status, null, urgency, impact,
                       coalesce(p.priority, 'normal'), '', (%(units)s::text[])[unit],
                       case when is_open and dice %% 4 = 0 then null
                            else (string_to_array((%(owners)s::text[])[unit], '|'))[1 + dice %% cardinality(
                                     string_to_array((%(owners)s::text[])[unit], '|'))] end,
                       is_open and dice %% 7 = 0, is_open and dice %% 97 = 0, '', opened_at,
                       case when state <> 'pending' then opened_at + interval '1 hour' end,
                       case when state in ('completed', 'finally_resolved') then closed_at end,
                       case when not is_open then closed_at end,
                       case when dice %% 20 > 2 then opened_at + make_interval(days => {self._chance(30, 40)}::int + 1) end,
                       case when is_open then opened_at else closed_at end, 'system'
                from made join unnest(%(states)s::text[], %(statuses)s::text[]) as s (its_state, status) on s.its_state = state
                left join unnest(%(cell_urgencies)s::text[], %(cell_impacts)s::text[], %(cell_priorities)s::text[])
                    as p (its_urgency, its_impact, priority) on p.its_urgency = urgency and p.its_impact = impact""",
            self._params,
        )
        tx.execute("insert into case_communications (communication_id, case_id, position) select mail_id, case_id, 0 from made")
        tx.execute(
            """insert into history (case_id, revision, field, old_value, new_value, changed_by, changed_at)
               select case_id, 1, 'communication', null, mail_id::text, 'system', opened_at from made
               union all select case_id, 1, 'state', null, 'pending', 'system', opened_at from made
               union all select case_id, 1, 'state', 'pending', state, 'system', closed_at from made where not is_open"""
        )
        tx.execute("drop table made")


def _misspelt(chance: random.Random, word: str) -> str:
    place = chance.randrange(1, len(word) - 1)
    if chance.random() < 0.5:
        return word[:place] + word[place + 1 :]
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def main() -> None:
    """Read the options, load."""
    parser = argparse.ArgumentParser(prog="casestream bench load-cases", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000, help="(default 1000000)")
    parser.add_argument("--contacts", type=int, default=200_000, help="(default 200000)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    checked = check_configuration(SAMPLE_CONFIGURATION.read_text()).configuration
    assert checked is not None
    stack = the_stack()
    url = stack.postgres.provision()["case"] if stack.is_up() else ""
    if not url:
        parser.error("the platform is not up (casestream up)")
    database = Database(with_database(url, stack.postgres.database), service="case")
    try:
        with database.read() as tx:
            if tx.row("select 1 from cases limit 1"):
                parser.error("there are cases already; it loads into an empty database only")
        load(database, checked, options.cases, options.contacts, datetime.now(UTC), options.seed, lambda text: print(text, file=sys.stderr))
    finally:
        database.close()


if __name__ == "__main__":
    main()
