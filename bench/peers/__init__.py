"""The peers of the benchmarks: programs others would use, each in a script, run in a virtual environment of their own.

Their dependencies are locked in `requirements.lock` and never meet ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from hashlib import sha256
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CLONE = HERE.parents[1]
LOCK = HERE / "requirements.lock"
RECORDED = HERE / "recorded.json"
"""What `bench.peers.measure` found."""


class PeerFailed(Exception):
    """A peer's script ended without its result."""


def python_of_peers(folder: Path) -> Path:
    """The Python of the peers' virtual environment below `folder`, made anew whenever the lock has changed."""
    python = folder / "bin" / "python"
    stamp, wanted = folder / "lock.sha256", sha256(LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    venv.create(folder, clear=True, with_pip=True)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "-r", LOCK]
    subprocess.run(command, check=True, stdout=sys.stderr)
    stamp.write_text(wanted)
    return python


def run_peer(python: Path, script: str, *arguments: object, timeout: float = 900) -> dict[str, Any]:
    """The result that a peer's script prints last. Raises `PeerFailed`."""
    command = [str(python), str(HERE / script), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(CLONE)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, cwd=HERE, env=environment)
    # Other threads of it may write to the terminal before and after.
    lines = [line[line.index("{") :] for line in done.stdout.splitlines() if line.rstrip().endswith("}") and "{" in line]
    if not lines:
        told = f"{done.stdout[-500:]!r} {done.stderr.strip()[-2000:]}"
        raise PeerFailed(f"{script} ended with code {done.returncode} and without its result: {told}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found
