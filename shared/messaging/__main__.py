"""`python -m shared.messaging topics`: create the topics."""

from __future__ import annotations

import os
import sys

from shared.messaging.topics import create_topics


def main() -> int:
    """Run the command named by the first argument; the exit code."""
    if sys.argv[1:] != ["topics"]:
        sys.stderr.write("usage: python -m shared.messaging topics\n")
        return 2
    kafka = os.environ.get("CASESTREAM_KAFKA")
    if not kafka:
        sys.stderr.write("setting CASESTREAM_KAFKA: missing\n")
        return 2
    created = create_topics(kafka, os.environ.get("CASESTREAM_TOPIC_PREFIX", ""), int(os.environ.get("CASESTREAM_REPLICATION", "3")))
    sys.stdout.write("".join(f"created {name}\n" for name in created) or "all topics exist\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
