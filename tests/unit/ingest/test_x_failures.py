"""What X refuses or answers wrongly, and answers that never end."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from services.ingest.gateways.source import GatewayError
from tests.support.x import TOKEN, FakeX, Scripted, a_post
from tests.support.x_sources import NOON, Opened, fails, ids, page

pytestmark = pytest.mark.requirement("COM-4")


REFUSALS = [
    (Scripted(401, b'{"title":"Unauthorized","status":401,"detail":"Unauthorized"}'), "credentials", None),
    (Scripted(402, b'{"title":"CreditsDepleted","detail":"no credits"}'), "refused", None),
    (Scripted(403, b'{"title":"Client Forbidden","reason":"client-not-enrolled"}'), "refused", None),
    (Scripted(429, b'{"title":"Too Many Requests"}', {"x-rate-limit-reset": str(int(NOON.timestamp()) + 840)}), "throttled", 840.0),
    (Scripted(429, b'{"title":"UsageCapExceeded","period":"Monthly"}'), "throttled", None),
    (Scripted(429, b"", {"x-rate-limit-reset": "soon"}), "throttled", None),
    (Scripted(500, b"[]"), "unreachable", None),
    (Scripted(503, b'{"errors":[7]}'), "unreachable", None),
    (Scripted(302, b"", {"Location": "/2/elsewhere"}), "malformed", None),
    (Scripted(200, b"<html>sign in</html>"), "malformed", None),
    (Scripted(200, b"[1, 2]"), "malformed", None),
    (Scripted(200, b'{"data": {"id": "1"}}'), "malformed", None),
    (Scripted(200, b'{"errors":[{"title":"Not Found Error","type":"x"}]}'), "refused", None),
    (Scripted(200, b'{"meta":', {"Content-Length": "400", "Connection": "close"}), "unreachable", None),
]


@pytest.mark.parametrize(("answer", "reason", "retry_after"), REFUSALS, ids=range(len(REFUSALS)))
def test_what_x_refuses_is_named_and_skips_nothing(
    x: FakeX, opened: Opened, answer: Scripted, reason: str, retry_after: float | None
) -> None:
    x.posts = [a_post(1)]
    x.scripted = [answer]
    source = opened()
    error = fails(source)
    assert (error.reason, error.retry_after) == (reason, retry_after)
    assert ids(source.fetch({}, 100)) == [1]


def test_a_changed_credential_works_at_once(x: FakeX, opened: Opened, tmp_path: Path) -> None:
    x.posts = [a_post(1)]
    source = opened()
    for content in ("revoked", "two\nlines", "größe", ""):
        (tmp_path / "x-token").write_text(content)
        assert fails(source).reason == "credentials"
    (tmp_path / "x-token").write_text(TOKEN)
    assert ids(source.fetch({}, 100)) == [1]


def test_a_server_that_nobody_vouches_for_gets_no_token(x: FakeX, opened: Opened) -> None:
    assert fails(opened(ca_file="")).reason == "unreachable"
    assert x.asked == []


def test_posts_that_cannot_be_read_come_as_they_are_and_stop_nothing(x: FakeX, opened: Opened) -> None:
    broken: list[Any] = [{"id": "none", "text": "broken"}, 7, {"text": "\ud800"}]
    odd = a_post(5) | {"text": 9, "attachments": [], "entities": "x", "created_at": "yesterday", "author_id": None, "note_tweet": 1}
    x.scripted = [page(data=[a_post(9), *broken, odd], includes=[], meta={"newest_id": "9", "result_count": 5})]
    batch = opened().fetch({}, 100)
    assert [post.id for post in batch.items] == ["5", "9", "", "", ""]
    assert [json.loads(post.raw) for post in batch.items[2:]] == broken
    assert (batch.items[0].text, batch.items[0].at, batch.items[0].handle) == ("", None, "")
    assert batch.cursor["since_id"] == "9"


def test_a_page_without_any_number_is_asked_for_anew(x: FakeX, opened: Opened) -> None:
    x.scripted = [page(data=[{"text": "broken"}], meta={})]
    x.posts = [a_post(1)]
    source = opened()
    batch = source.fetch({}, 100)
    assert [post.id for post in batch.items] == [""]
    assert ids(source.fetch(batch.cursor, 100)) == [1]


def test_the_same_page_for_ever_is_not_read_for_ever(x: FakeX, opened: Opened) -> None:
    x.scripted = [page(data=[a_post(9)], meta={"next_token": "round"}), page(data=[a_post(9)], meta={"next_token": "round"})]
    source = opened()
    batch = source.fetch({}, 100)
    assert fails(source, batch.cursor).reason == "malformed"


def test_a_cursor_of_something_else_is_not_guessed_at(opened: Opened) -> None:
    assert fails(opened(), {"since_id": "UIDVALIDITY"}).reason == "malformed"


@pytest.mark.parametrize("where", ["answer", "medium", "waiting"])
def test_close_from_another_thread_ends_what_runs(x: FakeX, opened: Opened, where: str) -> None:
    x.posts = [a_post(1, attachments={"media_keys": ["3_1"]})]
    x.media = [{"media_key": "3_1", "type": "photo", "url": f"{x.url}/1.jpg"}]
    # Without a length what came before the end would look whole.
    stalled = Scripted(200, b'{"meta": {}}', {"Connection": "close"}, stalls=12)
    x.files = {"/1.jpg": stalled}
    x.scripted = [stalled] if where == "answer" else []
    source = opened(timeout=3600.0)
    outcome: list[object] = []

    def run() -> None:
        try:
            if where == "waiting":
                source.wait(3600)
            else:
                source.fetch({}, 100)
            outcome.append("returned")
        except GatewayError as error:
            outcome.append(error.reason)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    if where != "waiting":
        assert x.stalling.wait(20)
    source.close()
    thread.join(20)
    assert outcome == ["returned" if where == "waiting" else "unreachable"]
    assert fails(source).reason == "unreachable"


@pytest.mark.parametrize("where", ["answer", "medium"])
def test_an_answer_that_never_ends_is_given_up(x: FakeX, opened: Opened, where: str) -> None:
    x.posts = [a_post(1, attachments={"media_keys": ["3_1"]})]
    x.media = [{"media_key": "3_1", "type": "photo", "url": f"{x.url}/1.jpg"}]
    x.files = {"/1.jpg": Scripted(200, b"x" * 50, stalls=10)}
    x.scripted = [Scripted(200, b"{}" * 50, stalls=10)] if where == "answer" else []
    assert fails(opened(timeout=0.3)).reason == "unreachable"


def test_logs_hold_neither_token_nor_posts(x: FakeX, opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    x.posts = [a_post(1)]
    opened().fetch({}, 100)
    assert TOKEN not in caplog.text
    assert "the tap leaks" not in caplog.text
