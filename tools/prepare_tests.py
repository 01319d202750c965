"""Makes sure of the programs that only tests need, before any test runs: tests/debian-packages.txt and tests/maven-jars.txt.

Debian's are installed as root and named elsewhere; Maven Central's are fetched into `.casestream/jars` and checked against their hashes.
"""

import hashlib
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from services.cli.stack.errors import StackError
from services.cli.stack.kafka import find_java, install_from_debian

CLONE = Path(__file__).resolve().parents[1]
PACKAGES = CLONE / "tests" / "debian-packages.txt"
ARTIFACTS = CLONE / "tests" / "maven-jars.txt"
JARS = CLONE / ".casestream" / "jars"


def install_programs() -> None:
    """Install the programs that are missing."""
    missing = [package for program, package in _lines(PACKAGES) if not is_there(program)]
    wanted = [(artifact, sha256) for artifact, sha256 in _lines(ARTIFACTS) if not _is_there(_file(artifact), sha256)]
    if find_java() is None:
        missing.append("openjdk-17-jre-headless")
    if wanted and shutil.which("mvn") is None:
        missing.append("maven")
    if missing:
        install_from_debian(missing, say)
    for artifact, sha256 in wanted:
        _fetch(artifact, sha256)


def _lines(file: Path) -> list[tuple[str, str]]:
    pairs = [line.split() for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return [(first, second) for first, second in pairs]


def _file(artifact: str) -> Path:
    _, name, version, kind, classifier = artifact.split(":")
    return JARS / f"{name}-{version}-{classifier}.{kind}"


def _is_there(file: Path, sha256: str) -> bool:
    return file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == sha256


def _fetch(artifact: str, sha256: str) -> None:
    say(f"fetching {artifact} by Maven (once)")
    part = JARS / "part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    goal = ["org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={part}"]
    done = subprocess.run(["mvn", "-q", "-B", *goal], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        problem = ((done.stdout + done.stderr).strip().splitlines() or ["no message"])[0]
        raise StackError(f"Maven could not fetch {artifact}: {problem[:300]}")
    file = part / _file(artifact).name
    if not _is_there(file, sha256):
        raise StackError(f"{artifact} is not what tests/maven-jars.txt says that it is (SHA-256)")
    file.rename(JARS / file.name)
    part.rmdir()


def is_there(name: str) -> bool:
    """Whether the program is, or the module; another Python than Debian's gains nothing from a package."""
    if not name.startswith(":"):
        return shutil.which(name) is not None
    try:
        return sys.base_prefix != "/usr" or find_spec(name[1:]) is not None
    except ModuleNotFoundError:
        return False


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
