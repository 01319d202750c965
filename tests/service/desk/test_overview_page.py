"""The overview of open cases, beside a real case service; and with none."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from pathlib import Path

import httpx
import pytest

from services.case.domain.life_cycle import LifeCycle
from services.case.storage import cases
from tests.support.case import NOW, a_case
from tests.support.desk import PASSWORD, desk_beside_task
from tests.support.desk_records import desk_beside_records


def words_of(page: httpx.Response) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2]).split())


def sign_in(client: httpx.Client, user: str) -> None:
    client.cookies.clear()
    assert client.post("/sign-in", data={"user": user, "password": PASSWORD}).status_code == 303


@pytest.mark.requirement("CASE-15", "FACE-1")
def test_each_figure_leads_to_the_cases_that_it_counts(
    tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, desk_prefix: str
) -> None:
    oldest = a_case(title="Oldest", priority="high", opened_at=NOW - timedelta(days=3), expected_completion_at=NOW)
    further = [
        a_case(title="Ritas", priority="high", owner="rita", category="plumbing", waiting_for_customer=True),
        a_case(title="Nearby", priority="low", unit="neighbourhood", subject="noise"),
        a_case(title="Closed", priority="high", state=LifeCycle.COMPLETED, completed_at=NOW),
    ]
    with desk_beside_records(tmp_path, fresh_database, kafka, desk_prefix) as records:
        with records.database.transaction() as tx:
            cases.add(tx, [oldest, *further])
        client = records.client
        sign_in(client, "max")
        page = client.get("/overview")
        assert page.status_code == 200, page.text
        assert 'href="/overview" aria-current="page"' in page.text
        assert not re.search(r"style=|onclick=|<script>", page.text)
        words = words_of(page)
        assert "3 open 1 overdue 2 nobody’s 1 waiting for the customer" in words
        assert f'href="/cases/{oldest.id}"' in page.text
        # The highest priority first, whatever their numbers; a name for each code.
        assert words.index("High 2 open, High") < words.index("Low 1 open, Low")
        assert "Rita Repairs 1 open, Rita Repairs" in words
        assert "Nobody yet 2 open, Nobody yet" in words

        figures = re.findall(r'<a href="(/cases\?[^"]+)">(\d+)<span', page.text)
        assert len(figures) > 10
        for address, count in figures:
            listed = client.get(unescape(address))
            assert listed.text.count('<th scope="row">') == int(count), address
        narrowed = client.get("/cases", params={"show": "open", "unit": "neighbourhood"})
        assert "Only unit Neighbourhood ." in words_of(narrowed)
        assert 'href="/cases?show=overdue&amp;sort=-priority&amp;unit=neighbourhood"' in narrowed.text

        sign_in(client, "rita")
        assert "2 open 1 overdue" in words_of(client.get("/overview"))
        sign_in(client, "paul")
        assert client.get("/overview").status_code == 403


@pytest.mark.requirement("CASE-15")
def test_while_the_case_service_is_away_the_overview_says_so(
    tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, desk_prefix: str
) -> None:
    with desk_beside_task(tmp_path, fresh_database, kafka, desk_prefix, case_url="http://127.0.0.1:9") as platform:
        sign_in(platform.client, "max")
        page = platform.client.get("/overview")
        assert (page.status_code, "The figures cannot be shown just now" in page.text) == (503, True)
