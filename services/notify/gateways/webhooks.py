"""Telling another system over HTTPS, on a connection that stays open, and never within our own network."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit

import requests

from services.notify.domain.webhooks import BadSecret, Ending, Reply, parse_secrets, reply_of, signed_headers
from shared.fetching import PIECE, GatewayError, GuardedHttps, PlainSession, is_public

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
LONGEST_ANSWER = 64 * 1024
"""Of a longer one, in bytes, the rest is not read; what an answer says beside its status matters to nobody."""


class Receiver:
    """One subscriber. Not for several threads; only `close` may come from another."""

    def __init__(self, url: str, timeout: float, private_hosts: Collection[str] = (), ca_file: str = "") -> None:
        """`timeout`: seconds for a whole exchange. `private_hosts`: names of hosts that may be in our own network. `ca_file`: the
        authorities (PEM) to trust; empty: the usual ones.
        """
        self.url = url
        self._timeout = timeout
        private = frozenset(host.lower() for host in private_hosts)
        self._https = GuardedHttps(PlainSession(), ca_file, lambda host, address: host.lower() in private or is_public(address), keep=True)
        self._https.speak("https://", None)
        self._host = urlsplit(url).hostname or ""

    def post(self, message_id: str, body: bytes, secrets: tuple[bytes, ...], at: int) -> Reply:
        """Tell it one message, signed at the time `at` (seconds since 1970). Blocks for the exchange; never raises for what the receiver or
        the network does. A message that is told again has the same id.
        """
        headers = {"Content-Type": CONTENT_TYPE, "Accept-Encoding": "identity", "User-Agent": "casestream"}
        headers |= signed_headers(secrets, message_id, at, body)
        began = time.monotonic()
        try:
            with (
                self._https.within(self._timeout, self._host),
                self._https.session.post(
                    self.url, data=body, headers=headers, stream=True, allow_redirects=False, timeout=self._timeout
                ) as answer,
            ):
                # Read to its end the connection can be used again; and only so much.
                read = 0
                for piece in answer.iter_content(PIECE):
                    read += len(piece)
                    if read > LONGEST_ANSWER:
                        break
                self._https.check()
                return reply_of(answer.status_code, answer.headers)
        except GatewayError as error:
            return Reply(Ending.FAILED, 0, str(error))
        except (requests.RequestException, UnicodeError) as error:
            return Reply(Ending.FAILED, 0, f"{self._host}: {type(error).__name__} after {time.monotonic() - began:.1f} s")

    def close(self) -> None:
        """End what is under way, and close the connection."""
        self._https.close()


class Secrets:
    """The secrets of all webhooks: files in a folder, each by its webhook's code."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def of(self, webhook: str) -> tuple[bytes, ...]:
        """The secrets that this webhook's messages are signed with, read anew. Raises `BadSecret`."""
        if self._folder is None:
            raise BadSecret("the setting CASESTREAM_WEBHOOK_KEYS names no folder")
        try:
            text = (self._folder / webhook).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise BadSecret(f"the file {webhook} with its secret cannot be read: {type(error).__name__}") from error
        try:
            return parse_secrets(text)
        except BadSecret as error:
            raise BadSecret(f"the file {webhook} with its secret: {error}") from error
