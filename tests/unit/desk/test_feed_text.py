"""Closed days of feeds are written into the text of a configuration, whose comments and order stay."""

from __future__ import annotations

from datetime import date

import pytest
import yaml

from services.desk.domain.feed_text import days_of, with_days

pytestmark = pytest.mark.requirement("SLA-1", "FACE-2")
DAYS = {
    ("office", "https://a.example/x"): [date(2027, 1, day) for day in range(1, 20)],
    ("depot", "https://b.example/y"): [],
    ("depot", "https://c.example"): [date(2028, 2, 29)],
}
BLOCKS = """\
# Ünser 🏠
calendars:
- code: office   # one
  feeds:
  - url: https://a.example/x # the feed
    only: [x]
- {code: depot, feeds: [{url: "https://b.example/y", only: ['a']}, {"url": https://c.example}]}
- {code: other, feeds: [{url: https://c.example}]}
z: 1
"""
LISTS = """\
calendars:
  - feeds:
      - only:
          - x
        days:
          - 2027-01-01
          # old
          - 2027-01-02   # c
        # after
        url: https://a.example/x
      - days:
        - 2027-02-02
        url: https://q.example
    code: office
  - code: depot
    feeds:
    - days: [2027-01-01,
        2027-01-02] # all
      url: https://b.example/y
    - url: https://c.example"""
FLOWS = """\
calendars:
- code: office
  feeds: [{days: [2020-01-01], url: https://a.example/x}]
- code: depot
  feeds: [{url: https://b.example/y,
    days: []}, {url: https://c.example, days: }]
"""


@pytest.mark.parametrize("text", [BLOCKS, LISTS, FLOWS, BLOCKS.replace("\n", "\r\n")], ids=["blocks", "lists", "flows", "crlf"])
def test_days_are_put_in_or_replaced_however_the_text_is_written(text: str) -> None:
    written = with_days(text, DAYS)
    assert written is not None
    data = yaml.safe_load(written)
    found = {(c["code"], f["url"]): f.pop("days", None) for c in data["calendars"] for f in c["feeds"]}
    assert {key: days for key, days in found.items() if key in DAYS} == DAYS
    # All else says what it said.
    before = yaml.safe_load(text)
    for calendar in before["calendars"]:
        for feed in calendar["feeds"]:
            feed.pop("days", None)
    assert data == before
    # Written again it is the same text.
    assert with_days(written, DAYS) == written


def test_comments_stay_and_long_lists_are_broken_into_lines() -> None:
    written = (with_days(BLOCKS, DAYS) or "").splitlines()
    assert written[:6] == [
        "# Ünser 🏠",
        "calendars:",
        "- code: office   # one",
        "  feeds:",
        "  - url: https://a.example/x # the feed",
        f"    days: [{', '.join(f'2027-01-{day:02}' for day in range(1, 10))},",
    ]
    assert max(map(len, written)) <= 130
    assert "# after" in (with_days(LISTS, DAYS) or "")


def test_feeds_written_by_aliases_or_merges_have_no_place_in_the_text() -> None:
    shared = "calendars: [{code: office, feeds: [&f {url: https://a.example/x}]}, {code: depot, feeds: [*f]}]"
    assert with_days(shared, {("office", "https://a.example/x"): [], ("depot", "https://a.example/x"): []}) is None
    merged = "b: &b {url: https://a.example/x}\ncalendars: [{code: office, feeds: [{<<: *b}]}]"
    assert with_days(merged, DAYS) is None


def test_what_a_version_says_of_its_feeds_is_told_by_calendar_and_address() -> None:
    feeds = [{"url": "https://a.example/x", "only": [], "days": ["2027-01-01"]}, {"url": "https://b.example"}]
    assert days_of({"calendars": [{"code": "office", "feeds": feeds}, {"code": "depot"}]}) == {
        ("office", "https://a.example/x"): (date(2027, 1, 1),),
        ("office", "https://b.example"): (),
    }
    assert days_of({}) == {}
