"""Search over HTTP: words, misspelt words, who sees what, pages, and what is found no more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.case.api import routers
from services.case.settings import Settings
from services.case.storage import search, search_index, search_newest
from shared.messaging import EventPublisher
from shared.schemas.events import CommunicationReceived
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_mail, received
from tests.support.web import a_token, a_verifier, bearer, served


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str) -> Iterator[httpx.Client]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    app = create_app("case", settings, routers(publisher, service.reference, lambda: NOW), verifier=a_verifier())
    with served(app) as client:
        yield client
    publisher.close()


def indexed(service: CaseService, most: int = 500) -> None:
    """Make every document that waits."""
    for _ in range(100):
        with service.database.transaction() as tx:
            if not search_index.make_next(tx, most):
                return
    raise AssertionError("the queue does not end")


def taken_in(service: CaseService, *mails: CommunicationReceived) -> None:
    service.receive(*(received(mail) for mail in mails))
    indexed(service)


def found(api: httpx.Client, q: str, headers: dict[str, str] | None = None, **params: Any) -> list[dict[str, Any]]:
    answer = api.get("/search", params={"q": q} | params, headers=headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def _kinds(items: list[dict[str, Any]]) -> set[str]:
    return {item["kind"] for item in items}


@pytest.mark.requirement("FACE-1")
def test_a_case_its_customer_and_the_mail_are_found_by_words_of_each(api: httpx.Client, service: CaseService) -> None:
    zoe = "zoe.muller@customer.example"
    mail = a_mail("Leak in the cellar", "Brown water drips from the Überlaufventil.", sender=zoe, name="Zoë Müller")
    taken_in(service, mail, a_mail("Noise", "The neighbours sing.", sender="bob@other.example", name="Bob Other"))

    assert _kinds(found(api, "zoe muller")) == {"case", "contact", "communication"}
    assert _kinds(found(api, zoe)) == {"case", "contact", "communication"}
    [by_text] = found(api, "uberlaufventil drips")
    assert (by_text["kind"], by_text["id"], by_text["sender"]) == (
        "communication",
        str(mail.communication_id),
        "zoe.muller@customer.example",
    )
    assert {piece["text"] for piece in by_text["snippet"] if piece["match"]} == {"drips", "Überlaufventil"}
    assert "".join(piece["text"] for piece in by_text["snippet"]) in mail.text
    number = next(item for item in found(api, "cellar", kind="case"))["number"]
    assert [item["number"] for item in found(api, number.lower(), kind="case")] == [number]
    assert [item["number"] for item in found(api, number.rpartition("-")[2], kind="case")] == [number]
    assert found(api, "drips sing") == []
    assert found(api, "&|!:* ' \\ <->") == []


@pytest.mark.requirement("FACE-1")
def test_a_misspelt_word_is_corrected_and_the_answer_says_so(api: httpx.Client, service: CaseService) -> None:
    taken_in(service, a_mail("Leak under the radiator", "It drips.", name="Katja Wagner", sender="kw@customer.example"))

    answer = api.get("/search", params={"q": "Kajta raditor"}).json()

    assert answer["corrected"] == {"kajta": ["katja"], "raditor": ["radiator"]}
    assert _kinds(answer["items"]) == {"case", "communication"}
    assert api.get("/search", params={"q": "Katja"}).json()["corrected"] == {}
    # Two slips, beside a word of one.
    assert api.get("/search", params={"q": "raitor leek"}).json()["corrected"] == {"raitor": ["radiator"], "leek": ["leak"]}


@pytest.mark.requirement("FACE-1")
@pytest.mark.parametrize("most", [100, 1])
def test_words_are_found_by_their_beginning(api: httpx.Client, service: CaseService, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(search, "MOST_BEGUN", most)
    radio = a_mail("Noise", "The Überradio is loud. Ref 1234567")
    radiator = a_mail("Leak", "The uberradiator is cold.")
    taken_in(service, radio, radiator, a_mail("Noise", "The radio is loud."))

    def ids(q: str) -> set[str]:
        return {item["id"] for item in found(api, q, kind="communication")}

    both = {str(radio.communication_id), str(radiator.communication_id)}
    assert ids("überrad*") == ids("UBERRAD* the") == both
    assert ids("überradia*") == ids("überrad* cold") == {str(radiator.communication_id)}
    assert ids("12345*") == {str(radio.communication_id)}
    assert ids("überrad* dia*") == ids("berrad*") == set()
    snippet = next(item for item in found(api, "überradio*", kind="communication"))["snippet"]
    assert "Überradio" in {piece["text"] for piece in snippet if piece["match"]}


@pytest.mark.requirement("FACE-1")
def test_a_telephone_number_is_found_with_and_without_its_prefix(api: httpx.Client, service: CaseService) -> None:
    taken_in(service, a_mail())
    with service.database.transaction() as tx:
        tx.execute("insert into handles (kind, value, contact_id) select 'phone', '+31612345678', id from contacts")
    indexed(service)

    for number in ("+31612345678", "31612345678", "12345678"):
        assert _kinds(found(api, number)) == {"contact"}, number


@pytest.mark.requirement("FACE-1")
def test_nobody_finds_what_they_may_not_see(api: httpx.Client, service: CaseService) -> None:
    taken_in(service, a_mail("A leak", "A leak of quicksilver.", name="Ann Customer"))
    other = bearer(a_token("nils", "case:read", "communication:read", unit="neighbourhood", scope="unit"))
    own = bearer(a_token("rita", "case:read", "communication:read", unit="repairs", scope="own"))
    unread = bearer(a_token("rita", "case:read", unit="repairs", scope="unit"))

    assert _kinds(found(api, "leak")) == {"case", "communication"}
    assert found(api, "leak", other) == []
    assert found(api, "leak", own) == []
    assert found(api, "ann", own) == []
    assert _kinds(found(api, "leak", unread)) == {"case"}
    assert found(api, "quicksilver", unread) == []
    assert api.get("/search", params={"q": "leak", "kind": "communication"}, headers=unread).status_code == 403
    assert api.get("/search", params={"q": "leak"}, headers={"Authorization": ""}).status_code == 401


@pytest.mark.requirement("FACE-1", "EDGE-17")
def test_what_was_erased_is_found_no_more_at_once_and_its_words_are_forgotten(api: httpx.Client, service: CaseService) -> None:
    mail = a_mail("A leak", "The plumbuster exploded.")
    taken_in(service, mail, a_mail("Another leak", "It drips."))
    assert _kinds(found(api, "plumbuster")) == {"communication"}

    assert api.post(f"/communications/{mail.communication_id}/erase").status_code == 200
    assert found(api, "plumbuster") == []
    indexed(service)

    assert service.rows("select word from search_words where word in ('plumbuster', 'exploded')") == []
    assert service.rows("select record_id from search_documents where record_id = %s", mail.communication_id) == []
    assert found(api, "plumbuster") == []


@pytest.mark.requirement("FACE-1")
@pytest.mark.parametrize("way", ["ranked", "by time", "crowded", "one moment"])
def test_pages_give_every_match_once_however_they_are_found(
    api: httpx.Client, service: CaseService, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    # From minutes to weeks apart, so that cells of every length have some; two of a moment each.
    moments = [NOW if way == "one moment" else NOW - timedelta(minutes=(n // 2) ** 4) for n in range(30)]
    taken_in(
        service,
        *(
            a_mail(f"Leak {n}", f"The noise is unbearable, {'very ' * (n % 5)}loud.", received_at=at, occurred_at=at)
            for n, at in enumerate(moments)
        ),
        *(a_mail("Silence", "It is quiet.", received_at=at, occurred_at=at) for at in moments),
    )
    if way != "ranked":
        monkeypatch.setattr(search, "MOST_RANKED", 5)
    if way in ("crowded", "one moment"):
        monkeypatch.setattr(search_newest, "MOST_AT_ONCE", 3)
        monkeypatch.setattr(search_newest, "WINDOW", 7)
        monkeypatch.setattr(search_newest, "MOST_WALKED", 3)
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get(
            "/search", params={"q": "noise", "kind": "communication", "limit": 4} | ({"cursor": cursor} if cursor else {})
        ).json()
        assert page["order"] == ("rank" if way == "ranked" else "newest")
        items += page["items"]
        cursor = page["next"]

    assert len({item["id"] for item in items}) == len(items) == 30
    key = (lambda item: -item["rank"]) if way == "ranked" else (lambda item: item["received_at"])
    assert items == sorted(items, key=key, reverse=way != "ranked")


@given(
    level=st.integers(0, search_newest.LEVELS - 1),
    end=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - it is given its zone
)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_database_puts_a_moment_into_the_cells_that_are_asked_for_it(service: CaseService, level: int, end: datetime) -> None:
    cells = search_newest.cells_before(level, end)
    tick = timedelta(microseconds=1)
    length = timedelta(hours=search_newest.CELLS**level)

    assert all(newer - older == length for newer, older in pairwise(cells))
    assert 2 <= len(cells) <= 9
    for moment, cell in ((end - tick, 0), (cells[0], 0), (cells[0] - tick, 1), (cells[-1], -1)):
        assert cells[cell] in service.rows("select search_times(%s)", moment)[0][0]  # type: ignore[operator]
    # What is read next begins where one of the longer cells ends, so that it need not begin with a piece of one.
    if level < search_newest.LEVELS - 1:
        assert search_newest.cells_before(level + 1, cells[-1])[0] + search_newest.CELLS * length == cells[-1] + tick


def test_words_are_counted_once_for_each_document_however_often_it_is_made_again(api: httpx.Client, service: CaseService) -> None:
    taken_in(service, a_mail("Leak", "drip drip"), a_mail("Leak", "drip"))
    with service.database.transaction() as tx:
        tx.execute("update cases set title = 'Burst pipe'")
        tx.execute("update communications set subject_line = 'Flood'")
    indexed(service, 1)

    counted = service.rows("select word, documents from search_words order by word")
    assert counted == service.rows(
        f"""select word, count(*) from search_documents, unnest(tsvector_to_array(words)) w (word) where {search_index.COUNTED}
            group by word order by word"""
    )
    assert _kinds(found(api, "burst pipe")) == {"case"}


def test_a_cursor_that_is_none_is_refused(api: httpx.Client) -> None:
    assert api.get("/search", params={"q": "leak", "cursor": "bm90"}).status_code == 400
    assert api.get("/search", params={"q": ""}).status_code == 422
