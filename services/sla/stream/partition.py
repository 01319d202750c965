"""One partition of the stream: its clocks, and what the messages and moments at hand make of them, until that is committed.

While one transaction is being committed the next messages are taken in: they see what it will have made of the clocks. Should it be given
up, all of it is undone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from services.sla import metrics
from services.sla.domain.cases import CaseFact, apply_case, recalculate
from services.sla.domain.clocks import ClockKind
from services.sla.domain.communications import CommunicationFact, apply_activity, apply_communication
from services.sla.domain.firing import fire
from services.sla.domain.journal import known_to
from services.sla.domain.leads import LeadFact, apply_lead
from services.sla.domain.packing import FORMAT, known_to_of, pack, reckoned_by_of, unpack
from services.sla.domain.policy import Policy
from services.sla.domain.records import ItemKind, Outcome, Record, item_of, key_of
from services.sla.domain.tasks import TaskFact, apply_task
from services.sla.handlers.alerts import Written, write_alert
from services.sla.handlers.intake import Fact
from services.sla.stream.timers import Timers

Policies = Callable[[int], Policy]
"""The policy of a configuration version."""

CHECKED_AT_ONCE = 20_000
"""Most records whose reckoning is looked at in one go."""

_MISSING = object()


@dataclass(slots=True)
class Work:
    """What is not committed yet."""

    records: dict[bytes, Record | None] = field(default_factory=dict)
    alerts: list[Written] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    """How many alerts of each type."""
    ignored: int = 0
    """How many events changed nothing."""
    popped: list[bytes] = field(default_factory=list)
    offsets: dict[str, int] = field(default_factory=dict)
    """By topic, the next offset after what was taken in."""

    def __bool__(self) -> bool:
        return bool(self.records or self.alerts or self.popped or self.offsets)


class Partition:
    """The clocks of one partition number. Decides; neither reads nor writes Kafka. Nothing changes `timers` before `settle`."""

    def __init__(
        self, number: int, policies: Policies, ready_at: int, timers: Timers | None = None, changelog_format: int = FORMAT
    ) -> None:
        self.number = number
        self._format = changelog_format
        self.timers = timers if timers is not None else Timers()
        self.ready_at = ready_at
        """Since when somebody was here to fire: what fell due before is late."""
        self.work = Work()
        """What the next transaction will commit."""
        self.flying: Work | None = None
        """What is being committed."""
        self._written: list[tuple[bytes, bytes | None]] = []
        self._policies = policies
        self._mark = 0
        self._unchecked: list[bytes] = []

    @property
    def is_settled(self) -> bool:
        """Whether all that was taken in is committed."""
        return self.flying is None and not self.work

    def take(self, fact: Fact, traceparent: bytes, now: int) -> None:
        """Apply one event. Raises what the rules raise; then nothing has changed."""
        if isinstance(fact, TaskFact):
            key = key_of(ItemKind.TASK, fact.task_id)
            is_known, record = self._before(key, fact.revision)
            if not is_known:
                self._keep(key, apply_task(record, fact, self._policy(record, fact), now), traceparent)
        elif isinstance(fact, CaseFact):
            key = key_of(ItemKind.CASE, fact.case_id)
            is_known, record = self._before(key, fact.revision)
            if not is_known:
                self._keep(key, apply_case(record, fact, self._policy(record, fact), now), traceparent)
        elif isinstance(fact, LeadFact):
            if self._format != FORMAT:  # the release before cannot read their records
                self.work.ignored += 1
                return
            key = key_of(ItemKind.LEAD, fact.lead_id)
            is_known, record = self._before(key, fact.revision)
            if not is_known:
                self._keep(key, apply_lead(record, fact, self._policies(fact.config_version), now), traceparent)
        else:
            self._take_communication(fact, self._policies(fact.config_version), traceparent, now)

    def _policy(self, record: Record | None, fact: TaskFact | CaseFact) -> Policy:
        """The rules of the newest revision: of this one, unless it comes late."""
        is_newest = record is None or fact.revision > record.revision
        return self._policies(fact.config_version if is_newest or record is None else record.config_version)

    def _take_communication(self, fact: CommunicationFact, policy: Policy, traceparent: bytes, now: int) -> None:
        conversation = key_of(ItemKind.CONVERSATION, fact.conversation_id)
        active = None if fact.is_expired else apply_activity(self._record(conversation), fact, policy, now)
        key = key_of(ItemKind.COMMUNICATION, fact.communication_id)
        outcome = apply_communication(self._record(key), fact, policy, now)
        if active is not None:
            self.work.records[conversation] = active
        self._keep(key, outcome, traceparent)

    def fire(self, until: int, now: int, tolerance: int, limit: int) -> int:
        """Fire what was due by `until`, at most `limit` items; returns how many. What was due more than `tolerance` ago is late.

        Not while a transaction is being committed: what it moved or closed would fire.
        """
        until = min(until, now)
        keys = self.timers.pop_due(until, limit)
        self.work.popped += keys
        late_before = max(self.ready_at, now - tolerance)
        for key in keys:
            record = self._record(key)
            if record is None:
                continue
            due_at = record.next_at
            if due_at is None or due_at > until:
                self.work.records[key] = record
                continue
            active_at = None
            if record.kind == ItemKind.COMMUNICATION and record.facts.conversation:
                active = self._record(key_of(ItemKind.CONVERSATION, record.facts.conversation))
                active_at = active.clocks[0].started_at if active is not None else None
            metrics.LATENESS.observe((now - due_at) / 1e6)
            policy = self._policies(record.config_version)
            if record.kind == ItemKind.CASE and record.forget_at is None and record.reckoned_by != policy.mark:
                self._keep(key, recalculate(record, policy, now), b"")
                record = self._record(key)
                if record is None or record.next_at is None or record.next_at > until:
                    continue
            self._keep(key, fire(record, now, late_before, policy, active_at, self._is_case_over(record), until), b"")
        return len(keys)

    def is_reckoned_by(self, mark: int) -> bool:
        """Whether all cases were looked at, and reckoned anew where their clocks were reckoned by other calendars than those of `mark`."""
        return self._mark == mark and not self._unchecked

    def recalculate(self, mark: int, now: int, limit: int) -> None:
        """Look at cases whose clocks may have been reckoned by other calendars than those of `mark`; reckon at most `limit` of them anew.

        One that falls due before it is looked at here is reckoned anew then.
        """
        if mark != self._mark:
            self._mark = mark
            self._unchecked = [key for key in self.timers.records if key[0] == ItemKind.CASE]
        left = limit
        for _ in range(min(CHECKED_AT_ONCE, len(self._unchecked))):
            key = self._unchecked.pop()
            packed = self.timers.records.get(key)
            if packed is None or reckoned_by_of(packed) == mark:
                continue
            record = self._record(key)
            if record is None or record.forget_at is not None or record.reckoned_by == mark:
                continue
            self._keep(key, recalculate(record, self._policies(record.config_version), now), b"")
            left -= 1
            if not left:
                break

    def _is_case_over(self, record: Record) -> bool:
        """Of a task that is to begin by some moment, whether its case is finished; its case is on this partition too."""
        if record.kind != ItemKind.TASK or not record.facts.case_id or record.clock(ClockKind.START) is None:
            return False
        case = self._record(key_of(ItemKind.CASE, record.facts.case_id))
        return case is not None and case.forget_at is not None

    def _before(self, key: bytes, revision: int) -> tuple[bool, Record | None]:
        """Whether this revision is surely known already; if not, the record so far.

        That it is the header alone tells, since repeats are many after a restart. An older one that is missing is still taken in.
        """
        found = self._uncommitted(key)
        if found is None:
            return False, None
        if found is _MISSING:
            packed = self.timers.records.get(key)
            if packed is None:
                return False, None
            if known_to_of(packed) >= revision:
                return True, None
            found = unpack(packed)
        return (known_to(found.turns) if found.turns else found.revision) >= revision, found

    def _record(self, key: bytes) -> Record | None:
        found = self._uncommitted(key)
        if found is _MISSING:
            packed = self.timers.records.get(key)
            return None if packed is None else unpack(packed)
        record: Record | None = found
        return record

    def _uncommitted(self, key: bytes) -> Any:
        """The record as the work at hand has it, None where that forgets it, `_MISSING` where it does not touch it."""
        found = self.work.records.get(key, _MISSING)
        if found is _MISSING and self.flying is not None:
            return self.flying.records.get(key, _MISSING)
        return found

    def _keep(self, key: bytes, outcome: Outcome | None, traceparent: bytes) -> None:
        if outcome is None:
            self.work.ignored += 1
            return
        if outcome.alerts:
            kind, item = item_of(key)
            config_version = outcome.record.config_version if outcome.record is not None else 0
            self.work.alerts += [write_alert(kind, item, outcome.facts, config_version, alert, traceparent) for alert in outcome.alerts]
            for alert in outcome.alerts:
                self.work.told[alert.type] = self.work.told.get(alert.type, 0) + 1
        self.work.records[key] = outcome.record

    def launch(self) -> list[tuple[bytes, bytes | None]]:
        """The work is about to be committed. Returns what to write to the changelog: a record for each key, however often it changed."""
        self._written = [(key, None if record is None else pack(record, self._format)) for key, record in self.work.records.items()]
        self.flying, self.work = self.work, Work()
        return self._written

    def settle(self) -> None:
        """What was launched is committed: take it over."""
        flown = self.flying
        if flown is None:
            return
        put = self.timers.put
        for key, packed in self._written:
            put(key, packed)
        for kind, count in flown.told.items():
            metrics.ALERTS.labels(kind).inc(count)
        metrics.IGNORED.inc(flown.ignored)
        self.flying, self._written = None, []

    def undo(self) -> set[str]:
        """What was launched was given up, and what was taken in since rests on it: be as before. Returns the topics to read again."""
        self._mark = 0  # what was reckoned anew is as it was
        topics: set[str] = set()
        for work in (self.flying, self.work):
            if work is not None:
                self.timers.restore(work.popped)
                topics |= work.offsets.keys()
        self.flying, self._written, self.work = None, [], Work()
        return topics

    def next_at(self) -> int | None:
        """The earliest moment at which something is due."""
        return self.timers.next_at()
