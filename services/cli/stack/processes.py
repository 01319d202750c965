"""Processes that outlive the command that started them, known by a pid file and safe against a pid's reuse."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from services.cli.stack.errors import StackError


def started_at(pid: int) -> str | None:
    """When the kernel started the process, in its own unit; nothing when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


class PidFile:
    """The process of one server, remembered with its start so that a stranger with the same pid is not taken for it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, pid: int) -> None:
        """Remember a process that has just been started."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps({"pid": pid, "started": started_at(pid)}))
        part.replace(self.path)

    def pid(self) -> int | None:
        """The process, if it still runs."""
        try:
            record = json.loads(self.path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        pid = int(record["pid"])
        return pid if record["started"] is not None and started_at(pid) == record["started"] else None

    def stop(self, stop_signal: int = signal.SIGTERM, limit_seconds: float = 30) -> None:
        """Ask the process to stop, kill it after the limit, and return when it is gone."""
        pid = self.pid()
        if pid is not None:
            stop_process(pid, stop_signal, limit_seconds)
        self.path.unlink(missing_ok=True)


def stop_process(pid: int, stop_signal: int = signal.SIGTERM, limit_seconds: float = 30) -> None:
    """Signal one process, wait for its end and kill it after the limit."""
    identity = started_at(pid)
    if identity is None:
        return
    for number in (stop_signal, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if wait_until(lambda: _is_gone(pid, identity), limit_seconds):
            return
    raise StackError(f"process {pid} does not stop, not even by SIGKILL")


def stop_recorded(records: Iterable[Mapping[str, Any]], limit_seconds: float = 30) -> None:
    """Stop processes of a state file (`pid`, `started`) that still run: all are asked first, then each is waited for."""
    running = [record["pid"] for record in records if record["pid"] and started_at(record["pid"]) == record["started"]]
    for pid in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    for pid in running:
        stop_process(pid, limit_seconds=limit_seconds)


def _is_gone(pid: int, identity: str) -> bool:
    # Reap our own child, else it would stay visible as a zombie.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return started_at(pid) != identity


def wait_until(check: Callable[[], bool], limit_seconds: float, every_seconds: float = 0.02) -> bool:
    """Poll until the check holds (true) or the time is over (false)."""
    end = time.monotonic() + limit_seconds
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(every_seconds)
    return True


def spawn(
    command: Sequence[str | Path],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    user: int | None = None,
    group: int | None = None,
    folder: Path | None = None,
) -> int:
    """Start a process in a session of its own, its output appended to a log file, and return its pid."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            cwd=folder,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=[] if user is not None else None,
        )
    # The process is meant to outlive us; without this, collecting the object would warn that it still runs.
    process.returncode = 0
    return process.pid


def last_lines(log: Path, count: int = 3) -> str:
    """The end of a log as one line, for an error message."""
    try:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except FileNotFoundError:
        return "no log"
    return " | ".join(lines[-count:]) or "empty log"
