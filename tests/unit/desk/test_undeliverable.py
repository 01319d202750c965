"""What is said of a handle that messages came back from."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.desk.domain.undeliverable import Undeliverable, reason_in

SINCE = datetime(2026, 3, 3, 10, tzinfo=UTC)


@pytest.mark.requirement("EDGE-2")
@pytest.mark.parametrize(
    ("kind", "value", "status", "expected"),
    [
        ("email", "ann@customer.example", "5.1.1", "Mail to ann@customer.example came back on 3 March: the mailbox does not exist."),
        ("email", "ann@customer.example", "5.0.0", "Mail to ann@customer.example came back on 3 March: it was reported as 5.0.0."),
        (
            "phone",
            "+441632960001",
            "21614",
            "A text message to +441632960001 did not arrive, on 3 March: it is not the number of a mobile telephone.",
        ),
        ("email", "ann@customer.example", "", "Mail to ann@customer.example came back on 3 March: no reason is known."),
    ],
)
def test_it_is_told_in_words(kind: str, value: str, status: str, expected: str) -> None:
    assert Undeliverable(kind, value, SINCE, status).words(lambda _at: "on 3 March") == expected


@pytest.mark.requirement("NOTE-2")
def test_a_status_is_found_in_a_servers_words() -> None:
    assert reason_in("550 5.7.26 <ann@customer.example>: no") == "the customer’s mail server does not want it"
    assert reason_in("550 no") == ""
