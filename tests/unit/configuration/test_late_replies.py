from __future__ import annotations

import pytest
import yaml

from shared.schemas.configuration.check import check_configuration
from tests.support.configuration import SUBJECTS, a_document


def problems(**subject: object) -> dict[str, str]:
    document = a_document(subjects=[SUBJECTS[0] | subject, *SUBJECTS[1:]])
    return {problem.path: problem.message for problem in check_configuration(yaml.safe_dump(document)).problems}


@pytest.mark.requirement("CASE-8", "FACE-2")
def test_replies_that_reopen_need_a_transition_that_does() -> None:
    rule = {"from_status": "closed", "to_status": "answered"}
    missing = {"subjects[0].late_reply": "no transition of the subject reopens; give it one with `reopens: true`"}
    assert problems(late_reply="reopen") == missing
    assert problems(late_reply="reopen", transitions=[rule]) == missing
    assert problems(late_reply="reopen", transitions=[rule | {"reopens": True}]) == {}
    assert problems(late_reply="open_linked") == {}
    assert "subjects[0].late_reply" in problems(late_reply="ignore")
