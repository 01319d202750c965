"""A message that staff write to the customer of a case (NOTE-2): to whom, with what, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from services.case.domain.refusals import InputRefused, NotTold

NOTICE = "notice"
"""What kind of machine a message of ours counts as sent by that a communication definition or a rule made."""
MOST_FILES = 10
MOST_BYTES = 10 * 1024 * 1024
"""Of all files of a message together. Most mail servers take no message beyond 20 to 25 MB, and a file grows by a third on its way."""
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,400}>")
HANDED_IN_FOR = timedelta(days=1)
"""How long a file that was handed in waits for its message."""


class Reachable(NamedTuple):
    """An address of the customer. `came_back`: the last message to it did."""

    address: str
    came_back: bool = False


class MessageFile(NamedTuple):
    """A file that goes with a message; `sha256` None: its content is not kept any more."""

    sha256: str | None
    size: int
    filename: str
    content_type: str
    danger: str = ""


def recipient(what: str, wanted: str, known: Sequence[Reachable]) -> str:
    """The address to write to: one of the customer's own, `wanted` or the first that nothing came back from.

    Raises `NotTold` and `InputRefused`. Nobody else is written to from a case: its texts are the customer's.
    """
    if not known:
        raise NotTold(what, "no email address is known of its customer")
    if not wanted:
        return next((one.address for one in known if not one.came_back), known[0].address)
    for one in known:
        if one.address.lower() == wanted.lower():
            return one.address
    raise InputRefused(what, "the recipient is none of its customer's email addresses")


def check_files(what: str, files: Sequence[MessageFile]) -> None:
    """Raise `InputRefused` where these files cannot go with one message."""
    if len(files) > MOST_FILES:
        raise InputRefused(what, f"{len(files)} files are too many: at most {MOST_FILES} go with a message")
    if sum(file.size for file in files) > MOST_BYTES:
        raise InputRefused(what, f"the files are too large: together at most {MOST_BYTES // 2**20} MB go with a message")
    for file in files:
        if file.sha256 is None:
            raise InputRefused(what, f"{file.filename} is not kept any more")
        if file.danger:
            raise InputRefused(what, f"{file.filename} may harm whoever opens it ({file.danger}), so it is not sent")


def message_id(conversation: UUID, communication: UUID, mail_domain: str) -> str:
    """The Message-ID of a message of ours: by its first half a reply finds the conversation, by its second a bounce the message."""
    return f"<{conversation}.{communication}@{mail_domain}>"


def answerable(message_id: str) -> str:
    """A Message-ID as it may stand in our header; empty where what a customer's program sent is none."""
    return message_id if _MESSAGE_ID.fullmatch(message_id) else ""


def file_name(text: str, fallback: str = "file") -> str:
    """A file's name as it was given, without folders and without what is no character of a name."""
    name = "".join(letter for letter in text if letter.isprintable()).replace("\\", "/").rpartition("/")[2].strip()
    name = name.encode("utf-8", "ignore").decode()[:255]
    return name if name.strip(". ") else fallback
