"""Routing from a communication to subjects."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from services.case.domain.routing import BadPattern, Routed, Router, RoutingRule


def _subjects(router: Router, text: str, subject_line: str = "", method: str = "email", account: str = "") -> list[str]:
    return [routed.subject for routed in router.route(method, account, subject_line, text)]


def _by_keyword(*keywords: str) -> Router:
    return Router([RoutingRule("found", keywords=keywords)], "other")


@pytest.mark.requirement("CASE-1")
@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("leak", "A LEAK!"),
        ("leak", "leak"),
        ("leak", "(leak)"),
        ("LEAK", "there is a\nleak"),
        ("no hot water", "We have no  hot\nwater today"),
        ("no hot water", "no\u00a0hot\u2003water"),
        ("Überlauf", "der ÜBERLAUF ist voll"),
        ("überlauf", "der u\u0308berlauf"),
        ("Straße", "in der STRASSE"),
        ("протечка", "У нас ПРОТЕЧКА в ванной"),
        ("διαρροή", "ΔΙΑΡΡΟΉ νερού"),
        ("रिसाव", "यहाँ रिसाव है"),
        ("漏水", "キッチンで漏水しています"),
        ("รั่ว", "น้ำรั่วที่ห้องครัว"),
        ("c++", "I like C++."),
        ("a.b", "see a.b"),
    ],
)
def test_a_keyword_is_found_as_a_whole_word_in_any_case_and_language(keyword: str, text: str) -> None:
    assert _subjects(_by_keyword(keyword), text) == ["found"]


@pytest.mark.requirement("CASE-1")
@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("leak", "leaking"),
        ("leak", "oatleak"),
        ("leak", "leak_id"),
        ("rent", "Brentford"),
        ("lauf", "Überlauf"),
        ("रिस", "रिसाव"),
        ("a.b", "a-b"),
    ],
)
def test_part_of_a_word_is_not_the_keyword(keyword: str, text: str) -> None:
    assert _subjects(_by_keyword(keyword), text) == ["other"]


@pytest.mark.requirement("CASE-1", "EDGE-4")
def test_several_rules_give_several_subjects_in_their_order_each_once() -> None:
    router = Router(
        [
            RoutingRule("noise", pattern=r"(?i)\bnois(e|y)\b"),
            RoutingRule("leak", keywords=("leak",), impact="high"),
            RoutingRule("leak", keywords=("burst",), urgency="high", impact="low"),
        ],
        "other",
    )

    assert router.route("email", "", "Noisy pipe", "burst, a leak") == (Routed("noise"), Routed("leak", "high", "high"))


@pytest.mark.requirement("CASE-1")
def test_stop_ends_the_search_and_all_conditions_of_a_rule_must_hold() -> None:
    router = Router(
        [
            RoutingRule("alarm", methods=frozenset({"email"}), accounts=frozenset({"alarm@x.example"}), keywords=("fire",), stop=True),
            RoutingRule("safety", keywords=("fire",)),
        ],
        "other",
    )

    assert _subjects(router, "fire", account="ALARM@x.example") == ["alarm"]
    assert _subjects(router, "fire", account="contact@x.example") == ["safety"]
    assert _subjects(router, "fire", method="letter", account="alarm@x.example") == ["safety"]
    assert _subjects(router, "quiet", account="alarm@x.example") == ["other"]


def test_a_rule_without_conditions_always_matches() -> None:
    assert _subjects(Router([RoutingRule("all", methods=frozenset({"letter"}))], "other"), "", method="letter") == ["all"]


def test_a_pattern_is_taken_as_it_is_written() -> None:
    router = Router([RoutingRule("found", pattern=r"REF-\d{4}")], "other")

    assert _subjects(router, "", subject_line="about REF-1234") == ["found"]
    assert _subjects(router, "ref-1234") == ["other"]


@pytest.mark.parametrize("pattern", ["(", r"(?=look)", r"(a)\1"])
def test_a_pattern_that_re2_cannot_compile_is_an_error_that_names_its_rule(pattern: str) -> None:
    with pytest.raises(BadPattern, match="routing rule 2"):
        Router([RoutingRule("a"), RoutingRule("b", pattern=pattern)], "other")


def test_no_text_makes_a_pattern_slow() -> None:
    router = Router([RoutingRule("bad", pattern=r"^(a+)+$"), RoutingRule("worse", pattern=r"(x+x+)+y")], "other")
    started = time.perf_counter()

    for text in ("a" * 60_000 + "!", "x" * 60_000):
        assert _subjects(router, text, subject_line="a") == ["other"]

    assert time.perf_counter() - started < 2


def test_thousands_of_keywords_are_found() -> None:
    words = [f"word{n:04d} thing" for n in range(3000)]
    router = Router([RoutingRule(f"s{n}", keywords=(word,)) for n, word in enumerate(words)], "other")

    assert _subjects(router, f"{words[17]} and {words[2999]}") == ["s17", "s2999"]


def test_patterns_too_large_for_one_automaton_are_split_over_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.case.domain.routing._MEMORY_BYTES", 1 << 20)
    router = Router([RoutingRule(f"s{n}", pattern=rf"\pL{{5}}{n:03d}\pL{{5}}") for n in range(24)], "other")

    assert len(router._pattern_search._parts) > 1
    assert _subjects(router, "x" * 20 + "007" + "y" * 20 + " " + "x" * 20 + "023" + "y" * 20) == ["s7", "s23"]


def test_a_keyword_is_found_where_an_overlapping_place_is_not_a_whole_word() -> None:
    assert _subjects(_by_keyword("na na"), "xna na na") == ["found"]


def test_when_the_automaton_gives_up_the_expressions_are_tried_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    router = Router([RoutingRule("found", keywords=("leak",)), RoutingRule("also", pattern="o+ps")], "other")
    for search in (router._keyword_search, router._pattern_search):
        monkeypatch.setattr(search, "_parts", [replace(part, automaton=_OutOfMemory()) for part in search._parts])

    assert _subjects(router, "a leak, ooops") == ["found", "also"]
    assert _subjects(router, "none") == ["other"]


class _OutOfMemory:
    """An RE2 set that has run out of memory answers that nothing matches."""

    def Match(self, text: bytes) -> list[int]:
        return []
