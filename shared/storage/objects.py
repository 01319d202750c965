"""Files by the SHA-256 of their content (claim check): events carry the digest, the store the bytes.

The same content is kept once. Locally a folder, in production S3, Azure or Google storage, all through obstore.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url
from obstore.store import ObjectStore as Store

DIGEST = re.compile(r"[0-9a-f]{64}")
WRITERS = 8
"""Contents written side by side: what makes a store across a network fast. For a folder it makes little difference."""


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
        self._store: Store
        if parts.scheme == "file":
            folder = unquote(parts.path)
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(folder)
        else:
            self._store = from_url(url)
        self._threads = ThreadPoolExecutor(WRITERS, thread_name_prefix="objects")

    def put(self, content: bytes) -> str:
        """Store `content`; its SHA-256 in hex. Raises `StoreUnavailable`."""
        digest = hashlib.sha256(content).hexdigest()
        try:
            obstore.put(self._store, path_of(digest), content, use_multipart=False)
        except (BaseError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        return digest

    def put_many(self, contents: Sequence[bytes]) -> list[str]:
        """Store several contents side by side; their digests in order. Raises `StoreUnavailable`; some may then be stored all the same."""
        if len(contents) == 1:
            return [self.put(contents[0])]
        return list(self._threads.map(self.put, contents))

    def get(self, digest: str) -> bytes:
        """The content with this SHA-256. Raises `FileNotFoundError` where there is none, `DamagedObject` and `StoreUnavailable`."""
        if not DIGEST.fullmatch(digest):
            raise FileNotFoundError(digest)
        try:
            content = bytes(obstore.get(self._store, path_of(digest)).bytes())
        except FileNotFoundError:
            raise
        except (BaseError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise DamagedObject(digest)
        return content


def path_of(digest: str) -> str:
    """Where a content lies: two levels of folders, so that none grows too large."""
    return f"{digest[:2]}/{digest[2:4]}/{digest}"
