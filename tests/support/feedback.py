"""A feedback form for tests, and keys that sign customers' links."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.links import Link, LinkKeys

KEY = "a-key-of-the-tests-that-is-no-secret-at-all"
FORM: dict[str, Any] = {
    "code": "after-repair",
    "name": "How did we do?",
    "intro": "It takes a minute.",
    "questions": [
        {
            "kind": "rating",
            "code": "work",
            "question": "How satisfied are you with the work?",
            "labels": ["Very unhappy", "Unhappy", "So so", "Happy", "Very happy"],
            "satisfied_from": 4,
        },
        {
            "kind": "rating",
            "code": "button",
            "question": "Were you kept informed?",
            "labels": ["No", "Yes"],
            "satisfied_from": 2,
            "required": False,
        },
        {"kind": "text", "code": "words", "question": "Anything else?"},
    ],
}


def a_key_file(folder: Path, *keys: str) -> Path:
    """A file with these keys (none: the tests' own)."""
    path = folder / "link-keys"
    path.write_text("# keys of customers' links\n\n" + "\n".join(keys or (KEY,)) + "\n")
    return path


def a_link(purpose: str, record: UUID, now: datetime, *, life: timedelta = timedelta(days=30), key: str = KEY, user: str = "") -> str:
    """A link as notify makes it; `user`: the approver."""
    return LinkKeys([key]).token(Link(purpose, record, now, now + life, user))
