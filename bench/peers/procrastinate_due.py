"""procrastinate: jobs scheduled to fall due within one second, one worker.

Usage: procrastinate_due.py DATABASE JOBS AHEAD_SECONDS. Prints one line of JSON.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta

import procrastinate

DATABASE, JOBS, AHEAD = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
LIMIT_SECONDS = 300
lateness: list[float] = []

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=DATABASE, min_size=5, max_size=20))


@app.task(name="fall_due")
async def fall_due(due: float) -> None:
    lateness.append(time.time() - due)


async def main() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        began = time.monotonic()
        # The due second lies far enough ahead for all jobs to be stored before it.
        first = datetime.now(UTC) + timedelta(seconds=AHEAD)
        chunk = 1_000
        for start in range(0, JOBS, chunk):
            dues = [first + timedelta(seconds=i / JOBS) for i in range(start, min(JOBS, start + chunk))]
            await asyncio.gather(*(fall_due.configure(schedule_at=due).defer_async(due=due.timestamp()) for due in dues))
        stored = time.monotonic() - began
        if datetime.now(UTC) > first:
            sys.exit(f"storing the jobs took {stored:.0f} s: give more than {AHEAD:.0f} s ahead")
        worker = asyncio.create_task(
            app.run_worker_async(concurrency=100, fetch_job_polling_interval=0.1, install_signal_handlers=False, listen_notify=True)
        )
        until = time.monotonic() + AHEAD + LIMIT_SECONDS
        while len(lateness) < JOBS and time.monotonic() < until:
            await asyncio.sleep(0.1)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    print(json.dumps({"lateness": lateness, "stored_seconds": stored}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
