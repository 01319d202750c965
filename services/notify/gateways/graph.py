"""Sending by Microsoft Graph, for mailboxes of Microsoft 365, where SMTP takes no passwords any more."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

from services.notify.domain.message import Written
from services.notify.domain.retry import Outcome
from services.notify.gateways.smtp import Answer
from shared.graph import AppCredential, Application, GraphClient, GraphError

LONGEST_REST = 900.0
"""The longest that a server's wish to wait is followed without asking again, in seconds."""
_ABOUT_US = frozenset({0, 401, 403, 404, 408, 429, 502, 503, 504, 509})
"""Statuses that are about our login, our mailbox or the service, not about the message; 0: there was no answer."""
_FOR_NOW = frozenset({409, 412, 423})


class GraphRelay:
    """One connection to Graph, opened when it is first needed. Not for several threads.

    Graph sends to the addresses in the message's header, and keeps a copy in the sender's folder of sent mail.
    """

    def __init__(self, application: Application, credential: Callable[[], AppCredential], timeout: float = 30.0, ca_file: str = "") -> None:
        """`timeout`: seconds that a call may make no progress. `ca_file`: certificates to trust, PEM; empty: the system's."""
        self._connect = partial(GraphClient, application, credential, timeout, ca_file)
        self._client: GraphClient | None = None
        self._resting_until = 0.0
        self._begun: Written | None = None

    def begin(self, message: Written) -> Answer | None:
        """Keep the message for `finish`: there is nothing to ask beforehand."""
        self._begun = message
        return None

    def finish(self, _following: Written | None = None) -> Answer:
        """Hand over the message that was begun; of the following one there is nothing to say yet."""
        message, self._begun = self._begun, None
        return self.send(message) if message is not None else Answer(Outcome.UNREACHABLE, 0, "no message was begun")

    def abandon(self) -> None:
        """Take back what was begun."""
        self._begun = None

    def send(self, message: Written) -> Answer:
        """Hand over one message. Blocks for the call; never raises for what the server or the network does.

        A call that breaks off ends the attempt as unreachable: the server may have the message, and will be given it again under the same
        Message-ID. While the server wants to be left alone, nothing is asked.
        """
        if time.monotonic() < self._resting_until:
            return Answer(Outcome.UNREACHABLE, 0, "Graph asked to wait")
        if self._client is None:
            self._client = self._connect()
        url = f"/users/{quote(message.sender, safe='@')}/sendMail"
        try:
            reply = self._client.call("POST", url, headers={"Content-Type": "text/plain"}, content=b64encode(message.content))
        except GraphError as error:
            if error.reason == "throttled":
                self._resting_until = time.monotonic() + min(error.retry_after or 0.0, LONGEST_REST)
            return Answer(outcome_of(error), error.status, str(error))
        return Answer(Outcome.SENT, reply.status)

    def close(self) -> None:
        """Let go of the connection; the next message makes a new one."""
        if self._client is not None:
            self._client.close()
            self._client = None


def outcome_of(error: GraphError) -> Outcome:
    """What an error means for the message."""
    if error.status in _ABOUT_US or error.reason in ("credentials", "throttled", "malformed"):
        return Outcome.UNREACHABLE
    return Outcome.DEFERRED if error.status >= 500 or error.status in _FOR_NOW else Outcome.REFUSED
