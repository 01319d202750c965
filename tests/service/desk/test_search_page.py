"""The page that finds records by words, beside a real case service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from services.case.storage import search_index
from shared.ids import contact_id
from tests.support.case import a_mail
from tests.support.desk import PASSWORD
from tests.support.desk_records import Records, desk_beside_records
from tests.support.platform import fresh_databases


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory, database: str, kafka: str, desk_prefix: str) -> Iterator[Records]:
    folder: Path = tmp_path_factory.mktemp("desk")
    with fresh_databases(database) as fresh, desk_beside_records(folder, fresh, kafka, desk_prefix) as made:
        made.take(
            a_mail("Dripping <tap>", "A leak: the <b>stopcock</b> drips.", sender="zoe@customer.example", name="Zoë Müller"),
            *(a_mail(f"Music {n}", "There is noise.") for n in range(5)),
        )
        with made.database.transaction() as tx:
            search_index.make_next(tx, 500)
        yield made


def sign_in(records: Records, user: str) -> None:
    records.client.cookies.clear()
    records.client.post("/sign-in", data={"user": user, "password": PASSWORD})


@pytest.mark.requirement("FACE-1")
def test_what_has_the_words_is_shown_with_links_and_marked_pieces_of_text(records: Records) -> None:
    sign_in(records, "max")

    assert 'href="/search"' in records.client.get("/cases").text
    page = records.client.get("/search", params={"q": "stopcock"}).text
    assert "<mark>stopcock</mark>" in page
    assert "Dripping &lt;tap&gt;" in page
    assert "<b>" not in page
    by_name = records.client.get("/search", params={"q": "zoe muller", "kind": "case"}).text
    assert re.search(r'href="/cases/[0-9a-f-]{36}">Dripping', by_name)
    customers = records.client.get("/search", params={"q": "zoe muller", "kind": "contact"}).text
    assert f'<a href="/contacts/{contact_id("email", "zoe@customer.example")}"><bdi>Zoë Müller</bdi></a>' in customers
    assert "Nothing that you can see has this word" in records.client.get("/search", params={"q": "zeppelin"}).text


@pytest.mark.requirement("FACE-1")
def test_the_page_says_what_it_searched_for_instead_of_a_misspelt_word(records: Records) -> None:
    sign_in(records, "max")

    page = records.client.get("/search", params={"q": "stopcokc"}).text

    assert "<em>stopcokc</em>" in page
    assert "<strong>stopcock</strong>" in page
    assert "Dripping &lt;tap&gt;" in page


@pytest.mark.requirement("FACE-1")
def test_every_result_is_reached_page_by_page(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.desk.gateways.search.MOST", 2)
    sign_in(records, "max")
    found: list[str] = []
    path = "/search?q=noise&kind=communication"
    while path:
        page = records.client.get(path).text
        found += re.findall(r"Music \d", page)
        following = re.search(r'href="([^"]+)" rel="next"', page)
        path = unescape(following[1]) if following else ""

    assert sorted(found) == [f"Music {n}" for n in range(5)]


@pytest.mark.requirement("FACE-1")
def test_nobody_finds_on_the_page_what_they_may_not_see(records: Records) -> None:
    sign_in(records, "nils")
    assert "Dripping" not in records.client.get("/search", params={"q": "stopcock"}).text
    records.client.cookies.clear()
    assert records.client.get("/search", params={"q": "stopcock"}).status_code in (303, 401)
