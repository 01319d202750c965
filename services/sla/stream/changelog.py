"""Reading the state of partitions back from the changelog."""

from __future__ import annotations

import gc
from collections.abc import Collection

from shared.messaging.transactional import OFFSET_BEGINNING, KafkaException, TopicPartition, changelog_reader, is_end, will_pass

CHUNK = 1_000
QUIET_SECONDS = 30.0


class ChangelogStalled(Exception):
    """Kafka gave neither records nor the end of the changelog for too long."""


def read_back(kafka: str, topic: str, partitions: Collection[int]) -> dict[int, dict[bytes, bytes]]:
    """The last record of every key, by partition, of what was committed when this was called.

    To be called once the partitions' producers are initialised: then no transaction is open, and the end is the end.
    """
    tables: dict[int, dict[bytes, bytes]] = {number: {} for number in partitions}
    if not tables:
        return tables
    reader = changelog_reader(kafka)
    left = set(tables)
    # What is built here stays: looking for garbage in it again and again would take longer than reading it.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        reader.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in tables])
        while left:
            first = reader.poll(QUIET_SECONDS)
            if first is None:
                raise ChangelogStalled(f"{topic}: nothing for {QUIET_SECONDS:.0f} s")
            for message in [first, *reader.consume(CHUNK, 0)]:
                error = message.error()
                number = message.partition() or 0
                if error is not None:
                    if is_end(error):
                        left.discard(number)
                    elif not will_pass(error):
                        raise KafkaException(error)
                    continue
                key, value = message.key(), message.value()
                if not isinstance(key, bytes):
                    continue
                if value is None:
                    tables[number].pop(key, None)
                else:
                    tables[number][key] = value
    finally:
        reader.close()
        if was_enabled:
            gc.enable()
    return tables
