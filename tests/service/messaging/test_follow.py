"""Following a topic without a group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from shared.messaging.direct import DirectPublisher
from shared.messaging.follow import Follower
from shared.messaging.kafka import Producer, producer_settings
from shared.messaging.topics import create_topics
from shared.schemas.events import CallChanged
from shared.schemas.examples import EXAMPLES
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("COM-5")
EXAMPLE = EXAMPLES[CallChanged.event_type]


@contextmanager
def following(kafka: str, prefix: str, since: datetime) -> Iterator[list[int]]:
    """The revisions of what was taken, while the block runs."""
    taken: list[int] = []
    follower = Follower(kafka, prefix, (CallChanged,), lambda some: taken.extend(one.event.revision for one in some), since)
    follower.start()
    try:
        yield taken
    finally:
        follower.close()
    assert follower.problems() == []


def test_everybody_sees_everything_since_then_and_what_cannot_be_read_is_passed_over(kafka: str, topic_prefix: str) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    with following(kafka, topic_prefix, long_ago) as early:
        # The topic is not there yet: it is waited for.
        create_topics(kafka, topic_prefix, 1)
        publisher = DirectPublisher(kafka, topic_prefix)

        def publish(*revisions: int) -> None:
            publisher.publish([EXAMPLE._replace(revision=revision) for revision in revisions])

        publish(1, 2)
        eventually(lambda: early == [1, 2])
        later = datetime.now(UTC) + timedelta(milliseconds=1)
        eventually(lambda: datetime.now(UTC) > later)
        producer = Producer(producer_settings(kafka))
        broken = [(name, value) for name, value in EXAMPLE.headers() if name != "ce_id"]
        for headers in (broken, [], [("ce_type", b"casestream.other.v1")]):
            producer.produce(topic_prefix + CallChanged.topic, value=EXAMPLE.value(), headers=headers)
        assert producer.flush(20) == 0
        publish(3)
        with following(kafka, topic_prefix, later) as late, following(kafka, topic_prefix, later + timedelta(days=1)) as none:
            eventually(lambda: late == [3])
            publish(4)
            eventually(lambda: (early, late) == ([1, 2, 3, 4], [3, 4]))
            assert none in ([], [4])
        publisher.close()


def test_one_that_breaks_says_so(kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    create_topics(kafka, topic_prefix, 1)

    def broken(_: object) -> None:
        raise ValueError

    follower = Follower(kafka, topic_prefix, (CallChanged,), broken, datetime.now(UTC) - timedelta(hours=1))
    follower.start()
    publisher = DirectPublisher(kafka, topic_prefix)
    publisher.publish([EXAMPLE])
    assert eventually(follower.problems) == [f"{topic_prefix}casestream.calls is no longer followed: ValueError"]
    follower.close()
    publisher.close()
