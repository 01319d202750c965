"""Makes sure of the programs that only tests need (tests/debian-packages.txt): installs them on Debian as root,
elsewhere says what is missing.
"""

import shutil
import sys
from pathlib import Path

from services.cli.stack.errors import StackError
from services.cli.stack.kafka import install_from_debian

LIST = Path(__file__).resolve().parents[1] / "tests" / "debian-packages.txt"


def main() -> int:
    """Install what is missing."""
    lines = [line.split() for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    missing = [package for program, package in lines if shutil.which(program) is None]
    if not missing:
        return 0
    try:
        install_from_debian(missing, lambda message: sys.stdout.write(f"{message}\n") and None)
    except StackError as error:
        sys.stderr.write(f"the tests need {', '.join(missing)}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
