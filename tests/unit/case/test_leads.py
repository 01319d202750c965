"""Leads: the life cycle with its statuses and rules, what types allow, what conversion creates, whose customers are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.case.domain.case import Actor, Change
from services.case.domain.leads.conversion import planned_account
from services.case.domain.leads.customer import Customer, email_of, phone_of, whose
from services.case.domain.leads.lead import Competitor, Decision, Interest, Lead, LeadLifeCycle
from services.case.domain.leads.life_cycle import Move, accept, assign, close, set_status
from services.case.domain.leads.types import CatalogueProduct
from services.case.domain.refusals import AssignmentRefused, CaseLocked, CaseRefusal, LeadRefused, TransitionRefused
from services.case.handlers.leads.opening import Circumstances, Wanted, open_lead, problems
from services.case.handlers.leads.rules import lead_rules_of
from services.case.storage.contacts import Contact
from shared.ids import derive
from shared.messaging import StaticReference
from tests.support.case import NOW
from tests.support.leads import a_lead, a_lead_configuration

CONFIGURATION = a_lead_configuration()
RULES = lead_rules_of(CONFIGURATION)
SHARED, GARAGE, RENT = (RULES.types[code] for code in ("shared-ownership", "garage", "rent"))
RITA, MAX, CORA = Actor("rita", "repairs"), Actor("max", "contact-centre"), Actor("cora", "contact-centre")
LATER = NOW + timedelta(hours=1)


def _to(lead: Lead, status: str, actor: Actor = RITA, lost_reason: str = "", kind=GARAGE) -> Lead:
    return set_status(lead, Move(status, "", lost_reason), kind, actor, LATER)[0]


def _at(state: LeadLifeCycle, **changes: object) -> Lead:
    return a_lead(**({"state": state, "status": GARAGE.defaults[state], "owner": "rita"} | changes))


@pytest.mark.requirement("LEAD-1")
def test_a_lead_goes_from_pending_through_progress_to_won() -> None:
    talking = _to(a_lead(owner="rita"), "talking")
    viewing = set_status(talking, Move("viewing"), GARAGE, RITA, LATER + timedelta(days=1))[0]
    won, changes = close(viewing, LeadLifeCycle.WON, "signed", "", GARAGE, RITA, LATER)

    assert [lead.state.value for lead in (talking, viewing, won)] == ["in_progress", "in_progress", "won"]
    assert (talking.started_at, viewing.started_at, won.closed_at, won.revision, won.status_before) == (LATER, LATER, LATER, 4, "viewing")
    assert Change("status", "viewing", "won") in changes
    assert Change("reason", None, "signed") in changes


@pytest.mark.requirement("LEAD-1")
@pytest.mark.parametrize(
    ("state", "to", "why"),
    [
        (LeadLifeCycle.PENDING, "won", "does not lead from pending to won"),
        (LeadLifeCycle.PENDING, "lost", "does not lead"),
        (LeadLifeCycle.IN_PROGRESS, "dropped", "only while pending"),
        (LeadLifeCycle.IN_PROGRESS, "new", "needs a transition rule"),
        (LeadLifeCycle.PENDING, "new", "has that status already"),
        (LeadLifeCycle.PENDING, "unheard-of", "not among the statuses"),
    ],
)
def test_a_step_that_the_life_cycle_does_not_have_is_refused_with_the_reason(state: LeadLifeCycle, to: str, why: str) -> None:
    with pytest.raises(TransitionRefused, match=why):
        _to(_at(state), to, lost_reason="price")


@pytest.mark.requirement("LEAD-1")
def test_a_lost_lead_has_a_reason_its_own_or_the_types_default() -> None:
    talking = _at(LeadLifeCycle.IN_PROGRESS)

    with pytest.raises(TransitionRefused, match="needs a reason"):
        _to(talking, "lost")
    with pytest.raises(TransitionRefused, match="none of the type's reasons"):
        _to(talking, "lost", lost_reason="weather")
    assert _to(talking, "lost", lost_reason="price").lost_reason == "price"
    assert _to(talking, "lost", kind=SHARED).lost_reason == "elsewhere"


@pytest.mark.requirement("LEAD-1", "CASE-7")
def test_a_lead_has_to_belong_to_a_user_before_it_progresses_but_anybody_cancels_it() -> None:
    with pytest.raises(TransitionRefused, match="belong to a user"):
        _to(a_lead(), "talking")
    assert _to(accept(a_lead(), RITA, NOW)[0], "talking").state is LeadLifeCycle.IN_PROGRESS
    assert _to(a_lead(), "dropped").state is LeadLifeCycle.CANCELLED


@pytest.mark.requirement("CASE-8")
@pytest.mark.parametrize("state", [LeadLifeCycle.WON, LeadLifeCycle.LOST, LeadLifeCycle.CANCELLED])
def test_a_closed_lead_is_locked(state: LeadLifeCycle) -> None:
    lead = _at(state)
    for change in (lambda: _to(lead, "talking"), lambda: assign(lead, "repairs", None, RITA, NOW), lambda: accept(lead, RITA, NOW)):
        with pytest.raises(CaseLocked, match="not modifiable"):
            change()


@pytest.mark.requirement("LEAD-1")
def test_transition_rules_say_who_may_and_a_lost_lead_is_reopened_by_one_only() -> None:
    talking = _to(a_lead(type="rent", owner="rita"), "talking", kind=RENT)
    with pytest.raises(TransitionRefused, match="is for units repairs"):
        _to(talking, "lost", CORA, "price", RENT)
    with pytest.raises(TransitionRefused, match="no transition rule"):
        _to(talking, "won", RITA, kind=RENT)
    assert _to(talking, "new", kind=RENT).started_at is None
    lost = _to(talking, "lost", RITA, "price", RENT)
    with pytest.raises(TransitionRefused, match="is for users max"):
        _to(lost, "talking", CORA, kind=RENT)

    shut = replace(RENT, transitions=tuple(replace(rule, reopens=False) for rule in RENT.transitions))
    with pytest.raises(CaseLocked, match="unless a transition rule"):
        _to(lost, "talking", MAX, kind=shut)

    again, changes = set_status(lost, Move("talking"), RENT, MAX, LATER)

    assert (again.state, again.lost_reason, again.closed_at) == (LeadLifeCycle.IN_PROGRESS, "", None)
    assert Change("reopened", "lost", "talking") in changes


@pytest.mark.requirement("CASE-7")
def test_assignment_and_acceptance_are_as_for_cases() -> None:
    lead = a_lead(owner="rita")
    assert assign(lead, "neighbourhood", None, RITA, NOW)[0][20:22] == ("neighbourhood", None)
    assert assign(lead, None, "lena", RITA, NOW)[0].owner == "lena"
    assert assign(lead, "repairs", "rita", RITA, NOW) == (lead, ())
    with pytest.raises(AssignmentRefused, match="belongs to rita already"):
        accept(lead, Actor("lena", "repairs"), NOW)
    with pytest.raises(AssignmentRefused, match="lies with unit repairs"):
        accept(a_lead(), CORA, NOW)


@pytest.mark.requirement("LEAD-1")
def test_a_new_lead_takes_its_types_defaults_competitors_and_interests() -> None:
    how = Circumstances(derive("x"), RITA, NOW, 1)
    opened = open_lead(Wanted(competitors=("Other Homes",)), SHARED, RULES, Customer("Joan"), how)

    lead = opened.lead
    assert (lead.title, lead.unit, lead.priority, lead.importance, lead.category) == ("Shared ownership", "neighbourhood", 7, 8, "homes")
    assert (lead.source, lead.status, lead.expected_completion_at) == ("other", "new", RULES.expected_completion(SHARED, NOW))
    assert opened.competitors == (Competitor("Other Homes"), Competitor("Example Homes", "https://homes.example"))
    assert opened.interests == (Interest("type", "flat"),)


@pytest.mark.requirement("LEAD-1")
def test_what_its_type_does_not_allow_is_named_by_field() -> None:
    wanted = Wanted(source="website", category="garages", unit="moon", owner="nobody", interests=(Interest("product", "garage-7"),))

    found = {field for field, _ in problems(wanted, SHARED, RULES, StaticReference(CONFIGURATION))}

    assert found == {"category", "unit", "owner", "products"}
    assert problems(Wanted(category="flats"), SHARED, RULES, StaticReference(CONFIGURATION)) == []
    with pytest.raises(LeadRefused, match="created by units contact-centre, repairs"):
        GARAGE.check_creation("neighbourhood")


@pytest.mark.requirement("LEAD-1")
def test_a_product_may_be_of_a_type_that_is_listed() -> None:
    catalogue = {one.code: one for one in (CatalogueProduct("flat-7", type="flat"), CatalogueProduct("garage-7", type="garage"))}

    SHARED.check_interest(Interest("product", "flat-7"), catalogue)
    GARAGE.check_interest(Interest("product", "garage-7"), catalogue)
    for code, why in (("garage-7", "are about"), ("flat-9", "the catalogue has none")):
        with pytest.raises(LeadRefused, match=why):
            SHARED.check_interest(Interest("product", code), catalogue)


@pytest.mark.requirement("LEAD-2")
def test_a_won_lead_of_a_converting_type_plans_one_account() -> None:
    won = _at(LeadLifeCycle.WON, type="shared-ownership")

    planned = planned_account(won, SHARED, None)

    assert planned is not None
    assert (planned.name, planned.classification, planned.credit_rating) == ("Joan Example", "leaseholder", "B")
    assert planned == planned_account(won, SHARED, None)
    assert planned_account(won, SHARED, derive("an account")) is None
    assert planned_account(won, GARAGE, None) is None
    assert planned_account(won._replace(state=LeadLifeCycle.LOST), SHARED, None) is None
    with pytest.raises(LeadRefused, match="no contact"):
        planned_account(won._replace(contact_id=None), SHARED, None)


def test_handles_are_read_as_they_are_compared() -> None:
    assert phone_of("01632 960123", "GB") == phone_of("+44 1632 960123", None) == "+441632960123"
    for text in ("01632 960123", "=1+1", "12", "call me"):
        with pytest.raises(LeadRefused):
            phone_of(text, None)
    assert email_of(" Joan@Customer.example ") == "Joan@Customer.example"
    for text in ("joan", "a@b@c", "a b@c.example", "<joan@customer.example>"):
        with pytest.raises(LeadRefused):
            email_of(text)


@pytest.mark.requirement("CON-1")
def test_of_several_who_share_a_handle_the_name_decides() -> None:
    joan, jim = (Contact(derive(name), 1, None, name, "", NOW) for name in ("Joan", "Jim"))
    known = {("phone", "+441632960123"): [joan, jim], ("email", "joan@x.example"): [joan]}

    assert whose(Customer("joan", "", "+441632960123"), known) == (joan, True)
    assert whose(Customer("Jack", "", "+441632960123"), known) == (None, True)
    assert whose(Customer("Jack", "JOAN@x.example"), known) == (joan, True)
    assert whose(Customer("Jack", "jack@x.example"), known) == (None, False)


class Leads(RuleBasedStateMachine):
    """Whatever is asked of a lead, it is in no forbidden state, and its history explains where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.lead = a_lead()
        self.told: dict[str, str | None] = {"status": "new", "state": "pending", "owner": None, "unit": "repairs", "lost_reason": None}
        self.now = NOW

    def _apply(self, decision: Decision) -> None:
        after, changes = decision
        assert after.revision == self.lead.revision + bool(changes)
        for change in changes:
            if change.field in self.told:
                assert self.told[change.field] == change.old
                self.told[change.field] = change.new
        self.lead = after

    def _attempt(self, decide) -> None:
        self.now += timedelta(minutes=1)
        before = self.lead
        try:
            self._apply(decide())
        except CaseRefusal:
            assert self.lead == before

    @rule(to=st.sampled_from(sorted(GARAGE.statuses)), reason=st.sampled_from(["", "price", "weather"]), who=st.sampled_from([RITA, CORA]))
    def set_a_status(self, to: str, reason: str, who: Actor) -> None:
        was = self.lead.state
        self._attempt(lambda: set_status(self.lead, Move(to, "", reason), GARAGE, who, self.now))
        assert not was.is_closed or self.lead.state is was

    @rule(unit=st.sampled_from([None, "repairs", "contact-centre"]), owner=st.sampled_from([None, "rita", "cora"]))
    def assign_it(self, unit: str | None, owner: str | None) -> None:
        self._attempt(lambda: assign(self.lead, unit, owner, RITA, self.now))

    @rule(who=st.sampled_from([RITA, CORA]))
    @precondition(lambda self: self.lead.owner is None)
    def accept_it(self, who: Actor) -> None:
        self._attempt(lambda: accept(self.lead, who, self.now))

    @invariant()
    def is_sound(self) -> None:
        lead = self.lead
        assert GARAGE.statuses[lead.status] is lead.state
        assert (lead.closed_at is not None) is lead.state.is_closed
        assert bool(lead.lost_reason) is (lead.state is LeadLifeCycle.LOST)
        assert (lead.started_at is not None) is (lead.state in (LeadLifeCycle.IN_PROGRESS, LeadLifeCycle.WON, LeadLifeCycle.LOST))
        if lead.state in (LeadLifeCycle.WON, LeadLifeCycle.LOST):
            assert lead.owner is not None

    @invariant()
    def is_explained(self) -> None:
        lead = self.lead
        assert self.told == {
            "status": lead.status,
            "state": lead.state.value,
            "owner": lead.owner,
            "unit": lead.unit,
            "lost_reason": lead.lost_reason or None,
        }


Leads.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
test_leads_state_machine = pytest.mark.requirement("LEAD-1")(Leads.TestCase)
