"""Telling another system over HTTPS: on one connection, to its end in time, and to nobody else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.notify.domain.webhooks import BadSecret, Ending
from services.notify.gateways.webhooks import CONTENT_TYPE, LONGEST_ANSWER, Receiver, Secrets
from tests.support.graph_https import Answer
from tests.support.hooked import Hooked

SECRET = b"s" * 32
PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"


@pytest.fixture
def hooked(tmp_path: Path) -> Iterator[Hooked]:
    with Hooked(tmp_path) as server:
        yield server


@pytest.fixture
def receiver(hooked: Hooked) -> Iterator[Receiver]:
    receiver = Receiver(hooked.url, 5.0, {"127.0.0.1"}, str(hooked.ca_file))
    yield receiver
    receiver.close()


def is_genuine() -> Callable[[dict[str, str], bytes, str], bool]:
    """The function that docs/webhooks.md gives to receivers."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    given: dict[str, Callable[[dict[str, str], bytes, str], bool]] = {}
    exec(code, given)
    return given["is_genuine"]


@pytest.mark.requirement("EDGE-18")
def test_receivers_can_check_who_told_them_as_the_docs_say(hooked: Hooked, receiver: Receiver) -> None:
    assert receiver.post("one", b'{"of": "us"}', (b"n" * 32, SECRET), int(time.time())).ending is Ending.TAKEN
    assert receiver.post("two", b"{}", (SECRET,), int(time.time()) - 3600).ending is Ending.TAKEN
    genuine, recorded = hooked.told
    assert (genuine.headers["method"], genuine.headers["content-type"]) == ("POST", CONTENT_TYPE)
    check, secret = is_genuine(), "whsec_c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M="
    assert check(genuine.headers, genuine.body, secret)
    assert not check(genuine.headers, genuine.body + b" ", secret)
    assert not check(genuine.headers, genuine.body, secret.replace("c3Nz", "c3Nx", 1))
    assert not check(genuine.headers | {"webhook-id": "two"}, genuine.body, secret)
    assert not check(recorded.headers, recorded.body, secret)


def test_one_connection_serves_many_messages_until_it_is_closed(hooked: Hooked, receiver: Receiver) -> None:
    hooked.answers = [Answer(200, b"thank you"), Answer(500, b"no")]
    statuses = [receiver.post(str(number), b"{}", (SECRET,), 1).status for number in range(4)]
    assert (statuses, hooked.connections) == ([200, 500, 204, 204], 1)
    hooked.hang_up()
    replies = [receiver.post("5", b"{}", (SECRET,), 1).ending for _ in range(2)]
    # The first may have met the connection just as it went.
    assert replies[1] is Ending.TAKEN
    assert hooked.connections == 2


def test_a_redirect_is_not_followed(hooked: Hooked, receiver: Receiver) -> None:
    hooked.answers = [Answer(307, headers={"Location": hooked.url}), Answer(302, headers={"Location": "https://["})]
    replies = [receiver.post("one", b"{}", (SECRET,), 1) for _ in range(2)]
    assert [(reply.ending, reply.status) for reply in replies] == [(Ending.FAILED, 307), (Ending.FAILED, 302)]
    assert len(hooked.told) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]"])
def test_our_own_network_is_not_spoken_with(hooked: Hooked, host: str) -> None:
    receiver = Receiver(hooked.url.replace("127.0.0.1", host), 5.0, (), str(hooked.ca_file))
    reply = receiver.post("one", b"{}", (SECRET,), 1)
    receiver.close()
    assert (reply.ending, reply.status, hooked.connections) == (Ending.FAILED, 0, 0)
    assert "NotReachable" in reply.error


def test_an_answer_that_does_not_end_is_given_up(hooked: Hooked) -> None:
    receiver = Receiver(hooked.url, 0.3, {"127.0.0.1"}, str(hooked.ca_file))
    hooked.answers = [Answer(200, b"begun", headers={"Content-Length": "100"}), Answer(200, b"x" * (2 * LONGEST_ANSWER))]
    begun, long = (receiver.post("one", b"{}", (SECRET,), 1) for _ in range(2))
    receiver.close()
    assert (begun.ending, begun.status) == (Ending.FAILED, 0)
    assert (long.ending, long.status) == (Ending.TAKEN, 200)


def test_nobody_there_and_a_stranger_in_their_place_are_failures(hooked: Hooked, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Hooked(tmp_path / "other") as other:
        stranger = Receiver(hooked.url, 5.0, {"127.0.0.1"}, str(other.ca_file))
        nobody = Receiver(other.url, 5.0, {"127.0.0.1"}, str(other.ca_file))
    for receiver in (stranger, nobody):
        reply = receiver.post("one", b"{}", (SECRET,), 1)
        receiver.close()
        assert (reply.ending, reply.status) == (Ending.FAILED, 0)
        assert reply.error.startswith("127.0.0.1: ")
    assert hooked.told == []


def test_secrets_are_files_read_whenever_they_are_needed(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path)
    with pytest.raises(BadSecret, match="the file crm"):
        secrets.of("crm")
    (tmp_path / "crm").write_text("whsec_c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M=\n")
    assert secrets.of("crm") == (SECRET,)
    (tmp_path / "crm").write_text("not base64")
    with pytest.raises(BadSecret, match="the file crm"):
        secrets.of("crm")
    with pytest.raises(BadSecret, match="CASESTREAM_WEBHOOK_KEYS"):
        Secrets(None).of("crm")
