"""X on a local HTTPS socket: the mentions of a user as the API v2 gives them, and the files that posts link to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.authority import Authority

TOKEN = "AAAAAAAAAAAAAAAAAAAAAMLheAAAAAAA0%2BuSeid"
ACCOUNT = "2244994945"
TENANT = {"id": "21", "username": "Ann_Lee", "name": "Ann Lee"}
OURSELVES = {"id": ACCOUNT, "username": "HousingHelp", "name": "Housing Help"}
EXPANSIONS = {
    "author_id": "users",
    "attachments.media_keys": "media",
    "referenced_tweets.id": "tweets",
    "referenced_tweets.id.author_id": "users",
}
ALWAYS = {"tweet": {"id", "text", "edit_history_tweet_ids"}, "user": {"id", "name", "username"}, "media": {"media_key", "type"}}
"""Fields that the API gives unasked; others only when they are named, ids also when they are expanded."""

Json = dict[str, Any]


def a_post(id: int, text: str = "@HousingHelp the tap leaks", **more: Any) -> Json:
    """A post of the tenant that mentions us."""
    given = {
        "id": str(id),
        "text": text,
        "edit_history_tweet_ids": [str(id)],
        "author_id": TENANT["id"],
        "conversation_id": str(id),
        "created_at": "2026-11-22T10:15:30.000Z",
        "lang": "en",
    }
    return given | more


@dataclass
class Scripted:
    """An answer that is given whatever was asked. `stalls`: after how many bytes of the body nothing more comes; -1: never."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    stalls: int = -1


@dataclass
class FakeX:
    """What X knows, and what it was asked."""

    url: str = ""
    ca_file: str = ""
    posts: list[Json] = field(default_factory=list)
    others: list[Json] = field(default_factory=list)
    """Posts that are only referred to."""
    users: list[Json] = field(default_factory=lambda: [TENANT, OURSELVES])
    media: list[Json] = field(default_factory=list)
    files: dict[str, Scripted] = field(default_factory=dict)
    scripted: list[Scripted] = field(default_factory=list)
    """The next answers of the API."""
    asked: list[dict[str, str]] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    """With what each file was asked for: the `Authorization`, empty if there was none."""
    old_tokens: set[str] = field(default_factory=set)
    """Tokens of pages that X has forgotten."""
    stalling: threading.Event = field(default_factory=threading.Event)
    """Set once an answer stalls."""
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        """As it is named among the hosts of downloads."""
        return urlsplit(self.url).netloc

    def mentions(self, asked: dict[str, str]) -> Scripted:
        """A page of mentions."""
        if self.scripted:
            return self.scripted.pop(0)
        most = int(asked.get("max_results", "10"))
        token = asked.get("pagination_token", "")
        if not 5 <= most <= 100:
            return _problem(400, "Invalid Request", f"The `max_results` query parameter value [{most}] is not between 5 and 100")
        if token in self.old_tokens or (token and not token.startswith("7140dibdnow9c7btw")):
            return _problem(400, "Invalid Request", f"The `pagination_token` query parameter value [{token}] is not valid")
        highest = min(int(asked.get("until_id", 2**63)), int(token[17:] or 2**63) if token else 2**63)
        found = [post for post in self.posts if int(asked.get("since_id", 0)) < int(post["id"]) < highest]
        found.sort(key=lambda post: -int(post["id"]))
        shown = found[:most]
        meta: Json = {"result_count": len(shown)}
        if shown:
            meta |= {"newest_id": shown[0]["id"], "oldest_id": shown[-1]["id"]}
        if len(found) > len(shown):
            meta["next_token"] = f"7140dibdnow9c7btw{shown[-1]['id']}"
        answer = ({"data": [_fields(post, "tweet", asked) for post in shown]} if shown else {}) | {"meta": meta}
        if includes := self._includes(shown, asked):
            answer["includes"] = includes
        return Scripted(200, json.dumps(answer).encode(), {"Content-Type": "application/json; charset=utf-8"})

    def _includes(self, shown: list[Json], asked: dict[str, str]) -> Json:
        wanted = asked.get("expansions", "").split(",")
        assert set(wanted) - {""} <= set(EXPANSIONS), wanted
        referred = {each["id"] for post in shown for each in post.get("referenced_tweets", [])}
        posts = [post for post in [*self.posts, *self.others] if post["id"] in referred] if "referenced_tweets.id" in wanted else []
        authors = {post["author_id"] for post in shown} if "author_id" in wanted else set()
        if "referenced_tweets.id.author_id" in wanted:
            authors |= {post["author_id"] for post in posts}
        keys = {key for post in shown for key in post.get("attachments", {}).get("media_keys", [])}
        media = [each for each in self.media if each["media_key"] in keys] if "attachments.media_keys" in wanted else []
        found = {
            "users": [_fields(user, "user", asked) for user in self.users if user["id"] in authors],
            "tweets": [_fields(post, "tweet", asked) for post in posts],
            "media": [_fields(each, "media", asked) for each in media],
        }
        return {name: each for name, each in found.items() if each}

    def answer(self, path: str, asked: dict[str, str], token: str) -> Scripted:
        """The answer to a GET."""
        if path in self.files:
            self.fetched.append(path)
            self.logins.append(token)
            return self.files[path]
        if token != f"Bearer {TOKEN}":
            return _problem(401, "Unauthorized", "Unauthorized", "about:blank")
        if path != f"/2/users/{ACCOUNT}/mentions":
            return _problem(404, "Not Found", "Not Found", "about:blank")
        self.asked.append(asked)
        return self.mentions(asked)


def _fields(given: Json, kind: str, asked: dict[str, str]) -> Json:
    named = ALWAYS[kind] | set(asked.get(f"{kind}.fields", "").split(","))
    expanded = {each.partition(".")[0] for each in asked.get("expansions", "").split(",")}
    return {key: value for key, value in given.items() if key in named | expanded}


def _problem(status: int, title: str, detail: str, kind: str = "https://api.twitter.com/2/problems/invalid-request") -> Scripted:
    body = {"title": title, "detail": detail, "type": kind, "status": status, "errors": [{"message": detail}]}
    return Scripted(status, json.dumps(body).encode(), {"Content-Type": "application/problem+json"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asks may hang up, or not trust us: that is for the tests to see on the other side."""


def _handler(x: FakeX) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            answer = x.answer(parts.path, asked, self.headers.get("Authorization", ""))
            self.send_response(answer.status)
            for name, value in ({"Content-Length": str(len(answer.body))} | answer.headers).items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            if answer.stalls >= 0:
                self.wfile.write(answer.body[: answer.stalls])
                x.stalling.set()
                x.over.wait()
                self.close_connection = True
                return
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:
            """No log."""

    return Handler


@contextmanager
def serving_x(folder: Path) -> Iterator[FakeX]:
    """X on 127.0.0.1, with a certificate of its own in `folder`."""
    x = FakeX()
    authority = Authority(folder)
    server = _Server(("127.0.0.1", 0), _handler(x))
    # The handshake is for the connection's own thread: the one that accepts must not wait.
    server.socket = authority.context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    x.url, x.ca_file = f"https://127.0.0.1:{server.server_address[1]}", str(authority.file)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield x
    finally:
        x.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
