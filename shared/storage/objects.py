"""Files by the SHA-256 of their content (claim check): events carry the digest, the store the bytes.

The same content is kept once. Locally a folder; in production S3, Azure or Google storage through obstore.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError

from shared.settings import ObjectSettings
from shared.storage.places import DIGEST, GROUPS, BucketOptions, Condemned, InBucket, InFolder, Place, Stored, condemnation, reason_of

T = TypeVar("T")
R = TypeVar("R")
Item = TypeVar("Item", Stored, Condemned)

FOLDER_WRITERS = 1
SYNCED_FOLDER_WRITERS = 16
BUCKET_WRITERS = 32
"""Contents written side by side. Across a network each waits for an answer, and in a synced folder for the disk, which then does
several at once; in another folder a change of threads costs more than the write."""
LOOK_AGAIN_SECONDS = 10.0
"""How old what is known of a store may be before it is looked at again."""
LONG_AGO_SECONDS = 30.0
"""How long that look may take before the store counts as away."""


class StoreUnavailable(Exception):
    """The store cannot be written or read just now; trying again later may help. Its text says why."""


class StoreMisconfigured(ValueError):
    """The store's URL, credentials or certificates cannot be used; only other settings help."""


class DamagedObject(Exception):
    """What lies under a digest is not its content: a write that a power failure cut short. Storing the content again heals it."""


class Opened(NamedTuple):
    """A content that is read in pieces. Reading them raises `DamagedObject` and `StoreUnavailable`.

    No last piece is given before the digest is known to be right, so what is damaged never arrives whole.
    """

    size: int
    pieces: Generator[bytes, None, None]
    """Close it where it is not read to its end."""


class ObjectStore:
    """Stores and gives back contents; writing the same content again changes nothing. Safe to use from several threads.

    Each content appears whole or not at all. In S3, Azure and Google storage, and in a folder with `sync`, it is durable when `put`
    returns. In a folder without, it is then in the operating system's hands: it outlives this process, but not a power failure of the
    next seconds.
    """

    def __init__(self, url: str, options: BucketOptions = BucketOptions(), *, sync: bool = False) -> None:
        """`url`: `file:///folder`, `s3://bucket/prefix`, `az://account/container`, `gs://bucket`. Raises `StoreMisconfigured`.

        Credentials come from the file that `options` name, or from the provider's own environment variables.
        """
        parts = urlsplit(url)
        self._place: Place
        try:
            if parts.scheme == "file":
                self._place = InFolder(unquote(parts.path), sync=sync)
                self._writers = SYNCED_FOLDER_WRITERS if sync else FOLDER_WRITERS
            else:
                self._place, self._writers = InBucket(url, options), BUCKET_WRITERS
        except (BaseError, OSError, ValueError) as error:
            raise StoreMisconfigured(str(error).partition("\n")[0]) from error
        self._threads = ThreadPoolExecutor(self._writers, thread_name_prefix="objects")
        self._health = _Health(lambda: self._place.write(hashlib.sha256(b"").hexdigest(), b""))

    def problems(self) -> list[str]:
        """Why the store cannot be written just now; empty when it can. For readiness: answers with what is known, at once.

        A store that nobody has used for a while is looked at meanwhile, for the next who asks.
        """
        return self._health.problems()

    def put(self, content: bytes) -> str:
        """Store `content`; its SHA-256 in hex. Raises `StoreUnavailable`."""
        digests = self._put_share([content])
        self._seal(digests)
        return digests[0]

    def put_many(self, contents: Sequence[bytes]) -> list[str]:
        """Store several contents side by side; their digests in order. Raises `StoreUnavailable`; some may then be stored all the same."""
        return self.put_later(contents)()

    def put_later(self, contents: Sequence[bytes]) -> Callable[[], list[str]]:
        """Begin to store several contents. What it returns waits for them, and answers (or raises) as `put_many` does."""
        if len(contents) <= 1 or self._writers == 1:
            return lambda: self._sealed(self._put_share(contents))
        # A share for each thread: handing over every content by itself costs more than writing it.
        size = -(-len(contents) // self._writers)
        shares = [self._threads.submit(self._put_share, contents[at : at + size]) for at in range(0, len(contents), size)]
        return lambda: self._sealed([digest for share in shares for digest in share.result()])

    def _put_share(self, contents: Sequence[bytes]) -> list[str]:
        digests = [hashlib.sha256(content).hexdigest() for content in contents]
        try:
            for digest, content in zip(digests, contents, strict=True):
                self._place.write(digest, content)
        except (BaseError, OSError) as error:
            raise self._health.unavailable(error) from error
        return digests

    def _sealed(self, digests: list[str]) -> list[str]:
        """Once all are durable: their names are, in one go for each folder."""
        self._seal(digests)
        return digests

    def _seal(self, digests: Sequence[str]) -> None:
        groups = sorted({digest[:2] for digest in digests})
        try:
            if len(groups) <= 1 or self._writers == 1:
                self._place.seal(groups)
            else:
                size = -(-len(groups) // self._writers)
                shares = [groups[at : at + size] for at in range(0, len(groups), size)]
                for _ in self._threads.map(self._place.seal, shares):
                    pass
        except (BaseError, OSError) as error:
            raise self._health.unavailable(error) from error
        if digests:
            self._health.well()

    def get(self, digest: str) -> bytes:
        """The content with this SHA-256. Raises `FileNotFoundError` where there is none, `DamagedObject` and `StoreUnavailable`."""
        with _reading():
            content = self._lying(digest, self._place.read)
        if hashlib.sha256(content).hexdigest() != digest:
            raise DamagedObject(digest)
        return content

    def open(self, digest: str) -> Opened:
        """The content with this SHA-256, to be read in pieces once. Raises `FileNotFoundError` and `StoreUnavailable`."""
        with _reading():
            size, pieces = self._lying(digest, self._place.open)
        return Opened(size, _whole(digest, pieces))

    def _lying(self, digest: str, read: Callable[[str], T]) -> T:
        """What `read` gives; a content that was condemned although somebody still wants it is restored. Raises `FileNotFoundError`."""
        if not DIGEST.fullmatch(digest):
            raise FileNotFoundError(digest)
        try:
            return read(digest)
        except FileNotFoundError:
            aside = self._place.condemned(digest[:2], digest, 1)
            if not aside or aside[0].digest != digest:
                raise
            self._place.restore(aside[0].name)
            return read(digest)

    # -- the end of contents; see docs/decisions/0008

    def stored(self, after: str = "", most: int = 1000) -> list[Stored]:
        """Up to `most` contents, by digest, from the first one after `after`; none: there are no more. Raises `StoreUnavailable`."""
        with _reading():
            return _paged(self._place.stored, after, most)

    def condemned(self, after: str = "", most: int = 1000) -> list[Condemned]:
        """Up to `most` contents that were put aside, by name, from the first one after `after`. Raises `StoreUnavailable`."""
        with _reading():
            return _paged(self._place.condemned, after, most)

    def condemn(self, digests: Sequence[str], older_than: datetime, now: datetime) -> int:
        """Put contents aside that were last stored before `older_than`; how many they were. Raises `StoreUnavailable`.

        Their age is looked at once more. One that is stored again at this very moment may go aside all the same: nothing is lost by it,
        because what lies aside are the same bytes, which `get` and `restore` bring back.
        """
        return sum(self._side_by_side(lambda digest: self._condemn(digest, older_than, now), digests))

    def _condemn(self, digest: str, older_than: datetime, now: datetime) -> bool:
        with _reading():
            stored_at = self._place.stored_at(digest)
            if stored_at is None or stored_at >= older_than:
                return False
            with contextlib.suppress(FileNotFoundError):  # another did it first
                self._place.condemn(digest, condemnation(digest, now))
                return True
            return False

    def restore(self, condemned: Sequence[Condemned]) -> None:
        """Put contents back where they are missing. What lies aside stays. Raises `StoreUnavailable`."""

        def back(one: Condemned) -> None:
            with _reading(), contextlib.suppress(FileNotFoundError):  # another has done both
                if self._place.stored_at(one.digest) is None:
                    self._place.restore(one.name)

        self._side_by_side(back, condemned)

    def delete(self, condemned: Sequence[Condemned]) -> None:
        """Delete for good what lies aside; contents in their place are not touched. Raises `StoreUnavailable`."""

        def away(one: Condemned) -> None:
            with _reading():
                self._place.delete(one.name)

        self._side_by_side(away, condemned)

    def _side_by_side(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        if self._writers == 1:
            return [work(item) for item in items]
        return list(self._threads.map(work, items))


def _whole(digest: str, pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
    """The pieces; the last one only when all of them are the content."""
    seen, held = hashlib.sha256(), b""
    with _reading():
        for piece in pieces:
            if held:
                yield held
            seen.update(piece)
            held = piece
    if seen.hexdigest() != digest:
        raise DamagedObject(digest)
    yield held


def _paged(page: Callable[[str, str, int], list[Item]], after: str, most: int) -> list[Item]:
    """From the groups one after the other, beginning with that of `after`."""
    found: list[Item] = []
    for group in GROUPS[GROUPS.index(after[:2]) if after else 0 :]:
        found += page(group, after if after[:2] == group else "", most - len(found))
        if len(found) >= most:
            break
    return found


@contextmanager
def _reading() -> Iterator[None]:
    """Turns what goes wrong with a place into `StoreUnavailable`; what is not there stays `FileNotFoundError`."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise StoreUnavailable(reason_of(error)) from error


class _Health:
    """What is known of the store: from its use, and where nobody has used it for a while from storing an empty content."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._problem: str | None = "not asked yet"
        self._known_at = time.monotonic()
        self._looking: Future[None] | None = None
        self._looking_since = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="objects-health")

    def well(self) -> None:
        """A content was stored."""
        self._known_at, self._problem = time.monotonic(), None

    def unavailable(self, error: BaseError | OSError) -> StoreUnavailable:
        """A content could not be stored."""
        problem = reason_of(error)
        self._known_at, self._problem = time.monotonic(), problem
        return StoreUnavailable(problem)

    def problems(self) -> list[str]:
        """As `ObjectStore.problems`."""
        age = time.monotonic() - self._known_at
        if age >= LOOK_AGAIN_SECONDS or self._problem is not None:
            with self._lock:
                if self._looking is None or self._looking.done():
                    self._looking, self._looking_since = self._thread.submit(self._see), time.monotonic()
            if self._problem is None and time.monotonic() - self._looking_since >= LONG_AGO_SECONDS:
                return ["object store: it does not answer"]
        return [] if self._problem is None else [f"object store: {self._problem}"]

    def _see(self) -> None:
        try:
            self._look()
        except (BaseError, OSError) as error:
            self.unavailable(error)
        else:
            self.well()


def open_store(settings: ObjectSettings) -> ObjectStore:
    """The store that the settings name; a process whose settings cannot be used ends with code 2 and one line that says why."""
    options = BucketOptions(
        settings.objects_credentials, settings.objects_ca_file, settings.objects_timeout_seconds, settings.objects_retry_seconds
    )
    try:
        store = ObjectStore(settings.objects, options, sync=settings.objects_sync)
    except StoreMisconfigured as error:
        sys.stderr.write(f"setting CASESTREAM_OBJECTS ({urlsplit(settings.objects).scheme}): {error}\n")
        sys.exit(2)
    store.problems()  # begins to look, so that the first who asks may know
    return store
