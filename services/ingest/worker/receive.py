"""The role `receive`: mail servers hand mail in over LMTP or SMTP, and are answered once Kafka and the object store have it.

The network is one thread's, the event loop's; a few threads take mails in. A mail that finds one free goes at once, alone. Those that come
while all are busy are taken in together when one is free again, so that a crowd costs little more than one.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from services.ingest.domain.accounts import UnknownAccount
from services.ingest.gateways.conversation import Rules
from services.ingest.gateways.receiver import NotNow, Receiver, UnknownRecipient
from services.ingest.handlers.mails import MailIntake, mail_rules
from services.ingest.settings import ReceiveSettings
from shared.clock import Clock, utc_now
from shared.messaging import ReferenceData, VersionCache
from shared.messaging.direct import DirectPublisher, NotAcknowledged
from shared.observability import configure_logging, get_logger, serve_health
from shared.processes import following
from shared.schemas.configuration import NotConfigured
from shared.storage.objects import StoreUnavailable, open_store

log = get_logger(__name__)

MOST_MAILS = 100
MOST_BYTES = 8 * 1024 * 1024
"""Bounds of what is taken in together; a larger mail goes alone."""
GRACE_SECONDS = 15.0
"""How long mails under way may take after SIGTERM to be finished and answered."""

_Waiting = deque[tuple[bytes, "asyncio.Future[None]"]]


class Reception:
    """Takes received mails in, those of one account together. Its methods are the event loop's."""

    def __init__(self, mails: MailIntake, reference: ReferenceData, threads: int, clock: Clock = utc_now) -> None:
        self._mails = mails
        self._reference = reference
        self._rules = VersionCache(reference, mail_rules)
        self._clock = clock
        self._free = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="receive")
        self._waiting: dict[str, _Waiting] = {}

    def check(self, recipient: str) -> None:
        """Whether there is such an account. Raises `UnknownRecipient` and `NotNow`."""
        self._account([recipient])

    async def take(self, raw: bytes, recipients: Sequence[str]) -> None:
        """Return once the mail is durable. Raises `UnknownRecipient` and `NotNow`.

        For several accounts it is one communication all the same: that of the account which the configuration lists first.
        """
        account = self._account(recipients)
        loop = asyncio.get_running_loop()
        taken: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(account, deque()).append((raw, taken))
        # Once whatever else has come already was read.
        loop.call_soon(self._begin)
        await taken

    def close(self) -> None:
        """Wait for what is being taken in."""
        self._threads.shutdown()

    def _account(self, recipients: Sequence[str]) -> str:
        if not self._reference.version:
            raise NotNow
        try:
            return self._rules.get().accounts.first_named(recipients).address
        except UnknownAccount as error:
            raise UnknownRecipient from error

    def _begin(self) -> None:
        """Give work to threads that are free."""
        while self._free and self._waiting:
            # The account that has waited longest; its rest goes to the end.
            account = next(iter(self._waiting))
            waiting = self._waiting.pop(account)
            batch = _some(waiting)
            if waiting:
                self._waiting[account] = waiting
            self._free -= 1
            raws = [raw for raw, _ in batch]
            work = asyncio.get_running_loop().run_in_executor(self._threads, self._deliver, raws, account)
            work.add_done_callback(lambda done, batch=batch: self._end(batch, done))  # type: ignore[misc]

    def _end(self, batch: list[tuple[bytes, asyncio.Future[None]]], work: asyncio.Future[list[Exception | None]]) -> None:
        self._free += 1
        for (_, taken), problem in zip(batch, work.result(), strict=True):
            if taken.done():  # nobody waits any more
                continue
            if problem is None:
                taken.set_result(None)
            else:
                taken.set_exception(problem)
        self._begin()

    def _deliver(self, raws: Sequence[bytes], account: str) -> list[Exception | None]:
        """In a thread: take mails in; for each why it was not taken."""
        try:
            self._mails.deliver_mails(raws, account, self._clock())
        except UnknownAccount:  # the configuration has changed meanwhile
            return [UnknownRecipient() for _ in raws]
        except (NotAcknowledged, StoreUnavailable, NotConfigured):
            return [NotNow() for _ in raws]
        except Exception:
            # One mail that breaks us must not keep the others; its mail server keeps it, and the log has why.
            if len(raws) > 1:
                return [problem for raw in raws for problem in self._deliver([raw], account)]
            log.exception("mail could not be taken in")
            return [NotNow()]
        return [None for _ in raws]


def _some(waiting: _Waiting) -> list[tuple[bytes, asyncio.Future[None]]]:
    batch = [waiting.popleft()]
    size = len(batch[0][0])
    while waiting and len(batch) < MOST_MAILS and size + len(waiting[0][0]) <= MOST_BYTES:
        batch.append(waiting.popleft())
        size += len(batch[-1][0])
    return batch


def rules_of(settings: ReceiveSettings) -> Rules:
    """How the settings say that mail is received. `CASESTREAM_RECEIVE_*`."""
    return Rules(
        lmtp=settings.receive_protocol == "lmtp",
        name=settings.receive_name,
        networks=settings.networks,
        mail_bytes=settings.receive_mail_bytes,
        held_bytes=settings.receive_held_bytes,
        recipients=settings.receive_recipients,
        connections=settings.receive_connections,
        timeout=settings.receive_timeout_seconds,
        tls_files=settings.tls_files,
    )


async def _receive(reception: Reception, settings: ReceiveSettings, listening: threading.Event) -> None:
    """Receive until SIGTERM or SIGINT; then finish what is under way."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    receiver = Receiver(reception, rules_of(settings))
    port = await receiver.start(settings.receive_host, settings.receive_port)
    log.info("receiving mail", protocol=settings.receive_protocol, host=settings.receive_host, port=port)
    listening.set()
    await told.wait()
    await receiver.stop(GRACE_SECONDS)


def run(settings: ReceiveSettings) -> None:
    """Run the role `receive` until it is told to stop."""
    configure_logging("ingest", "receive", settings.log_level)
    listening = threading.Event()
    objects = open_store(settings)
    publisher = DirectPublisher(settings.kafka, settings.topic_prefix, settings.acknowledge_seconds)
    # While the configuration is still awaited mail servers get an answer too: that they send again.
    with closing(publisher), following(settings) as reference:
        reception = Reception(MailIntake(reference, objects, publisher), reference, settings.receive_threads)

        def problems() -> list[str]:
            return reference.problems() + objects.problems() + ([] if listening.is_set() else ["not listening for mail yet"])

        health = serve_health(settings.host, settings.port, problems, lambda: {"config_version": reference.version})
        with closing(health), closing(reception):
            asyncio.run(_receive(reception, settings, listening))
