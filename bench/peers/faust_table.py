"""faust-streaming as its documentation shows it: an agent that keeps the state of each key in a table. Its update is ours, by our rules.

Usage: faust_table.py BROKER TOPIC TABLE EVENTS PARTITIONS RULES. RULES: file with the pickled policy. Prints one line of JSON.

It runs with the clone on its path: only sla's rules are taken from there, neither what reads events nor what keeps timers.
"""

import json
import os
import pickle
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

BROKER, TOPIC, TABLE, EVENTS, PARTITIONS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
RULES = pickle.loads(Path(sys.argv[6]).read_bytes())
sys.argv = [sys.argv[0]]

import faust  # noqa: E402 - it reads the command line when it is imported

from services.sla.domain.cases import CaseFact, apply_case  # noqa: E402
from services.sla.domain.packing import pack, unpack  # noqa: E402
from services.sla.domain.records import Facts  # noqa: E402
from services.sla.domain.tasks import TaskFact, apply_task  # noqa: E402
from shared.calendars.openings import micros  # noqa: E402

app = faust.App(
    TABLE,
    broker=f"kafka://{BROKER}",
    store="memory://",
    topic_partitions=PARTITIONS,
    topic_disable_leader=True,
    datadir=tempfile.mkdtemp(),
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
)
events = app.topic(TOPIC, value_type=bytes, value_serializer="json", key_type=str, key_serializer="raw")
bare = faust.Schema(key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
table = app.Table(f"{TABLE}-table", partitions=PARTITIONS, schema=bare)
seen = {"count": 0, "started": 0.0}


def at(text: str | None) -> int | None:
    """The moment of an ISO time; None for none."""
    return None if text is None else micros(datetime.fromisoformat(text))


def facts_of(value: dict, title: str, owner: tuple[str, str], definition: str = "") -> Facts:
    """What alerts will tell of the item."""
    number, assignee = value.get("number") or value["case_number"], value.get("assignee") or value.get("owner") or ""
    return Facts(
        value["case_id"],
        number,
        title,
        *owner,
        assignee if isinstance(assignee, str) else "",
        value["unit"],
        value["priority"],
        value.get("method", ""),
        value["subject"],
        definition,
    )


def task_fact(value: dict, headers: dict) -> TaskFact:
    """The task as the event tells it."""
    owner = value["owner"]
    return TaskFact(
        value["task_id"],
        int(headers["ce_revision"]),
        int(headers["ce_configversion"]),
        at(headers["ce_time"].decode()),
        value["state"],
        at(value["planned_at"]),
        at(value.get("starts_at")),
        at(value.get("triggered_at")),
        at(value.get("due_at")),
        at(value.get("completed_at")),
        facts_of(value, value["subject_line"], (owner["kind"], owner["code"]), value["definition"]),
        at(value.get("start_by")),
        at(value.get("in_progress_at")),
    )


def case_fact(value: dict, headers: dict) -> CaseFact:
    """The case as the event tells it."""
    return CaseFact(
        value["case_id"],
        int(headers["ce_revision"]),
        int(headers["ce_configversion"]),
        at(headers["ce_time"].decode()),
        value["state"],
        value.get("waiting_for_customer", False),
        at(value["opened_at"]),
        at(value.get("responded_at")),
        at(value.get("resolved_at")),
        at(value.get("completed_at")),
        facts_of(value, value["title"], ("unit", value["unit"])),
        at(value.get("customer_updated_at")),
    )


@app.agent(events)
async def keep(stream: faust.StreamT) -> None:
    async for event in stream.events():
        if not seen["count"]:
            seen["started"] = time.monotonic()
        value, headers = event.value, dict(event.headers)
        item = (value.get("task_id") or value["case_id"]).encode()
        packed = table.get(item)
        record, now = unpack(packed) if packed else None, int(time.time() * 1e6)
        if "task_id" in value:
            outcome = apply_task(record, task_fact(value, headers), RULES, now)
        else:
            outcome = apply_case(record, case_fact(value, headers), RULES, now)
        if outcome is not None and outcome.record is not None:
            table[item] = pack(outcome.record)
        seen["count"] += 1
        if seen["count"] >= EVENTS:
            seconds = time.monotonic() - seen["started"]
            # faust has redirected print to its log.
            os.write(1, json.dumps({"events": seen["count"], "seconds": seconds}).encode() + b"\n")
            os._exit(0)


if __name__ == "__main__":
    faust.Worker(app, loglevel="ERROR").execute_from_commandline()
