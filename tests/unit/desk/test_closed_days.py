"""Closed days out of iCalendar feeds, as different programs write them and as somebody hostile would."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.desk.domain.closed_days import MOST_BYTES, NotRead, kept, read_feed, window

pytestmark = pytest.mark.requirement("SLA-1")
TODAY = date(2027, 6, 1)


def a_feed(*events: str, head: str = "") -> bytes:
    """A calendar of these events; lines of an event are divided by `|`."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Council of Brookvale//Days off//EN", *head.split("|")]
    for event in events:
        lines += ["BEGIN:VEVENT", *event.split("|"), "END:VEVENT"]
    return "\r\n".join([line for line in lines if line] + ["END:VCALENDAR", ""]).encode()


def days(content: bytes, *only: str) -> list[str]:
    return [day.isoformat() for day in sorted(read_feed(content, only, TODAY).days)]


def notes(content: bytes, *only: str) -> tuple[str, ...]:
    return read_feed(content, only, TODAY).notes


CHRISTMAS = "UID:1|DTSTART;VALUE=DATE:20271225|SUMMARY:Christmas Day"


def test_a_government_feed_of_single_days() -> None:
    feed = a_feed(
        "DTEND;VALUE=DATE:20271226|DTSTART;VALUE=DATE:20271225|SUMMARY:Christmas Day|UID:ab-1@days.example|SEQUENCE:0",
        "DTEND;VALUE=DATE:20271228|DTSTART;VALUE=DATE:20271227|SUMMARY:Christmas Day (substitute day)|UID:ab-2@days.example|SEQUENCE:0",
        "DTEND;VALUE=DATE:20280415|DTSTART;VALUE=DATE:20280414|SUMMARY:Good Friday|UID:ab-3@days.example|SEQUENCE:0",
        head="CALSCALE:GREGORIAN",
    )
    assert days(feed) == ["2027-12-25", "2027-12-27", "2028-04-14"]


def test_a_web_calendar_tells_public_holidays_from_observances_in_the_description() -> None:
    feed = a_feed(
        "DTSTART;VALUE=DATE:20270402|DTEND;VALUE=DATE:20270403|DTSTAMP:20270101T010101Z|UID:20270402_a1@calendar.example|CLASS:PUBLIC"
        "|DESCRIPTION:Public holiday|STATUS:CONFIRMED|SUMMARY:Day of the River|TRANSP:TRANSPARENT",
        "DTSTART;VALUE=DATE:20270214|DTEND;VALUE=DATE:20270215|UID:20270214_b2@calendar.example"
        "|DESCRIPTION:Observance\\nTo hide these\\, go to the settings|STATUS:CONFIRMED|SUMMARY:Day of the Heart|TRANSP:TRANSPARENT",
        head="X-WR-CALNAME:Holidays|X-WR-TIMEZONE:UTC|METHOD:PUBLISH",
    )
    assert days(feed) == ["2027-02-14", "2027-04-02"]
    assert days(feed, "public HOLIDAY") == ["2027-04-02"]
    assert notes(feed, "public holiday") == ("1 event without a text of `only`",)
    with pytest.raises(NotRead, match=r"no closed day .*2 events without a text"):
        read_feed(feed, ["bank holiday"], TODAY)


def test_an_exchange_calendar_with_time_zones_folded_lines_and_all_day_events_from_midnight_to_midnight() -> None:
    zone = "BEGIN:VTIMEZONE|TZID:GMT Standard Time|BEGIN:STANDARD|DTSTART:16010101T020000|TZOFFSETFROM:+0100|TZOFFSETTO:+0000"
    zone += "|RRULE:FREQ=SECONDLY|END:STANDARD|END:VTIMEZONE"  # which would take for ever, if anybody followed it
    feed = a_feed(
        "DESCRIPTION:\\n|RRULE:FREQ=YEARLY;UNTIL=20290101T000000Z;INTERVAL=1;BYMONTHDAY=24;BYMONTH=12|UID:0400A1|SUMMARY:Office closed, "
        "\r\n long folded|DTSTART;VALUE=DATE:20251224|DTEND;VALUE=DATE:20251225"
        "|X-MICROSOFT-CDO-ALLDAYEVENT:TRUE|X-MICROSOFT-CDO-BUSYSTATUS:OOF|BEGIN:VALARM|DESCRIPTION:REMINDER|TRIGGER;RELATED=START:-PT15M|DTSTART;VALUE=DATE:20270707|END:VALARM",
        "UID:0400A2|SUMMARY:Stocktaking|DTSTART;TZID=GMT Standard Time:20270630T000000|DTEND;TZID=GMT Standard Time:20270702T000000"
        "|X-MICROSOFT-CDO-ALLDAYEVENT:TRUE",
        "UID:0400A3|SUMMARY:Board meeting|DTSTART;TZID=GMT Standard Time:20270611T090000|DTEND;TZID=GMT Standard Time:20270611T120000"
        "|X-MICROSOFT-CDO-ALLDAYEVENT:FALSE",
        "UID:0400A4|SUMMARY:Until further notice|DTSTART:20270612T000000Z|DTEND:20270613T000000Z",
        head=zone,
    )
    assert days(feed) == ["2026-12-24", "2027-06-30", "2027-07-01", "2027-12-24", "2028-12-24"]
    assert notes(feed) == ("2 events with times: only all-day events are closed days",)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("DTSTART;VALUE=DATE:20271224|DTEND;VALUE=DATE:20271227", ["2027-12-24", "2027-12-25", "2027-12-26"]),
        ("DTSTART;VALUE=DATE:20271224|DURATION:P2D", ["2027-12-24", "2027-12-25"]),
        ("DTSTART;VALUE=DATE:20271220|DURATION:P1W", [f"2027-12-{day}" for day in range(20, 27)]),
        ("DTSTART:20271224", ["2027-12-24"]),
        ("DTSTART;VALUE=DATE:20271224|DTEND;VALUE=DATE:20271224", ["2027-12-24"]),
        ("DTSTART;VALUE=DATE:20271224|DTEND;VALUE=DATE:20271220", ["2027-12-24"]),
        ("dtstart;value=date:20271224|rrule:freq=daily;count=2", ["2027-12-24", "2027-12-25"]),
        ("DTSTART;VALUE=DATE:20270701|RRULE:FREQ=MONTHLY;COUNT=3|EXDATE;VALUE=DATE:20270801", ["2027-07-01", "2027-09-01"]),
        ("DTSTART;VALUE=DATE:20270701|RDATE;VALUE=DATE:20270705,20270709", ["2027-07-01", "2027-07-05", "2027-07-09"]),
        ("DTSTART;VALUE=DATE:20271224|RRULE:FREQ=YEARLY;UNTIL=20281224", ["2027-12-24", "2028-12-24"]),
        ("DTSTART;VALUE=DATE:20271224|RRULE:FREQ=YEARLY;UNTIL=20281224T000000", ["2027-12-24", "2028-12-24"]),
        ("DTSTART;VALUE=DATE:20240101|RRULE:FREQ=YEARLY", [f"{year}-01-01" for year in range(2026, 2031)]),
        ("DTSTART;VALUE=DATE:20251230|DTEND;VALUE=DATE:20260102", ["2026-01-01"]),
        ("DTSTART;VALUE=DATE:20241230|DTEND;VALUE=DATE:20250102|RRULE:FREQ=YEARLY;COUNT=2", ["2026-01-01"]),
        ("DTSTART;VALUE=DATE:20301231|DTEND;VALUE=DATE:20310105", ["2030-12-31"]),
        ("DTSTART;VALUE=DATE:20271129|RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=-1MO;COUNT=2", ["2027-11-29", "2028-11-27"]),
    ],
)
def test_each_day_of_an_event_and_each_of_its_occurrences_is_closed(event: str, expected: list[str]) -> None:
    assert days(a_feed(f"UID:1|SUMMARY:Closed|{event}")) == expected


def test_an_occurrence_that_was_moved_or_cancelled_is_not_where_the_rule_has_it() -> None:
    feed = a_feed(
        "UID:fair|DTSTART;VALUE=DATE:20270705|RRULE:FREQ=WEEKLY;COUNT=4",
        "UID:fair|RECURRENCE-ID;VALUE=DATE:20270712|DTSTART;VALUE=DATE:20270714",
        "UID:fair|RECURRENCE-ID;VALUE=DATE:20270719|DTSTART;VALUE=DATE:20270719|STATUS:CANCELLED",
        "UID:other|DTSTART;VALUE=DATE:20270801|STATUS:CANCELLED",
    )
    assert days(feed) == ["2027-07-05", "2027-07-14", "2027-07-26"]
    assert notes(feed) == ("2 events cancelled",)


def test_a_rule_that_cannot_be_followed_counts_on_its_first_day_and_is_told() -> None:
    feed = a_feed("UID:1|DTSTART;VALUE=DATE:20270705|RRULE:FREQ=HOURLY", CHRISTMAS)
    assert days(feed) == ["2027-07-05", "2027-12-25"]
    assert "FREQ=HOURLY is none of" in notes(feed)[0]


def test_what_is_told_of_a_feed_holds_nothing_that_a_terminal_or_a_database_would_stumble_on() -> None:
    feed = a_feed("UID:1|DTSTART;VALUE=DATE:20270705|RRULE:FREQ=\x1b[2J\x00\u202e", CHRISTMAS)
    (note,) = notes(feed)
    assert "FREQ=?[2J??" in note
    assert note.isprintable()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no iCalendar text"),
        (b"<!DOCTYPE html><html><title>Sign in</title></html>", "no iCalendar text"),
        (b"\x00\xff" * 400, "no iCalendar text"),
        (a_feed(), "it names no closed day from 2026-01-01 to 2030-12-31"),
        (a_feed("DTSTART:20270611T090000Z"), "1 event with times"),
        (a_feed("SUMMARY:Never", "DTSTART;VALUE=DATE:20270231"), "2 events without a day"),
        (a_feed("DTSTART;VALUE=DATE:20190101"), "no closed day"),
        (a_feed(CHRISTMAS).removesuffix(b"END:VCALENDAR\r\n"), "cut off"),
        (a_feed(CHRISTMAS)[:-30], "cut off"),
        (a_feed(CHRISTMAS).replace(b"END:VEVENT", b"END:VTODO"), "in the order"),
        (a_feed(CHRISTMAS).replace(b"END:VEVENT\r\n", b""), "in the order"),
        (a_feed("DTSTART;VALUE=DATE:20270101|RRULE:FREQ=DAILY"), "more than 1000 closed days"),
        (a_feed("DTSTART;VALUE=DATE:20270101|DTEND;VALUE=DATE:99991231", "DTSTART;VALUE=DATE:20260101|DURATION:P9999D"), "more than 1000"),
        (a_feed(*["DTSTART;VALUE=DATE:20270101|RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"] * 70), "more than 60 recurring"),
        (a_feed("SUMMARY:" + "x" * MOST_BYTES), "it is over 1024 KiB"),
    ],
)
def test_what_cannot_be_trusted_is_not_read_at_all(content: bytes, why: str) -> None:
    with pytest.raises(NotRead, match=why):
        read_feed(content, (), TODAY)


PIECES = 'BEGIN:VEVENT END:VEVENT DTSTART;VALUE=DATE: 20270101 RRULE: FREQ=DAILY;COUNT= ; , " RDATE: EXDATE;X=" DURATION:P 9 W \x00 é \\'


@given(st.lists(st.sampled_from([*PIECES.split(), "\r\n", "\r\n ", "\r\nUID:1\r\n", "\r\nRECURRENCE-ID:"]), max_size=40))
def test_no_text_breaks_the_reading(pieces: list[str]) -> None:
    for content in ("".join(pieces).encode(), a_feed(CHRISTMAS, "".join(pieces))):
        try:
            said = read_feed(content, (), TODAY)
        except NotRead:
            continue
        first, last = window(TODAY)
        assert all(first <= day <= last for day in said.days)


def test_days_to_come_are_those_of_the_feed_and_past_ones_stay() -> None:
    known = [date(2019, 1, 1), date(2027, 5, 31), TODAY, date(2027, 8, 30)]
    said = [date(2027, 5, 3), date(2027, 6, 2), date(2027, 12, 25)]
    assert kept(known, said, TODAY) == (date(2019, 1, 1), date(2027, 5, 3), date(2027, 5, 31), date(2027, 6, 2), date(2027, 12, 25))
