"""Applying configurations to a real desk: checked whole, kept in versions, told on the compacted topics."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from services.desk.api import Desk, desk_app
from shared.messaging import Reference
from shared.messaging.topics import create_topics
from tests.service.desk.conftest import machine
from tests.support import eventually
from tests.support.configuration import USERS
from tests.support.desk import PASSWORD, a_configuration_text
from tests.support.web import served

READ_APPLY = ("configuration:read", "configuration:apply", "staff:read", "status:read")


@pytest.fixture
def own_topics(kafka: str, topic_prefix: str) -> str:
    """A prefix whose topics nobody else writes to."""
    create_topics(kafka, topic_prefix, replication=1)
    return topic_prefix


@pytest.fixture
def told(make_desk: Callable[..., Desk], kafka: str, own_topics: str) -> Iterator[tuple[httpx.Client, Desk, Reference]]:
    """A desk, and reference data as the services follow it."""
    desk, reference = make_desk(topic_prefix=own_topics), Reference(kafka, own_topics)
    with served(desk_app(desk), token="") as client:
        yield client, desk, reference
    reference.close()


def apply(client: httpx.Client, desk: Desk, text: str, *permissions: str) -> httpx.Response:
    headers = machine(desk, *(permissions or READ_APPLY)) | {"Content-Type": "application/yaml"}
    return client.post("/configuration", content=text.encode(), headers=headers)


@pytest.mark.requirement("FACE-2")
def test_configuration_is_checked_applied_exported_and_reaches_the_services(told: tuple[httpx.Client, Desk, Reference]) -> None:
    client, desk, reference = told
    text = "# The best of organisations\n" + a_configuration_text()
    answer = apply(client, desk, text)
    assert (answer.status_code, answer.json()["version"]) == (201, 1)
    reference.start()
    eventually(lambda: reference.version == 1)
    assert reference.configuration().organisation.name == "Test Homes"
    assert reference.staff["rita"].email == "rita@housing.example"
    assert reference.units["repairs"].members == ("lena", "paul", "rita")

    exported = client.get("/configuration", headers=machine(desk, *READ_APPLY))
    assert exported.headers["content-type"].startswith("application/yaml")
    assert exported.text.startswith("# The best of organisations\n")
    # What is exported can be applied again as it is.
    assert apply(client, desk, exported.text).json()["version"] == 2
    eventually(lambda: reference.version == 2)
    assert reference.configuration(1).organisation.name == "Test Homes"


def test_the_same_configuration_again_makes_no_new_version(client: httpx.Client, desk: Desk) -> None:
    text = a_configuration_text()
    first, second = apply(client, desk, text), apply(client, desk, text)
    assert (second.status_code, second.json()["version"], second.json()["changed"]) == (200, first.json()["version"], False)
    versions = client.get("/configuration/versions", headers=machine(desk, *READ_APPLY)).json()["items"]
    assert [(v["version"], v["applied_by"]) for v in versions] == [(1, "test-machine")]


@pytest.mark.requirement("FACE-2")
def test_a_bad_configuration_is_refused_with_every_problem_and_changes_nothing(client: httpx.Client, desk: Desk) -> None:
    text = (
        a_configuration_text()
        .replace("default_unit: contact-centre", "default_unit: contact-center")
        .replace("zone: Europe/", "zone: Europa/")
    )
    answer = apply(client, desk, text)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    problems = answer.json()["problems"]
    assert {p["key"] for p in problems} >= {"organisation.default_unit", "organisation.time_zone", "calendars[0]"}
    lines = text.splitlines()
    assert "contact-center" in next(lines[p["line"] - 1] for p in problems if p["key"] == "organisation.default_unit")
    assert client.get("/configuration", headers=machine(desk, *READ_APPLY)).status_code == 404


@pytest.mark.requirement("FACE-2")
def test_each_version_is_kept_shown_as_a_difference_and_gone_back_to(client: httpx.Client, desk: Desk) -> None:
    headers = machine(desk, *READ_APPLY)
    for name in ("Test Homes", "Better Homes"):
        apply(client, desk, a_configuration_text().replace("Test Homes", name))
    difference = client.get("/configuration/versions/2/difference", headers=headers).text.splitlines()
    assert [line for line in difference if line.startswith(("-", "+"))] == [
        "--- version 1",
        "+++ version 2",
        "-  name: Test Homes",
        "+  name: Better Homes",
    ]
    answer = client.post("/configuration/versions/1/apply", headers=headers)
    assert (answer.status_code, answer.json()["version"]) == (201, 3)
    assert "Test Homes" in client.get("/configuration", headers=headers).text
    assert "Better Homes" in client.get("/configuration/versions/2", headers=headers).text
    assert client.post("/configuration/versions/9/apply", headers=headers).status_code == 404
    # Whoever could sign in before still can: accounts are not versioned.
    assert client.post("/login", json={"user": "rita", "password": PASSWORD}).status_code == 200


def test_password_hashes_are_neither_shown_nor_published(told: tuple[httpx.Client, Desk, Reference]) -> None:
    client, desk, reference = told
    apply(client, desk, a_configuration_text())
    reference.start()
    headers = machine(desk, *READ_APPLY)
    for answer in (
        client.get("/configuration", headers=headers),
        client.get("/configuration", headers=headers | {"Accept": "application/json"}),
        client.get("/staff", headers=headers),
    ):
        assert answer.status_code == 200
        assert "argon2" not in answer.text
    assert all(user.password_hash is None for user in reference.configuration().users)


def test_who_left_is_told_inactive_and_a_unit_follows_its_members(told: tuple[httpx.Client, Desk, Reference]) -> None:
    client, desk, reference = told
    apply(client, desk, a_configuration_text())
    reference.start()
    users = [user for user in USERS if user["user"] != "rita"]
    assert apply(client, desk, a_configuration_text(users=users)).json()["version"] == 2
    eventually(lambda: not reference.staff["rita"].active and reference.units["repairs"].members == ("lena", "paul"))
    assert not client.get("/staff/rita", headers=machine(desk, *READ_APPLY)).json()["active"]


def test_configuration_needs_its_permission(client: httpx.Client, desk: Desk) -> None:
    assert apply(client, desk, a_configuration_text(), "configuration:read").status_code == 403
    assert client.post("/configuration", content=b"x").status_code == 401


def test_garbage_is_refused_with_its_reason(client: httpx.Client, desk: Desk) -> None:
    for garbage in (b"", b"\xff\xfe\x00", b"[" * 5000, b"a: &a [*a]", b"\x00", b"- 1", b"a: !!python/object:os.system x"):
        answer = client.post("/configuration", content=garbage, headers=machine(desk, *READ_APPLY))
        assert answer.status_code == 422
        assert answer.json()["detail"]


@pytest.mark.requirement("FACE-2", "TASK-1")
def test_a_draft_is_kept_with_its_problems_and_published_once_it_has_none(client: httpx.Client, desk: Desk) -> None:
    headers = machine(desk, *READ_APPLY) | {"Content-Type": "application/yaml"}

    def drafts(method: str, address: str = "", text: str = "", **more: str) -> httpx.Response:
        return client.request(method, f"/configuration/drafts{address}", content=text.encode(), headers=headers | more)

    base = re.sub(r" +password_hash:.*\n(  +\S+\n)?", "", a_configuration_text())
    good = "  # without any password_hash\n" + base.replace("Test Homes", "Spring Homes")
    assert apply(client, desk, base).json()["version"] == 1
    saved = drafts("PUT", "/spring", good.replace("housing.example", ""))
    assert (saved.status_code, saved.headers["etag"], saved.json()["based_on"]) == (200, '"1"', 1)
    assert saved.json()["problems"]
    assert saved.json()["problems"] == drafts("GET", "/spring").json()["problems"]
    assert "nothing was applied" in drafts("POST", "/spring/publish").json()["detail"]
    assert drafts("PUT", "/spring", good, **{"If-Match": '"7"'}).status_code == 412
    assert drafts("PUT", "/spring", good, **{"If-Match": '"1"'}).json()["problems"] == []
    assert drafts("PUT", "/winter", base).json()["revision"] == 1
    assert "password_hash" in drafts("PUT", "/secret", a_configuration_text()).json()["detail"]
    assert drafts("PUT", "/later?based_on=9", base).status_code == 422
    assert [(each["name"], each["is_outdated"]) for each in drafts("GET").json()["items"]] == [("spring", False), ("winter", False)]
    assert "+++ draft spring" in drafts("GET", "/spring/difference").text

    # Nothing of it was in force till now.
    assert client.get("/configuration", headers=headers).headers["x-configuration-version"] == "1"
    published = drafts("POST", "/spring/publish")
    assert (published.status_code, published.json()["version"]) == (201, 2)
    assert drafts("GET", "/spring").status_code == drafts("POST", "/spring/publish").status_code == 404
    # The other was made from what is in force no more: it would undo what came since.
    assert (drafts("POST", "/winter/publish").status_code, drafts("POST", "/winter/publish").json()["version"]) == (409, 2)
    assert drafts("GET", "/winter").json()["is_outdated"]
    assert drafts("PUT", "/winter?based_on=2", base).json()["is_outdated"] is False
    assert drafts("POST", "/winter/publish").json()["version"] == 3
    assert drafts("PUT", "/gone", base).status_code == 200
    assert drafts("DELETE", "/gone").status_code == 204
    assert drafts("DELETE", "/gone").status_code == 404
    reader = machine(desk, "configuration:read")
    assert client.put("/configuration/drafts/theirs", content=base, headers=reader).status_code == 403
