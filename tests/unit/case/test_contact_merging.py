"""What goes where when contacts are merged and unmerged, whatever the order: exhaustively by chance."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.case.domain.contact_merging import (
    Merge,
    MovedHandle,
    check_merge,
    check_undo,
    customer_values,
    given_back,
    moved,
    of_source_again,
    of_survivor,
    restored,
    survivor,
)
from services.case.domain.contacts import Contact, checked_handle, in_account, person_of
from services.case.domain.refusals import ContactRefused, MergeRefused
from shared.ids import contact_id, derive
from tests.support.case import a_case

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
PEOPLE = range(4)
HANDLES = [("phone", f"+44163296000{n}") for n in range(3)]


class Book:
    """Who has which handle, and the merges: as the database keeps them."""

    def __init__(self, owned: dict[int, frozenset[tuple[str, str]]]) -> None:
        self.handles = {person: set(owned[person]) for person in PEOPLE}
        self.people = {person: _contact(person) for person in PEOPLE}
        self.merges: dict[UUID, tuple[Merge, list[MovedHandle]]] = {}

    def merge(self, source: int, target: int) -> UUID:
        a, b = self.people[source], self.people[target]
        check_merge(a, b)
        id = derive("merge", len(self.merges))
        handles = moved(id, self.handles[source], self.handles[target], self._brought(target, id))
        self.handles[target] |= self.handles[source]
        self.handles[source] = set()
        self.people[source] = a._replace(merged_into=b.id)
        self.merges[id] = (Merge(id, a.id, b.id, "max", NOW), handles)
        return id

    def undo(self, id: UUID) -> None:
        merge, handles = self.merges[id]
        source, target = (next(p for p, contact in self.people.items() if contact.id == one) for one in (merge.source, merge.target))
        check_undo(merge, self.people[source], self.people[target])
        back = restored(handles, self._brought(target, id).keys())
        self.handles[target] -= back.lost
        self.handles[source] |= back.given_back
        self.people[source] = self.people[source]._replace(merged_into=None)
        self.merges[id] = (merge._replace(undone_by="max", undone_at=NOW), handles)

    def _brought(self, target: int, besides: UUID) -> dict[tuple[str, str], bool]:
        found: dict[tuple[str, str], bool] = {}
        for id, (merge, handles) in self.merges.items():
            if id != besides and merge.target == self.people[target].id and merge.undone_at is None:
                for handle in handles:
                    found[handle.key] = found.get(handle.key, False) or handle.was_own
        return found


def _contact(person: int) -> Contact:
    return Contact(derive("person", person), 1, None, f"P{person}", "", NOW)


owners = st.fixed_dictionaries({person: st.frozensets(st.sampled_from(HANDLES)) for person in PEOPLE})
steps = st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)), max_size=6)


@pytest.mark.requirement("EDGE-11")
@given(owners, steps, st.randoms(use_true_random=False))
def test_whatever_is_merged_and_in_whatever_order_it_is_undone_everybody_has_their_handles_again(owned, pairs, chance) -> None:  # type: ignore[no-untyped-def]
    book = Book(owned)
    done = []
    for source, target in pairs:
        try:
            done.append(book.merge(source, target))
        except MergeRefused:
            continue
        assert set().union(*book.handles.values()) == set().union(*owned.values()), "no handle is lost"
        assert not book.handles[source]
    while done:
        id = chance.choice(done)
        try:
            book.undo(id)
        except MergeRefused as refusal:
            assert "undo that first" in str(refusal)  # noqa: PT017 - others are undone before it
            continue
        done.remove(id)
    assert book.handles == {person: set(handles) for person, handles in owned.items()}
    assert all(contact.merged_into is None for contact in book.people.values())


fields = st.sampled_from(["", "one", "two"])
accounts = st.sampled_from([None, derive("account", 1), derive("account", 2)])


def _with(person: int, name: str, email: str, account: UUID | None) -> Contact:
    return in_account(_contact(person)._replace(name=name, email=email), account)[0]


people = st.builds(_with, st.just(1), fields, fields, accounts), st.builds(_with, st.just(2), fields, fields, accounts)


@pytest.mark.requirement("EDGE-11", "CASE-8")
@given(*people, st.sampled_from(["", "a@b.example"]))
def test_the_survivor_and_cases_are_as_before_once_the_merge_is_undone(source: Contact, target: Contact, email: str) -> None:
    after, before = survivor(source, target)
    new = {field: getattr(after, field) for field in before}
    assert given_back(after, before, new)._replace(revision=target.revision) == target
    assert (after.name, after.email) == (target.name or source.name, target.email or source.email)
    assert after.account_id == (target.account_id or source.account_id)

    case = a_case(contact_id=source.id, customer_name=source.name, customer_email=email)
    theirs, changes = of_survivor(case, after, "max", NOW)
    assert (theirs.contact_id, theirs.customer_email, theirs.revision) == (after.id, email or after.email, 2)
    assert {change.field for change in changes} >= {"contact_id"}
    again, _ = of_source_again(theirs, customer_values(case), customer_values(theirs), "max", NOW)
    assert again._replace(revision=1, changed_at=case.changed_at, changed_by=case.changed_by) == case


def test_what_staff_changed_since_the_merge_stays() -> None:
    source, target = _with(1, "one", "", derive("account", 1)), _with(2, "", "", None)
    after, before = survivor(source, target)
    new = {field: getattr(after, field) for field in before}
    moved_on = in_account(after._replace(name="two"), derive("account", 2))[0]

    back = given_back(moved_on, before, new)

    assert (back.name, back.account_id, back.state) == ("two", derive("account", 2), "financial")


@pytest.mark.requirement("CON-1")
def test_handles_are_kept_in_one_form() -> None:
    assert checked_handle("email", " Ann@Customer.Example ") == ("email", "ann@customer.example")
    assert checked_handle("phone", "+44 (0)1632 960001") == ("phone", "+441632960001")
    assert checked_handle("x", "@AnnC") == ("x", "annc")
    for kind, value in (
        ("phone", "01632 960001"),
        ("phone", "+1"),
        ("email", "a b@c.example"),
        ("x", "@"),
        ("other", " "),
        ("x", "a\x00b"),
    ):
        with pytest.raises(ContactRefused):
            checked_handle(kind, value)


def test_the_first_contact_of_a_handle_has_the_id_that_it_always_had() -> None:
    assert person_of("email", "ann@customer.example") == contact_id("email", "ann@customer.example")
    assert len({person_of("email", "ann@customer.example", count) for count in range(5)}) == 5
