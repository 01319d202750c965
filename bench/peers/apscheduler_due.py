"""APScheduler: jobs in PostgreSQL that fall due within one second, one scheduler with a pool of threads.

Usage: apscheduler_due.py DATABASE JOBS AHEAD_SECONDS. Prints one line of JSON.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

DATABASE, JOBS, AHEAD = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
LIMIT_SECONDS = 300
lateness: list[float] = []


def fall_due(due: float) -> None:
    lateness.append(time.time() - due)


def main() -> None:
    store = SQLAlchemyJobStore(url=DATABASE.replace("postgresql://", "postgresql+psycopg://"))
    scheduler = BackgroundScheduler(
        jobstores={"default": store},
        executors={"default": ThreadPoolExecutor(20)},
        # Without this it drops what it is more than a second late for.
        job_defaults={"misfire_grace_time": None},
        timezone=UTC,
    )
    scheduler.start(paused=True)
    began = time.monotonic()
    first = datetime.now(UTC) + timedelta(seconds=AHEAD)
    for i in range(JOBS):
        due = first + timedelta(seconds=i / JOBS)
        scheduler.add_job(fall_due, "date", run_date=due, args=[due.timestamp()])
    stored = time.monotonic() - began
    if datetime.now(UTC) > first:
        sys.exit(f"storing the jobs took {stored:.0f} s: give more than {AHEAD:.0f} s ahead")
    scheduler.resume()
    until = time.monotonic() + AHEAD + LIMIT_SECONDS
    while len(lateness) < JOBS and time.monotonic() < until:
        time.sleep(0.1)
    print(json.dumps({"lateness": lateness, "stored_seconds": stored}), flush=True)
    scheduler.shutdown(wait=False)


if __name__ == "__main__":
    # The job store finds the function again by its module's name.
    import apscheduler_due

    apscheduler_due.main()
    lateness = apscheduler_due.lateness
