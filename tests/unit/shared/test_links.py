"""Customers' links: what was signed is read, and nothing else is."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.links import LONGEST, BadKeys, Link, LinkKeyFile, LinkKeys

OLD, NEW = "old-key-" * 8, "new-key-" * 8
NOW = datetime(2026, 3, 2, 10, 0, 0, 123456, tzinfo=UTC)
LINK = Link("feedback", UUID(int=7), NOW, NOW + timedelta(days=30))
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
LINKS = st.builds(Link, st.sampled_from(["feedback", "acceptance"]), st.uuids(), MOMENTS, MOMENTS, st.sampled_from(["", "lena", "a" * 64]))


@pytest.mark.requirement("EDGE-14")
@given(link=LINKS)
def test_a_link_says_what_was_signed(link: Link) -> None:
    keys = LinkKeys([NEW])
    token = keys.token(link)
    read = keys.read(token)
    assert read is not None
    assert read.link == link
    assert keys.token(link) == token
    assert len(token) <= LONGEST / 2
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.requirement("EDGE-14")
@given(link=LINKS, position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_link_with_any_bit_changed_is_none(link: Link, position: int, bit: int) -> None:
    keys = LinkKeys([NEW])
    token = keys.token(link)
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[position % len(raw)] ^= 1 << bit
    assert keys.read(base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")) is None


@pytest.mark.requirement("EDGE-14")
@given(text=st.text(max_size=500))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert LinkKeys([NEW]).read(text) is None


@pytest.mark.requirement("EDGE-14")
def test_every_spelling_of_a_link_is_the_same_link() -> None:
    keys = LinkKeys([NEW])
    token = keys.token(LINK)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spellings = {keys.read(token[:-1] + last) for last in alphabet} - {None}
    assert {read.id for read in spellings if read} == {keys.read(token).id}  # type: ignore[union-attr]


@pytest.mark.requirement("EDGE-14")
def test_a_new_key_signs_while_the_old_ones_still_read_and_a_key_that_is_gone_does_not() -> None:
    before, both, after = LinkKeys([OLD]), LinkKeys([NEW, OLD]), LinkKeys([NEW])
    sent = before.token(LINK)
    assert both.read(sent) == before.read(sent)
    assert both.token(LINK) == after.token(LINK)
    assert after.read(sent) is None


@pytest.mark.requirement("EDGE-14")
def test_keys_come_from_a_file_that_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# ours\n\n{OLD}\n")
    file = LinkKeyFile(path)
    sent = file.keys().token(LINK)
    path.write_text(f"{NEW}\n{OLD}\n")
    os.utime(path, ns=(1, 1))
    assert file.keys().token(LINK) == LinkKeys([NEW]).token(LINK)
    assert file.keys().read(sent) is not None


@pytest.mark.requirement("EDGE-14")
@pytest.mark.parametrize(("text", "why"), [("\n# none\n", "no key"), ("short\n", "shorter than 32"), (None, "cannot be read")])
def test_a_file_that_holds_no_keys_says_so_without_telling_any(tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / "keys").write_text(text)
    with pytest.raises(BadKeys, match=why) as error:
        LinkKeyFile(tmp_path / "keys").keys()
    assert "short\n" not in str(error.value)
