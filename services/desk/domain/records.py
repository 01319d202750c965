"""Cases and communications as pages show them: what they are, and in plain words what became of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.desk.domain.undeliverable import Undeliverable, reason_in

CASE_STATE_WORDS = {
    "pending": "Pending",
    "responded": "Responded",
    "temporarily_resolved": "Temporarily resolved",
    "finally_resolved": "Finally resolved",
    "completed": "Completed",
    "cancelled": "Cancelled",
}
STAGE_WORDS = {
    "response": "Response",
    "temporary_resolution": "Temporary resolution",
    "final_resolution": "Final resolution",
}
ROBOT_WORDS = {
    "auto_reply": "an automatic reply, such as an out-of-office note",
    "bounce": "a mail server's report that a message could not be delivered",
    "bulk": "sent by a machine to many, such as a newsletter or a mailing list",
}
DANGER_WORDS = {
    "executable": "It is a program, or installs one. Opening it runs it.",
    "script": "It is a script. Opening it may run commands on your computer.",
    "macros": "It is a document that carries programs (macros), or may. Never allow them to run.",
    "disk-image": "It is an image of a disk, which can hide programs from the checks of your computer.",
    "shortcut": "It is a shortcut: opening it leads to a program or a web address that you do not see.",
    "web-page": "It is a web page. It may ask for passwords or run scripts in your browser.",
    "disguised": "It passes for something harmless and is a program. There is hardly an honest reason for that.",
    "archive": "It is an archive that holds a program or the like, or that nobody can look into without its password.",
}
LATE = timedelta(minutes=15)
SCRIPT_WORDS = {"pre": "Before the conversation", "security": "Security questions"}


@dataclass(frozen=True, slots=True)
class File:
    """A file that came with a communication. `size` in bytes; `danger` as ingest has it, empty: nothing is known against it; `is_kept`:
    it can still be had.
    """

    position: int
    filename: str
    content_type: str
    size: int
    danger: str
    is_kept: bool = True

    @property
    def size_words(self) -> str:
        """Its size for people."""
        return size_words(self.size)

    @property
    def danger_words(self) -> str:
        """Why opening it may do harm; empty: nothing is known against it."""
        return DANGER_WORDS.get(self.danger, "It is of a kind that may do harm.") if self.danger else ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message of ours. `definition`: the communication definition that made it; empty: somebody wrote it."""

    state: str
    error: str
    at: datetime
    definition: str

    @property
    def did_not_arrive(self) -> bool:
        """Whether it is known that the customer has not got it."""
        return self.state in ("failed", "bounced")

    def words(self, when: Callable[[datetime], str]) -> str:
        """Its state for people; `when` says a time."""
        if self.state == "sent":
            return f"Sent {when(self.at)}"
        if self.state == "bounced":
            return f"Came back {when(self.at)}: {self.reason}"
        if self.state == "failed":
            return f"Not sent: {self.reason}"
        return "Waiting to be sent"

    @property
    def reason(self) -> str:
        """Why it did not arrive."""
        return reason_in(self.error) or self.error.removeprefix("not sent: ") or "no reason is known"


class ScriptAnswer(NamedTuple):
    """What was answered to a prompt of the method's scripts."""

    script: str
    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Communication:
    """A communication. `own_text_length`: how many characters of `text` are its sender's own; None: all of them."""

    id: UUID
    direction: str
    method: str
    location: str
    account: str
    sender_kind: str
    sender: str
    sender_name: str
    recipients: tuple[str, ...]
    subject_line: str
    effect: str
    robot: str
    reason: str
    is_old: bool
    is_expired: bool
    occurred_at: datetime
    received_at: datetime
    suggested_case: UUID | None
    case_ids: tuple[UUID, ...]
    text: str
    is_text_cut: bool
    own_text_length: int | None
    message_id: str
    """Only mail has one."""
    raw_sha256: str | None
    script_answers: tuple[ScriptAnswer, ...]
    files: tuple[File, ...]
    is_erased: bool = False
    delivery: Delivery | None = None
    """What became of it, where it is a message of ours."""
    task: UUID | None = None
    """That it was written for."""
    lead: UUID | None = None
    """That it is about."""

    @property
    def own_text(self) -> str:
        """What its sender wrote."""
        return (self.text if self.own_text_length is None else self.text[: self.own_text_length]).strip()

    @property
    def quoted(self) -> str:
        """The history that its sender quoted below their own text."""
        return "" if self.own_text_length is None else self.text[self.own_text_length :].strip("\n")

    @property
    def is_inbound(self) -> bool:
        """Whether it came from the customer."""
        return self.direction == "inbound"

    @property
    def came_late(self) -> bool:
        """Whether it was so long under way that both times matter."""
        return self.received_at - self.occurred_at > LATE

    @property
    def heading(self) -> str:
        """Its subject line, or words in its place."""
        return self.subject_line or "Without a subject line"

    @property
    def from_words(self) -> str:
        """Who sent it, by name and address as far as they are known."""
        if self.sender_name and self.sender and self.sender_name != self.sender:
            return f"{self.sender_name} ({self.sender})"
        return self.sender_name or self.sender or "unknown"

    @property
    def has_html(self) -> bool:
        """Whether it may have HTML to be shown as it was sent: mail that was kept."""
        return bool(self.message_id) and self.raw_sha256 is not None

    @property
    def is_dangerous(self) -> bool:
        """Whether it came with a file that may do harm."""
        return any(file.danger for file in self.files)

    @property
    def no_case_words(self) -> str:
        """Why it opened no case; empty where it did, or joined one."""
        if self.case_ids or self.effect in ("opens", "joins"):
            return ""
        if self.reason == "loop":
            return (
                "It opened no case and nothing was sent back, because too many messages came in a short time: most likely two machines"
                " were answering each other. If a person wrote it, answer them by hand."
            )
        if self.is_old:
            return "It opened no case, because it is from before this system was in use. It is kept as history."
        if self.robot in ROBOT_WORDS:
            return f"It opened no case and nothing was sent back, because it is {ROBOT_WORDS[self.robot]}."
        if self.lead and self.is_inbound:
            return "It opened no case, because it is about a lead that was being worked on."
        if not self.is_inbound:
            return "It opened no case, because it went to the customer."
        return "It has opened no case so far: nobody has chosen a subject for it."

    @property
    def robot_words(self) -> str:
        """Why it counts as sent by a machine although it has a case; empty: it does not."""
        return f"A machine sent it: it is {ROBOT_WORDS[self.robot]}." if self.robot in ROBOT_WORDS and not self.no_case_words else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response or resolution of a case. `accepted`: the customer's word; None: none yet."""

    stage: str
    category: str
    text: str
    requires_acceptance: bool
    given_by: str
    given_at: datetime
    accepted: bool | None
    accepted_by: str
    comment: str

    @property
    def stage_word(self) -> str:
        """The stage for people."""
        return STAGE_WORDS.get(self.stage, self.stage)


@dataclass(frozen=True, slots=True)
class KeyDates:
    """When a case is to be complete (CASE-9). `overdue_seconds`: working time since then; 0 when it is not overdue."""

    expected_at: datetime | None
    estimated_at: datetime | None
    overdue_seconds: int

    @property
    def overdue_words(self) -> str:
        """How long it is overdue, in working time; empty when it is not."""
        hours, minutes = divmod(self.overdue_seconds // 60, 60)
        if not hours:
            return f"{minutes} working min" if minutes else ""
        return f"{hours} working hour{'' if hours == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Case:
    """A case; `communications` only where it was asked for by itself, the newest first."""

    id: UUID
    number: str
    subject: str
    title: str
    state: str
    status: str
    priority: str
    urgency: str
    impact: str
    unit: str
    owner: str
    customer_name: str
    customer_email: str
    is_waiting_for_customer: bool
    needs_review: bool
    reason: str
    opened_at: datetime
    responded_at: datetime | None
    completed_at: datetime | None
    communications: tuple[Communication, ...] = ()
    due_at: datetime | None = None
    """When it is expected to be complete."""
    revision: int = 0
    category: str = ""
    awaiting_acceptance: str = ""
    """The stage whose answer the customer has to accept; empty: none."""
    answers: tuple[Answer, ...] = ()
    key_dates: KeyDates | None = None

    @property
    def awaiting_words(self) -> str:
        """What waits for the customer's acceptance, for people."""
        return STAGE_WORDS.get(self.awaiting_acceptance, self.awaiting_acceptance).lower()

    merged_into: UUID | None = None
    """The case that goes on in its stead."""
    communication_id: UUID | None = None
    """The communication that opened it."""
    contact: UUID | None = None
    """The customer's page."""
    heard_at: datetime | None = None
    """When the customer last heard from us."""
    undeliverable: tuple[Undeliverable, ...] = ()
    """The customer's handles that messages came back from for good; only where the case was asked for by itself."""

    @property
    def state_word(self) -> str:
        """The life-cycle state for people."""
        return CASE_STATE_WORDS.get(self.state, self.state)

    @property
    def is_open(self) -> bool:
        """Whether it is neither completed nor cancelled."""
        return self.state not in ("completed", "cancelled")


def size_words(size: int) -> str:
    """A number of bytes for people: `812 bytes`, `3.4 MB`."""
    if size < 1000:
        return f"{size} byte{'' if size == 1 else 's'}"
    number = float(size)
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 999.5 or unit == "GB":
            break
    return f"{number:.1f} {unit}" if number < 9.95 else f"{number:.0f} {unit}"
