"""Every metric of the event path, declared once. The service is part of the name, as in `casestream_case_consumer_lag_messages`."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

BATCH_BUCKETS = (1, 5, 10, 50, 100, 250, 500, 1000)
SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class ConsumerMetrics:
    """What a consumer tells about itself."""

    def __init__(self, service: str) -> None:
        name = f"casestream_{service}"
        self.messages = Counter(f"{name}_consumed_messages", "Messages taken in, by topic.", ["topic"])
        self.batch_size = Histogram(f"{name}_batch_messages", "Messages in a batch.", buckets=BATCH_BUCKETS)
        self.batch_seconds = Histogram(f"{name}_batch_seconds", "Time of a batch, commit and publishing included.", buckets=SECONDS_BUCKETS)
        self.lag = Gauge(f"{name}_consumer_lag_messages", "Messages not yet taken in, by topic and partition.", ["topic", "partition"])
        self.dead_letters = Counter(f"{name}_dead_letters", "Messages set aside, by topic and kind.", ["topic", "kind"])
        self.repeats = Counter(f"{name}_repeated_messages", "Messages recognised as repeats, by topic.", ["topic"])
        self.waits = Counter(f"{name}_partition_waits", "Times a partition waited for something not known yet.", ["topic"])
        self.retries = Counter(f"{name}_batch_retries", "Batches tried again because the database or Kafka was away.")
        self.fenced = Counter(f"{name}_fenced_batches", "Batches given up because another process had moved the partition on.")

    @staticmethod
    @cache
    def of(service: str) -> ConsumerMetrics:
        """The metrics of this process's consumer."""
        return ConsumerMetrics(service)


class PublisherMetrics:
    """What a publisher tells about itself."""

    def __init__(self, service: str) -> None:
        name = f"casestream_{service}"
        self.published = Counter(f"{name}_published_events", "Events that Kafka acknowledged right after their commit.")
        self.swept = Counter(f"{name}_swept_events", "Events that the sweeper sent.")
        self.outbox_age = Gauge(f"{name}_outbox_age_seconds", "Age of the oldest event that Kafka does not have yet.")

    @staticmethod
    @cache
    def of(service: str) -> PublisherMetrics:
        """The metrics of this process's publisher."""
        return PublisherMetrics(service)
