"""Which channels a configuration has, how each is opened, and who takes what it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from services.ingest.domain.posts import Post
from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.exchange import ExchangeSource
from services.ingest.gateways.graph import GraphSource
from services.ingest.gateways.imap import ImapSource
from services.ingest.gateways.maildir import MaildirSource
from services.ingest.gateways.source import GatewayError, Source
from services.ingest.gateways.x import XSource
from services.ingest.handlers.mails import MailIntake
from services.ingest.handlers.posts import PostIntake
from services.ingest.settings import PollSettings
from shared.clock import Clock
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.channels import ExchangeFetch, GraphFetch, ImapFetch, MaildirFetch, MailFetch, XAccount
from shared.schemas.configuration.models import MailAccount


@dataclass(frozen=True, slots=True)
class Plan:
    """One account of a channel."""

    name: str
    place: str
    """What is read there: a cursor is good for this place alone."""
    section: BaseModel
    """Its part of the configuration: when that changes, it is opened anew."""
    open: Callable[[], Source[Any]]
    take: Callable[[Sequence[Any]], object]
    """Make the items durable; returns once Kafka has them."""


class Planner:
    """Makes the plans of a configuration."""

    def __init__(self, settings: PollSettings, mails: MailIntake, posts: PostIntake, clock: Clock) -> None:
        self._settings = settings
        self._credentials = Credentials(settings.credentials)
        self._mails = mails
        self._posts = posts
        self._clock = clock

    def plans(self, configuration: Configuration) -> dict[str, Plan]:
        """By name, every account that is to be polled."""
        mails = [plan for account in configuration.mail_accounts if (plan := self._mail(account)) is not None]
        return {plan.name: plan for plan in (*mails, *map(self._x, configuration.x_accounts))}

    def _mail(self, account: MailAccount) -> Plan | None:
        fetch = account.fetch
        if fetch is None:
            return None

        timeout, ca_file = self._settings.poll_timeout_seconds, self._settings.poll_ca_file

        def take(raws: Sequence[bytes]) -> object:
            return self._mails.deliver_mails(raws, account.address, self._clock())

        def open_source() -> Source[bytes]:
            if isinstance(fetch, MaildirFetch):
                return MaildirSource(self._maildir(fetch.folder))
            if isinstance(fetch, ImapFetch):
                return ImapSource(fetch, self._credentials, timeout=timeout, ca_file=ca_file)
            if isinstance(fetch, GraphFetch):
                return GraphSource(account.address, fetch, self._credentials, timeout=timeout, ca_file=ca_file)
            return ExchangeSource(account.address, fetch, self._credentials, timeout=timeout, ca_file=ca_file)

        return Plan(f"mail:{account.address.lower()}", _place(account.address, fetch), account, open_source, take)

    def _x(self, account: XAccount) -> Plan:
        def take(posts: Sequence[Post]) -> object:
            return self._posts.take_posts(posts, account, self._clock())

        def open_source() -> Source[Post]:
            settings = self._settings
            return XSource(
                account, self._credentials, timeout=settings.poll_timeout_seconds, ca_file=settings.poll_ca_file, clock=self._clock
            )

        return Plan(f"x:{account.handle.lower()}", f"x {account.user_id}", account, open_source, take)

    def _maildir(self, name: str) -> Path:
        if not self._settings.maildirs:
            raise GatewayError("refused", "there is no folder of Maildirs (CASESTREAM_MAILDIRS)")
        return Path(self._settings.maildirs) / name


def _place(address: str, fetch: MailFetch) -> str:
    """Which folder of which mailbox on which server: elsewhere the same numbers mean other mails."""
    if isinstance(fetch, ImapFetch):
        return f"imap {fetch.host.lower()} {fetch.user} {fetch.folder}"
    if isinstance(fetch, ExchangeFetch):
        return f"exchange {fetch.url} {address.lower()} {fetch.folder}"
    if isinstance(fetch, GraphFetch):
        return f"graph {fetch.tenant} {address.lower()} {fetch.folder}"
    return f"maildir {fetch.folder}"
