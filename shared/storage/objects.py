"""Files by the SHA-256 of their content (claim check): events carry the digest, the store the bytes.

The same content is kept once. Locally a folder, in production S3, Azure or Google storage, all through obstore.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.store import LocalStore, from_url

DIGEST = re.compile(r"^[0-9a-f]{64}$")


class ObjectStore:
    """Stores and gives back contents. Writes are durable when `put` returns; writing the same content again changes nothing."""

    def __init__(self, url: str) -> None:
        """`url`: `file:///folder`, `s3://bucket/prefix`, `az://...`, `gs://...`; credentials come from the provider's own environment."""
        parts = urlsplit(url)
        if parts.scheme == "file":
            Path(parts.path).mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(parts.path)
        else:
            self._store = from_url(url)  # type: ignore[assignment]
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="objects")

    def put(self, content: bytes) -> str:
        """Store `content`; its SHA-256 in hex."""
        digest = hashlib.sha256(content).hexdigest()
        obstore.put(self._store, path_of(digest), content)
        return digest

    def put_many(self, contents: Sequence[bytes]) -> list[str]:
        """Store several contents side by side; their digests in order."""
        if len(contents) == 1:
            return [self.put(contents[0])]
        return list(self._threads.map(self.put, contents))

    def get(self, digest: str) -> bytes:
        """The content with this SHA-256. Raises `FileNotFoundError` where there is none."""
        if not DIGEST.match(digest):
            raise FileNotFoundError(digest)
        return bytes(obstore.get(self._store, path_of(digest)).bytes())


def path_of(digest: str) -> str:
    """Where a content lies: two levels of folders, so that none grows too large."""
    return f"{digest[:2]}/{digest[2:4]}/{digest}"
