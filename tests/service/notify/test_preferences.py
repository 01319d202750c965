"""What staff chose, from the event to the message, the digest or the desk, on a real Kafka and PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.notify.api import build
from services.notify.domain.limits import Limits
from services.notify.domain.occasions import EXPIRED
from services.notify.handlers.digesting import Gatherer
from services.notify.handlers.rounds import Rounds
from services.notify.settings import Settings
from services.notify.storage import deliveries, limits
from services.notify.storage.journal import Journal
from shared.ids import derive
from shared.messaging import StaticReference
from shared.schemas.events import (
    ApprovalDecided,
    ApprovalDelegated,
    ApprovalWithdrawn,
    CaseAssigned,
    ClockEscalated,
    ClockWithdrawn,
    TaskAssigned,
    TaskDueChanged,
    TaskLifeCycle,
    TaskStatusChanged,
)
from shared.schemas.parts import OwnerRef
from tests.service.notify.harness import NotifyService, a_case, a_task, an_alert, an_approval
from tests.service.notify.mail_server import MailServer
from tests.support.configuration import COMMUNICATIONS, a_configuration
from tests.support.waiting import eventually
from tests.support.web import a_token, a_verifier, bearer, served

pytestmark = pytest.mark.requirement("NOTE-1")
NIGHT = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
MORNING = datetime(2026, 3, 3, 7, 0, tzinfo=UTC)
DIGEST_AT = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
LENA = OwnerRef(kind="user", code="lena")
QUIET = {"from": "20:00", "until": "07:00"}
MORE = [
    {"code": "asked", "name": "Approval", "on": "approval.asked", "to": ["approver"], "template": "alert"},
    {"code": "never-mind", "name": "Never mind", "on": "clock.withdrawn", "to": ["told"], "template": "alert"},
    {"code": "chain", "name": "Chain", "on": "clock.escalated", "to": ["escalation"], "template": "alert"},
    {"code": "case-assigned", "name": "Case given", "on": "case.assigned", "to": ["assignee"], "template": "new-task"},
    {"code": "due-changed", "name": "Due date", "on": "task.due-changed", "to": ["assignee"], "template": "alert"},
]


def organised(notify: NotifyService, now: datetime = NIGHT, **notifications: Any) -> None:
    """The organisation says this of notifications, and it is `now`."""
    notify.reference = StaticReference(a_configuration(communications=[*COMMUNICATIONS, *MORE], notifications=notifications))
    notify.clock = lambda: now


def rounds(notify: NotifyService, now: datetime, kept: timedelta = timedelta(days=90)) -> Rounds:
    return Rounds(notify.publisher, Gatherer(notify.reference, "https://desk.example"), kept, lambda: now)


def waiting(notify: NotifyService) -> list[tuple[Any, ...]]:
    """What waits: definition, state, and until when."""
    return notify.rows("select definition, state, due_at from deliveries where state in ('queued', 'held', 'gathered') order by sequence")


def ended(notify: NotifyService) -> dict[tuple[str, str], str]:
    return {
        (row[0], row[1]): row[2] for row in notify.rows("select definition, state, error from deliveries where finished_at is not null")
    }


@pytest.fixture
def api(notify: NotifyService) -> Iterator[httpx.Client]:
    organised(notify, required=["escalation"], defaults={"completed": "digest"})
    settings = Settings(kafka=notify.kafka, database=notify.url, port=0)
    app = build(settings, notify.database, a_verifier(), reference=notify.reference, clock=lambda: NIGHT)
    with served(app, a_token("rita", "notification:own")) as client:
        yield client


def chosen(api: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = api.put("/preferences", json=body)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def test_each_is_told_as_they_chose(notify: NotifyService, api: httpx.Client) -> None:
    chosen(api, choices={"assignment": "desk", "due_changed": "none", "overdue": "digest"})
    notify.take(a_task(1), a_task(2, TaskDueChanged), an_alert(3))
    assert [row[:2] for row in waiting(notify)] == [("overdue", "held"), ("overdue", "queued")]
    assert waiting(notify)[0][2] == DIGEST_AT
    assert ended(notify) == {("task-triggered", "sent"): ""}
    assert notify.rows("select channel from deliveries where definition = 'task-triggered'") == [("desk",)]
    told = api.get("/notifications").json()["items"]
    assert [(one["headline"], one["told"], one["state"]) for one in told] == [
        ("Overdue", "digest", "waiting"),
        ("New task", "desk", "sent"),
    ]
    assert told[0]["waits_until"] == "2026-03-03T08:00:00Z"


def test_quiet_hours_hold_what_is_neither_urgent_nor_escalated(notify: NotifyService) -> None:
    organised(notify, quiet_hours=QUIET, urgent_priorities=["high"])
    escalated = an_alert(3, ClockEscalated, priority="low", rung="escalated", tell=("owner",))
    notify.take(a_task(1, priority="normal"), a_task(2, priority="high"), escalated, a_case(4))
    due = dict(notify.rows("select definition || ' ' || coalesce(facts::json->>'priority', ''), due_at from deliveries"))
    assert due.pop("task-triggered normal") == MORNING
    assert len(due) == 3
    assert all(at > datetime(2026, 3, 4, tzinfo=UTC) for at in due.values())  # by the database's clock: at once


def test_what_waited_is_sent_when_quiet_hours_are_over(notify: NotifyService) -> None:
    organised(notify, quiet_hours=QUIET)
    notify.take(a_task(1))
    with MailServer() as server, notify.sending(server.port):
        eventually(lambda: notify.all_sent(1))  # the end of those quiet hours is long past
    assert rounds(notify, MORNING + timedelta(days=2)).go_round() == 0
    assert notify.rows("select hold from notifications") == [("",)]


@pytest.mark.parametrize("how", ["quiet", "digest"])
def test_what_is_settled_while_it_waits_is_not_told(notify: NotifyService, how: str) -> None:
    defaults = {"assignment": "digest", "overdue": "digest", "due_changed": "digest"} if how == "digest" else {}
    organised(notify, defaults=defaults, quiet_hours=QUIET)
    notify.take(a_task(1), a_task(2), a_task(3), a_case(4, CaseAssigned, owner="rita"), an_alert(1), a_task(5, TaskDueChanged))
    assert len(waiting(notify)) == 7
    notify.take(
        a_task(1, TaskStatusChanged, state=TaskLifeCycle.COMPLETED),
        a_task(2, TaskAssigned, assignee="paul"),
        a_task(3, TaskStatusChanged, state=TaskLifeCycle.IN_PROGRESS),
        a_case(4, CaseAssigned, owner="lena"),
    )
    assert [row[0] for row in waiting(notify)] == ["task-triggered", "due-changed", "case-assigned", "task-assigned"]
    settled = "not sent: it was settled while the message waited"
    assert ended(notify) == {(definition, "failed"): settled for definition in ("task-triggered", "overdue", "case-assigned")}
    assert notify.rows("select count(*) from notifications") == [(4,)]


def test_a_message_of_the_same_batch_after_what_settled_another_stays(notify: NotifyService) -> None:
    organised(notify, quiet_hours=QUIET)
    done = a_task(1, TaskStatusChanged, state=TaskLifeCycle.COMPLETED)
    notify.take(a_task(1), done, a_task(1, TaskDueChanged))
    assert [row[0] for row in waiting(notify)] == ["due-changed"]


def test_what_is_for_a_role_is_settled_for_all_of_it_once_somebody_takes_it(notify: NotifyService) -> None:
    organised(notify, quiet_hours=QUIET)
    agents = OwnerRef(kind="role", code="agent")
    notify.take(a_task(1, assignee=None, owner=agents), a_task(2, assignee=None, owner=agents))
    assert len(waiting(notify)) == 2
    notify.take(a_task(1, TaskAssigned, assignee="paul", owner=agents))
    assert [row[0] for row in waiting(notify)] == ["task-triggered", "task-assigned"]


def test_an_approval_that_is_decided_or_handed_on_while_it_waits_is_not_asked_of_the_first(notify: NotifyService) -> None:
    organised(notify, quiet_hours=QUIET)
    notify.take(an_approval(1), an_approval(2), an_approval(3), an_approval(4))
    assert len(waiting(notify)) == 4
    notify.take(
        an_approval(1, ApprovalDecided, state="approved"),
        an_approval(2, ApprovalWithdrawn, state="withdrawn"),
        an_approval(3, ApprovalDelegated, approver="max"),
    )
    rows = notify.rows("select recipient, facts::json->>'approval_id' from deliveries where state = 'queued' order by sequence")
    assert rows == [("lena@housing.example", str(derive("approval", 4))), ("max@housing.example", str(derive("approval", 3)))]


def test_a_definition_for_the_desk_tells_there_and_nowhere_else(notify: NotifyService) -> None:
    seen = {"code": "seen", "name": "Seen", "on": "task.assigned", "to": ["assignee", "unit"], "channel": "desk", "template": "alert"}
    notify.reference = StaticReference(a_configuration(communications=[seen]))
    notify.take(a_task(1, TaskAssigned))
    assert notify.rows("select recipient, channel, state from deliveries") == [("rita@housing.example", "desk", "sent")]
    assert notify.rows("select username, occasion from notifications") == [("rita", "task.assigned")]


def test_an_alert_that_is_withdrawn_while_it_waits_is_told_to_nobody(notify: NotifyService) -> None:
    organised(notify, defaults={"overdue": "digest"})
    alert = an_alert(1)
    notify.take(alert)
    assert [row[1] for row in waiting(notify)] == ["held", "held"]
    notify.take(an_alert(1, ClockWithdrawn, alert_id=alert.id))
    assert waiting(notify) == []
    assert rounds(notify, DIGEST_AT).go_round() == 0
    assert notify.rows("select count(*) from notifications") == [(0,)]


def test_a_correction_goes_the_way_of_the_alert(notify: NotifyService) -> None:
    organised(notify, defaults={"overdue": "desk"})
    alert = an_alert(1)
    notify.take(alert)
    notify.take(an_alert(1, ClockWithdrawn, alert_id=alert.id))
    rows = notify.rows("select definition, channel, state from deliveries order by sequence")
    assert sorted(rows) == [("never-mind", "desk", "sent")] * 2 + [("overdue", "desk", "sent")] * 2


def test_a_digest_tells_each_thing_once_whoever_gathers_it(notify: NotifyService) -> None:
    organised(notify, defaults={"assignment": "digest"})
    notify.take(*(a_task(number) for number in range(1, 4)), a_task(9, assignee="lena", owner=LENA), a_task(1, TaskAssigned))
    assert rounds(notify, DIGEST_AT - timedelta(seconds=1)).go_round() == 0
    made: list[int] = []
    threads = [threading.Thread(target=lambda: made.append(rounds(notify, DIGEST_AT).go_round())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(made) + rounds(notify, DIGEST_AT).go_round() == 2
    with MailServer() as server, notify.sending(server.port):
        eventually(lambda: notify.states().keys() == {"sent"})
    assert {mail["Subject"] for mail in server.taken} == {"Digest (4)", "Digest (1): C-2026-000009"}
    (ritas,) = [mail for mail in server.taken if "rita@housing.example" in mail["To"]]
    text = ritas.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert text.count("https://desk.example/tasks/") == 4
    assert text.index("Task given") < text.index("New task")
    digests = notify.rows("select id, message_id from deliveries where item_kind = 'digest' order by id")
    assert sorted(server.ids) == sorted(row[1] for row in digests)
    assert {event.type.split(".")[2] for event, _ in notify.published(1)} == {"sent"}


def test_what_is_told_on_the_desk_or_in_a_digest_does_not_count_as_mail(notify: NotifyService) -> None:
    organised(notify, defaults={"assignment": "digest", "due_changed": "desk"})
    notify.take(a_task(1), a_task(2), a_task(3, TaskDueChanged), a_task(4, TaskDueChanged))
    assert rounds(notify, DIGEST_AT).go_round() == 1
    given = Limits(to_one_an_hour=1, pressing_to_one_an_hour=1)
    with notify.publisher.transaction() as tx:
        found, _ = limits.claim_within(tx, "test", 5, timedelta(minutes=1), given, "email")
    assert [one.item_kind for one in found] == ["digest"]


def test_a_crash_between_leaves_one_digest_under_one_message_id(notify: NotifyService) -> None:
    organised(notify, defaults={"assignment": "digest"})
    notify.take(a_task(1), a_task(2))

    def crash() -> None:
        with notify.publisher.transaction() as tx:
            assert Gatherer(notify.reference, "").gather(tx, DIGEST_AT)[0] == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        crash()
    assert rounds(notify, DIGEST_AT).go_round() == 1
    with notify.publisher.transaction() as tx:  # a sender that dies with the digest in its hands
        (claimed,) = deliveries.claim(tx, "dead", 5, timedelta(0))
    with MailServer() as server, notify.sending(server.port):
        eventually(lambda: notify.states() == {"sent": 3})
    assert server.ids == [claimed.message_id]
    assert notify.rows("select takeovers from deliveries where item_kind = 'digest'") == [(1,)]


def test_a_digest_that_was_sent_before_a_kill_has_told_what_is_in_it(notify: NotifyService, tmp_path: Path) -> None:
    organised(notify, defaults={"assignment": "digest"})
    notify.take(a_task(1), a_task(2))
    assert rounds(notify, DIGEST_AT).go_round() == 1
    with notify.publisher.transaction() as tx:
        (claimed,) = deliveries.claim(tx, "send-0", 5, timedelta(minutes=5))
    journal = Journal(tmp_path, "send-0")
    journal.note(claimed.id)
    journal.close()
    with MailServer() as server, notify.sending(server.port, send_journal=tmp_path):
        eventually(lambda: notify.states() == {"sent": 3})
    assert server.taken == []
    assert len(notify.published(2)) == 2


def test_who_comes_after_the_digest_was_made_goes_to_the_next(notify: NotifyService) -> None:
    organised(notify, defaults={"assignment": "digest"})
    notify.take(a_task(1))
    assert rounds(notify, DIGEST_AT).go_round() == 1
    notify.take(a_task(2))  # decided before it, committed after it
    assert rounds(notify, DIGEST_AT + timedelta(seconds=5)).go_round() == 0
    assert ("task-triggered", "held", DIGEST_AT + timedelta(days=1)) in waiting(notify)
    assert rounds(notify, DIGEST_AT + timedelta(days=1)).go_round() == 1


def test_a_digest_whose_things_were_all_settled_is_not_sent(notify: NotifyService) -> None:
    organised(notify, defaults={"overdue": "digest"})
    alert = an_alert(1, assignee="lena")
    notify.take(alert)
    assert rounds(notify, DIGEST_AT).go_round() == 1
    notify.take(an_alert(1, ClockWithdrawn, alert_id=alert.id))
    with MailServer() as server, notify.sending(server.port):
        eventually(lambda: notify.states() == {"failed": 2})
    assert server.taken == []


def test_what_is_withdrawn_after_the_digest_was_made_is_not_in_it(notify: NotifyService) -> None:
    organised(notify, defaults={"overdue": "digest"})
    alert = an_alert(1, assignee="lena")
    notify.take(alert, an_alert(2, assignee="lena", title="Still late"))
    assert rounds(notify, DIGEST_AT).go_round() == 1
    notify.take(an_alert(1, ClockWithdrawn, alert_id=alert.id))
    with MailServer() as server, notify.sending(server.port):
        eventually(lambda: notify.states() == {"failed": 1, "sent": 2})
    assert [mail["Subject"] for mail in server.taken] == ["Digest (1): C-2026-000002"]


def test_what_expired_while_it_was_held_is_not_in_the_digest(notify: NotifyService) -> None:
    organised(notify, defaults={"assignment": "digest"})
    notify.take(a_task(1), a_task(2))
    notify.rows("update deliveries set expires_at = '2026-03-03 07:00+00' where item_id = %s returning 1", [derive("task", 1)])
    assert rounds(notify, DIGEST_AT).go_round() == 1
    assert ended(notify) == {("task-triggered", "failed"): EXPIRED}
    assert notify.rows("select count(*) from notifications where digest_id is not null") == [(1,)]


def test_who_left_gets_no_digest(notify: NotifyService) -> None:
    organised(notify, defaults={"assignment": "digest"})
    notify.take(a_task(1))
    staff = dict(notify.reference.staff)
    staff["rita"] = staff["rita"].model_copy(update={"active": False})
    notify.reference = StaticReference(notify.reference.configuration(), staff)
    assert rounds(notify, DIGEST_AT).go_round() == 0
    assert ended(notify) == {("task-triggered", "failed"): "not sent: its recipient is no longer among the staff"}


def test_what_was_told_long_ago_is_forgotten_but_not_what_waits(notify: NotifyService) -> None:
    organised(notify)
    notify.take(a_task(1))
    organised(notify, defaults={"assignment": "digest"})
    notify.take(a_task(2))
    notify.rows("update notifications set created_at = '2026-01-01', hold_until = '2027-01-01' where hold <> '' returning 1")
    notify.rows("update notifications set created_at = '2026-01-01' where hold = '' returning 1")
    rounds(notify, NIGHT, timedelta(days=7)).go_round()
    assert notify.rows("select item_id from notifications") == [(derive("task", 2),)]


def test_one_reads_what_one_was_told_and_nobody_elses(notify: NotifyService, api: httpx.Client) -> None:
    notify.take(a_task(1), a_task(2), a_task(3), a_task(4, assignee="lena", owner=LENA))
    assert api.get("/notifications/unread").json() == {"unread": 3}
    first = api.get("/notifications", params={"limit": 2}).json()
    assert [one["item_id"] for one in first["items"]] == [str(derive("task", 3)), str(derive("task", 2))]
    assert (first["items"][0]["about"], first["items"][0]["number"]) == ("Inspect the leak at once", "C-2026-000003")
    rest = api.get("/notifications", params={"limit": 2, "cursor": first["next"]}).json()
    assert [one["item_id"] for one in rest["items"]] == [str(derive("task", 1))]
    lena = bearer(a_token("lena", "notification:own"))
    everything = {"ids": [one["id"] for one in first["items"]], "until": 2**60}
    api.post("/notifications/read", json=everything, headers=lena)
    assert api.get("/notifications/unread").json() == {"unread": 3}
    assert api.post("/notifications/read", json={"ids": [first["items"][0]["id"]]}).json() == {"unread": 2}
    assert len(api.get("/notifications", params={"unread": True}).json()["items"]) == 2
    assert api.post("/notifications/read", json={"until": rest["items"][0]["place"]}).json() == {"unread": 1}
    assert api.get("/notifications", params={"cursor": "bm9uc2Vuc2U"}).status_code == 400
    assert api.get("/notifications", headers=bearer(a_token("rita", "task:read"))).status_code == 403


def test_preferences_say_what_was_chosen_and_what_comes_of_it(api: httpx.Client) -> None:
    before = api.get("/preferences").json()
    assert (before["revision"], before["told"]["completed"], before["required"]) == (0, "digest", ["escalation"])
    quiet = QUIET | {"days": ["sun", "mon"]}
    after = chosen(api, choices={"completed": "desk"}, quiet_hours=quiet, digest={"every": "hour"}, time_zone="Asia/Tokyo")
    assert (after["revision"], after["told"]["completed"], after["told"]["other"]) == (1, "desk", "email")
    assert (after["quiet_hours"]["days"], after["digest"]["every"]) == (["mon", "sun"], "hour")
    assert (after["next_digest_at"], after["quiet_until"]) == ("2026-03-03T00:00:00Z", None)  # 08:00 in Tokyo
    assert api.get("/preferences").json() == after
    assert api.put("/preferences", json={}, headers={"If-Match": '"7"'}).status_code == 412
    assert chosen(api)["told"] == before["told"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"choices": {"escalation": "none"}}, "Your organisation wants everybody told of: escalation."),
        ({"quiet_hours": {"from": "20:00", "until": "20:00"}}, "end at another time"),
        ({"quiet_hours": {"from": "00:00", "until": "24:00"}}, "never end"),
        ({"quiet_hours": {"from": "24:00", "until": "07:00"}}, "quiet_hours"),
        ({"time_zone": "Mars/Olympus"}, "there is no time zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"choices": {"nonsense": "email"}}, "nonsense"),
        ({"choice": {}}, "choice"),
        ({"digest": {"every": "minute"}}, "every"),
    ],
)
def test_what_cannot_be_chosen_is_refused_and_said(api: httpx.Client, body: dict[str, Any], said: str) -> None:
    answer = api.put("/preferences", json=body)
    assert answer.status_code == 422
    assert said in answer.text
    assert api.get("/preferences").json()["revision"] == 0


def test_only_who_manages_them_sets_others_preferences(api: httpx.Client) -> None:
    assert api.put("/preferences/lena", json={}).status_code == 403
    assert api.get("/preferences/lena").status_code == 403
    manager = bearer(a_token("max", "notification:manage"))
    assert api.put("/preferences/lena", json={"choices": {"other": "none"}}, headers=manager).json()["told"]["other"] == "none"
    assert api.get("/preferences/lena", headers=manager).json()["revision"] == 1
    assert api.get("/preferences/nobody", headers=manager).status_code == 404
    assert api.get("/preferences", headers=bearer(a_token("robot", "notification:own", machine=True))).status_code == 403
