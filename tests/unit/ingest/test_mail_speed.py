"""Reading a whole mail costs less than the standard library takes to take it apart."""

import email
import time
from collections.abc import Callable

from services.ingest.domain.mail import parse_mail
from tests.support.mails import ordinary_mails


def _take_apart(raw: bytes) -> None:
    for part in email.message_from_bytes(raw).walk():
        part.get_payload(decode=True)


def _seconds(work: Callable[[bytes], object], mails: list[bytes]) -> float:
    before = time.process_time()
    for raw in mails:
        work(raw)
    return time.process_time() - before


def test_parsing_is_faster_than_the_standard_library_splitting() -> None:
    mails = list(ordinary_mails(20, seed=5))
    # In turn and the best of several, so that a busy machine slows both alike.
    rounds = [(_seconds(parse_mail, mails), _seconds(_take_apart, mails)) for _ in range(15)]
    assert min(ours for ours, _ in rounds) < min(theirs for _, theirs in rounds)
