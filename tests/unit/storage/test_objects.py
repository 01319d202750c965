"""The object store in a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from shared.storage.objects import DamagedObject, ObjectStore, StoreUnavailable


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
