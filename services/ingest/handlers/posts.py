"""Posts on X in (COM-4): store their files, tell Kafka, and only then say that they are taken.

As with mails there is no outbox: a post is fetched again until it was taken, and its ids derive from X's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.ingest import metrics
from services.ingest.domain.communication import LONGEST_NAME, cut, occurred
from services.ingest.domain.contacts import normal_handle
from services.ingest.domain.mail import clean_text
from services.ingest.domain.posts import Post, post_communication, post_conversation
from services.ingest.handlers.events import event_of
from shared.handles import BadHandle
from shared.messaging import ReferenceData
from shared.messaging.direct import DirectPublisher, NotAcknowledged
from shared.observability import get_logger
from shared.observability.tracing import new_traceparent
from shared.schemas.configuration.channels import XAccount
from shared.schemas.envelope import Event
from shared.schemas.events import BODY_LIMIT_BYTES, CommunicationReceived
from shared.schemas.parts import FileRef, Handle
from shared.storage.objects import ObjectStore, StoreUnavailable

log = get_logger(__name__)


class PostIntake:
    """Takes posts. One per process; safe to use from several threads."""

    def __init__(self, reference: ReferenceData, objects: ObjectStore, publisher: DirectPublisher) -> None:
        self._reference = reference
        self._objects = objects
        self._publisher = publisher

    def take_posts(self, posts: Sequence[Post], account: XAccount, now: datetime) -> list[UUID]:
        """Take `posts` that reached `account`; their communications' ids, in order, once Kafka has them all.

        What the handle itself wrote is not a contact: it has no communication. A post that cannot be read is one, with its JSON as file.
        Raises, for the caller to try again, `StoreUnavailable` and `NotAcknowledged`; then none of `posts` counts as taken. There must
        be a configuration.
        """
        theirs = [post for post in posts if not _is_own(post, account)]
        version = self._reference.version
        events: dict[UUID, Event] = {}
        try:
            for post in theirs:
                id = post_communication(post)
                if id not in events:
                    data = self._communication(post, account, now)
                    events[id] = event_of(data, now=now, config_version=version, traceparent=new_traceparent())
        except StoreUnavailable:
            metrics.REFUSED.labels("objects").inc()
            raise
        try:
            self._publisher.publish(list(events.values()))
        except NotAcknowledged:
            metrics.REFUSED.labels("kafka").inc()
            raise
        unreadable = sum(not post.id for post in theirs)
        metrics.POSTS.labels("own").inc(len(posts) - len(theirs))
        metrics.POSTS.labels("unreadable").inc(unreadable)
        metrics.POSTS.labels("others").inc(len(theirs) - unreadable)
        metrics.STORED_BYTES.inc(sum(len(post.raw) + sum(len(file.content) for file in post.files) for post in theirs))
        log.info("posts taken", posts=len(posts), communications=len(events), config_version=version)
        return [post_communication(post) for post in theirs]

    def _communication(self, post: Post, account: XAccount, now: datetime) -> CommunicationReceived:
        """What the event says of `post`, its files stored. Raises `StoreUnavailable`."""
        digests = self._objects.put_many([post.raw, *[file.content for file in post.files]])
        raw = FileRef(sha256=digests[0], size=len(post.raw), filename="post.json", content_type="application/json")
        files = [
            FileRef(sha256=digest, size=len(file.content), filename=file.filename, content_type=file.content_type)
            for file, digest in zip(post.files, digests[1:], strict=True)
        ]
        text, truncated = cut(clean_text("\n\n".join(filter(None, [post.text, post.below]))), BODY_LIMIT_BYTES)
        return CommunicationReceived(
            communication_id=post_communication(post),
            conversation_id=post_conversation(post),
            direction="inbound",
            method=account.method,
            channel_account=f"@{account.handle}",
            sender=Handle(kind="x", value=_handle(post), name=clean_text(post.name)[:LONGEST_NAME]),
            recipients=(f"@{account.handle}",),
            subject_line="" if post.id else "Post that could not be read",
            text=text,
            text_truncated=truncated,
            occurred_at=occurred(post.at, now),
            received_at=now,
            attachments=tuple(files) if post.id else (raw,),
            raw=raw,
        )


def _is_own(post: Post, account: XAccount) -> bool:
    return post.author_id == account.user_id or post.handle.lower() == account.handle.lower()


def _handle(post: Post) -> str:
    """The author's handle as contacts are matched by; empty: nobody's, where X does not tell it or it is none."""
    try:
        return normal_handle("x", post.handle, "")
    except BadHandle:
        return ""
