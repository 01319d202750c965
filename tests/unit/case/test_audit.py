"""The audit log's chain: whatever is done to an entry or a seal is found, and erasing for privacy is not taken for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.case.domain.audit import NOTHING, Entry, Seal, Sealed, Verdict, Verifier, seal, sealed
from services.case.domain.retention import ERASED

pytestmark = pytest.mark.requirement("EDGE-17")
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
Chain = list[tuple[Seal, list[tuple[Sealed, Entry | None]]]]


def an_entry(number: int, old: str | None = "new", new: str | None = "closed") -> Entry:
    return Entry("history", number, ("a case", number, "status", "rita", AT + timedelta(minutes=number)), (old, new))


def a_chain(*sizes: int) -> Chain:
    chain: Chain = []
    number, previous = 0, NOTHING
    for place, size in enumerate(sizes, start=1):
        entries = [an_entry(number + at) for at in range(size)]
        number += size
        kept = [sealed(entry, bytes([entry.id % 256] * 16)) for entry in entries]
        link = seal(place, previous, AT + timedelta(hours=place), [one.digest for one in kept])
        previous = link.digest
        chain.append((link, list(zip(kept, entries, strict=True))))
    return chain


def verified(chain: Chain, anchors: Sequence[tuple[int, str]] = ()) -> Verdict:
    verifier = Verifier(anchors)
    for link, kept in chain:
        verifier.check(link, kept)
    return verifier.finish(0)


def erase(chain: Chain, at: int, place: int) -> None:
    """As erasing for privacy does: the texts become the mark, the salt goes."""
    kept, entry = chain[at][1][place]
    assert entry is not None
    texts = tuple(None if text is None else ERASED for text in entry.texts)
    chain[at][1][place] = (kept._replace(salt=None), entry._replace(texts=texts))


@given(st.lists(st.integers(0, 5), max_size=5), st.data())
def test_a_chain_verifies_whatever_was_erased_for_privacy(sizes: list[int], data: st.DataObject) -> None:
    chain = a_chain(*sizes)
    places = [(at, place) for at, size in enumerate(sizes) for place in range(size)]
    erased = data.draw(st.sets(st.sampled_from(places))) if places else set()
    for at, place in erased:
        erase(chain, at, place)
    verdict = verified(chain, [(link.number, link.digest.hex()) for link, _ in chain])
    assert (verdict.faults, verdict.entries, verdict.erased, verdict.seals) == (0, sum(sizes), len(erased), len(sizes))


def a_change(link: int, place: int, change: Callable[[Sealed, Entry], tuple[Sealed, Entry | None]]) -> Callable[[Chain], None]:
    def do(chain: Chain) -> None:
        kept, entry = chain[link][1][place]
        assert entry is not None
        chain[link][1][place] = change(kept, entry)

    return do


def made_anew(chain: Chain) -> None:
    """Somebody with the whole database makes the chain again from the second seal, with an entry that never was."""
    kept = sealed(an_entry(3, new="cancelled"), bytes(16))
    chain[1][1][0] = (kept, an_entry(3, new="cancelled"))
    link = chain[1][0]
    first = seal(2, link.previous, link.sealed_at, [one.digest for one, _ in chain[1][1]])
    last = chain[2][0]
    chain[1] = (first, chain[1][1])
    chain[2] = (seal(3, first.digest, last.sealed_at, [one.digest for one, _ in chain[2][1]]), chain[2][1])


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (a_change(1, 0, lambda kept, entry: (kept, entry._replace(texts=("new", "cancelled")))), "entry 3 of history (seal 2) was changed"),
        (
            a_change(1, 0, lambda kept, entry: (kept, entry._replace(values=(*entry.values[:3], "dan", AT)))),
            "entry 3 of history (seal 2) was",
        ),
        (a_change(1, 0, lambda kept, entry: (kept._replace(salt=None), entry)), "entry 3 of history (seal 2) was changed"),
        (
            a_change(1, 0, lambda kept, entry: (kept._replace(salt=None), entry._replace(values=("x",), texts=(ERASED, ERASED)))),
            "entry 3 of history (seal 2) was changed",
        ),
        (a_change(1, 0, lambda kept, _: (kept, None)), "entry 3 of history (seal 2) is gone"),
        (a_change(1, 0, lambda _, __: (sealed(an_entry(9), bytes(16)), an_entry(9))), "seal 2 is not that of its 2 entries"),
        (lambda chain: chain[1][1].pop(), "seal 2 is not that of its 1 entries"),
        (lambda chain: chain[1][1].reverse(), "seal 2 is not that of its 2 entries"),
        (lambda chain: chain.pop(1), "seal 2 is missing"),
        (lambda chain: chain.__setitem__(1, (chain[1][0]._replace(sealed_at=AT), chain[1][1])), "seal 2 was changed"),
        (
            lambda chain: chain.__setitem__(1, (chain[1][0]._replace(previous=bytes(32)), chain[1][1])),
            "seal 2 does not follow the one before it",
        ),
        (lambda chain: chain.pop(), "seal 3, which was kept elsewhere, is missing: the chain ends at 2"),
        (made_anew, "seal 3 is not the one that was kept elsewhere: the chain was made anew"),
    ],
)
def test_whatever_is_done_to_the_log_is_found_and_said(tamper: Callable[[Chain], object], told: str) -> None:
    chain = a_chain(3, 2, 2)
    anchors = [(link.number, link.digest.hex()) for link, _ in chain[2:]]
    tamper(chain)
    verdict = verified(chain, anchors)
    assert verdict.faults
    assert any(problem.startswith(told) for problem in verdict.problems), verdict.problems
