"""Creating the topics as `shared.schemas.topics` declares them."""

from __future__ import annotations

from typing import cast

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from shared.messaging.kafka import KafkaException, quiet
from shared.schemas.topics import TOPICS

ANSWER_SECONDS = 60
"""Kafka away for longer than this while topics are created: say so instead of waiting on."""


def create_topics(kafka: str, prefix: str = "", replication: int = 3) -> list[str]:
    """Create the topics that are missing; their names. One that exists stays as it is, with its number of partitions."""
    admin = AdminClient(cast("dict[str, str | int | float]", {"bootstrap.servers": kafka, "error_cb": quiet}))
    wanted = [
        NewTopic(
            prefix + topic.name,
            num_partitions=topic.partitions,
            replication_factor=replication,
            config=topic.settings() | {"min.insync.replicas": str(min(2, replication))},
        )
        for topic in TOPICS.values()
    ]
    created = []
    for name, future in admin.create_topics(wanted, operation_timeout=30, request_timeout=30).items():
        try:
            future.result(timeout=ANSWER_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        else:
            created.append(name)
    return created
