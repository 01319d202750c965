"""faust-streaming as its documentation shows it: an agent that keeps the last state of each key in a table.

Usage: faust_table.py BROKER TOPIC TABLE EVENTS PARTITIONS. Prints one line of JSON.
"""

import json
import os
import sys
import tempfile
import time

BROKER, TOPIC, TABLE, EVENTS, PARTITIONS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
sys.argv = [sys.argv[0]]

import faust  # noqa: E402 - it reads the command line when it is imported

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
table = app.Table(f"{TABLE}-table", partitions=PARTITIONS)
seen = {"count": 0, "started": 0.0}


@app.agent(events)
async def keep(stream: faust.StreamT) -> None:
    async for event in stream.events():
        if not seen["count"]:
            seen["started"] = time.monotonic()
        value = event.value
        table[value.get("task_id") or value["case_id"]] = [value["state"], value.get("due_at"), value.get("assignee")]
        seen["count"] += 1
        if seen["count"] >= EVENTS:
            seconds = time.monotonic() - seen["started"]
            # faust has redirected print to its log.
            os.write(1, json.dumps({"events": seen["count"], "seconds": seconds}).encode() + b"\n")
            os._exit(0)


if __name__ == "__main__":
    faust.Worker(app, loglevel="ERROR").execute_from_commandline()
