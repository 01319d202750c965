"""Raw mails in: read, store their files, tell Kafka, and only then say that they are taken.

ingest keeps no outbox for them. Whoever delivers keeps a mail until it is acknowledged and sends it again otherwise; every id derives
from the mail, so a mail that was taken twice is still one communication.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.ingest import metrics
from services.ingest.domain.accounts import Account, Accounts
from services.ingest.domain.communication import LONGEST_HANDLE, LONGEST_LINE, LONGEST_TYPE, MailReceived, as_history, received
from services.ingest.domain.mail import Bounce, ParsedMail, parse_mail
from services.ingest.handlers.events import event_of
from shared.dangers import danger
from shared.messaging import ReferenceData, VersionCache
from shared.messaging.direct import DirectPublisher, NotAcknowledged
from shared.observability import get_logger
from shared.observability.tracing import current_traceparent, new_traceparent
from shared.schemas.configuration import Configuration
from shared.schemas.envelope import Event
from shared.schemas.events import BODY_LIMIT_BYTES, CommunicationReceived
from shared.storage.objects import ObjectStore, StoreUnavailable

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MailRules:
    """What a configuration says about incoming mail."""

    accounts: Accounts
    mail_domain: str


def mail_rules(configuration: Configuration) -> MailRules:
    """The rules of a configuration version."""
    accounts = Accounts([Account(account.address, account.method) for account in configuration.mail_accounts])
    return MailRules(accounts, configuration.organisation.mail_domain)


class MailIntake:
    """Takes raw mails. One per process; safe to use from several threads."""

    def __init__(self, reference: ReferenceData, objects: ObjectStore, publisher: DirectPublisher) -> None:
        self._reference = reference
        self._rules = VersionCache(reference, mail_rules)
        self._objects = objects
        self._publisher = publisher
        # Reading is work for the processor alone: of threads that do it side by side each hinders the others.
        self._reading = threading.Lock()

    def deliver_mails(self, raws: Sequence[bytes], account: str | None, now: datetime, *, old: bool = False) -> list[UUID]:
        """Take `raws`, whatever they hold; the id of each one's communication, in order, once Kafka has them all.

        `account`: the nominated address that received them; None: the mails tell. A mail of which nothing can be read becomes a
        communication with its bytes attached. `old`: they are from before our time, and become history that nobody is told of.

        Raises `UnknownAccount` and `NoAccounts`, and, for the sender to try again,
        `StoreUnavailable` and `NotAcknowledged`. When it raises, none of `raws` counts as taken. There must be a configuration.
        """
        version = self._reference.version
        rules = self._rules.get(version)
        named = rules.accounts.named(account) if account is not None else None
        started = time.perf_counter()
        stored_raws = self._objects.put_later(raws)
        with self._reading:
            mails = [_read(raw, rules, named, now, old) for raw in raws]
        read = time.perf_counter()
        digests = self._store(stored_raws, mails)
        stored = time.perf_counter()
        trace = current_traceparent()
        events: dict[UUID, Event] = {}
        for raw, mail, digest in zip(raws, mails, digests, strict=True):
            if mail.communication_id not in events:
                # Mails that happen to come together have nothing else in common: a trace each.
                traceparent = trace if trace and len(raws) == 1 else new_traceparent()
                data = _payload(mail, digest, raw)
                events[mail.communication_id] = event_of(data, now=now, config_version=version, traceparent=traceparent)
        self._publish(list(events.values()))
        _count(mails, raws, (read - started, stored - read, time.perf_counter() - stored))
        log.info("mails taken", mails=len(mails), communications=len(events), config_version=version)
        return [mail.communication_id for mail in mails]

    def _store(self, raws: Callable[[], list[str]], mails: Sequence[MailReceived]) -> list[str]:
        """Store the mails' files, and wait for what is being stored of the raw mails: their digests."""
        try:
            self._objects.put_many([file.content for mail in mails for file in mail.files])
            return raws()
        except StoreUnavailable:
            metrics.REFUSED.labels("objects").inc()
            raise

    def _publish(self, events: list[Event]) -> None:
        try:
            self._publisher.publish(events)
        except NotAcknowledged:
            metrics.REFUSED.labels("kafka").inc()
            raise


def _read(raw: bytes, rules: MailRules, named: Account | None, now: datetime, old: bool) -> MailReceived:
    mail: ParsedMail = parse_mail(raw)
    account = rules.accounts.first_reached(named, mail) if named is not None else rules.accounts.reached(mail)
    taken = received(mail, raw, account, rules.mail_domain, now, BODY_LIMIT_BYTES)
    return as_history(taken, raw, rules.accounts.is_one(taken.sender)) if old else taken


def _payload(mail: MailReceived, digest: str, raw: bytes) -> CommunicationReceived:
    """What the event says of `mail`. `digest`: of its raw bytes."""
    files = [
        {
            "sha256": file.sha256,
            "size": len(file.content),
            "filename": file.filename,
            "content_type": file.content_type[:LONGEST_TYPE],
            "inline": file.inline,
            "danger": danger(file.filename, file.content),
        }
        for file in mail.files
    ]
    if mail.unreadable:
        name = "unreadable-message.bin"
        files = [{"sha256": digest, "size": len(raw), "filename": name, "danger": danger(name, raw)}]
    # One validation of everything: a model made for each piece first would cost half as much again.
    return CommunicationReceived.model_validate(
        {
            "communication_id": mail.communication_id,
            "conversation_id": mail.conversation_id,
            "direction": "outbound" if mail.is_ours else "inbound",
            "method": mail.method,
            "channel_account": mail.channel_account,
            "sender": {"kind": "email", "value": mail.sender, "name": mail.sender_name},
            "recipients": mail.recipients,
            "subject_line": mail.subject_line,
            "text": mail.text,
            "text_truncated": mail.text_truncated,
            "own_text_length": mail.own_text_length,
            "message_id": mail.message_id,
            "in_reply_to": mail.in_reply_to,
            "references": mail.references,
            "occurred_at": mail.occurred_at,
            "received_at": mail.received_at,
            "attachments": files,
            "raw": {"sha256": digest, "size": len(raw), "filename": "message.eml", "content_type": "message/rfc822"},
            "robot": mail.robot.value,
            "bounce": _report(mail.bounce),
            "opens_case": not mail.old,
            "old": mail.old,
        }
    )


def _report(bounce: Bounce | None) -> dict[str, object] | None:
    if bounce is None or not (bounce.message_id or bounce.recipients):
        return None
    recipients = [{"address": one.address[:LONGEST_HANDLE], "action": one.action, "status": one.status} for one in bounce.recipients]
    return {"message_id": bounce.message_id[:LONGEST_LINE], "recipients": recipients}


def _count(mails: Sequence[MailReceived], raws: Sequence[bytes], seconds: tuple[float, float, float]) -> None:
    for robot, count in Counter(mail.robot.value for mail in mails).items():
        metrics.MAILS.labels(robot).inc(count)
    metrics.UNREADABLE.inc(sum(mail.unreadable for mail in mails))
    metrics.UNPLACED.inc(sum(not mail.channel_account for mail in mails))
    metrics.STORED_BYTES.inc(sum(map(len, raws)) + sum(len(file.content) for mail in mails for file in mail.files))
    metrics.BATCH_MAILS.observe(len(mails))
    for step, took in zip(("read", "store", "publish"), seconds, strict=True):
        metrics.STEP_SECONDS.labels(step).observe(took)
