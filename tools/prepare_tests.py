"""Makes sure of what only tests need: programs (tests/debian-packages.txt), installed on Debian as root and named
elsewhere, and the official AsyncAPI parser.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from services.cli.stack.errors import MissingComponentError, StackError
from services.cli.stack.kafka import install_from_debian

CLONE = Path(__file__).resolve().parents[1]
PACKAGES = CLONE / "tests" / "debian-packages.txt"
PARSER = CLONE / "tests" / "contract" / "asyncapi"


def install_programs() -> None:
    """Install the programs that are missing."""
    lines = [line.split() for line in PACKAGES.read_text().splitlines() if line and not line.startswith("#")]
    missing = [package for program, package in lines if shutil.which(program) is None]
    if missing:
        install_from_debian(missing, say)


def install_parser() -> None:
    """Install the parser as its lock file says, when that changed since."""
    lock, installed = PARSER / "package-lock.json", PARSER / "node_modules" / ".package-lock.json"
    if not lock.exists() or (installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime):
        return
    say("installing the AsyncAPI parser")
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=PARSER, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingComponentError(f"npm ci failed in {PARSER.relative_to(CLONE)}: {done.stderr.strip()[-300:]}")
    installed.touch()


def say(message: str) -> None:
    """Show what is being done."""
    sys.stdout.write(message + "\n")
    sys.stdout.flush()


def main() -> int:
    """Install what is missing; 1 when that is not possible."""
    try:
        install_programs()
        install_parser()
    except StackError as error:
        sys.stderr.write(f"the tests cannot be prepared: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
