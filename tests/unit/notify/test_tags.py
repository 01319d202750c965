"""Which `#` is a tag, what tags become, and what a template's check says."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.tags import TAGS, Names, first_name, last_name, tag_values
from services.notify.domain.templates import UnknownTag, compile_template, compile_text
from shared.schemas.configuration.tags import check_template

NAMES = Names("Harbour Homes", ZoneInfo("Europe/London"), subjects={"leak": "Water leak"}, roles={"plumber": "Plumber"})


def rendered(text: str, **facts: str) -> str:
    values = tag_values(facts, NAMES, {"rita": "Rita Repairs"}, "Ann Bell")
    return compile_text(text).plain(values)


@pytest.mark.requirement("NOTE-2")
def test_tags_are_replaced_with_the_customers_data() -> None:
    text = rendered("Dear #first_name #last_name, your case #case_number (#subject).", customer="Ann Bell", number="C-1", subject="leak")
    assert text == "Dear Ann Bell, your case C-1 (Water leak)."


@pytest.mark.requirement("NOTE-2")
@pytest.mark.parametrize(
    ("text", "nearest"), [("Dear #frist_name", "#first_name"), ("#Case_Number", "#case_number"), ("#dues", "#due"), ("x#tasks", "#task")]
)
def test_an_unknown_tag_is_refused_with_the_nearest_known_one(text: str, nearest: str) -> None:
    (problem,) = check_template(text)
    assert f"did you mean {nearest}?" in problem
    with pytest.raises(UnknownTag, match=nearest):
        compile_text(text)


def test_an_unknown_tag_near_to_none_lists_all() -> None:
    (problem,) = check_template("#xyzzy #xyzzy")
    assert all(f"#{tag}" in problem for tag in TAGS)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Flat #12", "Flat #12"),
        ("## is a hash", "# is a hash"),
        ("###task", "#Inspect"),
        ("##fff", "#fff"),
        ("#", "#"),
        ("a # b", "a # b"),
        ("##", "#"),
        ("&#39; &#x27;", "&#39; &#x27;"),
        ("#task.", "Inspect."),
        ("#task#task", "InspectInspect"),
        ("", ""),
    ],
)
def test_what_counts_as_a_tag(text: str, shown: str) -> None:
    assert check_template(text) == []
    assert rendered(text, task="Inspect") == shown


@pytest.mark.requirement("NOTE-2")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hello,\nCase: #case_number, #case_title\nDue: #due\nbye", "Hello,\nbye"),
        ("Hello,\n\n#message\n\nbye\n", "Hello,\n\nbye\n"),
        ("#message\n\nbye", "bye"),
        ("one\n\n\ntwo #task", "one\n\n\ntwo Inspect"),
        ("Case: #case_number, #task", "Case: Inspect"),
        ("Case: #task, #case_title", "Case: Inspect"),
        ("#case_number: #task is yours", "Inspect is yours"),
        ("#task: #case_number; #due.", "Inspect: ."),
        ("With: #assignee (#task)", "With: (Inspect)"),
        ("It is #task. #reason", "It is Inspect."),
        ("no tag:\n , ", "no tag:\n , "),
        ("#case_number", ""),
    ],
)
def test_what_stands_for_nothing_leaves_no_trace(text: str, shown: str) -> None:
    assert rendered(text, task="Inspect") == shown


def test_a_subject_line_is_never_left_out() -> None:
    values = tag_values({"task": "Inspect: , "}, NAMES, {}, "")
    assert compile_text("News about your case #case_number").header(values) == "News about your case"
    assert compile_text("#case_number: #task").header(values) == "Inspect: ,"


def test_a_value_is_not_searched_for_tags() -> None:
    assert rendered("#task", task="#case_number ##", number="C-1") == "#case_number ##"


def test_every_tag_has_a_value_even_when_nothing_is_known() -> None:
    assert tag_values({}, NAMES, {}, "").keys() == TAGS.keys()
    assert rendered("Dear #first_name,") == "Dear customer,"


def test_values_are_escaped_in_html_and_keep_their_lines() -> None:
    template = compile_template("t", "s", "#task", '<p title="#task">#task</p>')
    assert template.html is not None
    values = tag_values({"task": "<script>\"a\" & 'b'\r\nend"}, NAMES, {}, "")
    assert template.html.html(values) == (
        '<p title="&lt;script&gt;&quot;a&quot; &amp; &#x27;b&#x27;<br>\nend">&lt;script&gt;&quot;a&quot; &amp; &#x27;b&#x27;<br>\nend</p>'
    )


@given(st.text(), st.text())
def test_a_header_is_one_line_whatever_the_values(literal: str, value: str) -> None:
    text = compile_text(literal.replace("#", "##") + "#task")
    shown = text.header(tag_values({"task": value}, NAMES, {}, ""))
    assert not any(mark in shown for mark in "\r\n\x00\x0b\x0c\x85\u2028\u2029")
    assert len(shown.splitlines()) <= 1


@given(st.text())
def test_text_with_its_hashes_doubled_stays_as_it_is(text: str) -> None:
    assert rendered(text.replace("#", "##")) == text


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Ann Bell", "Ann", "Bell"),
        ("Bell, Ann Mary", "Ann", "Bell"),
        ("Dr. Ann van Bell", "Ann", "Bell"),
        ("Mrs Bell", "Bell", "Bell"),
        ("Ann", "Ann", ""),
        ("", "", ""),
        ("Mr", "Mr", ""),
    ],
)
def test_names_are_taken_apart(name: str, first: str, last: str) -> None:
    assert first_name(name) == first
    assert last_name(name) == last


def test_times_are_local() -> None:
    assert rendered("#due", due_at="2026-07-03T13:30:00+00:00") == "Fri 3 Jul 2026, 14:30"
    assert rendered("#due", due_at="2026-01-03T13:30:00+00:00") == "Sat 3 Jan 2026, 13:30"
    assert rendered("#due", due_at="soon") == "soon"


def test_the_owner_is_named_by_its_kind() -> None:
    assert rendered("#owner", owner_kind="role", owner="plumber") == "Plumber"
    assert rendered("#owner", owner_kind="user", owner="rita") == "Rita Repairs"
    assert rendered("#owner", owner_kind="unit", owner="unheard-of") == "unheard-of"
