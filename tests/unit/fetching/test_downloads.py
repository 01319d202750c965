"""Fetching files that a message links to: only from where it was allowed, and only so much."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.fetching import Downloads, GatewayError, Unavailable, is_public
from tests.support.x import FakeX, Scripted, serving_x

pytestmark = pytest.mark.requirement("COM-4")


@pytest.fixture
def x(tmp_path: Path) -> Iterator[FakeX]:
    with serving_x(tmp_path) as served:
        yield served


@pytest.fixture
def opened(x: FakeX) -> Iterator[Callable[..., Downloads]]:
    made: list[Downloads] = []

    def open_one(**changes: Any) -> Downloads:
        given: dict[str, Any] = {"hosts": [x.host], "private_hosts": ["127.0.0.1"], "ca_file": x.ca_file, "timeout": 5.0}
        made.append(Downloads(**(given | changes)))
        return made[-1]

    yield open_one
    for each in made:
        each.close()


def test_a_file_comes_with_its_type(x: FakeX, opened: Callable[..., Downloads]) -> None:
    x.files["/a"] = Scripted(200, b"content", {"Content-Type": "Image/PNG; q=1"})
    files = opened()
    for _ in range(2):
        found = files.get(f"{x.url}/a", 7)
        assert (found.content, found.content_type) == (b"content", "image/png")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/a",
        "https://user@{host}/a",
        "https://{host}@elsewhere.example/a",
        "https://{host}.elsewhere.example/a",
        "https://elsewhere.example/{host}",
        "https://{host}\\@elsewhere.example/a",
        "https://[::1/a",
        "http://{host}/a",
        "file:///etc/passwd",
        "//{host}/a",
        "",
    ],
)
def test_nothing_is_asked_of_other_hosts(x: FakeX, opened: Callable[..., Downloads], url: str) -> None:
    x.files["/a"] = Scripted(200, b"content")
    with pytest.raises(Unavailable):
        opened().get(url.format(host=x.host), 100)
    assert x.fetched == []


def test_a_host_in_our_own_network_must_be_named_as_such(x: FakeX, opened: Callable[..., Downloads]) -> None:
    x.files["/a"] = Scripted(200, b"content")
    with pytest.raises(Unavailable, match="not on the internet"):
        opened(private_hosts=["elsewhere.example"]).get(f"{x.url}/a", 100)
    localhost = x.host.replace("127.0.0.1", "localhost")
    with pytest.raises(Unavailable, match="not on the internet"):
        opened(hosts=[localhost]).get(f"https://{localhost}/a", 100)
    assert x.fetched == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("10.1.2.3", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fd00::1", False),
        ("fe80::1%2", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("ff0e::1", False),
    ],
)
def test_which_addresses_are_the_internets(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize("status", [301, 307, 400, 403, 404, 410, 451])
def test_what_will_not_come_is_given_up(x: FakeX, opened: Callable[..., Downloads], status: int) -> None:
    x.files = {"/a": Scripted(status, b"no", {"Location": f"{x.url}/b"}), "/b": Scripted(200, b"elsewhere")}
    with pytest.raises(Unavailable):
        opened().get(f"{x.url}/a", 100)
    assert x.fetched == ["/a"]


@pytest.mark.requirement("SLA-1")
def test_where_any_host_may_be_asked_our_own_network_stays_closed_to_redirects_too(x: FakeX, opened: Callable[..., Downloads]) -> None:
    x.files = {"/a": Scripted(302, b"", {"Location": "/b"}), "/b": Scripted(200, b"there")}
    assert opened(hosts=None, redirects=1).get(f"{x.url}/a", 100).content == b"there"
    for elsewhere in (x.url.replace("127.0.0.1", "localhost"), "https://169.254.169.254", "http://127.0.0.1", "file:///etc", "//[::1"):
        x.files["/out"] = Scripted(302, b"", {"Location": f"{elsewhere}/b"})
        x.fetched.clear()
        with pytest.raises(Unavailable):
            opened(hosts=None, redirects=1).get(f"{x.url}/out", 100)
        assert x.fetched == ["/out"]


def test_a_login_is_for_its_host_alone(x: FakeX, opened: Callable[..., Downloads], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with serving_x(tmp_path / "other") as other:
        both = tmp_path / "both.pem"
        both.write_text(Path(x.ca_file).read_text() + Path(other.ca_file).read_text())
        x.files = {"/a": Scripted(302, b"", {"Location": f"{other.url}/b"})}
        other.files = {"/b": Scripted(200, b"there")}
        allowed = {"hosts": [x.host, other.host], "redirects": 1, "ca_file": str(both)}
        opened(**allowed, logins={x.host: ("user", "password")}).get(f"{x.url}/a", 100)
        opened(**allowed, logins={"elsewhere.example": ("user", "password")}).get(f"{x.url}/a", 100)
        assert (x.logins, other.logins) == (["Basic dXNlcjpwYXNzd29yZA==", ""], ["", ""])


def test_of_a_redirect_nothing_is_read_but_where_it_leads(x: FakeX, opened: Callable[..., Downloads]) -> None:
    x.files = {"/a": Scripted(302, b"x" * 300_000, {"Location": "https://[::1/"}, stalls=200_000)}
    with pytest.raises(Unavailable, match="moved"):
        opened().get(f"{x.url}/a", 100)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_where_it_is_wanted_redirects_are_followed_to_named_hosts_only(x: FakeX, opened: Callable[..., Downloads], status: int) -> None:
    x.files = {"/a": Scripted(status, b"", {"Location": "/b"}), "/b": Scripted(status, b"", {"Location": f"{x.url}/c"})}
    x.files["/c"] = Scripted(200, b"there")
    for path, location in (
        ("out", "https://elsewhere.example/c"),
        ("in", "http://127.0.0.1/c"),
        ("bad", "https://[::1/"),
        ("loop", "/loop"),
    ):
        x.files[f"/{path}"] = Scripted(status, b"", {"Location": location})
    assert opened(redirects=2).get(f"{x.url}/a", 100).content == b"there"
    for path, redirects in (("a", 1), ("out", 2), ("in", 2), ("bad", 2), ("loop", 2)):
        with pytest.raises(Unavailable):
            opened(redirects=redirects).get(f"{x.url}/{path}", 100)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_what_may_come_later_is_said_so(x: FakeX, opened: Callable[..., Downloads], status: int) -> None:
    x.files["/a"] = Scripted(status, b"later", {"Retry-After": "7"})
    with pytest.raises(GatewayError) as caught:
        opened().get(f"{x.url}/a", 100)
    assert caught.value.reason == ("throttled" if status == 429 else "unreachable")
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "", "Connection": "close"}], ids=["announced", "not announced"])
def test_a_file_too_large_is_not_read_to_its_end(x: FakeX, opened: Callable[..., Downloads], headers: dict[str, str]) -> None:
    x.files["/a"] = Scripted(200, b"x" * 300_000, headers, stalls=200_000)
    files = opened()
    with pytest.raises(Unavailable) as caught:
        files.get(f"{x.url}/a", 100_000)
    assert caught.value.too_large


def test_a_file_that_is_cut_off_is_not_taken_for_whole(x: FakeX, opened: Callable[..., Downloads]) -> None:
    x.files["/a"] = Scripted(200, b"half", {"Content-Length": "8", "Connection": "close"})
    with pytest.raises(GatewayError) as caught:
        opened().get(f"{x.url}/a", 100)
    assert caught.value.reason == "unreachable"


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "", "Connection": "close"}], ids=["announced", "not announced"])
def test_the_whole_file_has_a_time(x: FakeX, opened: Callable[..., Downloads], headers: dict[str, str]) -> None:
    x.files["/a"] = Scripted(200, b"x" * 100, headers, stalls=10)
    with pytest.raises(GatewayError, match="no whole answer within") as caught:
        opened(timeout=3600.0, total=0.3).get(f"{x.url}/a", 1000)
    assert caught.value.reason == "unreachable"


def test_a_host_that_does_not_answer_may_later(x: FakeX, opened: Callable[..., Downloads]) -> None:
    with pytest.raises(GatewayError) as caught:
        opened(hosts=["127.0.0.1:9"]).get("https://127.0.0.1:9/a", 100)
    assert caught.value.reason == "unreachable"
