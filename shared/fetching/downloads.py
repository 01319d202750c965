"""Files that are only linked to, fetched from hosts that were named before, or from any on the internet.

The link, or where it is redirected to, comes from outside. So neither may lead to another host, nor into our own network.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import requests

from shared.fetching.errors import GatewayError
from shared.fetching.guarded_https import PIECE, GuardedHttps, NotReachable, PlainSession, is_public

TOTAL_SECONDS = 120.0
_LONGEST_TYPE = 255
_LATER = frozenset({408, 425, 429})


class Unavailable(Exception):
    """The file cannot be had, and asking again will not help. The text says why, without its address."""

    def __init__(self, text: str, too_large: bool = False) -> None:
        super().__init__(text)
        self.too_large = too_large


@dataclass(frozen=True, slots=True)
class Download:
    """A file as it was given. `content_type`: without parameters, lower case; empty: it was not told."""

    content: bytes
    content_type: str


class Downloads:
    """Fetches files. For one thread; `close` from any."""

    def __init__(
        self,
        hosts: Collection[str] | None,
        *,
        private_hosts: Collection[str] = (),
        timeout: float = 30.0,
        total: float = TOTAL_SECONDS,
        ca_file: str = "",
        redirects: int = 0,
        logins: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        """`hosts`: `name`, or `name:port` for another port than 443; None: any. `private_hosts`: names of those that may be in our own
        network.

        `timeout`: seconds for each step; `total`: for a whole file. `ca_file`: the authorities (PEM) to trust; empty: the usual ones.
        `redirects`: how many are followed for a file, each to one of `hosts` again. `logins`: user and password for the hosts (as in
        `hosts`) that ask for one; nobody else is told.
        """
        self._hosts = None if hosts is None else frozenset(host.lower() for host in hosts)
        private = frozenset(host.lower() for host in private_hosts)
        self._timeout = timeout
        self._total = total
        self._redirects = redirects
        self._logins = dict(logins or {})
        self._https = GuardedHttps(PlainSession(), ca_file, lambda host, address: host.lower() in private or is_public(address))
        self._https.speak("https://", None)

    def get(self, url: str, most: int) -> Download:
        """The file at `url`, at most `most` bytes. Raises `Unavailable`, and `GatewayError` where it may be had later."""
        host = self._allowed(url)
        with self._https.within(self._total, f"file on {host}"):
            for left in range(self._redirects, -1, -1):
                with self._asked(url, self._logins.get(host)) as answer:
                    location = answer.headers.get("Location", "")
                    if left and location and 300 <= answer.status_code < 400:
                        url = _joined(url, location)
                        host = self._allowed(url)
                        continue
                    _judge(answer, host, most)
                    return Download(self._body(answer, most), _type(answer))
        raise AssertionError("the last answer is judged")

    def close(self) -> None:
        """End what is under way."""
        self._https.close()

    def _asked(self, url: str, login: tuple[str, str] | None) -> requests.Response:
        """The answer, its body still to come. Raises `Unavailable`."""
        headers = {"Accept-Encoding": "identity"}
        try:
            return self._https.session.get(url, stream=True, allow_redirects=False, timeout=self._timeout, headers=headers, auth=login)
        except NotReachable as error:
            raise Unavailable("its host is not on the internet") from error
        except (requests.exceptions.InvalidURL, UnicodeError) as error:
            raise Unavailable("its address cannot be read") from error

    def _allowed(self, url: str) -> str:
        """The host of `url`. Raises `Unavailable`."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise Unavailable("its address cannot be read") from error
        if "@" in parts.netloc:
            raise Unavailable("its address names a user")
        if parts.scheme != "https":
            raise Unavailable("its address is not https")
        if self._hosts is not None and parts.netloc.lower() not in self._hosts:
            raise Unavailable("its host is not one that files are fetched from")
        return parts.netloc.lower()

    def _body(self, answer: requests.Response, most: int) -> bytes:
        body = bytearray()
        for piece in answer.iter_content(PIECE):
            self._https.check()
            body += piece
            if len(body) > most:
                raise _too_large(most)
        self._https.check()
        return bytes(body)


def _joined(url: str, location: str) -> str:
    """Where a redirect leads. Raises `Unavailable`."""
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise Unavailable("its address cannot be read") from error


def _judge(answer: requests.Response, host: str, most: int) -> None:
    """Raise, unless the file comes, and within its size."""
    status = answer.status_code
    if status in _LATER or status >= 500:
        wait = answer.headers.get("Retry-After", "")
        seconds = float(wait) if wait.isascii() and wait.isdigit() else None
        raise GatewayError("throttled" if status == 429 else "unreachable", f"file on {host}: HTTP {status}", seconds)
    if 300 <= status < 400:
        raise Unavailable("it has moved elsewhere")
    if status != 200:
        raise Unavailable(f"HTTP {status}")
    length = answer.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length) > most:
        raise _too_large(most)


def _type(answer: requests.Response) -> str:
    given: str = answer.headers.get("Content-Type", "")
    return given.partition(";")[0].strip().lower()[:_LONGEST_TYPE]


def _too_large(most: int) -> Unavailable:
    return Unavailable(f"it is over {most // 1024 // 1024} MiB", too_large=True)
