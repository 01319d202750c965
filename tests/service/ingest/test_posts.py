"""Posts on X: what is taken is on Kafka, with every picture and clip as a file of its own (COM-4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.ingest.domain.posts import Post, PostFile
from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.x import XSource
from services.ingest.handlers.posts import PostIntake
from shared.messaging.direct import DirectPublisher, NotAcknowledged
from shared.schemas.configuration.channels import XAccount
from shared.schemas.events import BODY_LIMIT_BYTES
from shared.schemas.parts import Handle
from shared.storage.objects import StoreUnavailable
from tests.service.ingest.conftest import NOBODY, Ingest
from tests.support.x import ACCOUNT, OURSELVES, TOKEN, Scripted, a_post, serving_x

pytestmark = pytest.mark.requirement("COM-4")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
XS = XAccount(handle="HousingHelp", user_id=ACCOUNT, method="x-post", secret="x-token")
PICTURE = PostFile("image-1.jpg", "image/jpeg", b"\xff\xd8\xff" * 1000)


def posted(text: str = "@HousingHelp it leaks") -> Post:
    """A post of the tenant as a source gives it."""
    words = PostFile("post.txt", "text/plain; charset=utf-8", text.encode())
    at = NOW - timedelta(minutes=3)
    return Post("100", "90", "21", "Ann_Lee", "Ann Lee", text, "[image-1: a tap]", at, (words, PICTURE), b'{"data": {"id": "100"}}')


@pytest.fixture
def intake(ingest: Ingest) -> Iterator[PostIntake]:
    publisher = DirectPublisher(ingest.kafka, ingest.prefix)
    yield PostIntake(ingest.reference, ingest.objects, publisher)
    publisher.close()


@pytest.mark.requirement("COM-1")
def test_a_mention_becomes_a_communication_with_its_files(ingest: Ingest, intake: PostIntake, tmp_path: Path) -> None:
    (tmp_path / "x-token").write_text(TOKEN)
    with serving_x(tmp_path) as x:
        x.others = [a_post(50, "the tap drips", author_id=ACCOUNT)]
        x.posts = [
            a_post(100, conversation_id="50", attachments={"media_keys": ["3_1"]}, referenced_tweets=[{"type": "quoted", "id": "50"}]),
            a_post(101, "@HousingHelp thanks", conversation_id="50"),
            a_post(102, "@Ann_Lee we come at noon", author_id=OURSELVES["id"], conversation_id="50"),
        ]
        x.media = [{"media_key": "3_1", "type": "photo", "url": f"{x.url}/1.jpg"}]
        x.files = {"/1.jpg": Scripted(200, PICTURE.content, {"Content-Type": "image/jpeg"})}
        account = XS.model_copy(update={"endpoint": x.url})
        media, private = frozenset({x.host}), frozenset({"127.0.0.1"})
        source = XSource(account, Credentials(str(tmp_path)), ca_file=x.ca_file, media_hosts=media, private_hosts=private)
        batch = source.fetch({}, 100)
        ids = intake.take_posts(batch.items, account, NOW)
        source.close()
    events = {event.data.communication_id: event for event in ingest.published()}
    assert set(events) == set(ids)
    assert len(ids) == 2
    first, second = events[ids[0]], events[ids[1]]
    assert first.key == second.key == str(first.data.conversation_id)
    assert first.traceparent != second.traceparent
    data = first.data
    assert (data.method, data.channel_account, data.direction) == ("x-post", "@HousingHelp", "inbound")
    assert data.sender == Handle(kind="x", value="ann_lee", name="Ann Lee")
    assert data.text == "@HousingHelp the tap leaks\n\n> @HousingHelp wrote:\n> the tap drips"
    assert data.occurred_at == datetime(2026, 11, 22, 10, 15, 30, tzinfo=UTC)
    assert [(file.filename, file.content_type, ingest.objects.get(file.sha256)) for file in data.attachments] == [
        ("post.txt", "text/plain; charset=utf-8", b"@HousingHelp the tap leaks"),
        ("image-1.jpg", "image/jpeg", PICTURE.content),
    ]
    assert data.raw is not None
    assert json.loads(ingest.objects.get(data.raw.sha256))["data"]["id"] == "100"


@pytest.mark.requirement("EDGE-3")
def test_a_post_taken_again_or_by_another_handle_is_the_same_event(ingest: Ingest, intake: PostIntake) -> None:
    other = XS.model_copy(update={"handle": "HousingNews", "user_id": "7"})
    first = intake.take_posts([posted(), posted()], XS, NOW)
    again = intake.take_posts([posted()], other, NOW + timedelta(hours=1))
    assert first == again * 2
    events = ingest.published()
    assert len(events) == 2
    assert events[0].id == events[1].id
    assert events[0].key == events[1].key


def test_what_the_handle_wrote_itself_is_no_contact(ingest: Ingest, intake: PostIntake) -> None:
    own = [replace(posted(), author_id=ACCOUNT), replace(posted(), author_id="", handle="housinghelp")]
    assert intake.take_posts(own, XS, NOW) == []
    assert ingest.published() == []


def test_a_post_that_cannot_be_read_is_a_communication_with_its_json(ingest: Ingest, intake: PostIntake) -> None:
    broken = [Post("", "", "", "", "", "", "", None, (), raw) for raw in (b"7", b'{"text": "x"}', b"7")]
    ids = intake.take_posts(broken, XS, NOW)
    assert ids[0] == ids[2] != ids[1]
    events = {event.data.communication_id: event.data for event in ingest.published()}
    assert set(events) == set(ids)
    data = events[ids[0]]
    assert (data.subject_line, data.sender.value, data.occurred_at) == ("Post that could not be read", "", NOW)
    assert [ingest.objects.get(file.sha256) for file in data.attachments] == [b"7"]


def test_a_text_too_long_for_an_event_is_whole_in_its_file(ingest: Ingest, intake: PostIntake) -> None:
    text = "漏" * 25_000
    intake.take_posts([posted(text)], XS, NOW)
    (event,) = ingest.published()
    assert event.data.text_truncated
    assert len(event.data.text.encode()) <= BODY_LIMIT_BYTES
    assert ingest.objects.get(event.data.attachments[0].sha256).decode() == text


def test_while_kafka_or_the_store_is_away_nothing_is_taken(ingest: Ingest, intake: PostIntake, tmp_path: Path) -> None:
    publisher = DirectPublisher(NOBODY, ingest.prefix, 0.5)
    with pytest.raises(NotAcknowledged):
        PostIntake(ingest.reference, ingest.objects, publisher).take_posts([posted()], XS, NOW)
    publisher.close()
    kept = tmp_path / "objects"
    kept.rename(tmp_path / "gone")
    with pytest.raises(StoreUnavailable):
        intake.take_posts([posted()], XS, NOW)
    (tmp_path / "gone").rename(kept)
    assert ingest.published() == []
