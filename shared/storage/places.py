"""Where contents lie by their digest: a folder of this machine, or a bucket across the network."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import threading
from collections.abc import Collection, Iterator
from configparser import ConfigParser
from configparser import Error as NotIni
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import from_url

if TYPE_CHECKING:
    from obstore import GetResult, ObjectMeta
    from obstore.store import ClientConfig, RetryConfig, S3Credential

DIGEST = re.compile(r"[0-9a-f]{64}")
CREDENTIALS_LAST = timedelta(minutes=10)
"""obstore asks for credentials again when less than half of this is left."""
PIECE_BYTES = 1024 * 1024
"""About how much of a content is in memory at a time when it is read in pieces."""
CONNECT_SECONDS = 5.0
FIRST_PAUSE, LONGEST_PAUSE = timedelta(milliseconds=100), timedelta(seconds=2)
MOST_RETRIES = 1000
"""More than fit into the time that repeats may take; the time is the bound."""


@dataclass(frozen=True, slots=True)
class BucketOptions:
    """How a bucket is spoken to: `CASESTREAM_OBJECTS_*`."""

    credentials: Path | None = None
    ca_file: Path | None = None
    timeout_seconds: float = 60.0
    retry_seconds: float = 20.0


class Stored(NamedTuple):
    """A content that lies in its place. `stored_at`: when it was last stored, by the place's own clock."""

    digest: str
    size: int
    stored_at: datetime


class Condemned(NamedTuple):
    """A content that was put aside, to be deleted later. `name`: this condemnation's own; a content may have several."""

    name: str
    size: int

    @property
    def digest(self) -> str:
        """Of the content."""
        return self.name[:64]

    @property
    def at(self) -> datetime:
        """When it was put aside, by the clock of who did."""
        return datetime.strptime(self.name[65:81], MOMENT).replace(tzinfo=UTC)


MOMENT = "%Y%m%dT%H%M%SZ"
ASIDE = "condemned"
CONDEMNATION = re.compile(r"[0-9a-f]{64}\.\d{8}T\d{6}Z\.[0-9a-f]{16}")
GROUPS = tuple(f"{number:02x}" for number in range(256))
"""The first two digits of digests. Contents lie by them, here and aside."""


def condemnation(digest: str, now: datetime) -> str:
    """A name that no other condemnation has."""
    return f"{digest}.{now.astimezone(UTC).strftime(MOMENT)}.{secrets.token_hex(8)}"


class Place(Protocol):
    """Where contents lie by their digest."""

    def write(self, digest: str, content: bytes) -> None:
        """Put `content` there, whole or not at all."""

    def seal(self, groups: Collection[str]) -> None:
        """Return once what was written into these groups outlives a power failure, if this place is one that promises that."""

    def read(self, digest: str) -> bytes:
        """What lies there. Raises `FileNotFoundError`."""

    def open(self, digest: str) -> tuple[int, Iterator[bytes]]:
        """What lies there, unchecked: its size and its pieces. Raises `FileNotFoundError`."""

    def stored(self, group: str, after: str, most: int) -> list[Stored]:
        """Up to `most` contents of a group, by digest, from the first one after `after`."""

    def stored_at(self, digest: str) -> datetime | None:
        """When it was last stored; None: it does not lie there."""

    def condemn(self, digest: str, name: str) -> None:
        """Move it aside under a name of `condemnation`; what lies there meanwhile is at least one of both. Raises `FileNotFoundError`."""

    def condemned(self, group: str, after: str, most: int) -> list[Condemned]:
        """Up to `most` of a group that were moved aside, by name, from the first one after `after`."""

    def restore(self, name: str) -> None:
        """Put a copy of what was moved aside back into its place. Raises `FileNotFoundError`."""

    def delete(self, name: str) -> None:
        """Delete what was moved aside under this name, and nothing else; nothing where it is gone."""


class InFolder:
    """In one of 256 folders; a second level would be one more folder to make for nearly every file of the first sixty thousand.

    Written with plain system calls: obstore hands every file to a thread of its own, which cost ten times the write.
    """

    def __init__(self, folder: str, *, sync: bool = False) -> None:
        """Makes the folders. `sync`: a content is on the disk before it gets its name, and `seal` puts the names there. Raises OSError."""
        for group in GROUPS:
            Path(folder, group).mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._mark = secrets.token_hex(8)
        self._sync = sync
        if sync:
            _sync_folder(folder)

    def write(self, digest: str, content: bytes) -> None:
        path = self._path(digest)
        part = f"{path}.{self._mark}{threading.get_ident()}"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if self._sync:
                os.fdatasync(descriptor)
        except OSError:
            os.unlink(part)  # noqa: PTH108 - paths stay text here: made for every file
            raise
        finally:
            os.close(descriptor)
        os.rename(part, path)  # noqa: PTH104

    def seal(self, groups: Collection[str]) -> None:
        if self._sync:
            for group in groups:
                _sync_folder(f"{self._folder}/{group}")

    def read(self, digest: str) -> bytes:
        return Path(self._path(digest)).read_bytes()

    def open(self, digest: str) -> tuple[int, Iterator[bytes]]:
        path = Path(self._path(digest))

        def pieces() -> Iterator[bytes]:
            # Opened by whoever reads the first piece: what is never read leaves no file open.
            with path.open("rb") as file:
                while piece := file.read(PIECE_BYTES):
                    yield piece

        return path.stat().st_size, pieces()

    def stored(self, group: str, after: str, most: int) -> list[Stored]:
        names = self._names(Path(self._folder, group), after, DIGEST)
        found = []
        for name in names[:most]:
            with contextlib.suppress(FileNotFoundError):  # another has just moved it aside
                status = Path(self._folder, group, name).stat()
                found.append(Stored(name, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)))
        return found

    def stored_at(self, digest: str) -> datetime | None:
        try:
            return datetime.fromtimestamp(Path(self._path(digest)).stat().st_mtime, UTC)
        except FileNotFoundError:
            return None

    def condemn(self, digest: str, name: str) -> None:
        aside = self._aside(name)
        aside.parent.mkdir(parents=True, exist_ok=True)
        Path(self._path(digest)).rename(aside)

    def condemned(self, group: str, after: str, most: int) -> list[Condemned]:
        folder = Path(self._folder, ASIDE, group)
        found = []
        for name in self._names(folder, after, CONDEMNATION)[:most]:
            with contextlib.suppress(FileNotFoundError):
                found.append(Condemned(name, (folder / name).stat().st_size))
        return found

    def restore(self, name: str) -> None:
        self.write(name[:64], self._aside(name).read_bytes())
        self.seal([name[:2]])

    def delete(self, name: str) -> None:
        self._aside(name).unlink(missing_ok=True)

    @staticmethod
    def _names(folder: Path, after: str, kind: re.Pattern[str]) -> list[str]:
        try:
            with os.scandir(folder) as entries:
                return sorted(entry.name for entry in entries if entry.name > after and kind.fullmatch(entry.name))
        except FileNotFoundError:
            return []

    def _aside(self, name: str) -> Path:
        return Path(self._folder, ASIDE, name[:2], name)

    def _path(self, digest: str) -> str:
        return f"{self._folder}/{digest[:2]}/{digest}"


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class InBucket:
    """In a bucket or container, below two short names, so that its listing can be walked in parts."""

    def __init__(self, url: str, options: BucketOptions) -> None:
        """Speaks to nobody yet. Raises ValueError, OSError and obstore's errors."""
        client: ClientConfig = {
            "timeout": timedelta(seconds=options.timeout_seconds),
            "connect_timeout": timedelta(seconds=min(CONNECT_SECONDS, options.timeout_seconds)),
        }
        if options.ca_file is not None:
            client["root_certificate"] = options.ca_file.read_bytes()
        retry: RetryConfig = {
            "max_retries": MOST_RETRIES if options.retry_seconds else 0,
            "retry_timeout": timedelta(seconds=options.retry_seconds),
            "backoff": {"init_backoff": FIRST_PAUSE, "max_backoff": LONGEST_PAUSE, "base": 2},
        }
        if url.startswith("s3:"):
            client["allow_http"] = _is_plain_allowed()
            provider = CredentialsFile(options.credentials) if options.credentials is not None else None
            # Not every server has the call that deletes many at once.
            self._bucket = from_url(
                url, client_options=client, retry_config=retry, credential_provider=provider, config={"disable_bulk_delete": True}
            )
        else:
            self._bucket = from_url(url, client_options=client, retry_config=retry)

    def write(self, digest: str, content: bytes) -> None:
        obstore.put(self._bucket, self._path(digest), content, use_multipart=False)

    def seal(self, groups: Collection[str]) -> None:
        """What a bucket has acknowledged it keeps."""

    def read(self, digest: str) -> bytes:
        return bytes(self._get(digest).bytes())

    def open(self, digest: str) -> tuple[int, Iterator[bytes]]:
        found = self._get(digest)
        return found.meta["size"], map(bytes, found.stream(PIECE_BYTES))

    def _get(self, digest: str) -> GetResult:
        try:
            return obstore.get(self._bucket, self._path(digest))
        except FileNotFoundError as error:
            if NO_BUCKET in str(error):
                raise NoBucket from error
            raise

    def stored(self, group: str, after: str, most: int) -> list[Stored]:
        offset = self._path(after) if after else None
        return [Stored(name, meta["size"], meta["last_modified"]) for name, meta in self._listed(group, offset, most, DIGEST)]

    def stored_at(self, digest: str) -> datetime | None:
        try:
            return obstore.head(self._bucket, self._path(digest))["last_modified"]
        except FileNotFoundError:
            return None

    def condemn(self, digest: str, name: str) -> None:
        obstore.copy(self._bucket, self._path(digest), self._aside(name))
        obstore.delete(self._bucket, self._path(digest))

    def condemned(self, group: str, after: str, most: int) -> list[Condemned]:
        offset = self._aside(after) if after else None
        return [Condemned(name, meta["size"]) for name, meta in self._listed(f"{ASIDE}/{group}", offset, most, CONDEMNATION)]

    def restore(self, name: str) -> None:
        obstore.copy(self._bucket, self._aside(name), self._path(name[:64]))

    def delete(self, name: str) -> None:
        obstore.delete(self._bucket, self._aside(name))

    def _listed(self, prefix: str, offset: str | None, most: int, kind: re.Pattern[str]) -> list[tuple[str, ObjectMeta]]:
        found: list[tuple[str, ObjectMeta]] = []
        for page in obstore.list(self._bucket, prefix, offset=offset, chunk_size=most):
            for meta in page:
                name = meta["path"].rpartition("/")[2]
                if kind.fullmatch(name):
                    found.append((name, meta))
            if len(found) >= most:
                break
        return found[:most]

    @staticmethod
    def _path(digest: str) -> str:
        return f"{digest[:2]}/{digest[2:4]}/{digest}"

    @staticmethod
    def _aside(name: str) -> str:
        return f"{ASIDE}/{name[:2]}/{name}"


def _is_plain_allowed() -> bool:
    """Whether S3 is spoken to without TLS. Raises ValueError where the endpoint would need it.

    obstore reads these variables itself, but forgets `AWS_ALLOW_HTTP` as soon as it is given any option of its own.
    """
    allowed = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes")
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"):
        if os.environ.get(name, "").lower().startswith("http:") and not allowed:
            raise ValueError(f"{name} is http:, which would send mail in the clear; AWS_ALLOW_HTTP=true allows it")
    return allowed


NO_BUCKET = "NoSuchBucket"


class NoBucket(OSError):
    """There is no bucket of that name: not that a content is missing."""


class CredentialsFile:
    """Credentials in AWS's own form of a file, read when obstore asks for them, so that they can be exchanged while we run."""

    def __init__(self, path: Path) -> None:
        """Raises OSError and ValueError: better at the start than at the first mail."""
        self._path = path
        self()

    def __call__(self) -> S3Credential:
        """The credentials of the section `default`."""
        parser = ConfigParser(interpolation=None)
        try:
            parser.read_string(self._path.read_text())
            section = parser["default"]
            key, secret = section["aws_access_key_id"], section["aws_secret_access_key"]
        except NotIni as error:
            # Its own text shows the line, which may be the secret's.
            raise ValueError(f"{self._path} is no file of AWS credentials ({type(error).__name__})") from None
        except KeyError as error:
            raise ValueError(f"{self._path} has no {error.args[0]}") from error
        return {
            "access_key_id": key,
            "secret_access_key": secret,
            "token": section.get("aws_session_token"),
            "expires_at": datetime.now(UTC) + CREDENTIALS_LAST,
        }


def reason_of(error: BaseError | OSError) -> str:
    """Why a place did not do what it should, in words that may be shown and logged: without keys, names or contents."""
    if isinstance(error, UnauthenticatedError | PermissionDeniedError):
        return "it refuses the credentials, or they may not do this"
    if isinstance(error, NoBucket | NotFoundError) or NO_BUCKET in str(error):
        return "it has no such bucket"
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__).lower()
    status = re.search(r"status code: (\d{3})", str(error))
    if status is None:
        return "it does not answer"
    return f"it asks for patience ({status[1]})" if status[1] in ("429", "503") else f"it answers {status[1]}"
