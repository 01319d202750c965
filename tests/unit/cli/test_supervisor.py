"""The supervisor with small real processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.cli.stack.processes import started_at, stop_process
from services.cli.stack.supervisor import LONGEST_BACKOFF_SECONDS, backoff_seconds
from tests.support import eventually

SLEEPER = "import time\nwhile True: time.sleep(60)"


class Running:
    """A supervisor over a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def plan(self, **programs: Any) -> None:
        entries = [
            {"command": [sys.executable, "-c", SLEEPER], "environment": dict(os.environ), "folder": "/"} | {"name": name} | changes
            for name, changes in programs.items()
        ]
        (self.folder / "plan.json").write_text(json.dumps(entries))
        if self.process is not None:
            self.process.send_signal(signal.SIGHUP)

    def start(self) -> None:
        command = [sys.executable, "-m", "services.cli.stack.supervisor", str(self.folder)]
        self.process = subprocess.Popen(command, start_new_session=True)

    def state(self, name: str) -> dict[str, Any]:
        try:
            processes = json.loads((self.folder / "state.json").read_text())["processes"]
        except FileNotFoundError:
            return {"pid": None, "state": "missing", "restarts": 0}
        return dict(processes.get(name, {"pid": None, "state": "missing", "restarts": 0}))

    def pid(self, name: str) -> int:
        return int(eventually(lambda: self.state(name)["pid"]))


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    if running.process is not None:
        running.process.terminate()
        running.process.wait(30)


def test_a_killed_process_is_started_again(supervisor: Running) -> None:
    supervisor.plan(a={})
    supervisor.start()
    first = supervisor.pid("a")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: supervisor.state("a")["pid"] not in (None, first))
    assert supervisor.state("a")["restarts"] == 1
    assert supervisor.state("a")["exit_code"] == -signal.SIGKILL


def test_the_plan_may_change_while_it_runs(supervisor: Running) -> None:
    supervisor.plan(a={}, b={})
    supervisor.start()
    a, b = supervisor.pid("a"), supervisor.pid("b")
    supervisor.plan(a={}, c={})
    supervisor.pid("c")
    eventually(lambda: started_at(b) is None)
    assert supervisor.pid("a") == a


def test_a_process_that_is_not_wanted_stays_stopped_until_it_is(supervisor: Running) -> None:
    supervisor.plan(a={})
    supervisor.start()
    first = supervisor.pid("a")
    supervisor.plan(a={"wanted": False})
    eventually(lambda: started_at(first) is None and supervisor.state("a")["state"] == "stopped")
    supervisor.plan(a={})
    assert supervisor.pid("a") != first


def test_sigterm_stops_everything_before_the_supervisor_ends(supervisor: Running) -> None:
    supervisor.plan(a={}, b={})
    supervisor.start()
    pids = [supervisor.pid("a"), supervisor.pid("b")]
    assert supervisor.process is not None
    supervisor.process.terminate()
    assert supervisor.process.wait(30) == 0
    assert [started_at(pid) for pid in pids] == [None, None]


def test_a_new_supervisor_ends_what_a_killed_one_left_behind(supervisor: Running) -> None:
    supervisor.plan(a={})
    supervisor.start()
    left = supervisor.pid("a")
    assert supervisor.process is not None
    supervisor.process.kill()
    supervisor.process.wait()
    supervisor.start()
    eventually(lambda: started_at(left) is None)
    eventually(lambda: supervisor.state("a")["pid"] not in (None, left))


def test_short_lives_are_started_ever_more_slowly() -> None:
    waits = [backoff_seconds(failures) for failures in range(12)]
    assert waits == sorted(waits)
    assert waits[0] < 1
    assert waits[-1] == LONGEST_BACKOFF_SECONDS


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    ignore = f"import signal,pathlib,time; signal.signal(15, signal.SIG_IGN); pathlib.Path({str(ready)!r}).touch(); time.sleep(99)"
    process = subprocess.Popen([sys.executable, "-c", ignore])
    eventually(ready.exists)
    stop_process(process.pid, limit_seconds=0.2)
    process.wait()
    assert started_at(process.pid) is None
