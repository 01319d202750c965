"""`python -m shared.schemas publish`: make the published schemas and docs/events.md anew, unless a change would break somebody."""

from __future__ import annotations

import sys
from pathlib import Path

from shared.schemas.compatibility import breaking_changes
from shared.schemas.events import PAYLOADS
from shared.schemas.export import PUBLISHED, export_schemas, published_types
from shared.schemas.json_schemas import payload_schema
from shared.schemas.reference import events_reference

REFERENCE = Path(__file__).parents[2] / "docs" / "events.md"


def publish(folder: Path, reference: Path) -> list[str]:
    """Write both, or nothing when a published type would change incompatibly; what is incompatible."""
    problems = breaking_changes(published_types(folder), {name: payload_schema(payload) for name, payload in PAYLOADS.items()})
    if not problems:
        export_schemas(folder)
        reference.write_text(events_reference(), encoding="utf-8")
    return problems


def main() -> int:
    """Run the command named by the first argument; the exit code."""
    if sys.argv[1:] != ["publish"]:
        sys.stderr.write("usage: python -m shared.schemas publish\n")
        return 2
    problems = publish(PUBLISHED, REFERENCE)
    if problems:
        sys.stderr.write("".join(f"{problem}\n" for problem in problems))
        sys.stderr.write("nothing written: a published type only gains fields with defaults; make a new version (.v2) beside it\n")
        return 1
    sys.stdout.write(f"wrote {PUBLISHED.name}/ and {REFERENCE.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
