"""What a subject does with replies to its closed cases (CASE-8)."""

from __future__ import annotations

from typing import Literal

from shared.schemas.configuration.document import Document
from shared.schemas.configuration.references import find

LateReply = Literal["record", "reopen", "open_linked"]
"""`record`: it is kept with the case, and that is all. `reopen`: a completed case is open again, where one of the subject's transitions
reopens it; a cancelled one is not. `open_linked`: it opens a new case of the subject that follows up the old one."""


def check_late_replies(document: Document) -> None:
    """A subject whose late replies reopen has a transition that does."""
    for item in find(document.data, "subjects[]"):
        subject = item.value
        if not isinstance(subject, dict) or subject.get("late_reply") != "reopen":
            continue
        transitions = subject.get("transitions")
        rules = transitions if isinstance(transitions, list) else []
        if not any(isinstance(rule, dict) and rule.get("reopens") is True for rule in rules):
            document.problem((*item.path, "late_reply"), "no transition of the subject reopens; give it one with `reopens: true`")
