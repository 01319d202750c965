"""The process around the stream: what the role `stream` consists of."""

from __future__ import annotations

from contextlib import closing

from services.sla.settings import Settings
from services.sla.stream.letters import Letters
from services.sla.stream.loop import Stream
from shared.messaging import Reference
from shared.messaging.process import stop_on_signals
from shared.observability import configure_logging, serve_health
from shared.storage import Database


def run(settings: Settings) -> None:
    """Run until told to stop. Raises when it cannot go on; its supervisor starts it again."""
    configure_logging("sla", "stream", settings.log_level)
    stop = stop_on_signals()
    database = Database(settings.database, pool_size=2, service="sla")
    reference = Reference(settings.kafka, settings.topic_prefix)
    streams: list[Stream] = []

    def problems() -> list[str]:
        return reference.problems() + (streams[0].problems() if streams else ["starting"])

    with closing(serve_health(settings.host, settings.port, problems, lambda: {"config_version": reference.version})):
        try:
            reference.start(stop)
            if not stop.is_set():
                streams.append(Stream(settings, reference, Letters(database, settings.bad_in_a_row), stop))
                streams[0].run()
        finally:
            reference.close()
            database.close()
