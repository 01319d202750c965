"""Makes sure of the programs that only tests need (tests/debian-packages.txt): installed on Debian as root, named elsewhere."""

import shutil
import sys
from pathlib import Path

from services.cli.stack.errors import StackError
from services.cli.stack.kafka import install_from_debian

CLONE = Path(__file__).resolve().parents[1]
PACKAGES = CLONE / "tests" / "debian-packages.txt"


def install_programs() -> None:
    """Install the programs that are missing."""
    lines = [line.split() for line in PACKAGES.read_text().splitlines() if line and not line.startswith("#")]
    missing = [package for program, package in lines if shutil.which(program) is None]
    if missing:
        install_from_debian(missing, say)


def say(message: str) -> None:
    """Show what is being done."""
    sys.stdout.write(message + "\n")
    sys.stdout.flush()


def main() -> int:
    """Install what is missing; 1 when that is not possible."""
    try:
        install_programs()
    except StackError as error:
        sys.stderr.write(f"the tests cannot be prepared: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
