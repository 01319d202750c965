"""`casestream bench records`: what staff look at, among a million cases: a customer's page, a unit's list by due date, and search.

Each page is asked for over HTTP beside two others in the same run: its bare SQL (the statements that the service ran for it, by the same
driver), and an endpoint that only checks the token. `ratio` is the page's median over the sum of theirs. `pages` are the 8 KB pages of the
database that its SQL touches, among 10,000 cases and among all. Searches for a word, for two and for a misspelt one are for words that
stand in as many documents here as there (`matches`); a name and frequent words have more matches the more cases there are. Nothing is
published, so there is no Kafka.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.load_cases import load
from bench.pages import CLONE, loaded, measured, pages_touched, sample, served, statements_of
from bench.pipeline import say
from bench.vocabulary import STREET
from services.cli.stack.postgres import Postgres
from shared.storage import Database
from shared.web.permissions import PERMISSIONS, Grant
from shared.web.tokens import TokenSigner, new_signing_key

FOUND = 20
"""In how many documents the words stand that are searched for, among few cases and among many; they are names of streets."""
VARIANTS = 20
"""Different pages of each kind, asked for in turn."""


class Pages:
    """The addresses that are asked for, drawn from what there is."""

    def __init__(self, database: Database, seed: int) -> None:
        self._chance = random.Random(seed)
        with database.read() as tx:
            self._contacts = [row[0] for row in tx.rows("select id from contacts order by md5(id::text) limit 2000")]
            self._names = [row[0] for row in tx.rows("select name from contacts order by md5(id::text) limit 2000")]
            self._units = [row[0] for row in tx.rows("select unit from cases where is_open group by unit order by count(*) desc")]
            words = "select word from search_words where documents = %s and word ~ %s order by md5(word) limit 500"
            self._words = [row[0] for row in tx.rows(words, (FOUND, STREET))]

    def urls(self) -> dict[str, list[str]]:
        """Kind of page -> its addresses."""
        draw = self._chance.choice
        kinds: dict[str, Callable[[], str]] = {
            "customer": lambda: f"/contacts/{draw(self._contacts)}",
            "list_by_due": lambda: f"/cases?unit={draw(self._units)}&open=true&sort=due&limit=50",
            "list_by_priority": lambda: f"/cases?unit={draw(self._units)}&open=true&sort=-priority&limit=50",
            "search_word": lambda: f"/search?q={draw(self._words)}",
            # Every text begins with the second.
            "search_two_words": lambda: f"/search?q={draw(self._words)} dear",
            "search_misspelt": lambda: f"/search?q={self._misspelt(draw(self._words))}",
            "search_name": lambda: f"/search?q={draw(self._names)}",
            "search_frequent_word": lambda: f"/search?q={draw(('water', 'water the', 'all of', 'water all'))}",
            "figures": lambda: "/figures",
        }
        return {kind: [url() for _ in range(VARIANTS)] for kind, url in kinds.items()}

    def _misspelt(self, word: str) -> str:
        place = self._chance.randrange(1, max(2, len(word) - 1))
        return word[:place] + word[place + 1 : place + 2] + word[place : place + 1] + word[place + 2 :]


def matches(database: Database, pages: list[str]) -> int:
    """How many documents have all words of these searches, the median; those of misspelt words have none."""
    with database.read() as tx:
        counted = "select count(*) from search_documents where words @@ plainto_tsquery('words', %s)"
        return int(statistics.median(tx.rows(counted, (page.partition("q=")[2],))[0][0] for page in pages))


def run(folder: Path, count: int, rounds: int, existing: tuple[str, str] | None = None) -> dict[str, Any]:
    """The whole benchmark. `existing`: the URLs of databases that were loaded before, with few cases and with many."""
    configuration = sample()
    key = new_signing_key()
    signer = TokenSigner(key)
    token = signer.user_token("bench", ["manager"], "", Grant(frozenset(PERMISSIONS), "all"), datetime.now(UTC), timedelta(hours=2))
    headers = {"Authorization": f"Bearer {token}"}
    few, many = existing or loaded(
        "case", folder, count, lambda database, cases: load(database, configuration, cases, cases // 5, datetime.now(UTC), say=say)
    )
    found: dict[str, Any] = {}
    bare = Database(many, service="case")
    small = Database(few, service="case")
    say("measuring")
    kinds, kinds_of_few = Pages(bare, 1).urls(), Pages(small, 1).urls()
    with served("case", many, configuration, key, headers) as client:
        for kind, urls in kinds.items():
            calls = [(url, headers) for url in urls]
            made = statements_of("case", many, configuration, signer, calls)
            made_of_few = statements_of("case", few, configuration, signer, [(url, headers) for url in kinds_of_few[kind]])
            found[kind] = measured(client, bare, calls, made, rounds) | {
                "pages_few": pages_touched("case", few, made_of_few),
                "pages_many": pages_touched("case", many, made),
            }
            if kind.startswith("search"):
                found[kind] |= {"matches_few": matches(small, kinds_of_few[kind]), "matches_many": matches(bare, urls)}
            say(f"{kind}: {found[kind]}")
    bare.close()
    small.close()
    return found


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(prog="casestream bench records", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000, help="(default 1000000)")
    parser.add_argument("--rounds", type=int, default=200, help="requests of each kind (default 200)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    folder = CLONE / ".casestream" / "bench" / f"records-{os.getpid()}"
    try:
        found = run(folder, options.cases, options.rounds)
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
