"""Runs the roles as processes and starts again what stops. Run as `python -m services.cli.stack.supervisor FOLDER`.

What is to run stands in `plan.json`; SIGHUP makes the supervisor read it again. What does run it writes to
`state.json`. SIGTERM stops everything, gracefully first.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.cli.stack.processes import started_at, stop_recorded

STOP_LIMIT_SECONDS = 20.0
FIRST_BACKOFF_SECONDS = 0.2
LONGEST_BACKOFF_SECONDS = 10.0
# A process that ran this long was healthy: its next end counts as the first one.
HEALTHY_SECONDS = 20.0


def backoff_seconds(failures: int) -> float:
    """How long to wait before a process is started again after so many short lives in a row."""
    return min(FIRST_BACKOFF_SECONDS * 2.0 ** min(failures, 20), LONGEST_BACKOFF_SECONDS)


def what_matters(entry: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
    """What of a plan's entry a running process has to be started again for.

    Not the rest of the environment: that is the shell's from which `up` happened to be called.
    """
    variables = entry["environment"].items()
    return entry["command"], {name: value for name, value in variables if name.startswith("CASESTREAM_")}


@dataclass
class Child:
    """One process of the plan."""

    entry: dict[str, Any]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    restarts: int = 0
    start_after: float = 0.0
    exit_code: int | None = None
    kill_after: float | None = None

    @property
    def wanted(self) -> bool:
        """Whether it is to run."""
        return bool(self.entry.get("wanted", True))

    def start(self) -> None:
        """Start the process, its output appended to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.entry["command"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.entry["environment"],
                cwd=self.entry["folder"],
            )
        self.started = time.monotonic()
        self.kill_after = None

    def ask_to_stop(self) -> None:
        """Send SIGTERM once; the limit for SIGKILL begins."""
        if self.process is not None and self.kill_after is None:
            self.process.terminate()
            self.kill_after = time.monotonic() + STOP_LIMIT_SECONDS

    def look(self) -> bool:
        """Take note of the process's end; true when it has just ended."""
        if self.process is None:
            return False
        now = time.monotonic()
        if self.process.poll() is None:
            if self.kill_after is not None and now > self.kill_after:
                self.process.kill()
            return False
        self.exit_code = self.process.returncode
        self.failures = 0 if now - self.started > HEALTHY_SECONDS else self.failures + 1
        self.start_after = now + backoff_seconds(self.failures - 1 if self.failures else 0)
        self.process = None
        return True

    def state(self) -> dict[str, Any]:
        """The line of the state file."""
        running = self.process is not None
        pid = self.process.pid if self.process is not None else None
        return {
            "state": "running" if running else "waiting" if self.wanted else "stopped",
            "pid": pid,
            "started": started_at(pid) if pid is not None else None,
            "restarts": self.restarts,
            "exit_code": self.exit_code,
        }


class Supervisor:
    """Keeps the processes of one state folder running."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: dict[str, Child] = {}
        self._leaving: list[Child] = []
        self._stopping = False
        self._reload = True
        self._written = ""

    def run(self) -> None:
        """Until SIGTERM."""
        wake, awake = socket.socketpair()
        awake.setblocking(False)
        signal.set_wakeup_fd(awake.fileno())
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._end_leftovers()
        while True:
            if self._reload and not self._stopping:
                self._reload = False
                self._read_plan()
            self._step()
            self._write_state()
            if self._stopping and not any(child.process for child in self._all()):
                return
            select.select([wake], [], [], self._next_look())
            with contextlib.suppress(BlockingIOError):
                wake.recv(4096, socket.MSG_DONTWAIT)

    def _on_stop(self, *_: object) -> None:
        self._stopping = True

    def _on_reload(self, *_: object) -> None:
        self._reload = True

    def _all(self) -> list[Child]:
        return [*self._children.values(), *self._leaving]

    def _end_leftovers(self) -> None:
        """A supervisor that was killed left its processes behind; two copies of a role would disturb each other."""
        try:
            left = json.loads((self._folder / "state.json").read_text())["processes"].values()
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            return
        stop_recorded(left, STOP_LIMIT_SECONDS)

    def _read_plan(self) -> None:
        plan = {entry["name"]: entry for entry in json.loads((self._folder / "plan.json").read_text())}
        for name in [name for name in self._children if name not in plan]:
            self._leaving.append(self._children.pop(name))
        for name, entry in plan.items():
            child = self._children.get(name)
            if child is None:
                self._children[name] = Child(entry, self._folder / "logs" / f"{name}.log")
                continue
            if what_matters(child.entry) != what_matters(entry):
                child.ask_to_stop()
            child.entry = entry

    def _step(self) -> None:
        now = time.monotonic()
        for child in self._all():
            child.look()
        self._leaving = [child for child in self._leaving if child.process is not None]
        for child in self._leaving:
            child.ask_to_stop()
        for child in self._children.values():
            if self._stopping or not child.wanted:
                child.ask_to_stop()
            elif child.process is None and now >= child.start_after:
                child.restarts += child.started > 0
                child.start()

    def _next_look(self) -> float:
        now = time.monotonic()
        times = [child.start_after for child in self._children.values() if child.process is None and child.wanted]
        times += [child.kill_after for child in self._all() if child.process is not None and child.kill_after]
        return max(0.02, min([when - now for when in times] + [5.0]))

    def _write_state(self) -> None:
        processes = {name: child.state() for name, child in self._children.items()}
        content = json.dumps({"supervisor": os.getpid(), "processes": processes}, indent=1)
        if content != self._written:
            part = self._folder / "state.json.part"
            part.write_text(content)
            part.replace(self._folder / "state.json")
            self._written = content


if __name__ == "__main__":
    Supervisor(Path(sys.argv[1])).run()
