"""Mentions on X (COM-4), read by the real client from a server that answers as X's API v2 is documented."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.gateways.source import Cursor
from services.ingest.gateways.x import PATIENCE
from tests.support.x import FakeX, Scripted, a_post
from tests.support.x_sources import NOON, Opened, fails, ids, page, run_out

pytestmark = pytest.mark.requirement("COM-4")


def test_a_mention_is_a_post_with_its_words_as_a_file(x: FakeX, opened: Opened) -> None:
    x.posts = [a_post(100, "@HousingHelp rent &amp; repairs &lt;3", conversation_id="90")]
    batch = opened().fetch({}, 100)
    (post,) = batch.items
    assert (post.id, post.conversation, post.author_id, post.handle, post.name) == ("100", "90", "21", "Ann_Lee", "Ann Lee")
    assert post.text == "@HousingHelp rent & repairs <3"
    assert (post.at, post.below) == (datetime(2026, 11, 22, 10, 15, 30, tzinfo=UTC), "")
    (file,) = post.files
    assert (file.filename, file.content_type, file.content.decode()) == ("post.txt", "text/plain; charset=utf-8", post.text)
    raw = json.loads(post.raw)
    assert raw["data"]["text"] == "@HousingHelp rent &amp; repairs &lt;3"
    assert [user["username"] for user in raw["includes"]["users"]] == ["Ann_Lee"]
    assert batch.marks == ("100",)
    assert not batch.is_more
    assert batch.cursor["since_id"] == "100"


def test_a_long_post_is_whole_and_links_are_as_they_were_written(x: FakeX, opened: Opened) -> None:
    words = "@HousingHelp " + "it leaks, see https://t.co/abcdefghij " * 20
    links = {"urls": [{"url": "https://t.co/abcdefghij", "expanded_url": "https://photos.example/leak?a=1&lt=2"}]}
    x.posts = [a_post(100, words[:270] + "…", note_tweet={"text": words, "entities": links})]
    (post,) = opened().fetch({}, 100).items
    assert post.text == words.replace("https://t.co/abcdefghij", "https://photos.example/leak?a=1&lt=2")
    assert post.files[0].content.decode() == post.text


def test_the_quoted_post_stands_below(x: FakeX, opened: Opened) -> None:
    x.others = [a_post(50, "first line\n\nsecond &amp; last", author_id="22")]
    x.users.append({"id": "22", "username": "Bob", "name": "Bob"})
    quoting = [{"type": "replied_to", "id": "40"}, {"type": "quoted", "id": "50"}]
    x.posts = [a_post(100, referenced_tweets=quoting), a_post(101, referenced_tweets=[{"type": "quoted", "id": "60"}])]
    first, second = opened().fetch({}, 100).items
    assert first.below == "> @Bob wrote:\n> first line\n>\n> second & last"
    assert json.loads(first.raw)["includes"]["tweets"][0]["id"] == "50"
    assert "cannot be read" in second.below


def test_pictures_and_clips_are_files_of_their_own(x: FakeX, opened: Opened) -> None:
    x.posts = [a_post(100, attachments={"media_keys": ["3_1", "7_2", "16_3"]})]
    variants = [
        {"content_type": "application/x-mpegURL", "url": f"{x.url}/pl.m3u8"},
        {"bit_rate": 632000, "content_type": "video/mp4", "url": f"{x.url}/small.mp4"},
        {"bit_rate": 2176000, "content_type": "video/mp4", "url": f"{x.url}/large.mp4"},
    ]
    gif = [{"bit_rate": 0, "content_type": "video/mp4", "url": f"{x.url}/gif.mp4"}]
    x.media = [
        {"media_key": "3_1", "type": "photo", "url": f"{x.url}/tap.jpg", "alt_text": "A dripping tap"},
        {"media_key": "7_2", "type": "video", "variants": variants, "preview_image_url": f"{x.url}/preview.jpg"},
        {"media_key": "16_3", "type": "animated_gif", "variants": gif},
    ]
    for path, kind in {"/tap.jpg": "image/jpeg", "/large.mp4": "video/mp4", "/gif.mp4": "video/mp4; codecs=x"}.items():
        x.files[path] = Scripted(200, path.encode() * 1000, {"Content-Type": kind})
    (post,) = opened().fetch({}, 100).items
    assert [(file.filename, file.content_type, file.content[:10]) for file in post.files[1:]] == [
        ("image-1.jpg", "image/jpeg", b"/tap.jpg/t"),
        ("clip-2.mp4", "video/mp4", b"/large.mp4"),
        ("clip-3.mp4", "video/mp4", b"/gif.mp4/g"),
    ]
    assert post.below == "[image-1: A dripping tap]"
    assert x.fetched == ["/tap.jpg", "/large.mp4", "/gif.mp4"]


def test_a_medium_that_cannot_be_had_is_a_note(x: FakeX, opened: Opened) -> None:
    x.posts = [a_post(100, attachments={"media_keys": ["3_1", "3_2", "7_3", "3_4", "3_5", "3_6"]})]
    x.media = [{"media_key": f"3_{n}", "type": "photo", "url": f"{x.url}/{n}.jpg"} for n in (1, 2)]
    x.media += [
        {"media_key": "7_3", "type": "video", "variants": [], "preview_image_url": f"{x.url}/3.jpg"},
        {"media_key": "3_4", "type": "photo", "url": "https://elsewhere.example/4.jpg"},
        {"media_key": "3_5", "type": "photo", "url": x.url.replace("https:", "http:") + "/5.jpg"},
    ]
    x.files = {
        "/1.jpg": Scripted(404),
        "/2.jpg": Scripted(302, headers={"Location": "/3.jpg"}),
        "/3.jpg": Scripted(200, b"still", {"Content-Type": "image/jpeg"}),
    }
    (post,) = opened().fetch({}, 100).items
    assert [file.filename for file in post.files] == ["post.txt", "clip-3-preview.jpg"]
    notes = post.below.split("\n\n")
    assert notes[0] == f"[image-1 is missing: HTTP 404. {x.url}/1.jpg]"
    assert notes[1].startswith("[image-2 is missing: it has moved elsewhere.")
    assert notes[2] == "[clip-3 is missing: X does not say where it is.]"
    assert "not one that files are fetched from" in notes[3]
    assert "not https" in notes[4]
    assert notes[5] == "[image-6 is missing: X does not say where it is.]"


def test_of_a_clip_too_large_a_smaller_form_is_taken(x: FakeX, opened: Opened) -> None:
    rates = {"large": 3, "medium": 2, "small": 1}
    variants = [{"bit_rate": rate, "content_type": "video/mp4", "url": f"{x.url}/{name}.mp4"} for name, rate in rates.items()]
    x.posts = [a_post(100, attachments={"media_keys": ["7_1", "3_2"]})]
    x.media = [
        {"media_key": "7_1", "type": "video", "variants": variants},
        {"media_key": "3_2", "type": "photo", "url": f"{x.url}/poster.png"},
    ]
    too_long = {"Content-Length": str(64 * 1024 * 1024 + 1)}
    x.files = {
        "/large.mp4": Scripted(200, b"", too_long, stalls=0),
        "/medium.mp4": Scripted(200, b"medium", {"Content-Type": "video/mp4"}),
        "/poster.png": Scripted(200, b"", {"Content-Length": str(15 * 1024 * 1024 + 1)}, stalls=0),
    }
    (post,) = opened().fetch({}, 100).items
    assert [(file.filename, file.content) for file in post.files[1:]] == [("clip-1.mp4", b"medium")]
    assert "image-2 is missing: it is over 15 MiB" in post.below
    assert x.fetched == ["/large.mp4", "/medium.mp4", "/poster.png"]


def test_a_medium_in_our_own_network_is_not_fetched(x: FakeX, opened: Opened) -> None:
    x.posts = [a_post(100, attachments={"media_keys": ["3_1"]})]
    x.media = [{"media_key": "3_1", "type": "photo", "url": f"{x.url}/1.jpg"}]
    x.files = {"/1.jpg": Scripted(200, b"secret")}
    (post,) = opened(private_hosts=frozenset()).fetch({}, 100).items
    assert "not on the internet" in post.below
    assert x.fetched == []


def test_a_medium_that_may_come_later_is_waited_for_without_paying_again(x: FakeX, opened: Opened) -> None:
    x.posts = [a_post(100), a_post(101, attachments={"media_keys": ["3_1"]}), a_post(102)]
    x.media = [{"media_key": "3_1", "type": "photo", "url": f"{x.url}/1.jpg"}]
    x.files = {"/1.jpg": Scripted(503)}
    source = opened()
    batch = source.fetch({}, 100)
    assert ids(batch) == [100]
    assert batch.is_more
    error = fails(source, batch.cursor)
    assert (error.reason, error.retry_after) == ("unreachable", None)
    x.files = {"/1.jpg": Scripted(429, headers={"Retry-After": "70"})}
    error = fails(source, batch.cursor)
    assert (error.reason, error.retry_after) == ("throttled", 70.0)
    x.files = {"/1.jpg": Scripted(200, b"picture", {"Content-Type": "image/png"})}
    assert [file.filename for file in source.fetch(batch.cursor, 100).items[0].files] == ["post.txt", "image-1.png"]
    assert len(x.asked) == 1


def test_a_medium_that_never_comes_is_given_up_in_the_end(x: FakeX, opened: Opened) -> None:
    x.posts = [a_post(100, attachments={"media_keys": ["3_1"]})]
    x.media = [{"media_key": "3_1", "type": "photo", "url": f"{x.url}/1.jpg"}]
    x.files = {"/1.jpg": Scripted(500)}
    now = [NOON]
    source = opened(clock=lambda: now[0])
    for _ in range(6):
        assert fails(source).reason == "unreachable"
    now[0] += PATIENCE
    (post,) = source.fetch({}, 100).items
    assert "could not be fetched for long" in post.below


def test_pages_are_read_back_before_the_mark_moves(x: FakeX, opened: Opened) -> None:
    x.posts = [a_post(id) for id in range(1, 18)]
    source = opened()
    first = source.fetch({"since_id": "2"}, 6)
    assert ids(first) == [12, 13, 14, 15, 16, 17]
    assert first.is_more
    assert first.cursor["since_id"] == "2"
    x.posts += [a_post(18)]
    batches, cursor = run_out(source, first.cursor, 6)
    assert batches == [[6, 7, 8, 9, 10, 11], [3, 4, 5]]
    assert cursor == {"since_id": "17", "day": "2026-11-22", "reads": 15}
    assert run_out(source, cursor, 6)[0] == [[18]]
    assert {asked.get("since_id") for asked in x.asked[:3]} == {"2"}


def test_fewer_than_x_gives_at_once_come_one_by_one_and_are_paid_once(x: FakeX, opened: Opened) -> None:
    x.posts = [a_post(id) for id in range(1, 8)]
    batches, cursor = run_out(opened(), {}, 2)
    assert batches == [[3, 4], [5, 6], [7], [1, 2]]
    assert (cursor["since_id"], cursor["reads"], len(x.asked)) == ("7", 7, 2)


@pytest.mark.requirement("EDGE-3")
def test_what_was_not_acknowledged_is_given_again(x: FakeX, opened: Opened) -> None:
    x.posts = [a_post(id) for id in range(1, 13)]
    source = opened()
    batch = source.fetch({}, 5)
    x.posts += [a_post(13)]
    again = source.fetch({}, 5)
    assert again == batch
    assert len(x.asked) == 1
    source.acknowledge(batch)
    source.acknowledge(batch)
    assert ids(source.fetch(batch.cursor, 5)) == [3, 4, 5, 6, 7]


@pytest.mark.requirement("EDGE-3")
@pytest.mark.parametrize("most", [2, 5, 7])
@pytest.mark.parametrize("arrives", [0, 3, 9])
def test_a_crash_after_any_batch_skips_nothing(x: FakeX, opened: Opened, most: int, arrives: int) -> None:
    count = len(run_out_with_crash(x, opened, most, arrives, crash_at=-1))
    for crash_at in range(count):
        given = run_out_with_crash(x, opened, most, arrives, crash_at)
        assert {id for batch in given for id in batch} == set(range(1, 18 + arrives))


def run_out_with_crash(x: FakeX, opened: Opened, most: int, arrives: int, crash_at: int) -> list[list[int]]:
    """Fetch all; the batch `crash_at` is lost with the process, `arrives` posts come, and a new source goes on by the last cursor."""
    x.posts = [a_post(id) for id in range(1, 18)]
    source = opened()
    cursor: Cursor = {}
    given: list[list[int]] = []
    while True:
        batch = source.fetch(cursor, most)
        if len(given) == crash_at and len(x.posts) == 17:
            source, crash_at = opened(), -1
            x.posts += [a_post(id) for id in range(18, 18 + arrives)]
            continue
        cursor = json.loads(json.dumps(batch.cursor))
        given.append(ids(batch))
        if not batch.is_more:
            x.posts += [a_post(id) for id in range(len(x.posts) + 1, 18 + arrives)]
            return given + run_out(source, cursor, most)[0]


def test_a_token_that_x_has_forgotten_is_done_without(x: FakeX, opened: Opened) -> None:
    x.posts = [a_post(id) for id in range(1, 18)]
    batch = opened().fetch({}, 5)
    x.old_tokens.add(batch.cursor["next"])
    batches, cursor = run_out(opened(), batch.cursor, 5)
    assert batches == [[8, 9, 10, 11, 12], [3, 4, 5, 6, 7], [1, 2]]
    assert cursor["since_id"] == "17"


def test_the_reads_of_a_day_are_counted_and_end(x: FakeX, opened: Opened) -> None:
    x.posts = [a_post(id) for id in range(1, 31)]
    now = [NOON]
    source = opened(reads_per_day=12, clock=lambda: now[0])
    assert source.reads_left == 12
    batches, cursor = run_out(source, {}, 100)
    assert batches == [[26, 27, 28, 29, 30], [21, 22, 23, 24, 25]]
    assert (cursor["day"], cursor["reads"], source.reads_left) == ("2026-11-22", 10, 2)
    after_restart = opened(reads_per_day=12, clock=lambda: now[0])
    assert after_restart.fetch(cursor, 100).items == ()
    assert after_restart.reads_left == 2
    assert len(x.asked) == 2
    now[0] += timedelta(hours=12)
    assert after_restart.reads_left == 12
    batches, cursor = run_out(after_restart, cursor, 100)
    assert batches == [[16, 17, 18, 19, 20], [11, 12, 13, 14, 15]]
    assert (cursor["day"], cursor["reads"]) == ("2026-11-23", 10)


def test_posts_that_others_refer_to_are_paid_for_too(x: FakeX, opened: Opened) -> None:
    x.others = [a_post(50)]
    x.posts = [a_post(100, referenced_tweets=[{"type": "replied_to", "id": "50"}])]
    source = opened()
    assert source.fetch({}, 100).cursor["reads"] == 2
    assert source.reads_left == 498


def test_nothing_new_is_an_empty_batch(x: FakeX, opened: Opened) -> None:
    batch = opened().fetch({"since_id": "7"}, 100)
    assert (batch.items, batch.is_more, batch.cursor) == ((), False, {"since_id": "7"})


def test_pages_without_a_post_are_passed_over(x: FakeX, opened: Opened) -> None:
    x.posts = [a_post(1)]
    x.scripted = [page(meta={"result_count": 0, "next_token": f"7140dibdnow9c7btw{9 - n}"}) for n in range(3)]
    assert ids(opened().fetch({}, 100)) == [1]
