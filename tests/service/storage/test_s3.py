"""The object store on a real S3 server across a socket."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.storage.objects import LOOK_AGAIN_SECONDS, DamagedObject, ObjectStore, StoreUnavailable
from tests.support.s3 import BUCKET, KEY, S3, SECRET, Link, a_store, cloud_variables, write_credentials
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    """The server, for the whole module."""
    with S3() as server:
        yield server


@pytest.fixture
def endpoint(s3: S3) -> str:
    """Where it is. Its path comes after the bucket's name (path style), as with every server that is not AWS's."""
    return f"http://127.0.0.1:{s3.port}"


def test_contents_come_back_by_their_digest(endpoint: str, s3: S3, tmp_path: Path) -> None:
    store = a_store(endpoint, tmp_path)
    contents = [b"", b"one", bytes(range(256)) * 5000, b"one"]
    digests = store.put_many(contents)
    assert digests == [hashlib.sha256(content).hexdigest() for content in contents]
    assert [store.get(digest) for digest in digests] == contents
    assert store.put(b"one") == digests[1]
    assert sorted(path.name for path in s3.files()) == sorted(set(digests))
    assert store.problems() == []


@pytest.mark.parametrize("digest", ["0" * 64, "", "../../etc/passwd", "0" * 64 + "\n"])
def test_what_is_not_there_is_not_found(endpoint: str, tmp_path: Path, digest: str) -> None:
    with pytest.raises(FileNotFoundError):
        a_store(endpoint, tmp_path).get(digest)


def test_a_damaged_content_is_told_and_healed_by_storing_it_again(endpoint: str, s3: S3, tmp_path: Path) -> None:
    store = a_store(endpoint, tmp_path)
    digest = store.put(b"whole")
    next(path for path in s3.files() if path.name == digest).write_bytes(b"who")
    with pytest.raises(DamagedObject):
        store.get(digest)
    store.put(b"whole")
    assert store.get(digest) == b"whole"


@pytest.mark.parametrize("wrong", [{"secret": "not it"}, {"key": "AKIANOBODY"}])
def test_wrong_credentials_are_told_at_once_and_right_ones_are_taken_from_the_environment(
    endpoint: str, tmp_path: Path, wrong: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = a_store(endpoint, tmp_path, objects_credentials=write_credentials(tmp_path / "wrong", **wrong))
    with pytest.raises(StoreUnavailable, match="credentials"):
        refused.put(b"one")
    assert refused.problems() == ["object store: it refuses the credentials, or they may not do this"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with cloud_variables(endpoint):
        store = ObjectStore(f"s3://{BUCKET}")
    assert store.get(store.put(b"one")) == b"one"


def test_a_bucket_that_is_not_there_is_no_missing_content(endpoint: str, tmp_path: Path) -> None:
    store = a_store(endpoint, tmp_path, bucket="another")
    with pytest.raises(StoreUnavailable, match="no such bucket"):
        store.put(b"one")
    with pytest.raises(StoreUnavailable, match="no such bucket"):
        store.get("0" * 64)
    assert store.problems() == ["object store: it has no such bucket"]


def test_a_server_that_was_away_is_used_again(tmp_path: Path) -> None:
    with S3() as server:
        store = a_store(f"http://127.0.0.1:{server.port}", tmp_path, objects_retry_seconds=0)
        before = store.put(b"before")
        server.stop()
        with pytest.raises(StoreUnavailable):
            store.put_many([b"one", b"two"])
        with pytest.raises(StoreUnavailable):
            store.get(before)
        assert store.problems() == ["object store: it does not answer"]
        server.start()
        eventually(lambda: store.problems() == [])
        assert [store.get(digest) for digest in [before, *store.put_many([b"one", b"two"])]] == [b"before", b"one", b"two"]


def test_a_throttled_request_is_repeated_within_its_bound(s3: S3, tmp_path: Path) -> None:
    with Link(s3.port) as link:
        link.throttled = 3  # before the store is there: a connection that it keeps open would pass by
        store = a_store(link.endpoint, tmp_path, objects_retry_seconds=30)
        assert store.get(store.put(b"patience")) == b"patience"
        assert link.throttled == 0
        link.throttled = 1000
        hasty = a_store(link.endpoint, tmp_path, objects_retry_seconds=0.5)
        with pytest.raises(StoreUnavailable, match="patience"):
            hasty.put(b"haste")
        asked = 1000 - link.throttled
        assert 1 < asked < 20


def test_a_request_that_gets_no_answer_is_given_up_and_repeated(s3: S3, tmp_path: Path) -> None:
    with Link(s3.port) as link:
        link.silent = 1
        store = a_store(link.endpoint, tmp_path, objects_timeout_seconds=0.5, objects_retry_seconds=30)
        assert store.put(b"slow")
        assert link.connections >= 2


def test_a_thousand_contents_side_by_side_and_a_large_one(endpoint: str, tmp_path: Path) -> None:
    store = a_store(endpoint, tmp_path)
    contents = [b"%d" % number for number in range(1000)]
    digests = store.put_many(contents)
    assert [store.get(digest) for digest in digests[::50]] == contents[::50]
    assert len(set(digests)) == 1000
    large = os.urandom(1024) * (60 * 1024)
    assert store.get(store.put(large)) == large


def test_a_private_authority_must_be_named(s3: S3, tmp_path: Path) -> None:
    endpoint = f"https://127.0.0.1:{s3.tls_port}"
    store = a_store(endpoint, tmp_path, objects_ca_file=s3.authority.file)
    assert store.get(store.put(b"secret")) == b"secret"
    with pytest.raises(StoreUnavailable):
        a_store(endpoint, tmp_path, objects_retry_seconds=0).put(b"secret")


def test_readiness_notices_a_server_that_nobody_uses(tmp_path: Path) -> None:
    with S3() as server:
        store = a_store(f"http://127.0.0.1:{server.port}", tmp_path, objects_retry_seconds=0)
        eventually(lambda: store.problems() == [])
        server.stop()
        store._health._known_at -= LOOK_AGAIN_SECONDS
        eventually(lambda: store.problems() == ["object store: it does not answer"])
        server.start()
        eventually(lambda: store.problems() == [])


@pytest.mark.requirement("EDGE-17")
def test_contents_are_listed_put_aside_brought_back_and_deleted(tmp_path: Path) -> None:
    with S3() as server:
        store = a_store(f"http://127.0.0.1:{server.port}", tmp_path)
        contents = [b"", *(b"%d" % number for number in range(60))]  # readiness stores the empty one
        digests = sorted(store.put_many(contents))
        pages, after = [], ""
        while page := store.stored(after, 7):
            assert len(page) <= 7
            pages += page
            after = page[-1].digest
        assert [one.digest for one in pages] == digests
        assert {one.size for one in pages} == {0, 1, 2}
        now = datetime.now(UTC)
        assert store.condemn(digests[:3], now - timedelta(hours=1), now) == 0  # too young
        assert store.condemn([*digests[:3], "0" * 64], now + timedelta(hours=1), now) == 3
        assert [one.digest for one in store.stored()] == digests[3:]
        aside = store.condemned()
        assert [one.digest for one in aside] == digests[:3]
        assert {one.at for one in aside} == {now.replace(microsecond=0)}
        assert [one.digest for one in store.condemned(aside[0].name, 1)] == digests[1:2]
        assert store.get(digests[0]) in contents  # reading brings it back
        store.restore(aside[:2])
        assert [one.digest for one in store.stored(most=2)] == digests[:2]
        store.delete(aside)
        store.delete(aside)
        assert store.condemned() == []
        with pytest.raises(FileNotFoundError):
            store.get(digests[2])
        assert len(server.files()) == 60
