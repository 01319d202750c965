"""Reading old mailboxes, and going on after an interruption wherever it came."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.__main__ import app
from services.cli.imports import mbox
from services.cli.imports.folder import Folder
from services.cli.imports.journal import Journal, JournalError
from services.cli.imports.mbox import Mbox
from services.cli.imports.run import Pace, Result, import_mails, open_source, survey
from services.cli.imports.source import Source, SourceError
from services.cli.stack.errors import RefusedError
from tests.support.mails import raw_mail

KEY = ("box", "contact@housing.example", "here", "")
FROM = b"From ann@tenant.example Mon Mar  2 09:30:00 2026\n"


def a_mail(number: int, body: str = "Hello\n") -> bytes:
    return raw_mail(f"Message-ID: <old{number}@tenant.example>", body, line_end="\n")


def an_mbox(path: Path, mails: Sequence[bytes]) -> Path:
    path.write_bytes(b"".join(FROM + mail + b"\n" for mail in mails))
    return path


def raws(source: Source, marks: Sequence[object] = ()) -> list[bytes | None]:
    return [item.raw for item in source.read(list(marks))]


def nothing(*_: object) -> None:
    pass


def quick() -> Pace:
    return Pace(3, clock=lambda: 0.0, sleep=nothing)


def test_the_mails_of_an_mbox_are_as_they_were_before_they_were_put_there(tmp_path: Path) -> None:
    first = a_mail(1, ">From here on\n>>From there\nFrom the start it leaked.\n\nFrom 9 to 5 we are out.\n")
    crlf = raw_mail(body="two\n\n")
    content = b"\n" + FROM + first + b"\n" + FROM.replace(b"\n", b"\r\n") + crlf + b"\r\n" + b"From \r\n" + crlf + b"\r\n" + FROM + b"\n"
    (tmp_path / "box").write_bytes(content)
    unescaped = first.replace(b">From here", b"From here").replace(b">>From", b">From")
    assert raws(Mbox(tmp_path / "box")) == [unescaped, crlf, crlf, b""]


def test_an_mbox_goes_on_after_any_of_its_mails_and_begins_anew_when_it_is_another(tmp_path: Path) -> None:
    mails = [a_mail(n) for n in range(5)]
    box = Mbox(an_mbox(tmp_path / "box", mails))
    marks = [item.mark for item in box.read([])]
    assert [raws(box, marks[:n]) for n in range(6)] == [mails[n:] for n in range(6)]
    more = [*mails, a_mail(6)]
    assert raws(Mbox(an_mbox(tmp_path / "box", more)), marks) == more[5:]
    assert raws(Mbox(an_mbox(tmp_path / "box", mails[1:])), marks[:3]) == mails[1:]


def test_a_mail_that_is_too_large_is_named_and_not_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mbox, "LARGEST_BYTES", 1000)
    mails = [a_mail(1), a_mail(2, "x" * 3_000_000 + "\n"), a_mail(3)]
    items = list(Mbox(an_mbox(tmp_path / "box", mails)).read([]))
    assert [item.raw for item in items] == [mails[0], None, mails[2]]
    assert items[1].place.endswith(f"box at byte {len(FROM + mails[0]) + 1}")
    assert items[1].problem.startswith("larger than")


def test_a_mail_that_follows_without_an_empty_line_is_a_mail_of_its_own(tmp_path: Path) -> None:
    first, second = a_mail(1, "We met\nFrom 9:30 to noon on 3 March 2026 it leaked.\n"), a_mail(2)
    (tmp_path / "box").write_bytes(FROM + first + FROM + second)
    assert raws(Mbox(tmp_path / "box")) == [first, second]


def test_what_is_no_mailbox_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_bytes(b"Dear Sirs\n")
    (tmp_path / "empty").mkdir()
    for name in ("letter.txt", "empty"):
        with pytest.raises(SourceError, match=name):
            open_source(tmp_path / name)


def test_a_maildir_is_read_whole_and_a_flag_makes_no_new_mail(tmp_path: Path) -> None:
    for part in ("new", "cur", "tmp"):
        (tmp_path / part).mkdir()
    (tmp_path / "cur" / "100.a:2,S").write_bytes(b"one")
    (tmp_path / "new" / "200.b").write_bytes(b"two")
    (tmp_path / "tmp" / "300.c").write_bytes(b"unfinished")
    items = list(Folder(tmp_path).read([]))
    assert [item.raw for item in items] == [b"one", b"two"]
    (tmp_path / "new" / "200.b").rename(tmp_path / "cur" / "200.b:2,RS")
    (tmp_path / "new" / "050.late").write_bytes(b"three")
    assert raws(Folder(tmp_path), [item.mark for item in items]) == [b"three"]


def test_a_folder_of_files_is_read_with_those_below_and_without_what_leads_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "2019").mkdir()
    (tmp_path / "2019" / "b.EML").write_bytes(b"below")
    (tmp_path / "a.eml").write_bytes(b"here")
    (tmp_path / "notes.txt").write_bytes(b"no mail")
    (tmp_path / "z.eml").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.eml")
    items = {item.place.rpartition("/")[2]: (item.raw, item.mark) for item in Folder(tmp_path).read([])}
    assert items == {"b.EML": (b"below", "2019/b.EML"), "a.eml": (b"here", "a.eml"), "z.eml": (None, None), "pipe.eml": (None, None)}


class Killed(BaseException):
    pass


@pytest.mark.requirement("EDGE-3")
@pytest.mark.parametrize("kind", ["mbox", "folder"])
def test_an_import_that_is_killed_at_any_point_goes_on_and_loses_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = [a_mail(n) for n in range(10)]
    for n, mail in enumerate(mails):
        (tmp_path / f"{n}.eml").write_bytes(mail)
    path = tmp_path if kind == "folder" else an_mbox(tmp_path / "box", mails)
    note = Journal.note
    # Each step is a batch that is sent, or one that is noted; it is killed before, midway, or after.
    for victim in range(8):
        for when in ("before", "midway", "after"):
            taken: list[bytes] = []
            journal = tmp_path / f"journal-{victim}-{when}"
            steps = iter(range(100))

            def step(work: Callable[[], None], midway: Callable[[], None], steps=steps, victim=victim, when=when) -> None:  # type: ignore[no-untyped-def]
                now = next(steps) == victim
                if now and when != "after":
                    if when == "midway":
                        midway()
                    raise Killed
                work()
                if now:
                    raise Killed

            def send(batch: Sequence[bytes], taken=taken, step=step) -> None:  # type: ignore[no-untyped-def]
                step(lambda: taken.extend(batch), lambda: taken.extend(batch[:1]))

            def noting(self: Journal, *given: object, step=step, journal=journal) -> None:  # type: ignore[no-untyped-def]
                def half() -> None:
                    with journal.open("ab") as file:
                        file.write(b'{"key": ["box", "con')

                step(lambda: note(self, *given), half)  # type: ignore[arg-type]

            monkeypatch.setattr(Journal, "note", noting)
            with pytest.raises(Killed), Journal(journal) as kept:
                import_mails(open_source(path), KEY, kept, send, quick(), None, nothing, Result())
            sent_before = len(taken)
            result = Result()
            with Journal(journal) as kept:
                import_mails(open_source(path), KEY, kept, send, quick(), None, nothing, result)
            assert set(taken) == set(mails)
            assert len(taken) - len(mails) <= 3, "no more than the batch that was under way is sent again"
            assert result.earlier + result.imported == 10
            assert sent_before + result.imported >= 10
            with Journal(journal) as kept:
                import_mails(open_source(path), KEY, kept, pytest.fail, quick(), None, nothing, Result())


def test_a_journal_serves_one_import_at_a_time_and_spares_other_files(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal"), pytest.raises(JournalError, match="under way"):
        Journal(tmp_path / "journal")
    box = an_mbox(tmp_path / "box", [a_mail(1)])
    before = box.read_bytes()
    with pytest.raises(JournalError, match="not the journal"):
        Journal(box)
    assert box.read_bytes() == before
    with pytest.raises(JournalError, match="--journal"):
        Journal(tmp_path / "nowhere" / "journal")
    with (tmp_path / "journal").open("ab") as file:
        file.write(b"[]\n")
    with pytest.raises(JournalError, match="journal:2 is damaged"):
        Journal(tmp_path / "journal")


def test_what_ingest_does_not_take_is_skipped_and_told_again_but_not_sent_again(tmp_path: Path) -> None:
    mails = [a_mail(1), a_mail(2, "x" * 1000), a_mail(3)]
    box = open_source(an_mbox(tmp_path / "box", mails))
    sent: list[bytes] = []

    def send(batch: Sequence[bytes]) -> None:
        if sum(map(len, batch)) > 1000:
            raise RefusedError("too large", 413)
        sent.extend(batch)

    for _ in range(2):
        result = Result()
        with Journal(tmp_path / "journal") as kept:
            import_mails(box, KEY, kept, send, quick(), None, nothing, result)
        assert sent == [mails[0], mails[2]]
        assert (result.imported + result.earlier, len(result.skipped)) == (2, 1)


def test_a_refusal_stops_the_import(tmp_path: Path) -> None:
    def send(_: Sequence[bytes]) -> None:
        raise RefusedError("no such account", 422)

    with pytest.raises(RefusedError), Journal(tmp_path / "journal") as kept:
        import_mails(open_source(an_mbox(tmp_path / "box", [a_mail(1)])), KEY, kept, send, quick(), None, nothing, Result())


def test_newer_mails_are_left_to_the_mailbox(tmp_path: Path) -> None:
    old = raw_mail("Date: Mon, 02 Mar 2020 09:30:00 +0000", line_end="\n") + b"\n"
    path = an_mbox(tmp_path / "box", [a_mail(1), old])
    sent: list[bytes] = []
    result = Result()
    with Journal(tmp_path / "journal") as kept:
        import_mails(open_source(path), KEY, kept, sent.extend, quick(), datetime(2021, 1, 1, tzinfo=UTC), nothing, result)
    assert (sent, result.newer) == ([old], 1)


def test_the_pace_leaves_room_and_makes_up_for_nothing() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    pace = Pace(10, clock=lambda: now[0], sleep=sleep)
    times = []
    for _ in range(3):
        pace.wait(10)
        times.append(now[0])
    now[0] = 100.0
    for _ in range(2):
        pace.wait(5)
        times.append(now[0])
    assert (pace.batch, times) == (10, [0.0, 1.0, 2.0, 100.0, 100.5])
    assert (Pace(0.5).batch, Pace(5000).batch) == (1, 100)


def test_a_dry_run_counts_and_changes_nothing(tmp_path: Path) -> None:
    late = raw_mail("Date: Tue, 03 Mar 2026 10:00:00 +0000", line_end="\n") + b"\n"
    bare = b"From: ann@tenant.example\nSubject: x\n\nx\n"
    path = an_mbox(tmp_path / "box", [a_mail(1), late, bare, bytes(range(256)).replace(b"\n", b"") * 3])
    found = survey([open_source(path)], None, nothing)
    assert (found.mails, found.undated, len(found.skipped)) == (4, 2, 1)
    done = CliRunner().invoke(app, ["mail", "import", str(path), "--account", "a@b.example", "--dry-run", "--json"])
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert (told["mails"], told["earliest"], told["latest"]) == (4, "2026-03-02T09:30:00+01:00", "2026-03-03T10:00:00+00:00")
    assert "not a mail" in told["skipped"][0]["problem"]
    assert [file.name for file in tmp_path.iterdir()] == ["box"]
