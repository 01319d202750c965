"""The section `notifications` of the configuration."""

from typing import Any

import pytest
import yaml

from shared.schemas.configuration.check import check_configuration
from tests.support.configuration import a_document

pytestmark = pytest.mark.requirement("NOTE-1")


def problems(**section: Any) -> list[str]:
    text = yaml.safe_dump(a_document(notifications=section), sort_keys=False)
    return [f"{problem.path}: {problem.message}" for problem in check_configuration(text).problems]


def test_a_whole_section_is_fine() -> None:
    assert not problems(
        defaults={"completed": "none", "due_soon": "digest"},
        required=["escalation"],
        urgent_priorities=["high"],
        quiet_hours={"from": "20:00", "until": "07:00", "days": ["mon", "tue"]},
        digest={"every": "working day", "at": "16:00"},
        digest_calendar="office",
    )


def test_the_desk_tells_staff_only() -> None:
    told = {"code": "seen", "name": "Seen", "on": "task.assigned", "channel": "desk", "template": "alert"}
    text = yaml.safe_dump(a_document(communications=[told | {"to": ["assignee", "customer"]}]), sort_keys=False)
    found = [f"{problem.path}: {problem.message}" for problem in check_configuration(text).problems]
    assert found == ["communications[0].to[1]: the desk tells people on staff, not a customer; take another channel"]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"defaults": {"asignment": "email"}}, "notifications.defaults.asignment: there is no such key here; did you mean 'assignment'?"),
        ({"defaults": {"other": "sms"}}, "notifications.defaults.other: 'sms' is none of 'email', 'digest', 'desk' or 'none'"),
        (
            {"defaults": {"approval": "none"}, "required": ["approval"]},
            "notifications.required[0]: approval is `none` in `defaults`, so nobody would be told; choose a way there",
        ),
        ({"urgent_priorities": ["hihg"]}, "notifications.urgent_priorities[0]: there is no priority 'hihg'; did you mean 'high'?"),
        (
            {"quiet_hours": {"from": "20:00", "until": "20:00"}},
            "notifications.quiet_hours.until: quiet hours end at another time than they begin; remove them if there are none",
        ),
        (
            {"quiet_hours": {"from": "00:00", "until": "24:00"}},
            "notifications.quiet_hours: such quiet hours never end; leave a day out, or make `desk` the default",
        ),
        (
            {"quiet_hours": {"from": "8pm", "until": "07:00"}},
            "notifications.quiet_hours.from: '8pm' is not a time such as 09:00, up to 24:00",
        ),
        ({"quiet_hours": {"from": "20:00"}}, "notifications.quiet_hours.until: it is missing; add it"),
        ({"digest": {"at": "24:00"}}, "notifications.digest.at: a day's last moment is the next day's first; write 00:00"),
        ({"digest_calendar": "ofice"}, "notifications.digest_calendar: there is no calendar 'ofice'; did you mean 'office'?"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(section: dict[str, Any], expected: str) -> None:
    assert problems(**section) == [expected]
