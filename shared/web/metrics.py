"""Metrics of every API."""

from shared.observability import metrics

REQUEST_SECONDS = metrics.histogram(
    "casestream_web_request_seconds", "How long requests took, by route and status.", ("method", "route", "status")
)
