"""`python -m bench.peers.measure`: the peers of `casestream bench timers`, measured once and kept in `recorded.json` beside this file.

They are slow (at 100,000 jobs each of the two schedulers stores for minutes before anything falls due), so the benchmark itself sets its
figures beside the recorded ones unless told to measure them again. Both have to come from the same machine to be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform as machine
import secrets
from datetime import UTC, datetime
from typing import Any

from bench.peers import RECORDED, python_of_peers
from bench.timers import FOLDER, measure_faust, measure_peer_lateness, platform, say
from shared.messaging.topics import create_topics


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.measure", description=__doc__)
    parser.add_argument("--due", type=int, default=100_000, help="How many jobs fall due within one second.")
    parser.add_argument("--faust-events", type=int, default=50_000)
    options = parser.parse_args()
    python = python_of_peers(FOLDER / "peers")
    with platform() as (kafka, server, _database):
        prefix = f"bench{secrets.token_hex(3)}."
        create_topics(kafka, prefix, 1)
        say(f"faust-streaming: {options.faust_events:,} events")
        found: dict[str, Any] = dict(measure_faust(kafka, prefix, python, options.faust_events))
        found |= measure_peer_lateness(server, python, options.due)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    found |= {"due": options.due, "measured_on": today, "cpus": os.cpu_count(), "python": machine.python_version()}
    RECORDED.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
