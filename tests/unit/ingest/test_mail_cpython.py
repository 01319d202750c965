"""The mails that CPython tests its email package with, read field by field.

`cpython_mails.json` has what each says, checked against its text by eye; absent fields are empty. `words` counts those of the readable
body and `begins` has the first ones.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from services.ingest.domain.mail import parse_mail
from tests.support.nasty import read

EXPECTED = json.loads(Path(__file__).with_name("cpython_mails.json").read_text())


def folder() -> Path | None:
    """Where this interpreter keeps them, if it does."""
    try:
        found = find_spec("test.test_email")
    except ModuleNotFoundError:
        return None
    data = Path(found.origin).with_name("data") if found and found.origin else None
    return data if data and data.is_dir() else None


@pytest.mark.requirement("COM-3")
@pytest.mark.parametrize("name", EXPECTED)
def test_a_mail_of_cpythons_tests_is_read_right(name: str) -> None:
    data = folder()
    if data is None:
        pytest.skip("this Python comes without its own tests (Debian has them in libpython3.11-testsuite)")
    if not (data / name).is_file():
        pytest.skip(f"this Python's tests have no {name}")
    found = read(parse_mail((data / name).read_bytes()))
    words = str(found.pop("text")).split()
    found |= {"words": len(words), "begins": " ".join(words[:6])}
    assert {field: value for field, value in found.items() if value} == EXPECTED[name]
