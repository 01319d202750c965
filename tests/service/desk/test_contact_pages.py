"""Entering a contact by hand, beside a real ingest."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from shared.schemas.parts import ScriptAnswer
from tests.support.desk_entering import Entering, desk_beside_ingest

SCAN = ("file", ("scan.pdf", b"%PDF-1.7 scan", "application/pdf"))
PHOTO = ("file", ("damp.jpg", b"\xff\xd8photo", "image/jpeg"))
Make = Callable[..., contextlib.AbstractContextManager[Entering]]


@pytest.fixture
def make(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, desk_prefix: str) -> Make:
    return partial(desk_beside_ingest, tmp_path, fresh_database, kafka, desk_prefix)


@pytest.fixture
def entering(make: Make) -> Iterator[Entering]:
    with make() as entering:
        yield entering


@pytest.mark.requirement("COM-6", "COM-1", "COM-2")
def test_a_visit_with_scans_is_entered_once_however_often_the_form_is_sent(entering: Entering) -> None:
    entering.sign_in("cora")
    chooser = entering.client.get("/contacts/new").text
    assert "Housing surgery" in chooser
    assert "method=email" not in chooser
    assert "Up to 20 files, each up to 25 MB, together up to 60 MB." in entering.client.get("/contacts/new?method=surgery").text
    form = entering.form("surgery") | {
        "location": "Town <hall>",
        "name": "Ann",
        "handle": "020 7946 0018",
        "text": "The wall is damp.",
        "subjects": ["leak", "noise"],
        "script": ["pre", "security"],
        "prompt": ["Is anybody in danger?", "Was a document shown?"],
        "answer": ["", "A passport"],
    }

    first, again = (entering.client.post("/contacts/new", data=form, files=[SCAN, PHOTO]) for _ in range(2))

    assert (first.status_code, first.headers["location"]) == (303, again.headers["location"])
    data = entering.taken(first)
    assert (data.method, data.location, data.subject_line, data.text) == (
        "surgery",
        "Town <hall>",
        "Visit to a surgery",
        "The wall is damp.",
    )
    assert (data.entered_by, data.subjects, data.sender.value) == ("cora", ("leak", "noise"), "+442079460018")
    assert data.script_answers == (ScriptAnswer(script="security", prompt="Was a document shown?", answer="A passport"),)
    assert [(file.filename, file.size) for file in data.attachments] == [("scan.pdf", 13), ("damp.jpg", 7)]
    assert "The contact is taken" in entering.client.get(first.headers["location"]).text


def test_what_is_wrong_is_said_and_what_was_written_stays(entering: Entering) -> None:
    entering.sign_in("cora")
    form = entering.form("surgery") | {"location": "", "name": '<Ann "A">', "handle": "12", "text": "Damp", "subjects": "leak"}

    no_place = entering.client.post("/contacts/new", data=form, files=[SCAN])
    no_number = entering.client.post("/contacts/new", data=form | {"location": "Library"})

    assert (no_place.status_code, no_number.status_code) == (422, 422)
    page = no_place.text
    assert '<a href="#location">Choose where it was.</a>' in page
    assert "Choose your files again." in page
    assert html.escape('<Ann "A">', quote=True).replace("&quot;", "&#34;") in page
    assert 'value="leak" checked>' in page
    assert f'name="key" value="{form["key"]}"' in page
    assert "the phone number has not the length of one" in no_number.text


def test_too_many_files_are_refused_in_words_and_none_is_sent(make: Make) -> None:
    with make(contact_files=1, contact_file_bytes=1024 * 1024) as entering:
        entering.sign_in("cora")
        form = entering.form("telephone") | {"name": "Ann", "text": "Damp"}
        for files in ([SCAN, PHOTO], [("file", ("big.bin", b"x" * (1024 * 1024 + 1), "x/y"))], [SCAN, PHOTO, SCAN]):
            answer = entering.client.post("/contacts/new", data=form, files=files, headers={"accept": "text/html"})
            assert answer.status_code in (413, 422)
            assert "Up to 1 file, up to 1 MB" in answer.text
        assert entering.client.post("/contacts/new", data=form, files=[SCAN]).status_code == 303


def test_while_ingest_is_away_nothing_that_was_written_is_lost(make: Make) -> None:
    with make(ingest_url="http://127.0.0.1:9") as entering:
        entering.sign_in("cora")
        form = entering.form("telephone") | {"name": "Ann", "text": "Damp wall"}

        answer = entering.client.post("/contacts/new", data=form)

    assert (answer.status_code, "It could not be taken just now." in answer.text) == (503, True)
    assert "Damp wall</textarea>" in answer.text
    assert f'name="key" value="{form["key"]}"' in answer.text


def test_whoever_may_not_enter_contacts_gets_neither_page_nor_form(entering: Entering) -> None:
    entering.sign_in("paul")
    assert entering.client.get("/contacts/new").status_code == 403
    assert entering.client.post("/contacts/new", data={"method": "surgery", "key": str(uuid4())}).status_code == 403
    assert "New contact" not in entering.client.get("/tasks").text
