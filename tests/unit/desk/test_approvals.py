"""What waits for somebody is counted seldom, and who may do what about an approval."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.desk.domain.approvals import Approval, May, may
from services.desk.gateways.asking import Away
from services.desk.handlers.waiting import KEPT, Waiting

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ASKED = Approval(
    UUID(int=1),
    1,
    None,
    "",
    "",
    UUID(int=2),
    "Call",
    "completion",
    "A taxi",
    "lena",
    "rita",
    NOW,
    NOW,
    "asked",
    True,
    "",
    None,
    "",
    "",
    0,
    True,
)
NOTHING = May(
    decide=False,
    stands_in=False,
    delegate=False,
    withdraw=False,
    withdraws_for=False,
    ask_again=False,
    revoke_links=False,
    revokes_for=False,
)


@pytest.mark.requirement("AUTO-1")
def test_what_waits_for_each_user_is_asked_once_in_a_while_or_after_it_has_changed() -> None:
    asked: list[str] = []
    numbers = {"lena's": 2, "noor's": 0}
    now = [NOW]

    def count(token: str) -> int:
        asked.append(token)
        if token not in numbers:
            raise Away
        return numbers[token]

    waiting = Waiting(count, lambda: now[0])
    assert [waiting.of("lena", "lena's"), waiting.of("noor", "noor's"), waiting.of("lena", "lena's")] == [2, 0, 2]
    numbers["lena's"] = 3
    assert (waiting.of("lena", "lena's"), asked) == (2, ["lena's", "noor's"])
    waiting.forget("lena", "somebody")
    assert waiting.of("lena", "lena's") == 3
    now[0] += KEPT - timedelta(seconds=1)
    del numbers["lena's"]
    assert waiting.of("lena", "lena's") == 3
    now[0] += timedelta(seconds=1)
    # A service that is away is not asked for every page either.
    assert [waiting.of("lena", "lena's") for _ in range(3)] == [0, 0, 0]
    assert asked == ["lena's", "noor's", "lena's", "lena's"]


@pytest.mark.requirement("AUTO-1", "TASK-4")
@pytest.mark.parametrize(
    ("approval", "user", "for_others", "expected"),
    [
        (ASKED, "lena", False, replace(NOTHING, decide=True, delegate=True, revoke_links=True)),
        (ASKED, "rita", False, replace(NOTHING, withdraw=True, revoke_links=True)),
        (ASKED, "max", True, May(True, True, True, True, True, False, True, True)),
        (replace(ASKED, in_sight=False), "max", True, NOTHING),
        (replace(ASKED, state="declined"), "rita", False, replace(NOTHING, withdraw=True, ask_again=True)),
        (replace(ASKED, state="approved", blocks=False), "lena", True, NOTHING),
    ],
    ids=["approver", "asker", "overseer", "overseer of others", "declined", "approved"],
)
def test_who_may_do_what(approval: Approval, user: str, for_others: bool, expected: May) -> None:
    assert may(approval, user, for_others=for_others, asks=approval.state != "asked") == expected
