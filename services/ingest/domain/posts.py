"""Posts on X (COM-4): what a post says, and the ids of its communication."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from shared.ids import CommunicationId, ConversationId, derive


@dataclass(frozen=True, slots=True)
class PostFile:
    """A file of a post: its text, an image, a clip."""

    filename: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Post:
    """A post that mentions one of our handles. What X does not tell is empty.

    `id`: X's number of the post; empty: nothing of it could be read but `raw`. `conversation`: number of the post that the conversation
    began with. `author_id`: X's number of the author; `handle`: as X writes it, without @. `text`: the author's own words, whole.
    `below`: what stands below them: the post that it quotes, and what is to be said of its files. `raw`: its JSON as X gave it.
    """

    id: str
    conversation: str
    author_id: str
    handle: str
    name: str
    text: str
    below: str
    at: datetime | None
    files: tuple[PostFile, ...]
    raw: bytes = field(repr=False)


def post_communication(post: Post) -> CommunicationId:
    """Its communication: the same post given again, or to another of our handles, is the same."""
    if not post.id:
        return CommunicationId(derive("x-unreadable-post", hashlib.sha256(post.raw).hexdigest()))
    return CommunicationId(derive("x-post", post.id))


def post_conversation(post: Post) -> ConversationId:
    """The conversation on X that it belongs to; of a post that cannot be read, one of its own."""
    if not post.id:
        return ConversationId(derive("conversation", post_communication(post)))
    return ConversationId(derive("x-conversation", post.conversation or post.id))
