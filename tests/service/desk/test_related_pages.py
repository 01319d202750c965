"""The page of related cases, beside a real case service: merging, splitting, undoing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from shared.schemas.events import CommunicationReceived
from tests.support.case import a_mail
from tests.support.desk import PASSWORD
from tests.support.desk_records import Records, desk_beside_records
from tests.support.platform import fresh_databases


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory, database: str, kafka: str, desk_prefix: str) -> Iterator[Records]:
    with (
        fresh_databases(database) as fresh_database,
        desk_beside_records(tmp_path_factory.mktemp("desk"), fresh_database, kafka, desk_prefix) as records,
    ):
        yield records


@pytest.fixture
def pair(records: Records) -> Callable[[str], tuple[UUID, UUID, CommunicationReceived]]:
    """Two cases of a sender of their own, and the first one's mail."""

    def make(sender: str) -> tuple[UUID, UUID, CommunicationReceived]:
        one, other = (a_mail(f"A <leak> {n}", f"leak {n}", sender=sender) for n in (1, 2))
        records.take(one, other)
        return records.case_of(one.communication_id), records.case_of(other.communication_id), one

    return make


def sign_in(records: Records, user: str) -> None:
    records.client.cookies.clear()
    assert records.client.post("/sign-in", data={"user": user, "password": PASSWORD}).status_code == 303


def words(page: httpx.Response) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2]).split())


def send(records: Records, case: UUID, action: str, **fields: object) -> httpx.Response:
    page = records.client.get(f"/cases/{case}/related").text
    found = {name: re.search(rf'name="{name}" value="([^"]+)"', page) for name in ("revision", "key", "what", "id")}
    hidden = {name: match[1] for name, match in found.items() if match and (action == "undo" or name in ("revision", "key"))}
    return records.client.post(f"/cases/{case}/related/{action}", data=hidden | fields)


def number(records: Records, case: UUID) -> str:
    with records.database.read() as tx:
        row = tx.row("select number from cases where id = %s", (case,))
    assert row is not None
    return str(row[0])


@pytest.mark.requirement("CASE-11", "EDGE-11")
def test_a_case_is_merged_on_its_page_and_that_is_undone(
    records: Records, pair: Callable[[str], tuple[UUID, UUID, CommunicationReceived]], tmp_path: Path
) -> None:
    case, other, _ = pair("merge@customer.example")
    sign_in(records, "max")
    assert "Of the same contact 1" in words(records.client.get(f"/cases/{case}/related"))
    assert "no case C-2026-999999" in words(send(records, case, "merge", number="c-2026-999999"))
    assert "that is the same case" in words(send(records, case, "merge", number=number(records, case)))

    done = send(records, case, "merge", number=number(records, other), reason="twice")
    assert (done.status_code, done.headers["location"]) == (303, f"/cases/{case}/related?done=merged")
    shown = records.client.get(done.headers["location"])
    assert "Merged into 1" in words(shown)
    assert f"Undo the merge with {number(records, other)}" in words(shown)
    assert 'name="number"' not in shown.text
    assert "Merged." in words(records.client.get(f"/cases/{case}"))

    assert send(records, case, "undo").headers["location"] == f"/cases/{case}/related?done=undone"
    assert "Merged." not in words(records.client.get(f"/cases/{case}"))


@pytest.mark.requirement("CASE-11", "EDGE-11")
def test_a_case_is_split_on_its_page(records: Records, pair: Callable[[str], tuple[UUID, UUID, CommunicationReceived]]) -> None:
    case, _, mail = pair("split@customer.example")
    later = a_mail("Re: A leak", "and noise", reply_to=mail, sender="split@customer.example")
    records.take(later)
    sign_in(records, "max")
    offered = re.findall(r'name="communications" value="([^"]+)"', records.client.get(f"/cases/{case}/related").text)
    assert offered == [str(later.communication_id)]
    assert "Choose at least one" in words(send(records, case, "split"))
    done = send(records, case, "split", communications=str(later.communication_id), subject="noise", title="At night")
    new = UUID(done.headers["location"].split("/")[2])
    assert new == records.case_of(later.communication_id) != case
    assert "Split off from 1" in words(records.client.get(f"/cases/{new}/related"))
    assert send(records, new, "undo").status_code == 303
    assert records.case_of(later.communication_id) == case


@pytest.mark.requirement("CASE-11")
def test_who_may_not_merge_sees_no_forms(records: Records, pair: Callable[[str], tuple[UUID, UUID, CommunicationReceived]]) -> None:
    case, other, _ = pair("agent@customer.example")
    sign_in(records, "rita")
    page = records.client.get(f"/cases/{case}/related")
    assert "Of the same contact 1" in words(page)
    assert '<form class="card"' not in page.text
    assert send(records, case, "merge", number=number(records, other), revision=1, key=str(case)).status_code == 403
