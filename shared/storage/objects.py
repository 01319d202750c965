"""Files by the SHA-256 of their content (claim check): events carry the digest, the store the bytes.

The same content is kept once. Locally a folder; in production S3, Azure or Google storage through obstore.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore as Bucket
from obstore.store import from_url

DIGEST = re.compile(r"[0-9a-f]{64}")
FOLDER_WRITERS = 1
BUCKET_WRITERS = 32
"""Contents written side by side. Across a network each waits for an answer; in a folder a change of threads costs more than the write."""


class StoreUnavailable(Exception):
    """The store cannot be written or read just now; trying again later may help."""


class DamagedObject(Exception):
    """What lies under a digest is not its content: a write that a power failure cut short. Storing the content again heals it."""


class ObjectStore:
    """Stores and gives back contents; writing the same content again changes nothing. Safe to use from several threads.

    Each content appears whole or not at all. In S3, Azure and Google storage it is durable when `put` returns. In a folder it is then in
    the operating system's hands: it outlives this process, but not a power failure of the next seconds, because no fsync is made (it
    would cost a multiple of the write). That is what a single Kafka node promises too; an installation that must not lose a file uses
    one of the others.
    """

    def __init__(self, url: str) -> None:
        """`url`: `file:///folder`, `s3://bucket/prefix`, `az://...`, `gs://...`; credentials come from the provider's own environment."""
        parts = urlsplit(url)
        self._place: _Place
        if parts.scheme == "file":
            self._place, self._writers = _InFolder(unquote(parts.path)), FOLDER_WRITERS
        else:
            self._place, self._writers = _InBucket(from_url(url)), BUCKET_WRITERS
        self._threads = ThreadPoolExecutor(self._writers, thread_name_prefix="objects")

    def put(self, content: bytes) -> str:
        """Store `content`; its SHA-256 in hex. Raises `StoreUnavailable`."""
        digest = hashlib.sha256(content).hexdigest()
        try:
            self._place.write(digest, content)
        except (BaseError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        return digest

    def put_many(self, contents: Sequence[bytes]) -> list[str]:
        """Store several contents side by side; their digests in order. Raises `StoreUnavailable`; some may then be stored all the same."""
        return self.put_later(contents)()

    def put_later(self, contents: Sequence[bytes]) -> Callable[[], list[str]]:
        """Begin to store several contents. What it returns waits for them, and answers (or raises) as `put_many` does."""
        if len(contents) <= 1 or self._writers == 1:
            return lambda: [self.put(content) for content in contents]
        # A share for each thread: handing over every content by itself costs more than writing it.
        size = -(-len(contents) // self._writers)
        shares = [self._threads.submit(self._put_share, contents[at : at + size]) for at in range(0, len(contents), size)]
        return lambda: [digest for share in shares for digest in share.result()]

    def _put_share(self, contents: Sequence[bytes]) -> list[str]:
        return [self.put(content) for content in contents]

    def get(self, digest: str) -> bytes:
        """The content with this SHA-256. Raises `FileNotFoundError` where there is none, `DamagedObject` and `StoreUnavailable`."""
        if not DIGEST.fullmatch(digest):
            raise FileNotFoundError(digest)
        try:
            content = self._place.read(digest)
        except FileNotFoundError:
            raise
        except (BaseError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise DamagedObject(digest)
        return content


class _Place(Protocol):
    """Where contents lie by their digest."""

    def write(self, digest: str, content: bytes) -> None:
        """Put `content` there, whole or not at all."""

    def read(self, digest: str) -> bytes:
        """What lies there. Raises `FileNotFoundError`."""


class _InFolder:
    """In one of 256 folders; a second level would be one more folder to make for nearly every file of the first sixty thousand.

    Written with plain system calls: obstore hands every file to a thread of its own, which cost ten times the write.
    """

    def __init__(self, folder: str) -> None:
        for number in range(256):
            Path(folder, f"{number:02x}").mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._mark = secrets.token_hex(8)

    def write(self, digest: str, content: bytes) -> None:
        path = self._path(digest)
        part = f"{path}.{self._mark}{threading.get_ident()}"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            os.unlink(part)  # noqa: PTH108 - paths stay text here: made for every file
            raise
        finally:
            os.close(descriptor)
        os.rename(part, path)  # noqa: PTH104

    def read(self, digest: str) -> bytes:
        return Path(self._path(digest)).read_bytes()

    def _path(self, digest: str) -> str:
        return f"{self._folder}/{digest[:2]}/{digest}"


class _InBucket:
    """In a bucket or container, below two short names, so that its listing can be walked in parts."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def write(self, digest: str, content: bytes) -> None:
        obstore.put(self._bucket, self._path(digest), content, use_multipart=False)

    def read(self, digest: str) -> bytes:
        return bytes(obstore.get(self._bucket, self._path(digest)).bytes())

    @staticmethod
    def _path(digest: str) -> str:
        return f"{digest[:2]}/{digest[2:4]}/{digest}"
