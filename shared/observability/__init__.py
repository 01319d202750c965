"""Logs, metrics, traces and health of a process: what an operator sees.

Owns how a log line, a metric and a trace context look. Does not own which metrics a service has
(`services/<name>/metrics.py`), nor
whether a process is ready: the process says so itself.
"""

from shared.observability.health import HealthServer, serve_health
from shared.observability.logs import configure_logging, get_logger

__all__ = ["HealthServer", "configure_logging", "get_logger", "serve_health"]
