"""The pages of leads, beside a real case service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from uuid import UUID, uuid4

import httpx
import pytest

from services.case.domain.leads.lead import Competitor, Interest, Lead, LeadLifeCycle, Opened
from services.case.storage import leads
from shared.ids import contact_id
from tests.support.case import NOW, a_mail
from tests.support.configuration import ROLES
from tests.support.desk import PASSWORD, desk_beside_task
from tests.support.desk_records import Records, desk_beside_records
from tests.support.leads import LEADS, a_lead
from tests.support.platform import fresh_databases

ROLES_WITH_LEADS = [
    role | {"permissions": [*role["permissions"], "lead:read", *(["lead:progress"] if role["code"] != "manager" else [])]}
    if role["code"] != "plumber"
    else role
    for role in ROLES
]
SECTIONS = {"leads": LEADS | {"types": [kind for kind in LEADS["types"] if "conversion" not in kind]}, "roles": ROLES_WITH_LEADS}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory, database: str, kafka: str, desk_prefix: str) -> Iterator[Records]:
    with (
        fresh_databases(database) as fresh,
        desk_beside_records(tmp_path_factory.mktemp("desk"), fresh, kafka, desk_prefix, sections=SECTIONS) as records,
    ):
        yield records


def sign_in(client: httpx.Client, user: str) -> None:
    client.cookies.clear()
    assert client.post("/sign-in", data={"user": user, "password": PASSWORD}).status_code == 303


def words_of(page: httpx.Response) -> str:
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2]).split()))


def keep(records: Records, *opened: Lead, competitors: tuple[Competitor, ...] = (), interests: tuple[Interest, ...] = ()) -> None:
    with records.database.transaction() as tx:
        leads.add(tx, [Opened(lead, competitors, interests) for lead in opened])


def send(records: Records, lead: UUID, action: str, **fields: object) -> httpx.Response:
    page = records.client.get(f"/leads/{lead}").text
    found = {name: re.search(rf'name="{name}" value="([^"]+)"', page) for name in ("revision", "key")}
    hidden = {name: match[1] if match else str(uuid4()) for name, match in found.items()}
    return records.client.post(f"/leads/{lead}/{action}", data=hidden | fields)


@pytest.mark.requirement("LEAD-1", "FACE-1")
def test_a_lead_shows_all_that_is_known_of_it(records: Records) -> None:
    records.take(a_mail("Hello", "A question.", sender="joan@customer.example", name="Joan"))
    contact = contact_id("email", "joan@customer.example")
    lead = a_lead(
        title="A <garage>", contact_id=contact, priority=10, source="custom_1", description="Near the <river>.", category="garages",
        expected_completion_at=NOW + timedelta(days=2),
    )  # fmt: skip
    rivals = (Competitor("Rival & Sons", "https://rival.example", ""), Competitor("Sly", "", ""))
    keep(records, lead, competitors=rivals, interests=(Interest("type", "garage"), Interest("product", "G-17")))
    sign_in(records.client, "rita")

    assert 'href="/leads"' in records.client.get("/cases").text
    page = records.client.get(f"/leads/{lead.id}")

    assert page.status_code == 200, page.text
    assert "<h1>A &lt;garage&gt;</h1>" in page.text
    assert not re.search(r"style=|onclick=|<script>", page.text)
    words = words_of(page)
    for told in (
        f"{lead.number} · Garage letting", "Priority 10 of 10 , Today", "Importance 5 of 10", "Source Estate agent", "Category Garages",
        "garage (all of a type) , G-17", "Rival & Sons , Sly", "To be complete", "Near the <river>.", "Nobody has noted",
    ):  # fmt: skip
        assert told in words, told
    assert f'<a href="/contacts/{contact}">' in page.text
    assert 'href="https://rival.example" rel="noreferrer noopener external"' in page.text
    customer = records.client.get(f"/contacts/{contact}").text
    address = re.search(r'href="(/leads\?[^"]+)"', customer)
    assert address is not None
    assert f'href="/leads/{lead.id}"' in records.client.get(unescape(address[1])).text
    assert records.client.get(f"/leads/{uuid4()}").status_code == 404


@pytest.mark.requirement("LEAD-1")
def test_a_lead_is_accepted_moved_on_noted_upon_and_lost_on_its_page(records: Records) -> None:
    lead = a_lead(title="Lost in the end")
    keep(records, lead)
    sign_in(records.client, "rita")
    path = f"/leads/{lead.id}"
    assert "belong to somebody before it goes on" in words_of(records.client.get(path))

    accepted = send(records, lead.id, "accept")
    assert (accepted.status_code, accepted.headers["location"]) == (303, f"{path}?done=accept")
    assert "The lead is yours now." in words_of(records.client.get(f"{path}?done=accept"))
    assert "Choose the status first" in words_of(send(records, lead.id, "status"))
    stale = records.client.post(f"{path}/status", data={"revision": 1, "key": str(uuid4()), "status": "talking"})
    assert (stale.status_code, "Somebody changed this lead since you opened the page" in stale.text) == (409, True)
    assert send(records, lead.id, "status", status="talking").status_code == 303
    key = str(uuid4())
    for _ in range(2):
        noted = records.client.post(f"{path}/notes", data={"key": key, "text": "Rang\r\nback."})
        assert noted.headers["location"] == f"{path}?done=notes#notes"
    for text, why in ((" ", "Write something first"), ("x" * 20_001, "20000 characters at most")):
        wrong = records.client.post(f"{path}/notes", data={"key": key, "text": text})
        assert (wrong.status_code, why in wrong.text) == (422, True)
    unsaid = send(records, lead.id, "lose")
    assert (unsaid.status_code, "a lost lead needs a reason" in unsaid.text) == (409, True)
    assert send(records, lead.id, "lose", lost_reason="price", reason="Too <dear>").status_code == 303

    page = records.client.get(path)
    words = words_of(page)
    assert words.count("Rang back.") == 1
    assert "Why it was lost Price" in words
    assert "Reason Too <dear>" in words
    assert "Status New → became Talking" in words
    assert "With Rita Repairs" in words
    assert "Win it" not in words
    assert "Cancel it" not in words
    assert 'name="status"' not in page.text


@pytest.mark.requirement("LEAD-1")
def test_only_steps_that_the_rules_allow_are_offered(records: Records) -> None:
    rent = a_lead(type="rent", state=LeadLifeCycle.IN_PROGRESS, status="talking", owner="rita", started_at=NOW)
    lost = a_lead(type="rent", state=LeadLifeCycle.LOST, status="lost", owner="rita", started_at=NOW, closed_at=NOW, lost_reason="price")
    keep(records, rent, lost)

    sign_in(records.client, "rita")
    page = records.client.get(f"/leads/{rent.id}")
    assert re.findall(r'<option value="([a-z]+)"', page.text.partition("Lose it")[0]) == ["new"]
    assert ("Win it" in page.text, "Lose it" in page.text) == (False, True)
    assert "What next" not in records.client.get(f"/leads/{lost.id}").text
    sign_in(records.client, "max")
    assert "What next" not in records.client.get(f"/leads/{rent.id}").text
    assert send(records, rent.id, "win", revision=1).status_code == 403
    sign_in(records.client, "paul")
    assert records.client.get("/leads").status_code == 403
    sign_in(records.client, "nils")
    assert records.client.get(f"/leads/{rent.id}").status_code == 404


@pytest.mark.requirement("LEAD-1", "FACE-1")
def test_every_lead_is_reached_page_by_page_in_the_chosen_order(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.desk.gateways.leads.MOST_LEADS", 2)
    kept = [
        a_lead(title=f"Row {n}", priority=n, contact_id=None, state=LeadLifeCycle.WON, status="won", closed_at=NOW) for n in range(1, 6)
    ]
    keep(records, *kept)
    sign_in(records.client, "max")
    found: list[str] = []
    path = "/leads?show=won&sort=-priority"
    while path:
        page = records.client.get(path).text
        assert 'aria-sort="descending">Priority' in page
        found += re.findall(r">(Row \d)<", page)
        following = re.search(r'href="([^"]+)" rel="next"', page)
        path = unescape(following[1]) if following else ""

    assert found == [f"Row {n}" for n in (5, 4, 3, 2, 1)]
    assert "There are no cancelled leads that you can see" in words_of(records.client.get("/leads?show=cancelled"))


@pytest.mark.requirement("LEAD-1")
def test_while_the_case_service_is_away_nothing_that_was_written_is_lost(
    tmp_path_factory: pytest.TempPathFactory, database: str, kafka: str, desk_prefix: str
) -> None:
    folder, away = tmp_path_factory.mktemp("desk"), "http://127.0.0.1:9"
    with (
        fresh_databases(database) as fresh,
        desk_beside_task(folder, fresh, kafka, desk_prefix, sections=SECTIONS, case_url=away) as platform,
    ):
        client, key = platform.client, str(uuid4())
        sign_in(client, "rita")
        listed = client.get("/leads")
        assert (listed.status_code, "Leads cannot be shown just now" in listed.text) == (503, True)
        assert client.get(f"/leads/{uuid4()}").status_code == 503
        note = client.post(f"/leads/{uuid4()}/notes", data={"key": key, "text": "Kept <words>"})
        assert (note.status_code, "Kept &lt;words&gt;</textarea>" in note.text, key in note.text) == (503, True, True)


def write(records: Records, lead: UUID, *, key: str = "", **fields: str) -> httpx.Response:
    given = {"key": key or str(uuid4()), "to": "joan@customer.example", "subject_line": "The <garage>", "text": "Dear Joan.\r\nIt is free."}
    files = [("file", ("plan.pdf", b"%PDF", "application/pdf"))]
    return records.client.post(f"/write/lead/{lead}", data=given | fields, files=files)


@pytest.mark.requirement("NOTE-2", "FACE-1")
def test_the_customer_of_a_lead_is_written_to_from_its_page(records: Records) -> None:
    lead = a_lead(title="A garage")
    keep(records, lead)
    sign_in(records.client, "rita")
    assert f'<a class="button" href="/write/lead/{lead.id}">' in records.client.get(f"/leads/{lead.id}").text
    form = records.client.get(f"/write/lead/{lead.id}")
    assert f'<a href="/leads/{lead.id}">{lead.number}</a>' in form.text
    assert '<option value="joan@customer.example" selected>' in form.text
    assert write(records, lead.id, to="eve@elsewhere.example").status_code == 422
    empty = write(records, lead.id, text=" ")
    assert (empty.status_code, "Write the message." in empty.text, "The &lt;garage&gt;" in empty.text) == (422, True, True)

    key = str(uuid4())
    for _ in range(2):
        sent = write(records, lead.id, key=key)
        assert (sent.status_code, sent.headers["location"]) == (303, f"/leads/{lead.id}?done=written#communications")
    page = records.client.get(sent.headers["location"])
    words = words_of(page)
    for told in ("The message is on its way.", "Communications 1", "Waiting to be sent", "Dear Joan. It is free.", "plan.pdf"):
        assert told in words, told
    assert "Send it again" not in words
    again = records.client.post(f"/write/lead/{lead.id}/again", data={"key": str(uuid4()), "communication": _of_lead(records, lead.id)})
    assert (again.status_code, "on its way" in again.text) == (409, True)

    sign_in(records.client, "paul")
    assert records.client.get(f"/write/lead/{lead.id}").status_code == 403
    assert write(records, lead.id).status_code == 403


def _of_lead(records: Records, lead: UUID) -> str:
    with records.database.read() as tx:
        ((id,),) = tx.rows("select communication_id from communication_items where item_id = %s", (lead,))
    return str(id)
