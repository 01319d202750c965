"""Declaring Prometheus metrics, and showing them. Names are `casestream_<service>_<noun>_<unit>`; each is declared
once, in a `metrics.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Buckets for the duration of a request, a batch, a hop."""
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Buckets for how many things came together."""
_NAME = re.compile(r"casestream(_[a-z0-9]+){2,}")


def counter(name: str, description: str, labels: Sequence[str] = ()) -> Counter:
    """A number that only grows; the name ends in what is counted (`..._total` is added by Prometheus' own rule)."""
    return Counter(_checked(name), description, labels)


def gauge(name: str, description: str, labels: Sequence[str] = ()) -> Gauge:
    """A number that goes up and down."""
    return Gauge(_checked(name), description, labels)


def histogram(name: str, description: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS) -> Histogram:
    """How values are distributed; buckets in the unit that the name ends in."""
    return Histogram(_checked(name), description, labels, buckets=buckets)


def exposition() -> tuple[bytes, str]:
    """Every metric of this process in Prometheus' text format, and its content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"metric {name!r} is not named casestream_<service>_<noun>_<unit>")
    return name
