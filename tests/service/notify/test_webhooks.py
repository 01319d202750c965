"""Webhooks on a real database and real HTTPS: told in order, once, again, and not any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from services.cli.commands import settings, webhooks
from services.cli.stack.errors import StackError
from services.notify.api import build
from services.notify.domain.webhooks import parse_secrets
from services.notify.handlers.webhook_telling import Teller
from services.notify.settings import HookSettings, Settings
from shared.ids import derive
from shared.messaging import StaticReference
from shared.schemas.events import CaseStatusChanged, ContactErased
from shared.storage import Database
from shared.storage.database import CONNECTION_LOST
from tests.service.notify.harness import NotifyService, a_case, an_event
from tests.support.configuration import a_configuration
from tests.support.graph_https import Answer
from tests.support.hooked import Hooked, Told
from tests.support.waiting import eventually
from tests.support.web import a_token, a_verifier, bearer, served

SECRET = "whsec_c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M="


class Hooks:
    """notify with webhooks that two other systems, `crm` and `wall`, take."""

    def __init__(self, notify: NotifyService, crm: Hooked, wall: Hooked, folder: Path) -> None:
        self.notify, self.crm, self.wall, self.folder = notify, crm, wall, folder
        self.webhooks = [
            {"code": code, "name": code, "url": system.url, "events": ["casestream.case.*", "casestream.contact.*"]}
            for code, system in (("crm", crm), ("wall", wall))
        ]
        notify.reference = StaticReference(a_configuration(webhooks=self.webhooks))
        for code in ("crm", "wall"):
            (folder / code).write_text(SECRET)
        # Both are signed by authorities of their own.
        self.authorities = folder / "authorities.pem"
        self.authorities.write_bytes(crm.ca_file.read_bytes() + wall.ca_file.read_bytes())

    def settings(self, **changes: Any) -> HookSettings:
        values = {
            "kafka": self.notify.kafka,
            "database": self.notify.url,
            "port": 0,
            "webhook_keys": self.folder,
            "webhook_private_hosts": "127.0.0.1",
            "webhook_ca_file": str(self.authorities),
            "webhook_retry_speed": 1000.0,
        }
        return HookSettings(**(values | changes))

    @contextmanager
    def telling(self, me: str = "hooks-0", **changes: Any) -> Iterator[Teller]:
        """The role in a thread, stopped in good order at the end of the block."""
        database, stop = Database(self.notify.url, service="notify"), threading.Event()
        teller = Teller(database, self.notify.reference, self.settings(**changes), me, stop)
        thread = threading.Thread(target=teller.run, name=me)
        thread.start()
        try:
            yield teller
        finally:
            stop.set()
            thread.join(30)
            database.close()
        assert not thread.is_alive()

    def states(self, webhook: str = "crm") -> dict[str, int]:
        """How many messages of a webhook are in which state."""
        return dict(self.notify.rows("select state, count(*) from webhook_messages where webhook = %s group by state", [webhook]))


@pytest.fixture
def hooks(notify: NotifyService, tmp_path: Path) -> Iterator[Hooks]:
    for name in ("crm-system", "wall-system", "secrets"):
        (tmp_path / name).mkdir()
    with Hooked(tmp_path / "crm-system") as crm, Hooked(tmp_path / "wall-system") as wall:
        yield Hooks(notify, crm, wall, tmp_path / "secrets")


@pytest.fixture
def api(hooks: Hooks) -> Iterator[httpx.Client]:
    of_the_api = Settings(kafka=hooks.notify.kafka, database=hooks.notify.url, port=0)
    with served(build(of_the_api, hooks.notify.database, a_verifier(), hooks.notify.reference)) as client:
        yield client


def ids(*events: Any) -> list[str]:
    return [str(event.id) for event in events]


@pytest.mark.requirement("EDGE-18", "FACE-1")
def test_a_failing_webhook_keeps_its_order_and_holds_up_nobody_else(hooks: Hooks) -> None:
    events = [a_case(1), a_case(2), a_case(1, CaseStatusChanged), a_case(3)]
    hooks.notify.take(*events)
    hooks.notify.take(*events)  # a repeat changes nothing
    hooks.crm.answers = [Answer(204), Answer(503), Answer(500), Answer(302)]
    with hooks.telling():
        eventually(lambda: hooks.states() == {"taken": 4} and hooks.states("wall") == {"taken": 4})
    first, second, third, fourth = ids(*events)
    assert hooks.crm.ids == [first, second, second, second, second, third, fourth]
    assert hooks.wall.ids == [first, second, third, fourth]
    assert [one.event["type"] for one in hooks.wall.told][2] == "casestream.case.status-changed.v1"


@pytest.mark.requirement("EDGE-18")
def test_several_processes_tell_one_webhook_one_thing_at_a_time(hooks: Hooks) -> None:
    events = [a_case(number) for number in range(30)]
    with hooks.telling("hooks-0"), hooks.telling("hooks-1"):
        for at in range(0, 30, 3):
            hooks.notify.take(*events[at : at + 3])
        eventually(lambda: hooks.states() == {"taken": 30})
    assert hooks.crm.ids == ids(*events)


@pytest.mark.requirement("EDGE-18")
def test_a_process_killed_before_it_recorded_tells_that_one_again_under_its_id(hooks: Hooks) -> None:
    events = [a_case(number) for number in range(3)]
    hooks.notify.take(*events)
    file = hooks.folder / "process.json"
    file.write_bytes(orjson.dumps({"settings": hooks.settings().model_dump(mode="json"), "webhooks": hooks.webhooks[:1]}))
    command = [sys.executable, "-m", "tests.service.notify.webhook_process", str(file)]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}) as process:

        def kill(_: Told) -> Answer:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return Answer(204)

        hooks.crm.answers = [Answer(204), kill]
        process.wait(60)
    assert hooks.states() == {"taken": 1, "waiting": 2}
    with hooks.telling():
        eventually(lambda: hooks.states() == {"taken": 3})
    first, second, third = ids(*events)
    assert hooks.crm.ids == [first, second, second, third]


@pytest.mark.requirement("EDGE-18")
def test_a_webhook_that_wants_no_more_is_paused_until_somebody_resumes_it(hooks: Hooks, api: httpx.Client) -> None:
    hooks.notify.take(a_case(1), a_case(2))
    hooks.crm.answers = [Answer(410)]
    with hooks.telling():
        eventually(lambda: state_of(api)["state"] == "paused" and hooks.states("wall") == {"taken": 2})
        paused = state_of(api)
        assert (paused["waiting"], paused["paused_by"], paused["status"]) == (2, "notify", 410)
        assert "410" in paused["paused_why"]
        assert len(hooks.crm.told) == 1
        assert api.post("/webhooks/crm/resume").status_code == 204
        eventually(lambda: hooks.states() == {"taken": 2})
    well = state_of(api)
    assert (well["state"], well["waiting"], well["paused_why"], well["status"]) == ("well", 0, "", 204)
    assert api.post("/webhooks/crm/resume").status_code == 409


def state_of(api: httpx.Client, webhook: str = "crm") -> dict[str, Any]:
    return next(one for one in api.get("/webhooks").json()["items"] if one["code"] == webhook)


def test_one_that_fails_for_too_long_is_paused_too_also_without_a_secret(hooks: Hooks, api: httpx.Client) -> None:
    hooks.notify.take(a_case(1))
    (hooks.folder / "crm").unlink()
    with hooks.telling(webhook_give_up_days=1e-7):
        eventually(lambda: state_of(api)["state"] == "paused")
    assert "the file crm with its secret" in state_of(api)["paused_why"]
    assert hooks.crm.told == []


@pytest.mark.requirement("EDGE-18")
def test_what_was_taken_is_told_again_in_its_old_order_before_what_waits(hooks: Hooks, api: httpx.Client) -> None:
    events = [a_case(number) for number in range(4)]
    hooks.notify.take(*events[:3])
    with hooks.telling():
        eventually(lambda: hooks.states() == {"taken": 3})
        assert api.post("/webhooks/crm/pause", json={"why": "they move house"}).status_code == 204
        assert api.post("/webhooks/crm/pause").status_code == 409
        hooks.notify.take(events[3])
        asked = api.post("/webhooks/crm/replay", json={"ids": ids(events[2], events[0])})
        assert asked.json() == {"messages": 2}
        eventually(lambda: hooks.states("wall") == {"taken": 4})
        assert len(hooks.crm.told) == 3  # it is paused
        api.post("/webhooks/crm/resume")
        eventually(lambda: hooks.states() == {"taken": 4})
        since = api.get("/webhooks/crm/deliveries").json()["items"][-1]["created_at"]
        assert api.post("/webhooks/crm/replay", json={"since": since}).json() == {"messages": 4}
        eventually(lambda: len(hooks.crm.told) == 10 and hooks.states() == {"taken": 4})
    first, second, third, fourth = ids(*events)
    assert hooks.crm.ids == [first, second, third, first, third, fourth, first, second, third, fourth]
    assert hooks.crm.told[0].body == hooks.crm.told[3].body
    for wrong in ({}, {"until": since}, {"since": since, "ids": [first]}, {"since": "2026-03-02T09:00:00"}):
        assert api.post("/webhooks/crm/replay", json=wrong).status_code == 422


def test_an_event_that_cannot_be_taken_is_passed_over(hooks: Hooks, api: httpx.Client) -> None:
    events = [a_case(number) for number in range(2)]
    hooks.notify.take(*events)
    hooks.crm.answers = [Answer(400)] * 3
    first, second = ids(*events)
    with hooks.telling(webhook_retry_speed=0.001):
        eventually(lambda: state_of(api)["state"] == "failing")
        assert api.post("/webhooks/crm/skip", json={"id": second.replace("-", "")[::-1]}).status_code == 409
        hooks.crm.answers = []
        assert api.post("/webhooks/crm/skip", json={"id": first}).status_code == 204
        eventually(lambda: hooks.states() == {"skipped": 1, "taken": 1})
    assert hooks.crm.ids == [first, second]


@pytest.mark.requirement("EDGE-17", "EDGE-18")
def test_what_is_erased_is_told_no_more_and_kept_no_more(hooks: Hooks, api: httpx.Client) -> None:
    hooks.notify.take(a_case(1), a_case(2))
    with hooks.telling():
        eventually(lambda: hooks.states() == {"taken": 2})
        api.post("/webhooks/crm/pause")
        contact, case = derive("contact", "ann"), derive("case", 1)
        erasure = an_event(ContactErased(contact_id=contact, case_ids=(case,)), contact, contact)
        hooks.notify.take(a_case(1, CaseStatusChanged))
        hooks.notify.take(erasure)
        kept = hooks.notify.rows("select state, body from webhook_messages where item = %s", [str(case)])
        assert Counter(kept) == {("erased", ""): 4}
        api.post("/webhooks/crm/replay", json={"ids": ids(a_case(1))})
        api.post("/webhooks/crm/resume")
        eventually(lambda: hooks.states() == {"erased": 2, "taken": 2})
    assert hooks.crm.ids[2:] == ids(erasure)


def test_old_messages_are_deleted_whether_taken_or_not(hooks: Hooks) -> None:
    hooks.notify.take(a_case(1), a_case(2))
    with hooks.telling():
        eventually(lambda: hooks.states() == {"taken": 2})
    hooks.notify.rows("update webhook_messages set created_at = now() - interval '31 days' where event_id = %s returning 1", ids(a_case(1)))
    with hooks.telling():
        eventually(lambda: hooks.states() == {"taken": 1})


def test_telling_goes_on_after_the_database_was_away(hooks: Hooks) -> None:
    with hooks.telling():
        hooks.notify.take(a_case(1))
        eventually(lambda: hooks.states() == {"taken": 1})

        def cut(_: Told) -> Answer:
            hooks.notify.cut()
            return Answer(204)

        hooks.crm.answers = [cut]
        eventually(taken_in(hooks, 2))
        eventually(taken_in(hooks, 3))
        eventually(lambda: hooks.states() == {"taken": 3})
    assert hooks.crm.ids == ids(*(a_case(number) for number in (1, 2, 3)))


def taken_in(hooks: Hooks, number: int) -> Callable[[], bool]:
    """Have an event taken in although the pool may just find its connections gone."""

    def check() -> bool:
        try:
            hooks.notify.take(a_case(number))
        except CONNECTION_LOST:
            return False
        return True

    return check


def test_webhooks_are_for_those_who_reach_everything(hooks: Hooks, api: httpx.Client) -> None:
    hooks.notify.take(a_case(1))
    for token, status in [
        (a_token("max", "webhook:read"), 200),
        (a_token("max", "delivery:read"), 403),
        (a_token("lena", "webhook:read", "webhook:manage", scope="unit"), 403),
    ]:
        headers = bearer(token)
        assert api.get("/webhooks", headers=headers).status_code == status
        assert api.get("/webhooks/crm/deliveries", headers=headers).status_code == status
        assert api.post("/webhooks/crm/pause", headers=headers).status_code == 403
    assert api.get("/webhooks", headers={"Authorization": ""}).status_code == 401
    assert api.get("/webhooks/none/deliveries").status_code == 404
    page = api.get("/webhooks/crm/deliveries", params={"limit": 1}).json()
    assert [(one["event_type"], one["state"]) for one in page["items"]] == [("casestream.case.opened.v1", "waiting")]


def test_operators_see_and_steer_webhooks_at_the_command_line(hooks: Hooks, api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    place = SimpleNamespace(
        url=lambda _service: str(api.base_url).rstrip("/"), machine_token=lambda: a_token("casestream-cli", machine=True)
    )
    monkeypatch.setattr(settings, "the_stack", lambda: place)

    def run(*words: str) -> str:
        done = CliRunner().invoke(webhooks.app, words)
        if done.exception is not None:
            raise done.exception
        return done.output

    hooks.notify.take(a_case(1), a_case(2))
    first, second = ids(a_case(1), a_case(2))
    assert run("pause", "crm", "--why", "they move house") == "crm is paused\n"
    assert [line.split()[:4] for line in run("list").splitlines()] == [["crm", "paused", "2", "wait"], ["wall", "well", "2", "wait"]]
    assert "they move house" in run("list")
    assert run("skip", "crm", first) == f"{first} is not told to crm\n"
    assert [line.split()[0] for line in run("deliveries", "crm").splitlines()] == [second, first]
    assert run("deliveries", "crm", "--state", "taken") == ""
    assert run("replay", "crm", "--id", first) == "1 events are told to crm again\n"
    assert run("replay", "crm", "--since", "2026-03-02T09:00:00Z", "--until", "2026-03-02T10:00:00Z") == "0 events are told to crm again\n"
    assert run("resume", "crm") == "crm is told of events\n"
    assert [orjson.loads(line)["state"] for line in run("list", "--json").splitlines()] == ["well", "well"]
    with pytest.raises(StackError, match="no such webhook"):
        run("pause", "none")
    assert len(parse_secrets(run("secret"))) == 1
