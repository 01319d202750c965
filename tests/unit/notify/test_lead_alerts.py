"""What staff are told of the clocks of leads."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import orjson
import pytest

from services.notify.domain.recipients import Directory, plan_deliveries
from services.notify.domain.tags import Names, tag_values
from services.notify.domain.templates import compile_template
from services.notify.handlers.occasions import CLOCKS
from shared.ids import derive
from shared.schemas.envelope import Event
from shared.schemas.events import ClockDueSoon, ClockEscalated, ClockOverdue, ClockState, ItemKind
from shared.schemas.parts import OwnerRef
from tests.service.notify.harness import an_alert
from tests.unit.notify.test_recipients import STAFF, UNITS, a_definition

pytestmark = pytest.mark.requirement("SLA-1", "SLA-2", "NOTE-2")
LEAD = derive("lead")
NAMES = Names("Harbour Homes", ZoneInfo("Europe/London"), {"garage": "Noise"}, lead_types={"garage": "A garage to let"})
A_LEAD = {
    "item_kind": ItemKind.LEAD,
    "item_id": LEAD,
    "case_id": None,
    "title": "Ann wants a garage",
    "subject": "garage",
    "owner": OwnerRef(kind="user", code="rita"),
    "assignee": "rita",
    "unit": "repairs",
}


def a_lead_alert(kind: type[ClockState], **further: object) -> Event:
    event = an_alert(1, kind, **A_LEAD, **further)
    return event._replace(data=event.data.model_copy(update={"number": "L-2026-000007"}))


@pytest.mark.parametrize(
    ("kind", "on", "further", "whom"),
    [
        (ClockDueSoon, "clock.due-soon", {"rung": "due-soon"}, ["rita"]),
        (ClockOverdue, "clock.overdue", {}, ["rita", "lena"]),
        (ClockEscalated, "clock.escalated", {"rung": "escalated", "repetition": 1, "tell": ("manager",)}, ["max"]),
    ],
)
def test_those_who_have_it_and_those_above_are_told(kind: type[ClockState], on: str, further: dict[str, object], whom: list[str]) -> None:
    event = a_lead_alert(kind, **further)
    occasion = CLOCKS[kind].read(on, event, 1)
    assert (occasion.item_kind, occasion.item_id, occasion.case_id) == ("lead", LEAD, None)
    to = {"clock.due-soon": ("assignee", "owner"), "clock.overdue": ("assignee", "leader"), "clock.escalated": ("escalation",)}[on]
    directory = Directory(STAFF, UNITS)
    of_leads = a_definition(*to, items=frozenset({"lead"}))
    planned = plan_deliveries(occasion, [a_definition(*to, items=frozenset({"case", "task"})), of_leads], directory, "housing.example")
    assert [delivery.recipient.address.partition("@")[0] for delivery in planned] == whom
    assert {delivery.thread_id for delivery in planned} == {LEAD}


def test_the_text_names_the_lead_and_leaves_out_what_it_has_not() -> None:
    occasion = CLOCKS[ClockOverdue].read("clock.overdue", a_lead_alert(ClockOverdue), 1)
    values = tag_values(orjson.loads(orjson.dumps(occasion.facts)), NAMES, {"rita": "Rita Repairs"}, "Rita Repairs")
    text = "This #item (#subject) is overdue: #case_number, #case_title\nTask: #task\nWith: #assignee"
    template = compile_template("t", "Overdue: #case_number, #case_title", text)
    assert template.subject_line.header(values) == "Overdue: L-2026-000007, Ann wants a garage"
    assert template.text.plain(values) == ("This lead (A garage to let) is overdue: L-2026-000007, Ann wants a garage\nWith: Rita Repairs")
