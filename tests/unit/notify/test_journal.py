"""What was sent and not recorded yet, in a file that outlives the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.storage.journal import Journal, JournalTaken
from shared.ids import derive
from tests.support.platform import CLONE

pytestmark = pytest.mark.requirement("NOTE-2", "EDGE-3")


def an_id(number: int) -> UUID:
    return derive("journal", number)


def left_in(folder: Path) -> set[UUID]:
    """What a process that comes after finds."""
    journal = Journal(folder, "send-0")
    try:
        return set(journal.left())
    finally:
        journal.close()


def test_what_was_noted_is_there_for_the_next_process_until_it_is_recorded(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "send-0")
    journal.note(an_id(1))
    journal.note(an_id(2))
    journal.close()
    after = Journal(tmp_path, "send-0")
    assert after.left() == [an_id(1), an_id(2)]
    after.clear()
    after.close()
    assert left_in(tmp_path) == set()


def test_an_entry_that_was_not_written_whole_is_none(tmp_path: Path) -> None:
    (tmp_path / "send-0.1").write_bytes(an_id(1).bytes + an_id(2).bytes[:7])
    assert left_in(tmp_path) == {an_id(1)}


HALF_WRITTEN = """
import resource, sys
from pathlib import Path
from services.notify.storage.journal import Journal
from tests.unit.notify.test_journal import an_id
journal = Journal(Path(sys.argv[1]), "send-0")
resource.setrlimit(resource.RLIMIT_FSIZE, (23, resource.RLIM_INFINITY))
journal.note(an_id(1))
try:
    journal.note(an_id(2))
except OSError:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.note(an_id(3))
"""


def test_what_is_noted_after_the_disk_was_full_within_a_note_can_be_read(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", HALF_WRITTEN, tmp_path], check=True, cwd=CLONE)
    assert left_in(tmp_path) == {an_id(1), an_id(3)}


def test_two_processes_of_one_name_do_not_share_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "send-0")
    with pytest.raises(JournalTaken, match="send-0"):
        Journal(tmp_path, "send-0")
    other = Journal(tmp_path, "send-1")
    other.close()
    journal.close()


# What happens to it, in any order: a message is sent, someone begins to record all that was sent, and that is committed or not.
STEPS = st.lists(st.sampled_from(["sent", "begins", "commits", "fails"]), max_size=40)


@given(steps=STEPS)
def test_whatever_is_not_recorded_is_in_it_and_it_does_not_grow(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, "send-0")
    journal.clear()
    unrecorded: set[UUID] = set()
    batch: set[UUID] | None = None
    for number, step in enumerate(steps):
        if step == "sent":
            unrecorded.add(an_id(number))
            journal.note(an_id(number))
        elif step == "begins" and batch is None:
            journal.turn()
            batch = set(unrecorded)
        elif step == "commits" and batch is not None:
            unrecorded -= batch
            batch = None
            journal.recorded()
        elif step == "fails":
            batch = None
        assert unrecorded <= set(journal.left())
    for _ in range(2):
        journal.turn()
        journal.recorded()
    assert journal.left() == []
    journal.close()
