"""What the event path stands on: where a key lies, the inbox's partitions, reference data read to its end."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from shared.ids import derive
from shared.messaging import Reference
from shared.messaging.kafka import Consumer, Producer, TopicPartition, consumer_settings, producer_settings
from shared.messaging.topics import create_topics
from shared.schemas import topics
from shared.schemas.envelope import Event
from shared.schemas.events import ConfigurationPublished, StaffChanged
from shared.storage import Database, inbox
from tests.support.configuration import a_configuration
from tests.support.tally import NOW, TallyService, a_plan
from tests.support.waiting import eventually


def murmur2(data: bytes) -> int:
    """Kafka's hash of keys, as its Java clients compute it."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    for i in range(0, len(data) - len(data) % 4, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    rest = data[len(data) - len(data) % 4 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)


def test_keys_lie_where_javas_clients_put_them(kafka: str, topic_prefix: str) -> None:
    create_topics(kafka, topic_prefix, 1)
    placed: dict[bytes, int] = {}
    producer = Producer(producer_settings(kafka))
    for number in range(100):
        key = str(derive("case", number)).encode()
        producer.produce(topic_prefix + topics.CASES, value=b"", key=key, on_delivery=lambda _e, m: placed.update({m.key(): m.partition()}))
    producer.flush()
    assert placed == {key: (murmur2(key) & 0x7FFFFFFF) % topics.PARTITIONS for key in placed}
    assert len(placed) == 100


def test_topics_are_created_as_declared_and_twice_changes_nothing(kafka: str, topic_prefix: str) -> None:
    assert sorted(create_topics(kafka, topic_prefix, 1)) == sorted(topic_prefix + name for name in topics.TOPICS)
    assert create_topics(kafka, topic_prefix, 1) == []
    consumer = Consumer(consumer_settings(kafka, topic_prefix + "look", None))
    wanted = {topic_prefix + topic.name: topic.partitions for topic in topics.TOPICS.values()}

    def found() -> dict[str, int]:
        return {name: len(topic.partitions) for name, topic in consumer.list_topics(timeout=10).topics.items() if name in wanted}

    eventually(lambda: found() == wanted)  # the controller has them at once, the broker a little later
    consumer.close()


def test_the_inbox_has_a_partition_a_day_and_drops_old_ones(tally: TallyService) -> None:
    database = Database(tally.url, service="tally")
    old = a_plan(time=NOW)
    with database.transaction() as tx:
        inbox.maintain(tx, NOW)
        assert inbox.remember(tx, [old]) == set()
        assert inbox.remember(tx, [old]) == {old.id}
    with database.transaction() as tx:
        inbox.maintain(tx, NOW + timedelta(days=inbox.RETENTION_DAYS))
        assert inbox.remember(tx, [old]) == {old.id}
        inbox.maintain(tx, NOW + timedelta(days=inbox.RETENTION_DAYS + 5))
        inbox.maintain(tx, NOW + timedelta(days=inbox.RETENTION_DAYS + 5))
        assert inbox.remember(tx, [old]) == set()
        stray = a_plan(number=2, time=NOW + timedelta(days=3650))
        assert inbox.remember(tx, [stray, old]) == {old.id}
        assert inbox.remember(tx, [stray]) == {stray.id}
        inbox.forget(tx, [stray])
        assert inbox.remember(tx, [stray]) == set()
    database.close()


def test_reference_data_is_read_to_its_end_before_it_is_ready(kafka: str, topic_prefix: str) -> None:
    create_topics(kafka, topic_prefix, 1)
    producer = Producer(producer_settings(kafka))

    def publish(data: ConfigurationPublished | StaffChanged, key: str) -> None:
        event = Event(UUID(int=1), data.event_type, "/test", key, NOW, 1, 0, "", key, data)
        producer.produce(topic_prefix + data.topic, value=event.value(), key=key.encode(), headers=list(event.headers()))

    document = a_configuration().model_dump(mode="json")
    for number in range(2000):
        publish(StaffChanged(user=f"user{number}", name="N", email="n@x.example", unit="repairs"), f"user:user{number}")
    for version in (1, 2, 3):
        publish(ConfigurationPublished(version=version, digest="d", applied_by="a", applied_at=NOW, document=document), str(version))
    producer.produce(
        topic_prefix + topics.CONFIGURATION, value=b"garbage", key=b"9", headers=[("ce_type", b"casestream.configuration.published.v1")]
    )
    producer.flush()
    reference = Reference(kafka, topic_prefix).start()
    assert (reference.version, len(reference.staff), reference.problems()) == (3, 2000, [])
    assert reference.configuration(2) == a_configuration()
    reference.close()


def test_replicas_of_one_cluster_see_positions_as_lag(tally: TallyService, kafka: str) -> None:
    """Kafka's own committed offsets are kept too: what tools that watch lag, and scale by it, read."""
    tally.produce(a_plan())
    with tally.running():
        consumer = Consumer(consumer_settings(kafka, f"{tally.prefix}casestream-tally", None))
        from tests.support.waiting import eventually

        partitions = [TopicPartition(tally.prefix + topics.TASKS, p) for p in range(topics.PARTITIONS)]
        eventually(lambda: any(p.offset == 1 for p in consumer.committed(partitions, timeout=5)))
        consumer.close()
