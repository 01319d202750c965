"""Who gets which message."""

from uuid import UUID, uuid4

import pytest

from services.notify.domain.occasions import Definition, Occasion
from services.notify.domain.recipients import MOST_MEMBERS, Directory, plan_deliveries
from shared.ids import delivery_id
from shared.schemas.events import StaffChanged, UnitChanged

CAUSE, ITEM, CASE, CONVERSATION = (UUID(int=n) for n in (1, 2, 3, 4))


def somebody(user: str, unit: str = "repairs", roles: tuple[str, ...] = ("agent",), **more: object) -> StaffChanged:
    values: dict[str, object] = {"email": f"{user}@housing.example", "active": True}
    return StaffChanged(user=user, name=user.title(), unit=unit, roles=roles, **(values | more))


STAFF = {
    s.user: s
    for s in (
        somebody("rita"),
        somebody("paul", roles=("plumber",)),
        somebody("nils", unit="neighbourhood", roles=("plumber",)),
        somebody("gone", active=False, roles=("plumber",)),
        somebody("mute", email=""),
        somebody("lena", roles=("leader",)),
        somebody("max", unit="board"),
    )
}
UNITS = {
    "repairs": UnitChanged(unit="repairs", name="Repairs", email="repairs@housing.example", leader="lena", manager="max"),
    "neighbourhood": UnitChanged(unit="neighbourhood", name="Neighbourhood", leader="gone"),
}


def an_occasion(**changes: object) -> Occasion:
    values: dict[str, object] = {
        "on": "task.assigned",
        "cause": CAUSE,
        "item_kind": "task",
        "item_id": ITEM,
        "case_id": CASE,
        "facts": {},
        "assignee": "rita",
        "unit": "repairs",
        "customer_email": "ann@mail.example",
        "customer_name": "Ann",
    }
    return Occasion(**(values | changes))  # type: ignore[arg-type]


def a_definition(*to: str, code: str = "tell", **changes: object) -> Definition:
    values: dict[str, object] = {"on": "task.assigned", "channel": "email", "template": "t"}
    return Definition(code=code, to=to, **(values | changes))  # type: ignore[arg-type]


def addresses(occasion: Occasion, *definitions: Definition) -> list[str]:
    planned = plan_deliveries(occasion, definitions, Directory(STAFF, UNITS), "housing.example")
    return [delivery.recipient.address.removesuffix("@housing.example") for delivery in planned]


@pytest.mark.requirement("NOTE-1", "NOTE-2")
@pytest.mark.parametrize(
    ("to", "expected"),
    [("assignee", ["rita"]), ("unit", ["repairs"]), ("leader", ["lena"]), ("manager", ["max"]), ("customer", ["ann@mail.example"])],
)
def test_each_kind_of_recipient(to: str, expected: list[str]) -> None:
    assert addresses(an_occasion(), a_definition(to)) == expected


@pytest.mark.parametrize(
    ("kind", "code", "unit", "expected"),
    [
        ("user", "paul", "repairs", ["paul"]),
        ("role", "plumber", "repairs", ["paul"]),
        ("role", "plumber", "board", ["nils", "paul"]),
        ("unit", "repairs", "board", ["repairs"]),
        ("unit", "neighbourhood", "repairs", ["nils"]),
        ("unit", "nowhere", "repairs", []),
        ("role", "nothing", "repairs", []),
        ("", "", "repairs", []),
    ],
)
def test_the_owner_is_a_user_the_holders_of_a_role_or_a_unit(kind: str, code: str, unit: str, expected: list[str]) -> None:
    assert addresses(an_occasion(owner_kind=kind, owner_code=code, unit=unit), a_definition("owner")) == expected


@pytest.mark.parametrize("assignee", ["", "gone", "mute", "unknown"])
def test_nobody_reachable_means_no_message(assignee: str) -> None:
    assert addresses(an_occasion(assignee=assignee), a_definition("assignee")) == []


def test_a_unit_whose_leader_has_left_has_none() -> None:
    assert addresses(an_occasion(unit="neighbourhood"), a_definition("leader", "manager")) == []


def test_one_address_gets_one_message_an_occasion() -> None:
    planned = plan_deliveries(
        an_occasion(owner_kind="user", owner_code="rita", customer_email="RITA@housing.example"),
        [a_definition("assignee", "owner", code="first"), a_definition("customer", "leader", code="second")],
        Directory(STAFF, UNITS),
        "housing.example",
    )
    assert [(d.definition, d.recipient.address) for d in planned] == [("first", "rita@housing.example"), ("second", "lena@housing.example")]


def test_a_crowd_is_reached_by_the_units_address_or_in_part() -> None:
    crowd = {f"u{n:03}": somebody(f"u{n:03}", roles=("many",)) for n in range(MOST_MEMBERS + 1)}
    owner = an_occasion(owner_kind="role", owner_code="many")
    planned = plan_deliveries(owner, [a_definition("owner")], Directory(crowd, UNITS), "housing.example")
    assert [d.recipient.address for d in planned] == ["repairs@housing.example"]
    planned = plan_deliveries(owner, [a_definition("owner")], Directory(crowd, {}), "housing.example")
    assert len(planned) == MOST_MEMBERS


def test_a_definition_for_other_items_or_channels_is_passed_over() -> None:
    assert addresses(an_occasion(), a_definition("assignee", items=frozenset({"case"}))) == []
    assert addresses(an_occasion(), a_definition("assignee", items=frozenset({"task"}))) == ["rita"]
    assert addresses(an_occasion(), a_definition("assignee", channel="sms")) == []


def test_ids_depend_on_the_cause_the_definition_and_the_address_alone() -> None:
    (one,) = plan_deliveries(an_occasion(), [a_definition("assignee")], Directory(STAFF, UNITS), "housing.example")
    assert one.id == delivery_id(CAUSE, "tell", "rita@housing.example")
    assert one.message_id == f"<{ITEM}.{one.id}@housing.example>"
    (other,) = plan_deliveries(an_occasion(cause=uuid4()), [a_definition("assignee")], Directory(STAFF, UNITS), "housing.example")
    assert other.id != one.id


def test_a_customers_message_belongs_to_their_conversation() -> None:
    occasion = an_occasion(conversation_id=CONVERSATION)
    planned = plan_deliveries(occasion, [a_definition("customer", "assignee")], Directory(STAFF, UNITS), "housing.example")
    assert [d.thread_id for d in planned] == [CONVERSATION, ITEM]
    assert planned[0].message_id == f"<{CONVERSATION}.{planned[0].id}@housing.example>"


ESCALATION = a_definition("escalation")


def told(*tell: str, default_unit: str = "", **changes: object) -> list[str]:
    """Whom an escalation with these roles tells."""
    occasion = an_occasion(on="clock.escalated", tell=tell, **changes)
    planned = plan_deliveries(occasion, [ESCALATION], Directory(STAFF, UNITS), "housing.example", default_unit)
    return [delivery.recipient.address.removesuffix("@housing.example") for delivery in planned]


@pytest.mark.requirement("EDGE-9", "SLA-2")
@pytest.mark.parametrize(
    ("tell", "expected"),
    [
        (("owner",), ["rita"]),
        (("leader",), ["lena"]),
        (("manager",), ["max"]),
        (("owner", "leader", "manager"), ["rita", "lena", "max"]),
    ],
)
def test_a_step_tells_the_roles_it_names_and_no_others(tell: tuple[str, ...], expected: list[str]) -> None:
    assert told(*tell, owner_kind="role", owner_code="plumber") == expected


@pytest.mark.requirement("EDGE-9")
def test_who_has_several_of_the_roles_is_told_once() -> None:
    assert told("owner", "leader", "manager", assignee="lena") == ["lena", "max"]


@pytest.mark.requirement("EDGE-9")
def test_what_nobody_has_is_told_to_whom_it_is_for_else_one_up() -> None:
    assert told("owner", assignee="", owner_kind="role", owner_code="plumber") == ["paul"]
    assert told("owner", assignee="gone", owner_kind="user", owner_code="rita") == ["rita"]
    assert told("owner", assignee="gone", owner_kind="user", owner_code="mute") == ["lena"]
    assert told("owner", assignee="", owner_kind="role", owner_code="unheard-of") == ["lena"]


@pytest.mark.requirement("EDGE-9")
def test_without_a_leader_or_a_manager_the_next_is_told_and_never_nobody() -> None:
    units = {
        "a": UnitChanged(unit="a", name="A", email="a@housing.example", leader="gone", manager="max"),
        "b": UnitChanged(unit="b", name="B", email="b@housing.example", leader="lena", manager="gone"),
        "c": UnitChanged(unit="c", name="C", email="c@housing.example"),
        "d": UnitChanged(unit="d", name="D"),
        "repairs": UNITS["repairs"],
    }

    def reached(unit: str, role: str, default: str = "repairs") -> list[str]:
        occasion = an_occasion(assignee="", unit=unit, tell=(role,))
        planned = plan_deliveries(occasion, [ESCALATION], Directory(STAFF, units), "housing.example", default)
        return [delivery.recipient.address.removesuffix("@housing.example") for delivery in planned]

    assert [reached(unit, "leader") for unit in "abcd"] == [["max"], ["lena"], ["c"], ["max"]]
    assert [reached(unit, "manager") for unit in "abcd"] == [["max"], ["lena"], ["c"], ["max"]]
    assert [reached(unit, "owner") for unit in "abcd"] == [["max"], ["lena"], ["c"], ["max"]]
    assert reached("unheard-of", "leader") == ["max"]
    assert reached("d", "leader", default="c") == ["c"]


@pytest.mark.requirement("EDGE-9")
def test_only_a_step_has_somebody_to_tell_by_it() -> None:
    assert addresses(an_occasion(on="clock.escalated"), ESCALATION) == []
