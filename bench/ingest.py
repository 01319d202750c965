"""`casestream bench ingest`: mails a second through ingest on one core (parse, store, publish to a real Kafka), beside bare parsers.

The intake is pinned to one core; Kafka has the others. The peers parse the same mails on the same core and do nothing else with them:
fast-mail-parser (a wrapped Rust library) and the standard library. Starts a Kafka of its own and removes it, unless CASESTREAM_KAFKA names
one.
"""

from __future__ import annotations

import argparse
import email
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.policy import default as modern
from pathlib import Path
from typing import Any

import fast_mail_parser

from services.cli.stack.kafka import Kafka
from services.ingest.domain.mail import parse_mail
from services.ingest.handlers.mails import MailIntake
from shared.messaging import StaticReference
from shared.messaging.direct import DirectPublisher
from shared.messaging.topics import create_topics
from shared.observability import configure_logging
from shared.roles import collect_rarely
from shared.schemas.configuration.check import check_configuration
from shared.storage.objects import ObjectStore
from tests.support.mails import ordinary_mails

CLONE = Path(__file__).parents[1]
FOLDER = CLONE / ".casestream" / "bench"
BATCH = 100
ROUNDS = 3
"""The parsers are timed so often; the best of each counts."""


def say(text: str) -> None:
    """Progress, beside the result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextmanager
def platform() -> Iterator[tuple[str, Path]]:
    """Kafka's address and a folder, for this run alone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="ingest-", dir=FOLDER))
    kafka = Kafka(folder, external=os.environ.get("CASESTREAM_KAFKA"), progress=say)
    try:
        yield kafka.start(), folder
    finally:
        kafka.stop()
        shutil.rmtree(folder, ignore_errors=True)


def the_mails(count: int) -> list[bytes]:
    """Different mails of 3 KB, a fifth with a 20 KB file: bodies from a seeded corpus, each with identities of its own."""
    corpus = list(ordinary_mails(500, seed=7))
    return [b"X-Number: %d\r\n" % n + corpus[n % 500].replace(b"Message-ID: <", b"Message-ID: <%d." % n, 1) for n in range(count)]


def take_in(kafka: str, folder: Path, mails: Sequence[bytes]) -> dict[str, Any]:
    """All of ingest's work on `mails`."""
    prefix = f"bench{secrets.token_hex(3)}."
    create_topics(kafka, prefix, 1)
    configuration = check_configuration((CLONE / "config" / "housing.yaml").read_text()).configuration
    assert configuration is not None
    publisher = DirectPublisher(kafka, prefix)
    intake = MailIntake(StaticReference(configuration), ObjectStore((folder / "objects").as_uri()), publisher)
    account = configuration.mail_accounts[0].address
    intake.deliver_mails(mails[:BATCH], account, datetime.now(UTC))  # connections are made
    seconds, cpu = time.perf_counter(), time.process_time()
    taken = set()
    for at in range(BATCH, len(mails), BATCH):
        taken.update(intake.deliver_mails(mails[at : at + BATCH], account, datetime.now(UTC)))
    seconds, cpu = time.perf_counter() - seconds, time.process_time() - cpu
    publisher.close()
    if len(taken) != len(mails) - BATCH:
        raise AssertionError(f"{len(taken)} communications of {len(mails) - BATCH} mails")
    return {"mails_per_second": round(len(taken) / seconds), "cpu_us_per_mail": round(cpu / len(taken) * 1e6)}


def parsed_per_second(parse: Callable[[bytes], object], mails: Sequence[bytes]) -> int:
    """The best of several rounds."""
    best = 0.0
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for mail in mails:
            parse(mail)
        best = max(best, len(mails) / (time.perf_counter() - started))
    return round(best)


def by_standard_library(raw: bytes) -> None:
    """What reading a mail takes at least: fields decoded, bodies and files too."""
    message = email.message_from_bytes(raw, policy=modern)
    for name in ("From", "To", "Subject", "Date", "Message-ID"):
        str(message[name])
    for part in message.walk():
        if not part.is_multipart():
            part.get_content()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="casestream bench ingest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mails", type=int, default=20_000)
    parser.add_argument("--json", action="store_true", help="One JSON object instead of lines.")
    options = parser.parse_args()
    configure_logging("ingest", "bench", "WARNING")
    with platform() as (kafka, folder):
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(cores)})
        collect_rarely()  # as the service's own start does
        mails = the_mails(options.mails)
        say(f"taking in {len(mails):,} mails on one of {len(cores)} cores")
        result: dict[str, Any] = {"mails": len(mails)} | take_in(kafka, folder, mails)
    some = mails[:2000]
    say("parsing them without anything else")
    result |= {
        "parser_per_second": parsed_per_second(parse_mail, some),
        "fast_mail_parser_per_second": parsed_per_second(fast_mail_parser.parse_email, some),
        "standard_library_per_second": parsed_per_second(by_standard_library, some[:500]),
    }
    result["ratio_fast_mail_parser"] = round(result["mails_per_second"] / result["fast_mail_parser_per_second"], 3)
    result["ratio_standard_library"] = round(result["mails_per_second"] / result["standard_library_per_second"], 2)
    if options.json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        sys.stdout.write("".join(f"{name:32} {value:>12,}\n" for name, value in result.items()))


if __name__ == "__main__":
    main()
