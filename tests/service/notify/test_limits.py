"""How much is sent: through a channel in a minute, to a recipient in an hour, about a case in a day; and what is of no use any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from services.notify.domain.limits import Limits
from services.notify.handlers.ending import end_what_is_in_vain
from services.notify.storage import deliveries, limits
from services.notify.storage.deliveries import Claimed, Outcome, Result
from shared.ids import derive
from shared.messaging import StaticReference
from shared.schemas.events import CaseAssigned, ClockEscalated
from tests.service.notify.harness import NotifyService, a_case, a_task, an_alert
from tests.service.notify.mail_server import MailServer
from tests.support.configuration import COMMUNICATIONS, a_configuration
from tests.support.explaining import Explained
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("EDGE-2", "NOTE-2")
CHAIN = {"code": "chain", "name": "Chain", "on": "clock.escalated", "to": ["assignee"], "template": "alert"}
LEASE = timedelta(minutes=1)


def configured(notify: NotifyService, *communications: dict[str, Any], **sending_limits: object) -> None:
    notify.reference = StaticReference(a_configuration(communications=[*COMMUNICATIONS, *communications], sending_limits=sending_limits))


def claimed(notify: NotifyService, given: Limits, limit: int = 100) -> list[Claimed]:
    with notify.publisher.transaction() as tx:
        return limits.claim_within(tx, "me", limit, LEASE, given, "email")[0]


def sent(notify: NotifyService, claims: list[Claimed]) -> None:
    with notify.publisher.transaction() as tx:
        deliveries.record(tx, [Result(one.id, one.attempt, Outcome.SENT) for one in claims])


def numbers(claims: list[Claimed]) -> list[int]:
    return sorted(int(one.facts["number"][-6:]) for one in claims)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"casestream_notify_{name}_total", labels) or 0.0


def test_all_senders_together_take_no_more_than_the_minute_leaves(notify: NotifyService) -> None:
    notify.take(*(a_task(number) for number in range(20)))
    a_minute = Limits({"email": 12})
    assert len(claimed(notify, a_minute, 8)) == 8
    assert len(claimed(notify, a_minute, 8)) == 4, "another sender gets the rest"
    assert claimed(notify, a_minute) == []
    assert len(claimed(notify, Limits({"sms": 1}), 1)) == 1, "another channel's limit is nothing to it"
    notify.rows("update sending_seconds set second = second - interval '59 seconds' returning 1")
    assert claimed(notify, a_minute) == [], "the minute has not passed"
    notify.rows("update sending_seconds set second = second - interval '3 seconds' returning 1")
    assert len(claimed(notify, a_minute)) == 7


def test_a_sender_keeps_to_the_limits_of_the_configuration(notify: NotifyService) -> None:
    configured(notify, a_minute={"email": 5})
    notify.take(*(a_task(number) for number in range(9)))
    with MailServer() as server, notify.sending(server.port, "send-0"), notify.sending(server.port, "send-1"):
        eventually(lambda: notify.states() == {"sent": 5, "queued": 4})
        notify.rows("update sending_seconds set second = second - interval '2 minutes' returning 1")
        eventually(lambda: notify.all_sent(9))
    assert len(set(server.ids)) == len(server.ids) == 9


def test_what_is_too_much_for_a_recipient_waits_in_its_order_and_stops_nobody_else(notify: NotifyService) -> None:
    notify.take(*(a_task(number) for number in range(1, 8)), a_case(50))
    given = Limits(to_one_an_hour=3, pressing_to_one_an_hour=3)
    first = claimed(notify, given)
    assert numbers(first) == [1, 2, 3, 50]
    assert notify.rows("select count(*) from deliveries where limited and state = 'queued'") == [(4,)]
    notify.take(a_task(8))
    assert claimed(notify, given) == []
    sent(notify, first)
    assert claimed(notify, given) == [], "what was sent within the hour counts"
    notify.rows(
        "update deliveries set finished_at = finished_at - interval '61 minutes' where facts::json->>'number' like '%%01' returning 1"
    )
    second = claimed(notify, given)
    assert numbers(second) == [4], "the first that waited, before what came last"
    sent(notify, second)
    notify.rows("update deliveries set finished_at = finished_at - interval '61 minutes' where state = 'sent' returning 1")
    third = claimed(notify, given)
    assert numbers(third) == [5, 6, 7]
    sent(notify, third)
    assert numbers(claimed(notify, Limits())) == [8], "without a limit nothing is held any longer"


def test_steps_of_an_escalation_have_a_higher_limit_of_their_own(notify: NotifyService) -> None:
    configured(notify, CHAIN)
    notify.take(*(a_task(number) for number in range(1, 4)))
    notify.take(*(an_alert(number, ClockEscalated, rung="escalated", tell=("owner",)) for number in range(11, 15)))
    given = Limits(to_one_an_hour=2, pressing_to_one_an_hour=4)
    assert numbers(claimed(notify, given)) == [11, 12, 13, 14]
    assert numbers(claimed(notify, Limits(to_one_an_hour=5, pressing_to_one_an_hour=9))) == [1]


def test_what_a_dead_sender_held_is_claimed_again_whatever_the_limit(notify: NotifyService) -> None:
    notify.take(*(a_task(number) for number in range(1, 4)))
    given = Limits(to_one_an_hour=2, pressing_to_one_an_hour=2)
    assert numbers(claimed(notify, given)) == [1, 2]
    notify.rows("update deliveries set due_at = now() where state = 'claimed' returning 1")
    again = claimed(notify, given)
    assert (numbers(again), {one.taken_over for one in again}) == ([1, 2], {True})


def test_a_flood_for_one_recipient_is_put_aside_in_one_go(notify: NotifyService) -> None:
    notify.take(*(a_task(number) for number in range(1, 1200)))
    notify.take(a_case(5000))
    given = Limits(to_one_an_hour=2, pressing_to_one_an_hour=2)
    assert numbers(claimed(notify, given, 10)) == [1, 2, 5000]


def test_claims_under_limits_do_not_read_through_all_that_waits(notify: NotifyService) -> None:
    notify.take(a_task())
    notify.rows(
        """insert into deliveries (id, cause, item_id, thread_id, config_version, item_kind, unit, assignee, definition, channel, template,
                                   recipient, recipient_name, audience, message_id, traceparent, facts, state, limited, due_at, finished_at)
           select gen_random_uuid(), cause, item_id, thread_id, 1, item_kind, unit, assignee, definition, channel, template,
                  'p' || (n %% 5000) || '@mail.example', '', 'staff', '', '', '{}',
                  case when n %% 4 = 0 then 'sent' else 'queued' end, n %% 4 = 1,
                  now() + case when n %% 4 = 1 then interval '50 minutes' else '-1 second' end,
                  case when n %% 4 = 0 then now() - n * interval '1 second' end
           from deliveries, generate_series(1, 134000) n returning 1"""
    )
    with notify.database.transaction() as tx:
        tx.execute("analyze deliveries")
    given = {**limits.caps(Limits(to_one_an_hour=30, pressing_to_one_an_hour=60)), "channel": "email", "scan": 96, "limit": 96}
    with notify.database.transaction() as tx:
        assert tx.row("select count(*) > 100000 from deliveries where state = 'queued'") == (True,)
        chosen = explained(tx.row, limits.CHOOSE, given)
        assert not chosen.scanned, chosen.nodes
        assert {"deliveries_due", "deliveries_reached"} <= chosen.indexes
        assert chosen.buffers < 5_000, chosen.buffers
        freed = explained(
            tx.row, limits.FREE.replace("update deliveries d set limited = false", "update deliveries d set limited = true"), given
        )
        assert not freed.scanned, freed.nodes


def explained(row: Callable[..., Any], sql: str, params: dict[str, Any]) -> Explained:
    """The plan of a statement that changes something, run within a transaction."""
    found = row(f"explain (analyze, buffers, timing off, format json) {sql}", params)
    plan = found[0] if isinstance(found[0], list) else json.loads(found[0])
    return Explained([plan[0]["Plan"]])


def test_too_many_messages_about_one_case_are_not_sent_and_told_once(notify: NotifyService) -> None:
    given = {"code": "given", "name": "Given", "on": "case.assigned", "to": ["customer", "unit"], "template": "alert"}
    configured(notify, given, automatic_per_case_a_day=3)
    floods, unsent = counted("floods"), counted("unsent_deliveries", reason="too_many")
    for number in range(1, 4):
        notify.take(a_case(1, CaseAssigned)._replace(id=derive("again", number)))
    for number in range(1, 4):
        notify.take(a_case(1, CaseAssigned)._replace(id=derive("again", number)))
    assert notify.states() == {"queued": 6}, "the same event again is the same message"
    for number in range(4, 7):
        notify.take(a_case(1, CaseAssigned)._replace(id=derive("again", number)))
    rows = notify.rows("select audience, state, error from deliveries order by sequence")
    assert [state for audience, state, _ in rows if audience == "customer"] == ["queued"] * 3 + ["failed"] * 3
    assert {error for _, state, error in rows if state == "failed"} == {
        "not sent: too many messages to this address about one case in a day"
    }
    assert (counted("floods") - floods, counted("unsent_deliveries", reason="too_many") - unsent) == (2, 6)
    notify.take(a_case(2, CaseAssigned))
    assert notify.rows("select count(*) from deliveries where case_id = %s and state = 'queued'", [derive("case", 2)]) == [(2,)]
    notify.rows("update deliveries set state = 'failed' where state = 'queued' and case_id = %s returning 1", [derive("case", 1)])
    notify.take(a_case(1, CaseAssigned)._replace(id=derive("again", 8)))
    assert notify.rows("select state from deliveries order by sequence desc limit 2") == [("queued",), ("queued",)], "none of them went out"
    notify.rows("update deliveries set created_at = created_at - interval '25 hours', state = 'sent' returning 1")
    notify.take(a_case(1, CaseAssigned)._replace(id=derive("again", 7)))
    assert notify.rows("select state from deliveries order by sequence desc limit 2") == [("queued",), ("queued",)]


@pytest.mark.requirement("NOTE-1")
def test_an_alert_that_waited_for_too_long_has_expired_and_is_told(notify: NotifyService) -> None:
    notify.publisher.start_sweeper()
    unsent = counted("unsent_deliveries", reason="expired")
    now = datetime.now(UTC)
    notify.take(an_alert(9_300)._replace(time=now - timedelta(days=4)), an_alert(9_301)._replace(time=now - timedelta(days=2)), a_case(1))
    assert numbers(claimed(notify, Limits())) == [1, 9_301, 9_301], "what is of no use is not even claimed"
    end_what_is_in_vain(notify.publisher)
    rows = notify.rows("select state, error, finished_at is not null from deliveries where item_id = %s", [derive("task", 9_300)])
    assert rows == [("failed", "expired: it was of no use any more", True)] * 2
    assert notify.rows("select expires_at from deliveries where audience = 'customer'") == [(None,)]
    assert counted("unsent_deliveries", reason="expired") - unsent == 2
    found = notify.published(2, derive("case", 9_300))
    assert {(event.type, data.state, data.error) for event, data in found} == {
        ("casestream.delivery.failed.v1", "failed", "expired: it was of no use any more")
    }
    end_what_is_in_vain(notify.publisher)
    assert counted("unsent_deliveries", reason="expired") - unsent == 2


def test_a_message_that_is_held_or_being_tried_again_expires_and_one_on_the_wire_does_not(notify: NotifyService) -> None:
    configured(notify)
    notify.take(*(an_alert(number) for number in range(1, 3)))
    first = claimed(notify, Limits(to_one_an_hour=1, pressing_to_one_an_hour=1))
    assert len(first) == 2, "one each for assignee and leader"
    notify.rows("update deliveries set expires_at = now() returning 1")
    end_what_is_in_vain(notify.publisher)
    assert notify.states() == {"claimed": 2, "failed": 2}
    sent(notify, first[:1])
    notify.rows("update deliveries set due_at = now() where state = 'claimed' returning 1")
    end_what_is_in_vain(notify.publisher)
    assert notify.states() == {"sent": 1, "failed": 3}
