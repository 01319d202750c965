"""A Maildir as a channel."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from services.ingest.gateways import maildir
from services.ingest.gateways.maildir import MaildirSource
from services.ingest.gateways.source import GatewayError


@pytest.fixture
def box(tmp_path: Path) -> Path:
    folder = tmp_path / "contact"
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir(parents=True)
    return folder


def deliver(box: Path, name: str, content: bytes = b"Subject: x\r\n\r\nx") -> None:
    (box / "tmp" / name).write_bytes(content)
    (box / "tmp" / name).rename(box / "new" / name)


@pytest.mark.requirement("COM-3")
def test_mails_come_in_order_and_move_once_they_are_acknowledged(box: Path) -> None:
    for number in (2, 1, 3):
        deliver(box, f"170000000{number}.a.host", b"%d" % number)
    source = MaildirSource(box)
    batch = source.fetch({}, 2)
    assert (list(batch.items), batch.is_more) == ([b"1", b"2"], True)
    assert source.fetch({}, 2) == batch  # as after a crash: nothing was acknowledged
    source.acknowledge(batch)
    source.acknowledge(batch)
    assert sorted(path.name for path in (box / "cur").iterdir()) == ["1700000001.a.host:2,S", "1700000002.a.host:2,S"]
    rest = MaildirSource(box).fetch(batch.cursor, 2)
    assert (list(rest.items), rest.is_more) == ([b"3"], False)


def test_a_portion_is_bounded_in_bytes_but_never_empty(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maildir, "BATCH_BYTES", 10)
    deliver(box, "1", b"x" * 50)
    deliver(box, "2", b"y")
    batch = MaildirSource(box).fetch({}, 10)
    assert (list(batch.items), batch.is_more) == ([b"x" * 50], True)


def test_what_is_no_mail_is_left_alone_and_holds_nobody_up(box: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (box / "new" / "1-link").symlink_to(tmp_path / "secret")
    (box / "new" / ".hidden").write_text("x")
    (box / "new" / "folder").mkdir()
    deliver(box, "2", b"mail")
    batch = MaildirSource(box).fetch({}, 10)
    assert list(batch.items) == [b"mail"]
    assert not batch.is_more


def test_however_many_cannot_be_read_the_others_are(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        deliver(box, f"{number}")
    deliver(box, "9", b"mail")
    source = MaildirSource(box)
    read = source._read
    # Root may read everything, so the files that may not be read are pretended.
    monkeypatch.setattr(source, "_read", lambda name: None if name < "5" else read(name))
    assert source.fetch({}, 2).items == [b"mail"]


def test_of_a_mail_that_is_too_large_the_header_comes_with_a_note(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maildir, "LARGEST_BYTES", 40)
    deliver(box, "1", b"Subject: Photos\r\n\r\n" + b"x" * 100)
    (mail,) = MaildirSource(box).fetch({}, 10).items
    assert mail.startswith(b"Subject: Photos\r\n")
    assert b"larger than" in mail
    assert b"xxx" not in mail


def test_a_missing_maildir_is_told(tmp_path: Path) -> None:
    with pytest.raises(GatewayError) as refusal:
        MaildirSource(tmp_path / "nowhere").fetch({}, 10)
    assert refusal.value.reason == "refused"


def test_waiting_ends_when_a_mail_comes_and_when_it_is_closed(box: Path) -> None:
    source = MaildirSource(box)
    waiting = threading.Thread(target=source.wait, args=(600,))
    waiting.start()
    deliver(box, "1")
    waiting.join(20)
    assert not waiting.is_alive()
    (box / "new" / "1").unlink()
    waiting = threading.Thread(target=source.wait, args=(600,))
    waiting.start()
    source.close()
    waiting.join(20)
    assert not waiting.is_alive()
