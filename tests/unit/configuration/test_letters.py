"""What the check says of templates, their translations and the letter (NOTE-2, FACE-2)."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from shared.schemas.configuration.check import check_configuration
from shared.schemas.configuration.letters import html_problems
from shared.schemas.configuration.tags import TAGS, tags_for
from tests.support.configuration import COMMUNICATIONS, DOCUMENT, METHODS, TEMPLATES, USERS, a_document


def problems(**changes: Any) -> dict[str, str]:
    return {problem.path: problem.message for problem in check_configuration(yaml.safe_dump(a_document(**changes))).problems}


def of_template(position: int = 2, **changes: Any) -> dict[str, str]:
    templates = [dict(template) for template in TEMPLATES]
    templates[position] |= changes
    return problems(templates=templates)


@pytest.mark.requirement("NOTE-2", "FACE-2")
def test_a_translation_is_checked_like_its_template() -> None:
    dutch = {"subject_line": "Wij hebben uw bericht, #case_number", "text": "Beste #first_name,\n\ndank u."}
    assert of_template(translations={"nl": dutch}) == {}
    found = of_template(translations={"nl": dutch | {"text": "#frist_name", "html": "<p>#dues</p>", "subject_line": "a\nb"}})
    assert "did you mean #first_name?" in found["templates[2].translations.nl.text"]
    assert "did you mean #due?" in found["templates[2].translations.nl.html"]
    assert found["templates[2].translations.nl.subject_line"] == "a subject line is one line"
    assert list(of_template(translations={"nl": {"text": "x"}})) == ["templates[2].translations.nl.subject_line"]


@pytest.mark.requirement("NOTE-2", "FACE-2")
def test_a_language_is_one_that_dates_can_be_written_in() -> None:
    assert problems(users=[USERS[0] | {"language": "nl"}, *USERS[1:]], methods=[METHODS[0] | {"language": "nl-BE"}, *METHODS[1:]]) == {}
    assert "known are ar, " in problems(users=[USERS[0] | {"language": "xx"}, *USERS[1:]])["users[0].language"]
    assert "its tag" in problems(methods=[METHODS[0] | {"language": "Dutch"}, *METHODS[1:]])["methods[0].language"]
    own = of_template(translations={"en": {"subject_line": "a", "text": "b"}})
    assert "the organisation's language" in own["templates[2].translations.en"]
    assert problems(organisation=DOCUMENT["organisation"] | {"words": {"nl": {"customer": "klant"}}}) == {}
    assert list(problems(organisation=DOCUMENT["organisation"] | {"words": {"xx": {"customer": "klant"}}})) == ["organisation.words.xx"]


@pytest.mark.requirement("NOTE-2")
@pytest.mark.parametrize(
    ("position", "text"),
    [(2, "#task"), (2, "#message"), (2, "#approval_link"), (0, "#opened"), (0, "#feedback_link"), (1, "#first_name"), (1, "#status")],
)
def test_a_tag_that_stands_for_nothing_in_any_message_is_refused(position: int, text: str) -> None:
    (problem,) = of_template(position, text=text).values()
    assert problem.startswith(f"{text} stands for nothing in the messages that this is for (")


def test_a_tag_may_stand_for_something_in_one_of_several_messages_only() -> None:
    also = {"code": "told", "name": "Told", "on": "task.completed", "to": ["leader"], "template": "acknowledge"}
    templates = [*TEMPLATES[:2], TEMPLATES[2] | {"text": "#task #opened"}]
    assert problems(templates=templates, communications=[*COMMUNICATIONS, also]) == {}
    assert problems(templates=templates, communications=COMMUNICATIONS[:4]) == {}, "nobody says what it is for"


def test_links_are_for_those_who_may_answer_by_them() -> None:
    assert {"feedback_link", "acceptance_link"} <= tags_for("case.status-changed", ["customer"])
    assert not {"feedback_link", "acceptance_link"} & tags_for("case.status-changed", ["assignee"])
    assert "approval_link" in tags_for("approval.asked", ["approver"])
    assert "approval_link" not in tags_for("approval.decided", ["asker"])
    assert tags_for("rule.fired", []) == TAGS.keys()


@pytest.mark.requirement("NOTE-2")
@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="#feedback_link">x</a>', ""),
        ('<p style="color:##fff">#case_title</p>', ""),
        ('<a href="https://x.example/?q=#customer_email">x</a>', "#customer_email stands in href="),
        ("<img src=#case_title>", "#case_title stands in src="),
        ('<p style="color:#subject">x</p>', "#subject stands in style="),
        ("<script>x</script>", "'<script' has no place"),
        ("< IFRAME src=x>", "'< IFRAME' has no place"),
        ('<a href="javascript:x()">x</a>', "'javascript:' has no place"),
        ('<p onclick="x()">x</p>', "has no place"),
    ],
)
def test_markup_that_could_do_harm_is_refused(html: str, problem: str) -> None:
    found = html_problems(html)
    assert (problem in found[0]) if problem else found == []
    at = "templates[2].html"
    assert (at in of_template(html=html)) is bool(problem)


def test_the_letter_takes_a_colour_and_a_safe_logo() -> None:
    def said(**letter: Any) -> dict[str, str]:
        return problems(organisation=DOCUMENT["organisation"] | {"letter": letter})

    assert said(colour="#AA0000", logo_url="https://housing.example/logo.png", footer="Quay 1") == {}
    assert said(colour="red") == {"organisation.letter.colour": "'red' is not a colour such as `#0b6e75`"}
    assert list(said(logo_url="http://housing.example/logo.png")) == ["organisation.letter.logo_url"]
