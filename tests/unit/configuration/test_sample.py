"""The sample organisation is in order, and does what its story says."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.schemas.configuration import Configuration
from shared.schemas.configuration.check import check_configuration

SAMPLE = Path(__file__).parents[3] / "config" / "housing.yaml"


@pytest.fixture(scope="module")
def housing() -> Configuration:
    checked = check_configuration(SAMPLE.read_text(encoding="utf-8"))
    assert not checked.problems, "\n".join(map(str, checked.problems))
    assert checked.configuration is not None
    return checked.configuration


@pytest.mark.requirement("COM-2")
def test_the_sample_has_the_methods_and_subjects_of_a_housing_organisation(housing: Configuration) -> None:
    methods = {method.code for method in housing.methods}
    assert {"telephone", "email", "sms", "surgery", "post-room", "web-form", "social-media", "letter"} <= methods
    assert len(housing.subjects) == 10
    assert "contact@housing.example" in {account.address for account in housing.mail_accounts}


def test_every_subject_has_work_that_can_begin_at_once(housing: Configuration) -> None:
    for subject in housing.subjects:
        waiting = {link.task for link in subject.workflow.dependencies}
        assert set(subject.workflow.tasks) - waiting, subject.code
        assert waiting, subject.code


def test_every_team_has_somebody_to_lead_it_and_sample_users_can_sign_in(housing: Configuration) -> None:
    assert all(unit.leader and unit.manager for unit in housing.units)
    assert len(housing.users) == 12
    assert all((user.password_hash or "").startswith("$argon2id$") for user in housing.users)
