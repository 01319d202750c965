"""Codes that are generated: a subject whose code is left out or blank gets one from its name (CASE-2)."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from shared.schemas.configuration.document import Document
from shared.schemas.events.texts import CODE_LENGTH

_ROOM = CODE_LENGTH - 4
"""What leaves room for a number behind it."""


def generate_codes(document: Document) -> None:
    """Give every subject that has a name a code: `Burst pipe` becomes `burst-pipe`, a second one `burst-pipe-2`."""
    subjects = document.data.get("subjects")
    named = [item for item in subjects if isinstance(item, dict)] if isinstance(subjects, list) else []
    taken = {item.get("code") for item in named if isinstance(item.get("code"), str)}
    for item in named:
        if isinstance(item.get("name"), str) and _is_blank(item.get("code")):
            taken.add(code := _free(_code(item["name"]), taken))
            item["code"] = code


def _is_blank(code: Any) -> bool:
    return code is None or (isinstance(code, str) and not code.strip())


def _code(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_ROOM].strip("-") or "subject"


def _free(code: str, taken: set[Any]) -> str:
    found, number = code, 1
    while found in taken:
        number += 1
        found = f"{code}-{number}"
    return found
