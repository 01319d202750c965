"""Clocks, reports on them and simulations, by sla's API, with the token of whoever looks at the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from services.desk import metrics
from services.desk.domain.deadline_report import Kept, Report, Times, Took
from services.desk.domain.deadlines import NO_DEADLINES, Deadline, Entry, Ledger, Standing
from services.desk.domain.simulation import Compared, Differing, Simulated
from services.desk.gateways.asking import Asking, Fetched, Refused, moment_of

Show = Literal["breached", "at-risk", "upcoming"]
Which = Literal["compliance", "times"]
MOST = 50
"""Clocks on one page."""
BESIDE_SECONDS = 3.0
"""How long the page of a case or a task waits for what is only a part of it."""

SIMULATION_SECONDS = 60.0
"""How long a simulation may take."""


@dataclass(frozen=True, slots=True)
class DeadlineList:
    """Clocks in the list's order; `next`: where others begin, if there are any."""

    deadlines: tuple[Deadline, ...]
    next: str = ""


class Deadlines:
    """Reads; every method raises `Away` and `Refused`. Safe for use by many threads."""

    def __init__(self, sla_url: str) -> None:
        self._asking = Asking(sla_url, metrics.SLA_API_SECONDS, "clock")
        self._beside = Asking(sla_url, metrics.SLA_API_SECONDS, "clock", BESIDE_SECONDS)
        self._simulating = Asking(sla_url, metrics.SLA_API_SECONDS, "clock", SIMULATION_SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self._asking.close()
        self._beside.close()
        self._simulating.close()

    def of_item(self, token: str, item: UUID) -> tuple[Ledger, ...]:
        """The clocks of a case, task or lead with where their time went; none where it has none that the caller may see."""
        try:
            return ledgers_of(self._beside.ask("GET", f"/clocks/{item}", token))
        except Refused:
            return ()

    def listed(self, token: str, show: Show, filters: Mapping[str, str]) -> DeadlineList:
        """Clocks by the API's own filters: the breached with the longest first, others with the soonest due first."""
        found = self._asking.ask("GET", f"/clocks/{show}", token, params={"limit": str(MOST), **filters})
        return DeadlineList(tuple([_deadline(item) for item in found["items"]]), found["next"] or "")

    def figures(self, token: str, filters: Mapping[str, str]) -> Standing:
        """How many there are in each list, by the API's own filters."""
        found = self._asking.ask("GET", "/clocks/figures", token, params=filters)
        return Standing(int(found["breached"]), int(found["at_risk"]), int(found["upcoming_today"]))

    def report(self, token: str, filters: Mapping[str, str]) -> Report:
        """How deadlines were kept and how long things took, by the API's own filters."""
        kept = self._asking.ask("GET", "/reports/compliance", token, params=filters)
        times = self._asking.ask("GET", "/reports/times", token, params=filters)
        return Report(
            tuple([_kept(row) for row in kept["rows"]]), _kept({"group": ""} | kept["total"]), tuple([_took(row) for row in times["rows"]])
        )

    def report_file(self, token: str, which: Which, filters: Mapping[str, str]) -> Fetched:
        """The same as CSV."""
        return self._asking.fetch(f"/reports/{which}?{urlencode({'format': 'csv'} | dict(filters))}", token)

    def simulate(self, token: str, configuration: str, begins: datetime, ends: datetime) -> Simulated:
        """What the clocks that ran between two moments would have come to under another configuration."""
        content = {"configuration": configuration, "from": begins.isoformat(), "until": ends.isoformat()}
        found = self._simulating.ask("POST", "/simulations", token, content=content)
        kinds, changed = [_compared(item) for item in found["kinds"]], [_differing(item) for item in found["items"]]
        return Simulated(found["cases"], found["uncounted"], found["is_complete"], tuple(kinds), tuple(changed))


def _deadline(item: Mapping[str, Any]) -> Deadline:
    """From a clock as sla's lists show it."""
    return Deadline(
        id=UUID(item["id"]),
        kind=item["kind"],
        item_kind=item["item_kind"],
        item=UUID(item["item_id"]),
        number=item["number"],
        title=item["title"],
        unit=item["unit"],
        assignee=item["assignee"] or "",
        priority=item["priority"],
        state=item["state"],
        due_at=datetime.fromisoformat(item["due_at"]),
        due_soon_at=moment_of(item["due_soon_at"]),
    )


def _compared(item: Mapping[str, Any]) -> Compared:
    return Compared(item["kind"], item["clocks"], item["missed_before"], item["missed_after"], item["newly_missed"], item["newly_met"])


def _differing(item: Mapping[str, Any]) -> Differing:
    return Differing(
        kind=item["kind"],
        item_kind=item["item_kind"],
        item=UUID(item["item_id"]),
        number=item["number"],
        title=item["title"],
        before=item["before"] or "",
        after=item["after"] or "",
        due_before=moment_of(item["due_before"]),
        due_after=moment_of(item["due_after"]),
    )


def _kept(row: Mapping[str, Any]) -> Kept:
    share = row["share"]
    return Kept(row["group"], row["met"], row["missed"], row["cancelled"], row["open_overdue"], None if share is None else float(share))


def _took(row: Mapping[str, Any]) -> Took:
    return Took(row["group"], row["kind"], row["count"], _times(row["used"]), _times(row["elapsed"]))


def _times(item: Mapping[str, Any]) -> Times:
    return Times(item["p50_seconds"], item["p90_seconds"], item["p95_seconds"], item["longest_seconds"])


def ledgers_of(content: Mapping[str, Any]) -> tuple[Ledger, ...]:
    """From what sla says of an item: its deadlines, those that are still open first, in the order in which they are due."""
    found = [_ledger(item) for item in content["clocks"] if item["kind"] not in NO_DEADLINES]
    return tuple(sorted(found, key=lambda ledger: (not ledger.is_open, ledger.due_at)))


def _ledger(item: Mapping[str, Any]) -> Ledger:
    return Ledger(
        kind=item["kind"],
        state=item["state"],
        outcome=item["outcome"] or "",
        summary=item["summary"],
        started_at=datetime.fromisoformat(item["started_at"]),
        due_at=datetime.fromisoformat(item["due_at"]),
        due_soon_at=moment_of(item["due_soon_at"]),
        budget_seconds=float(item["budget_seconds"]),
        used_seconds=item["used_seconds"],
        calendar=item["calendar"] or "",
        target=item["target"],
        pauses=bool(item["pauses"]),
        entries=tuple(
            [Entry(one["kind"], datetime.fromisoformat(one["at"]), moment_of(one["until"]), one["words"]) for one in item["timeline"]]
        ),
    )
