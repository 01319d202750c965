"""Reading the envelope of an event."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared.ids import derive
from shared.schemas.envelope import Event, Undecodable, decode
from shared.schemas.events import ContactEvent, PlanMade
from shared.schemas.parts import Handle

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CONTACT = ContactEvent(
    source_system="portal", external_id="7", method="web-form", sender=Handle(kind="email", value="ann@tenant.example"), occurred_at=AT
)


def test_what_is_written_is_what_is_read() -> None:
    plan = PlanMade(case_id=UUID(int=1), subject="repair", task_ids=(UUID(int=2),))
    event = Event(UUID(int=3), plan.event_type, "/casestream/task", str(UUID(int=1)), AT, 4, 5, "00-aa-bb-01", "key", plan)
    assert decode(b"key", dict(event.headers()), event.value(), PlanMade) == event


def test_an_upstream_systems_event_needs_only_what_cloudevents_demand() -> None:
    headers = {"ce_id": b"order 7/1", "ce_type": CONTACT.event_type.encode(), "ce_source": b"/portal", "ce_time": b"2026-03-02T09:00:00Z"}
    event = decode(None, headers, CONTACT.model_dump_json().encode(), ContactEvent)
    assert (event.id, event.revision, event.subject) == (derive("foreign event", "/portal", "order 7/1"), 1, "")
    assert decode(None, headers, CONTACT.model_dump_json().encode(), ContactEvent).id == event.id


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ce_revision": None}, "header missing: ce_revision"),
        ({"ce_id": b"order 7"}, "bad header"),
        ({"ce_revision": b"-1"}, "bad header"),
        ({"ce_time": b"2026-03-02T09:00:00"}, "no time zone"),
        ({"ce_source": b"\xff"}, "bad header"),
        ({"ce_subject": b"a\x00b"}, "NUL"),
    ],
)
def test_our_own_events_are_read_strictly(change: dict[str, bytes | None], said: str) -> None:
    plan = PlanMade(case_id=UUID(int=1), subject="repair", task_ids=())
    headers = dict(Event(UUID(int=3), plan.event_type, "/task", "s", AT, 1, 0, "", "k", plan).headers())
    headers = {name: value for name, value in (headers | change).items() if value is not None}
    with pytest.raises(Undecodable, match=said):
        decode(b"k", headers, plan.model_dump_json().encode(), PlanMade)
