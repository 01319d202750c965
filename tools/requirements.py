"""Lists each requirement of docs/requirements.md with the tests that showed it in the last run."""

import json
import re
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parents[1]
LINE = re.compile(r"^- `([A-Z]+-\d+)` (.+)$", re.MULTILINE)


def main() -> int:
    """Print the list; 1 when a test names an id that there is not."""
    wanted = dict(LINE.findall((CLONE / "docs" / "requirements.md").read_text(encoding="utf-8")))
    record_file = CLONE / ".casestream" / "requirements.json"
    if not record_file.exists():
        sys.stderr.write("no test results yet: run make test first\n")
        return 1
    record = json.loads(record_file.read_text())
    shown: dict[str, list[str]] = {requirement: [] for requirement in wanted}
    unknown = []
    for test, result in sorted(record.items()):
        for requirement in result["requirements"]:
            if requirement not in shown:
                unknown.append(f"{requirement} in {test}")
            elif result["passed"]:
                shown[requirement].append(test)
    for requirement, text in wanted.items():
        sys.stdout.write(f"{requirement:<8} {text}\n")
        for test in shown[requirement] or ["-- no passing test"]:
            sys.stdout.write(f"           {test}\n")
    for problem in unknown:
        sys.stderr.write(f"no such requirement: {problem}\n")
    count = sum(bool(tests) for tests in shown.values())
    sys.stdout.write(f"{count} of {len(wanted)} requirements shown by passing tests\n")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
