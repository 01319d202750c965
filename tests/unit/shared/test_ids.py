"""Derived ids: standard UUIDv5, and different for different causes."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from shared.ids import NAMESPACE, communication_id, derive, event_id


@given(st.lists(st.text().filter(lambda text: text.isprintable()), min_size=1))
def test_a_derived_id_is_the_standards_uuid5(parts: list[str]) -> None:
    assert derive(*parts) == uuid5(NAMESPACE, "\x1f".join(parts))


def test_parts_do_not_run_into_each_other() -> None:
    assert derive("ab", "c") != derive("a", "bc")


def test_events_of_one_cause_differ_by_aggregate_type_and_ordinal() -> None:
    cause, first, second = UUID(int=1), UUID(int=2), UUID(int=3)
    made = {event_id(cause, first, "a"), event_id(cause, second, "a"), event_id(cause, first, "b"), event_id(cause, first, "a", 1)}
    assert len(made) == 4
    assert event_id(cause, first, "a") in made


def test_a_reused_message_id_with_other_content_is_another_communication() -> None:
    assert communication_id("<m@x>", "aa") != communication_id("<m@x>", "bb")
    assert communication_id("<m@x>", "aa") == communication_id("<m@x>", "aa")
