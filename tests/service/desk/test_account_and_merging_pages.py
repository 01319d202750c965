"""The page of an account, and the one that merges customers, beside a real case service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.ids import contact_id
from tests.support.case import a_mail
from tests.support.desk import PASSWORD
from tests.support.desk_records import Records, desk_beside_records
from tests.support.platform import fresh_databases

ACCOUNTS = {
    "kinds": [{"code": "tenancy", "name": "Tenancy"}],
    "classifications": [{"code": "secure", "name": "Secure tenant"}],
    "credit_ratings": [{"code": "b", "name": "Pays late"}],
}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory, database: str, kafka: str, desk_prefix: str) -> Iterator[Records]:
    with (
        fresh_databases(database) as fresh,
        desk_beside_records(tmp_path_factory.mktemp("desk"), fresh, kafka, desk_prefix, sections={"accounts": ACCOUNTS}) as records,
    ):
        yield records


def sign_in(records: Records, user: str) -> None:
    records.client.cookies.clear()
    assert records.client.post("/sign-in", data={"user": user, "password": PASSWORD}).status_code == 303


def words_of(page: httpx.Response) -> str:
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2]).split()))


def customer(records: Records, address: str, name: str) -> UUID:
    records.take(a_mail("Question", "When?", sender=address, name=name))
    return contact_id("email", address)


def command(records: Records, path: str, body: dict[str, Any]) -> dict[str, Any]:
    desk = records.platform.desk
    headers = {"Authorization": f"Bearer {desk.issuer.issue('max').token}"}
    answer = httpx.post(f"{desk.settings.case_url}{path}", json=body, headers=headers, trust_env=False)
    assert answer.is_success, answer.text
    content: dict[str, Any] = answer.json()
    return content


def hidden(page: httpx.Response, *names: str) -> dict[str, str]:
    found = {name: re.search(rf'name="{name}" value="([^"]+)"', page.text) for name in names}
    return {name: match[1] for name, match in found.items() if match}


@pytest.mark.requirement("CON-1", "FACE-1")
def test_an_account_shows_its_contacts_and_takes_a_note_once(records: Records) -> None:
    ann, bob = customer(records, "ann@harbour.example", "Ann <Lee>"), customer(records, "bob@harbour.example", "Bob Lee")
    body = {"name": "12 <Harbour> Street", "kind": "tenancy", "classification": "secure", "credit_rating": "b"}
    account = command(records, "/accounts", body)
    for one in (ann, bob):
        command(records, f"/contacts/{one}/account", {"account_id": account["id"]})
    path = f"/accounts/{account['id']}"
    sign_in(records, "rita")
    assert f'<a href="{path}">12 &lt;Harbour&gt; Street</a>' in records.client.get(f"/contacts/{ann}").text

    page = records.client.get(path)

    words = words_of(page)
    assert "<h1>12 &lt;Harbour&gt; Street</h1>" in page.text
    for told in (
        account["number"],
        "Tenancy",
        "Secure tenant",
        "Pays late",
        "Contacts 2",
        "Ann <Lee> ann@harbour.example",
        "Bob Lee",
        "Nobody has noted",
    ):
        assert told in words, told
    assert f'href="/contacts/{bob}"' in page.text
    form = hidden(page, "key") | {"text": "Two dogs.\r\nBite."}
    for _ in range(2):
        answer = records.client.post(f"{path}/notes", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=noted")
    assert words_of(records.client.get(path)).count("Two dogs. Bite.") == 1
    too_long = records.client.post(f"{path}/notes", data=form | {"text": "Kept. " + "x" * 20_000})
    assert (too_long.status_code, "Kept. xxx" in too_long.text) == (422, True)
    assert records.client.get(f"/accounts/{uuid4()}").status_code == 404


@pytest.mark.requirement("EDGE-11", "FACE-1")
def test_a_customer_is_merged_into_another_found_by_handle_and_that_is_undone(records: Records) -> None:
    twice, stays = customer(records, "joan@home.example", "Joan"), customer(records, "joan@work.example", "Joan <Example>")
    path = f"/contacts/{twice}/merge"
    sign_in(records, "max")
    assert f'href="{path}"' in records.client.get(f"/contacts/{twice}").text
    nobody = records.client.get(path, params={"kind": "email", "handle": "nobody@home.example"})
    assert "No other customer that you can see has nobody@home.example" in words_of(nobody)
    assert "Who has it 0" in words_of(records.client.get(path, params={"kind": "email", "handle": "joan@home.example"}))
    wrong = records.client.get(path, params={"kind": "phone", "handle": "soon"})
    assert (wrong.status_code, "That did not work." in wrong.text) == (422, True)

    page = records.client.get(path, params={"kind": "email", "handle": " JOAN@work.example "})
    form = hidden(page, "into", "revision", "key")
    assert (form["into"], "Joan <Example> joan@work.example" in words_of(page)) == (str(stays), True)
    stale = records.client.post(path, data=form | {"revision": "999", "key": str(uuid4())})
    assert (stale.status_code, "Somebody changed this customer since" in stale.text) == (409, True)
    for _ in range(2):
        done = records.client.post(path, data=form)
        assert (done.status_code, done.headers["location"]) == (303, f"/contacts/{stays}?done=merged")
    assert "joan@home.example" in words_of(records.client.get(f"/contacts/{stays}?done=merged"))
    # The address of who was merged leads on.
    assert records.client.get(path).headers["location"] == f"/contacts/{stays}/merge"

    listed = records.client.get(f"/contacts/{stays}/merge")
    assert "Joan was merged into this customer Max Manager" in words_of(listed)
    undone = records.client.post(f"/contacts/{stays}/merge/undo", data=hidden(listed, "merge", "key"))
    assert (undone.status_code, undone.headers["location"]) == (303, f"/contacts/{stays}/merge?done=undone")
    assert "· undone" in words_of(records.client.get(f"/contacts/{stays}/merge?done=undone"))
    assert records.client.get(f"/contacts/{twice}").status_code == 200


@pytest.mark.requirement("EDGE-11")
def test_who_may_not_merge_customers_is_neither_offered_it_nor_let(records: Records) -> None:
    one, other = customer(records, "kim@home.example", "Kim"), customer(records, "kim@work.example", "Kim")
    sign_in(records, "rita")
    assert f"/contacts/{one}/merge" not in records.client.get(f"/contacts/{one}").text
    assert records.client.get(f"/contacts/{one}/merge").status_code == 403
    form = {"into": str(other), "revision": "1", "key": str(uuid4())}
    assert records.client.post(f"/contacts/{one}/merge", data=form).status_code == 403
    assert records.client.post(f"/contacts/{one}/merge/undo", data={"merge": str(uuid4()), "key": str(uuid4())}).status_code == 403
    sign_in(records, "max")
    from_elsewhere = records.client.post(f"/contacts/{one}/merge", data=form, headers={"Origin": "https://elsewhere.example"})
    assert from_elsewhere.status_code == 403
