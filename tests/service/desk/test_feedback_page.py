"""The page of customers' feedback, beside a real case service."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from services.case.domain.feedback import Answered
from services.case.storage import cases, feedback
from services.case.storage.feedback import Feedback
from shared.ids import derive
from tests.support.case import NOW, a_case
from tests.support.desk import PASSWORD
from tests.support.desk_records import Records, desk_beside_records


def give(records: Records, work: int, words: str, **case: str) -> None:
    found = a_case(**case)
    kept = Feedback(derive("feedback", found.id), found.id, "after", found.subject, found.unit, found.method, "customer", NOW)
    answers = [
        Answered(0, "work", "How was <the work>?", work, 5, work >= 4, None),
        Answered(1, "words", "Else?", None, None, None, words),
    ]
    with records.database.transaction() as tx:
        cases.add(tx, [found])
        feedback.add(tx, kept, answers)


@pytest.mark.requirement("CASE-13", "EDGE-16")
def test_feedback_is_counted_and_read_within_the_visitors_reach(
    tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, desk_prefix: str
) -> None:
    with desk_beside_records(tmp_path, fresh_database, kafka, desk_prefix) as records:
        give(records, 5, "Splendid <b>work</b>")
        give(records, 2, "Slow")
        give(records, 1, "Not for Rita's eyes", unit="neighbourhood", subject="noise")
        client = records.client
        assert client.post("/sign-in", data={"user": "rita", "password": PASSWORD}).status_code == 303

        page = client.get("/feedback", params={"by": "unit"})
        assert page.status_code == 200, page.text
        words = " ".join(re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2]).split())
        assert "Repairs 2 given How was &lt;the work&gt;? 50 % satisfied, 3.5 of 5 on average, 2 answered" in words
        assert "Splendid &lt;b&gt;work&lt;/b&gt;" in page.text
        assert "Rita" not in words
        assert page.text.count("<meter") == 5
        assert not re.search(r"style=|onclick=|<script>", page.text)
        assert 'href="/feedback" aria-current="page"' in page.text

        nothing = client.get("/feedback", params={"from": "2026-03-03"})
        assert (nothing.status_code, "There is no feedback on cases that you can see in this time" in nothing.text) == (200, True)
        for given, why in (({"from": "soon"}, "like 2026-03-31"), ({"from": "2026-03-03", "to": "2026-03-02"}, "after the last")):
            wrong = client.get("/feedback", params=given)
            assert (wrong.status_code, why in wrong.text) == (422, True)

        client.cookies.clear()
        client.post("/sign-in", data={"user": "paul", "password": PASSWORD})
        assert client.get("/feedback").status_code == 403
