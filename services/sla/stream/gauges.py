"""What operators see of the stream: how much it holds, and how far it is behind."""

from __future__ import annotations

from collections.abc import Mapping

from services.sla import metrics
from services.sla.stream.assignment import Held
from shared.messaging.transactional import Consumer, TopicPartition


def show(held: Mapping[int, Held], consumer: Consumer, inputs: Mapping[str, str]) -> None:
    """Set the gauges. `inputs`: our topics, each with its name without prefix."""
    metrics.ITEMS.set(sum(len(one.partition.timers.records) for one in held.values()))
    metrics.TIMERS.set(sum(len(one.partition.timers) for one in held.values()))
    for number, one in held.items():
        for topic, bare in inputs.items():
            _, high = consumer.get_watermark_offsets(TopicPartition(topic, number), cached=True)
            if high >= 0:
                metrics.LAG.labels(bare, number).set(max(0, high - one.read_to.get(topic, 0)))
