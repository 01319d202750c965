"""What happens before the processes start: modules that run once, and files that say what has been done already."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from services.cli.stack.errors import StackError
from services.cli.stack.kafka import CLONE


def read_json(path: Path) -> Any:
    """The file's content; nothing when it is missing or was cut off."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def plain_environment() -> dict[str, str]:
    """The caller's environment without the product's own variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CASESTREAM_")}


def run_module(arguments: Sequence[str], variables: Mapping[str, str]) -> None:
    """Run `python -m ...` to its end. Raises StackError with the last line it said when it fails."""
    output_of([sys.executable, "-m", *arguments], arguments, {**plain_environment(), **variables})


def output_of(command: Sequence[str], called: Sequence[str], environment: Mapping[str, str], folder: str | Path = CLONE) -> str:
    """What a command prints, run to its end. Raises StackError, in which it is `called` so, with the last line it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] or ["no message"]
        raise StackError(f"{' '.join(called)} failed: {said[-1].strip()[:400]}")
    return done.stdout


def migrations_fingerprint() -> str:
    """Changes with any file that the services' schemas may depend on."""
    digest = sha256()
    for folder in (CLONE / "services", CLONE / "shared" / "storage"):
        for file in sorted(folder.rglob("*.py")):
            if "storage" in file.parts:
                digest.update(file.relative_to(CLONE).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
