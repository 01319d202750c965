"""Metrics of the desk."""

from shared.observability import metrics

SIGN_INS = metrics.counter("casestream_desk_sign_ins", "Attempts to sign in, by how they ended.", ("outcome",))
CONFIGURATIONS = metrics.counter("casestream_desk_configurations", "Configurations handed in, by how it ended.", ("outcome",))
CALENDAR_FEEDS = metrics.counter("casestream_desk_calendar_feeds", "Feeds of closed days that were tried, by how it ended.", ("outcome",))
CALENDAR_FEED_READ = metrics.gauge(
    "casestream_desk_calendar_feed_read_timestamp_seconds",
    "When the calendar's feed that was not read for longest was read; one that never was: since when it is known.",
    ("calendar",),
)
TASK_API_SECONDS = metrics.histogram("casestream_desk_task_api_seconds", "How long the task service took for a page.")
CASE_API_SECONDS = metrics.histogram("casestream_desk_case_api_seconds", "How long the case service took for an answer.")
SLA_API_SECONDS = metrics.histogram("casestream_desk_sla_api_seconds", "How long the sla service took for an answer.")
NOTIFY_API_SECONDS = metrics.histogram("casestream_desk_notify_api_seconds", "How long the notify service took for an answer.")
INGEST_API_SECONDS = metrics.histogram("casestream_desk_ingest_api_seconds", "How long ingest took for an answer.")
CALLS = metrics.counter("casestream_desk_calls", "Changes of telephone calls that were taken from Kafka, by the stage reached.", ("stage",))
CALL_SECONDS = metrics.histogram("casestream_desk_call_seconds", "How long a change of a call was under way from case to here.")
CALL_LISTENERS = metrics.gauge("casestream_desk_call_listeners", "Open pages that follow the calls.")
CALL_LISTENERS_REFUSED = metrics.counter("casestream_desk_call_listeners_refused", "Pages that may not follow the calls: too many do.")
TASK_LISTENERS = metrics.gauge("casestream_desk_task_listeners", "Open pages that follow the changes of tasks.")
TASK_LISTENERS_REFUSED = metrics.counter(
    "casestream_desk_task_listeners_refused", "Pages that may not follow the changes of tasks: too many do."
)
