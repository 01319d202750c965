"""Structured logs: one JSON object a line on stdout, with service, role and trace id. Never personal data: log ids,
not names or texts.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from shared.observability.tracing import current_trace_id

# Their lines repeat what ours say, or hold addresses and URLs with query strings.
_QUIET = ("httpx", "httpcore", "alembic.runtime.migration", "uvicorn.access", "mail.log", "python_multipart")

_MOST_CAUSES = 5
_MOST_FRAMES = 15


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines carry `component: name`. Call it at module level; it reads the configuration on use."""
    return cast(structlog.typing.FilteringBoundLogger, structlog.get_logger(component=name))


def configure_logging(service: str, role: str, level: str = "INFO") -> None:
    """Send this process's logs, those of libraries too, to stdout as JSON. Call once, in `__main__`. Raises ValueError
    on an unknown level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"no log level {level!r}; use DEBUG, INFO, WARNING or ERROR")

    def add_origin(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        event["role"] = role
        if trace_id := current_trace_id():
            event["trace_id"] = trace_id
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_origin,
        _readable_exception,
    ]
    render = structlog.processors.JSONRenderer(serializer=_to_json)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _add_component],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def _readable_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """An exception as types, first lines and places. No local variables and no further lines: they hold tokens and
    data of people.
    """
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if not isinstance(error, BaseException):
        return event
    chain: list[dict[str, object]] = []
    while error is not None and len(chain) < _MOST_CAUSES:
        frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
        chain.append(
            {
                "type": type(error).__name__,
                "message": str(error).partition("\n")[0][:200],
                "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
            }
        )
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    event["exception"] = chain
    return event


def _add_component(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["component"] = event["_record"].name
    return event


def _to_json(event: EventDict, **_options: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z).decode()
