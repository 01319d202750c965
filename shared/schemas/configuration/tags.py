"""The `#tags` of message templates: which there are, how they are recognised in a text, and the check of a text.

Rules of the text: a `#` directly before a letter begins a tag, whose name goes on as long as letters, digits and underscores do;
`##` is a literal `#`; a `#` before anything else (`#12`, `# `, the end) and the `&#...;` of HTML stay as they are. So a misspelt tag can
never slip through as text: whoever means `#fff` or a link's `#anchor` writes `##fff`, `##anchor`.

Stdlib only: the pure core of notify renders from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType

TAGS: Mapping[str, str] = MappingProxyType(
    {
        "acceptance_link": "Link by which the customer accepts or declines our answer; in messages to customers about a case.",
        "alert": "What a clock tells: due soon, overdue, escalated, not begun.",
        "approval": "What is to be approved; in messages about an approval.",
        "approval_link": "Link by which the approver approves or declines it; in messages to the approver.",
        "approver": "Name of who is to approve it.",
        "asked_by": "Name of who asked for the approval.",
        "asked_since": "Since when the approver is asked, in the organisation's time zone.",
        "assignee": "Name of the member of staff who has the case, task or lead.",
        "case_number": "Number of the case, such as C-2026-000123, or of the lead.",
        "case_title": "What the case or lead is about, in a line.",
        "changed_by": "Name of whoever made the change that this message is about.",
        "clock": "What is being timed: due, response, resolution, ...",
        "customer_email": "The customer's email address.",
        "description": "The task's description.",
        "desk_link": "Address of the item's page at the desk; in messages to staff.",
        "due": "When the item is due, in the organisation's time zone.",
        "feedback_link": "Link by which the customer says how they liked it; in messages to customers about a case.",
        "first_name": "The customer's first name.",
        "full_name": "The customer's whole name.",
        "item": "The kind of item that this message is about: case, task, communication or lead.",
        "last_name": "The customer's last name.",
        "message": "What the task's definition tells the user at the present stage; what is told to all customers of a major case.",
        "opened": "When the case was opened, in the organisation's time zone.",
        "organisation": "The organisation's name.",
        "owner": "Whom the item is for: a member of staff, a role or a business unit, by name.",
        "priority": "The priority's name.",
        "reason": "Why the item's state changed, where a reason was given; what was said to an approval.",
        "recipient": "Name of the person whom this message goes to.",
        "recipient_first_name": "First name of the person whom this message goes to.",
        "status": "The item's status.",
        "subject": "Name of the case's subject, or of the lead's type.",
        "task": "The task's subject line.",
        "unit": "Name of the business unit in charge.",
    }
)
"""Every tag and what it is replaced with; one that does not apply to an event is replaced with nothing."""
APPROVAL_LINK = "approval_link"
"""The tag that stands for an approver's link. For the approver only: whoever has it can decide."""
LINKS: Mapping[str, str] = MappingProxyType({"acceptance_link": "acceptance", "feedback_link": "feedback"})
"""Tags that stand for a customer's link, and the purpose that the link has. For the customer only: whoever has it can answer."""
DESK_LINK = "desk_link"
"""The tag that stands for the item's page at the desk. Whoever follows it signs in there."""
LINK_TAGS = frozenset({APPROVAL_LINK, DESK_LINK, *LINKS})
"""Every tag that stands for a link."""

_ANY = frozenset({"case_number", "case_title", "item", "organisation", "recipient", "recipient_first_name"})
_CUSTOMER = frozenset({"customer_email", "first_name", "full_name", "last_name"})
_WORK = frozenset({"assignee", "due", "owner", "priority", "subject", "unit"})
_CASE = _ANY | _CUSTOMER | _WORK | {"changed_by", "opened", "status"}
_APPLIES: Mapping[str, frozenset[str]] = {
    "case": _CASE,
    "task": _ANY | _CUSTOMER | _WORK | {"changed_by", "description", "message", "reason", "status", "task"},
    "clock": _ANY | _WORK | {"alert", "clock", "task"},
    "approval": _ANY | {"approval", "approver", "asked_by", "asked_since", "changed_by", "reason", "status", "task", "unit"},
}
"""The tags that can stand for something, by what an event begins with. Of another kind of event nothing is known."""
_CONCERNED = _ANY | _CUSTOMER | (_WORK - {"due"}) | {"status"}
WROTE = "customer-wrote"
"""What an event is called by which a customer wrote about something, behind what that is."""


def tags_for(on: str, to: Collection[str]) -> frozenset[str]:
    """The tags that can stand for something in a message about `on` that goes `to` these."""
    kind, _, what = on.partition(".")
    if what == WROTE:
        return _CONCERNED | {DESK_LINK} if set(to) != {"customer"} else _CONCERNED
    if kind not in _APPLIES:
        return frozenset(TAGS)
    more = {"message"} if on == "case.broadcast" else set()
    if kind == "case" and "customer" in to:
        more |= LINKS.keys()
    if kind == "approval" and "approver" in to:
        more.add(APPROVAL_LINK)
    if set(to) != {"customer"}:
        more.add(DESK_LINK)
    return _APPLIES[kind] | more


def refusal_of(tag: str, known: frozenset[str], used_by: str) -> str:
    """Why a tag has no place in a template for messages in which `known` ones stand for something; empty: it has."""
    if tag in known or tag not in TAGS:
        return ""
    return f"#{tag} stands for nothing in the messages that this is for ({used_by}): {_lowered(TAGS[tag])}"


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")


_MARK = re.compile(r"##|(?<!&)#([^\W\d_]\w*)")


def tokens(text: str) -> Iterator[tuple[str, str]]:
    """The text in order, as pairs of literal text and the tag after it (empty: none)."""
    literal, at = "", 0
    for mark in _MARK.finditer(text):
        literal += text[at : mark.start()]
        at = mark.end()
        if mark.group(1) is None:
            literal += "#"
        else:
            yield literal, mark.group(1)
            literal = ""
    literal += text[at:]
    if literal:
        yield literal, ""


def check_template(text: str) -> list[str]:
    """A line for each unknown tag in the text, once a tag, with the known tag nearest to it; empty: the text is good."""
    unknown = dict.fromkeys(tag for _, tag in tokens(text) if tag and tag not in TAGS)
    return [_refusal(tag) for tag in unknown]


def _refusal(tag: str) -> str:
    nearest = get_close_matches(tag.lower(), TAGS, n=1, cutoff=0.6)
    hint = f"did you mean #{nearest[0]}?" if nearest else f"known are {', '.join(sorted('#' + name for name in TAGS))}"
    return f"unknown tag #{tag}: {hint} (write ## for a # that is text)"
