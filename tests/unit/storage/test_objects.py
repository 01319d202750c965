"""The object store in a folder."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.settings import ObjectSettings
from shared.storage.objects import (
    LONG_AGO_SECONDS,
    LOOK_AGAIN_SECONDS,
    DamagedObject,
    ObjectStore,
    StoreMisconfigured,
    StoreUnavailable,
    open_store,
)
from tests.support.waiting import eventually


def test_contents_come_back_by_their_digest(tmp_path: Path) -> None:
    store = ObjectStore((tmp_path / "a folder").as_uri())
    contents = [b"", b"one", bytes(range(256)) * 5000, b"one"]
    digests = store.put_many(contents)
    assert digests == [hashlib.sha256(content).hexdigest() for content in contents]
    assert [store.get(digest) for digest in digests] == contents
    assert sum(1 for path in tmp_path.rglob("*") if path.is_file()) == 3


@pytest.mark.parametrize("digest", ["0" * 64, "", "../../etc/passwd", "0" * 63 + "G", "0" * 64 + "\n"])
def test_what_is_not_there_is_not_found(tmp_path: Path, digest: str) -> None:
    with pytest.raises(FileNotFoundError):
        ObjectStore(tmp_path.as_uri()).get(digest)


def test_a_damaged_content_is_told_and_healed_by_storing_it_again(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path.as_uri())
    digest = store.put(b"whole")
    next(path for path in tmp_path.rglob("*") if path.is_file()).write_bytes(b"who")
    with pytest.raises(DamagedObject):
        store.get(digest)
    store.put(b"whole")
    assert store.get(digest) == b"whole"


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    store = ObjectStore((tmp_path / "objects").as_uri())
    (tmp_path / "objects").rename(tmp_path / "gone")
    for contents in ([b"one"], [b"one", b"two"]):
        with pytest.raises(StoreUnavailable):
            store.put_many(contents)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("objects", "none of file:///folder"),
        ("http://minio:9000/bucket", "none of file:///folder"),
        ("file://objects", "three slashes"),
        ("file:///", "three slashes"),
        ("s3:bucket", "no bucket"),
        ("s3://", "no bucket"),
    ],
)
def test_a_process_with_a_wrong_store_ends_with_a_line_that_says_why(
    url: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"KAFKA": "none:1", "DATABASE": "none", "PORT": "0", "OBJECTS": url}.items():
        monkeypatch.setenv(f"CASESTREAM_{name}", value)
    with pytest.raises(SystemExit, match="2"):
        ObjectSettings.load()
    said = capsys.readouterr().err
    assert said.startswith("setting CASESTREAM_OBJECTS: ")
    assert why in said
    assert said.count("\n") == 1


def _settings(url: str, **changes: object) -> ObjectSettings:
    return ObjectSettings.model_validate({"kafka": "none:1", "database": "none", "port": 0, "objects": url} | changes)


@pytest.mark.parametrize(
    ("url", "file", "content", "why"),
    [
        ("s3://bu cket", None, None, "invalid domain"),
        ("s3://bucket", "objects_credentials", None, "No such file"),
        ("s3://bucket", "objects_credentials", "[other]\naws_access_key_id = A", "has no default"),
        ("s3://bucket", "objects_credentials", "[default]\naws_access_key_id = A", "has no aws_secret_access_key"),
        ("s3://bucket", "objects_credentials", "THE SECRET ITSELF", "is no file of AWS credentials"),
        ("s3://bucket", "objects_ca_file", None, "No such file"),
        ("s3://bucket", "objects_ca_file", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", ""),
        ("file:///dev/null/objects", None, None, "Not a directory"),
    ],
)
def test_a_store_that_cannot_be_opened_ends_the_process_with_a_line_that_says_why(
    url: str, file: str | None, content: str | None, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {}
    if file is not None:
        changes[file] = tmp_path / "given"
    if content is not None:
        (tmp_path / "given").write_text(content)
    with pytest.raises(SystemExit, match="2"):
        open_store(_settings(url, **changes))
    said = capsys.readouterr().err
    assert said.startswith(f"setting CASESTREAM_OBJECTS ({url.partition(':')[0]}): ")
    assert why in said
    assert "SECRET" not in said
    assert said.count("\n") == 1


def test_mail_is_not_sent_in_the_clear_unless_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    with pytest.raises(StoreMisconfigured, match="AWS_ENDPOINT_URL is http:"):
        ObjectStore("s3://bucket")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    ObjectStore("s3://bucket")


def test_readiness_says_why_a_folder_cannot_be_written_and_when_it_can_again(tmp_path: Path) -> None:
    store = ObjectStore((tmp_path / "objects").as_uri())
    eventually(lambda: store.problems() == [])
    (tmp_path / "objects").rename(tmp_path / "gone")
    with pytest.raises(StoreUnavailable):
        store.put(b"one")
    assert store.problems() == ["object store: no such file or directory"]
    (tmp_path / "gone").rename(tmp_path / "objects")
    eventually(lambda: store.problems() == [])


def test_a_synced_folder_has_contents_and_names_on_the_disk_before_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug here: what the system was asked, and in which order, is what is seen."""
    asked: list[tuple[str, str]] = []

    def on(call: str, original: Callable[[int], None]) -> Callable[[int], None]:
        def spied(descriptor: int) -> None:
            asked.append((call, Path(f"/proc/self/fd/{descriptor}").readlink().name))
            original(descriptor)

        return spied

    store = ObjectStore(tmp_path.as_uri(), sync=True)
    monkeypatch.setattr(os, "fdatasync", on("content", os.fdatasync))
    monkeypatch.setattr(os, "fsync", on("names", os.fsync))
    contents = [b"%d" % number for number in range(300)]
    digests = store.put_many(contents)
    assert [call for call, _ in asked] == ["content"] * 300 + ["names"] * len({digest[:2] for digest in digests})
    assert {name[:64] for call, name in asked if call == "content"} == set(digests)
    assert {name for call, name in asked if call == "names"} == {digest[:2] for digest in digests}
    assert [store.get(digest) for digest in digests] == contents
    asked.clear()
    assert store.put(b"alone")
    assert [call for call, _ in asked] == ["content", "names"]
    asked.clear()
    assert ObjectStore((tmp_path / "other").as_uri()).put_many([b"one", b"two"])
    assert asked == []


def test_readiness_that_is_asked_for_rarely_takes_a_store_that_nobody_used_for_well(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path.as_uri())
    store.put(b"one")
    store._health._known_at -= 3600
    assert store.problems() == []


def test_a_look_that_takes_long_counts_as_no_answer(tmp_path: Path) -> None:
    store, answers = ObjectStore(tmp_path.as_uri()), threading.Event()

    def look() -> None:
        answers.wait(60)

    store.put(b"one")
    store._health._look = look
    store._health._known_at -= LOOK_AGAIN_SECONDS
    assert store.problems() == []
    store._health._looking_since -= LONG_AGO_SECONDS
    assert store.problems() == ["object store: it does not answer"]
    answers.set()
    eventually(lambda: store.problems() == [])
