"""Metrics of the desk."""

from shared.observability import metrics

SIGN_INS = metrics.counter("casestream_desk_sign_ins", "Attempts to sign in, by how they ended.", ("outcome",))
CONFIGURATIONS = metrics.counter("casestream_desk_configurations", "Configurations handed in, by how it ended.", ("outcome",))
TASK_API_SECONDS = metrics.histogram("casestream_desk_task_api_seconds", "How long the task service took for a page.")
