"""Runs the tiers of tests one after another and holds each against its time budget (tests/BUDGET.md)."""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.platform import kept_up

CLONE = Path(__file__).resolve().parents[1]
BUDGET = CLONE / "tests" / "BUDGET.md"
ROW = re.compile(r"^\| (\w+) \| (\d+) \| (\d+) \|", re.MULTILINE)
COUNT = re.compile(r"(\d+) (passed|failed|error|skipped)")


@dataclass(frozen=True)
class Outcome:
    """What became of one tier."""

    tier: str
    budget: int
    seconds: float
    exit_code: int
    counts: dict[str, int]

    @property
    def is_late(self) -> bool:
        """Whether it took longer than it may."""
        return self.seconds > self.budget


def run_tier(tier: str, budget: int, workers: int) -> Outcome:
    """Run one tier, its output as it comes."""
    command = [sys.executable, "-m", "pytest", f"tests/{tier}", "-q", "--durations=12"]
    if workers > 1:
        command += ["-n", str(workers), "--dist", "loadfile"]
    if (CLONE / "tests" / tier / "LONGEST.txt").exists():
        command += ["--no-loadscope-reorder"]  # its conftest says the order: by time, not by the number of tests
    began = time.monotonic()
    sys.stdout.write(f"== {tier}\n")
    sys.stdout.flush()
    last = ""
    with subprocess.Popen(command, cwd=CLONE, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            last = line if COUNT.search(line) else last
    counts = {what: int(count) for count, what in COUNT.findall(last)}
    return Outcome(tier, budget, time.monotonic() - began, process.returncode, counts)


def main() -> int:
    """Run all tiers that have tests, even after a failure; the exit code says whether all passed."""
    (CLONE / ".casestream" / "requirements.json").unlink(missing_ok=True)
    wanted = set(sys.argv[1:])
    with kept_up():
        outcomes = [
            run_tier(tier, int(seconds), int(workers))
            for tier, seconds, workers in ROW.findall(BUDGET.read_text())
            if any((CLONE / "tests" / tier).rglob("test_*.py")) and (not wanted or tier in wanted)
        ]
    sys.stdout.write("\n")
    for outcome in outcomes:
        verdict = "passed" if outcome.exit_code == 0 else "FAILED"
        late = "  OVER BUDGET" if outcome.is_late else ""
        passed = outcome.counts.get("passed", 0)
        sys.stdout.write(f"{outcome.tier:<9} {verdict}  {passed:>5} tests  {outcome.seconds:6.1f} s of {outcome.budget} s{late}\n")
    total = sum(outcome.seconds for outcome in outcomes)
    failed = [outcome.tier for outcome in outcomes if outcome.exit_code != 0]
    if os.environ.get("CASESTREAM_STRICT_BUDGET"):
        failed += [f"{outcome.tier} (over budget)" for outcome in outcomes if outcome.is_late and outcome.exit_code == 0]
    if failed:
        sys.stdout.write(f"FAILED: {', '.join(failed)} ({total:.0f} s)\n")
        return 1
    count = sum(outcome.counts.get("passed", 0) for outcome in outcomes)
    sys.stdout.write(f"all {count} tests passed ({total:.0f} s)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
