"""Templates filled for a case, and what may go with a message."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from services.case.domain.case import Case
from services.case.domain.drafting import (
    FILLED,
    FILLED_BY_CONTACTS,
    FILLED_BY_LEADS,
    Draft,
    DraftTemplate,
    Naming,
    contact_tag_values,
    filled_in,
    filled_with,
    lead_tag_values,
    tag_values,
)
from services.case.domain.messages import MOST_BYTES, MessageFile, Reachable, answerable, check_files, file_name, recipient
from services.case.domain.refusals import InputRefused, NotTold
from tests.support.case import NOW, a_case
from tests.support.leads import a_lead

pytestmark = pytest.mark.requirement("NOTE-2")
NAMING = Naming("Test Homes", ZoneInfo("Europe/London"), subjects={"leak": "Leak"}, units={"repairs": "Repairs"})


def a_template(text: str, subject_line: str = "About #case_title") -> DraftTemplate:
    return DraftTemplate("visit", "Visit", subject_line, text)


def draft(text: str, case: Case, naming: Naming, people: dict[str, str], writer: str) -> Draft:
    return filled_with(Draft("About #case_title", text), tag_values(case, naming, people, writer))


def test_a_template_is_filled_with_what_the_case_is() -> None:
    text = "Dear #first_name #last_name,\n\n#subject, with #owner.\nDue: #due\nIn ##1, #1 and #full_name.\n\n#changed_by, #organisation"
    case = a_case(customer_name="Dr. Ann Bell", title="Water #first_name", owner="rita", number="C-2026-000001")
    found = draft(text, case, NAMING, {"rita": "Rita Repairs", "max": "Max"}, "max")
    assert found.subject_line == "About Water #first_name", "what a customer wrote is no tag"
    assert found.text == "Dear Ann Bell,\n\nLeak, with Rita Repairs.\nIn #1, #1 and Dr. Ann Bell.\n\nMax, Test Homes"
    due = draft("Due: #due", case._replace(expected_completion_at=NOW), NAMING, {}, "max")
    assert due.text == "Due: Mon 2 Mar 2026, 10:00"
    unknown = draft("Dear #first_name,\n#last_name", case._replace(customer_name="", owner=None), NAMING, {}, "max")
    assert unknown.text == "Dear customer,"
    assert draft("#first_name/#last_name", case._replace(customer_name="Bell, Ann"), NAMING, {}, "max").text == "Ann/Bell"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dear #first_name, about #case_number.", "Dear Ann, about C-1."),
        ("Flat #12, #nothing, ## and a#first_name", "Flat #12, #nothing, ## and a#first_name"),
        ("#first_names &#first_name; ##first_name", "#first_names &#first_name; ##first_name"),
        ("#full_name", "#first_name"),
    ],
)
def test_tags_in_what_somebody_wrote_are_filled_and_all_else_stays(text: str, expected: str) -> None:
    assert filled_in(text, {"first_name": "Ann", "case_number": "C-1", "full_name": "#first_name"}) == expected


def test_only_what_a_case_can_fill_is_offered() -> None:
    assert a_template("Dear #first_name, #unit").is_for_cases
    assert not a_template("Tell us by #feedback_link").is_for_cases
    assert not a_template("Dear #first_name", "#task").is_for_cases
    assert not a_template("Dear #first_name")._replace(translations={"nl": Draft("", "#task")}).is_for_cases
    assert tag_values(a_case(), NAMING, {}, "max").keys() == FILLED


def test_a_message_goes_to_the_customers_own_addresses_only() -> None:
    known = [Reachable("ann@old.example", came_back=True), Reachable("Ann@Customer.example")]
    assert recipient("writing", "", known) == "Ann@Customer.example"
    assert recipient("writing", "", known[:1]) == "ann@old.example"
    assert recipient("writing", "ann@customer.EXAMPLE", known) == "Ann@Customer.example"
    with pytest.raises(InputRefused, match="none of its customer's"):
        recipient("writing", "eve@elsewhere.example", known)
    with pytest.raises(NotTold):
        recipient("writing", "", [])


def test_files_that_cannot_go_are_refused() -> None:
    half = MessageFile("0" * 64, MOST_BYTES // 2, "half.pdf", "application/pdf")
    check_files("writing", [half, half])
    for files, why in (
        ([half, half, half._replace(size=2)], "too large"),
        ([half._replace(size=1)] * 11, "too many"),
        ([half._replace(sha256=None)], "not kept"),
        ([half._replace(danger="macros")], "macros"),
    ):
        with pytest.raises(InputRefused, match=why):
            check_files("writing", files)


def test_names_and_ids_of_others_are_made_safe() -> None:
    assert file_name("..\\..\\etc/pass\x00wd\r\n.txt") == "passwd.txt"
    assert file_name(" ... ") == file_name("") == "file"
    assert answerable("<a.b+c@mx.example>") == "<a.b+c@mx.example>"
    for bad in ("a@b", "<a b@c>", "<a>\r\nBcc: x", "<ä@c>", f"<{'a' * 500}@c>", "<<a@b>"):
        assert answerable(bad) == ""


def test_of_a_lead_and_of_a_contact_every_tag_that_is_offered_has_a_value() -> None:
    lead = a_lead(customer_name="Bell, Ann", owner="rita", expected_completion_at=NOW)
    values = lead_tag_values(lead, NAMING, {"rita": "Rita Repairs"}, "rita")
    assert values.keys() == FILLED_BY_LEADS
    assert (values["first_name"], values["owner"], values["unit"], values["item"]) == ("Ann", "Rita Repairs", "Repairs", "lead")
    assert values["due"] == "Mon 2 Mar 2026, 10:00"
    assert lead_tag_values(lead._replace(owner=None), NAMING, {}, "max")["owner"] == "Repairs"
    unknown = contact_tag_values("", "ann@customer.example", NAMING, {}, "max")
    assert unknown.keys() == FILLED_BY_CONTACTS
    assert (unknown["first_name"], unknown["customer_email"], unknown["changed_by"]) == ("customer", "ann@customer.example", "max")
    assert a_template("Dear #first_name, #due", "From #unit").is_filled_by(FILLED_BY_LEADS)
    assert not a_template("Your case #case_number").is_filled_by(FILLED_BY_LEADS)
    assert not a_template("Due #due").is_filled_by(FILLED_BY_CONTACTS)
