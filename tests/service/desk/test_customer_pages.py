"""The page of a customer, beside real services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shared.ids import contact_id
from tests.support.case import a_mail
from tests.support.desk import PASSWORD
from tests.support.desk_records import Records, desk_beside_records
from tests.support.platform import fresh_databases


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory, database: str, kafka: str, desk_prefix: str) -> Iterator[Records]:
    folder: Path = tmp_path_factory.mktemp("desk")
    with fresh_databases(database) as fresh, desk_beside_records(folder, fresh, kafka, desk_prefix) as records:
        yield records


def sign_in(records: Records, user: str) -> None:
    records.client.cookies.clear()
    assert records.client.post("/sign-in", data={"user": user, "password": PASSWORD}).status_code == 303


def words_of(page: httpx.Response) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2]).split())


def key_in(page: httpx.Response) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


@pytest.mark.requirement("CON-2")
def test_the_customers_page_shows_open_cases_first_and_takes_a_note_once(records: Records) -> None:
    mail = a_mail("A <leak>", "A leak.", sender="ann@tenant.example", name="Ann <Lee>")
    records.take(mail, a_mail("Question", "When?", sender="ann@tenant.example"))
    sign_in(records, "max")
    case = records.client.get(f"/cases/{records.case_of(mail.communication_id)}")
    path = f"/contacts/{contact_id('email', 'ann@tenant.example')}"
    assert f'href="{path}"' in case.text

    page = records.client.get(path)

    words = words_of(page)
    assert page.status_code == 200
    assert "<h1>Ann &lt;Lee&gt;</h1>" in page.text
    for told in (
        "ann@tenant.example",
        "Prospect",
        "Open cases 2",
        "A &lt;leak&gt;",
        "Last communications",
        "Open tasks",
        "Nobody has noted",
    ):
        assert told in words, told
    assert words.index("Open cases") < words.index("Last communications") < words.index("Open tasks") < words.index("Notes")
    form = {"key": key_in(page), "text": "Has <two> dogs."}
    for _ in range(2):
        answer = records.client.post(f"{path}/notes", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=noted")
    after = words_of(records.client.get(f"{path}?done=noted"))
    assert after.count("Has &lt;two&gt; dogs.") == 1
    assert "The note is written." in after


@pytest.mark.requirement("CON-2")
def test_what_makes_no_note_is_said_and_nothing_is_lost(records: Records) -> None:
    records.take(a_mail("Question", "When?", sender="bob@tenant.example", name="Bob"))
    sign_in(records, "max")
    path = f"/contacts/{contact_id('email', 'bob@tenant.example')}"
    key = key_in(records.client.get(path))

    nothing = records.client.post(f"{path}/notes", data={"key": key, "text": " \r\n"})
    too_long = records.client.post(f"{path}/notes", data={"key": key, "text": "Kept. " + "x" * 20_000})

    assert (nothing.status_code, too_long.status_code) == (422, 422)
    assert "Write something first." in nothing.text
    assert "Kept. xxx" in too_long.text
    assert "Nobody has noted anything." in words_of(records.client.get(path))
    assert records.client.get(f"/contacts/{contact_id('email', 'nobody')}").status_code == 404


@pytest.mark.requirement("EDGE-2", "CON-2")
def test_an_address_that_mail_comes_back_from_is_told_in_words_and_taken_back_by_who_may_edit(records: Records) -> None:
    mail = a_mail("A leak", "A leak.", sender="cyd@tenant.example", name="Cyd")
    records.take(mail)
    records.comes_back(mail, "cyd@tenant.example")
    customer, case = f"/contacts/{contact_id('email', 'cyd@tenant.example')}", f"/cases/{records.case_of(mail.communication_id)}"
    told = "Mail does not arrive. Mail to cyd@tenant.example came back Tue 3 Mar"
    sign_in(records, "max")
    for path in (customer, case):
        page = records.client.get(path)
        assert told in words_of(page), path
        assert "the mailbox does not exist. Nothing more is sent there until they write from it, or somebody says" in words_of(page)
        assert "It works again : cyd@tenant.example" in words_of(page)
    form = {"key": key_in(page), "kind": "email", "handle": "cyd@tenant.example"}
    sign_in(records, "paul")
    assert records.client.post(f"{customer}/restore", data=form).status_code == 403
    sign_in(records, "max")

    other = records.client.post(f"{customer}/restore", data=form | {"handle": "not theirs@tenant.example"})
    assert (other.status_code, "That did not work." in words_of(other), told in words_of(other)) == (409, True, True)
    foreign = records.client.post(f"{customer}/restore", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    for _ in range(2):
        answer = records.client.post(f"{customer}/restore", data=form | {"case": case.rpartition("/")[2]})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{case}?done=restored")
    after = words_of(records.client.get(answer.headers["location"]))
    assert "messages to the customer go there again" in after
    assert told not in after
    assert told not in words_of(records.client.get(customer))
