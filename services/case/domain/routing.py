"""Routing from a communication to subjects (CASE-1, EDGE-4): ordered rules, compiled once per configuration version.

All keywords of all rules are searched in one pass by an RE2 set, and so are all patterns; its time is linear in the text whatever the
expressions are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import re2

_MEMORY_BYTES = 64 << 20
# Scripts that write words without spaces between them: a keyword's edge there cannot be told from the text.
_UNSPACED_SCRIPTS = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """One rule; every given condition must hold. Keywords match whole words in any case; `pattern` is an RE2 expression, used as it is."""

    subject: str
    methods: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    keywords: tuple[str, ...] = ()
    pattern: str | None = None
    urgency: str | None = None
    impact: str | None = None
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Routed:
    """A subject that a communication is about, with the urgency and impact that rules give it."""

    subject: str
    urgency: str | None = None
    impact: str | None = None


class BadPattern(ValueError):
    """A rule's expression is not one that RE2 can compile; the text names rule and reason."""


def fold(text: str) -> str:
    """Text for comparison without regard to case: full case folding, composed (Unicode 3.13, D145)."""
    folded = text.casefold()
    return folded if folded.isascii() else unicodedata.normalize("NFC", folded)


class Router:
    """Finds the subjects of a communication. Made from the rules in their order; raises `BadPattern`. Reusable and thread-safe."""

    def __init__(self, rules: Sequence[RoutingRule], default_subject: str) -> None:
        self._rules = tuple(rules)
        self._default = (Routed(default_subject),)
        self._keywords = tuple(_Keyword(place, keyword) for place, rule in enumerate(rules) for keyword in rule.keywords if keyword.strip())
        self._keyword_search = _Search([keyword.expression for keyword in self._keywords])
        patterns = [(place, rule.pattern) for place, rule in enumerate(rules) if rule.pattern]
        for place, pattern in patterns:
            _check(place, pattern)
        self._pattern_places = tuple(place for place, _ in patterns)
        self._pattern_search = _Search([pattern for _, pattern in patterns])

    def route(self, method: str, account: str, subject_line: str, text: str) -> tuple[Routed, ...]:
        """The subjects in the order of the rules, each once; the default subject when no rule matches.

        Of several rules for one subject the first to name an urgency or impact decides it.
        """
        whole = f"{subject_line}\n{text}"
        folded = fold(whole)
        hits = (self._keywords[index] for index in self._keyword_search.found(folded))
        by_keyword = {keyword.place for keyword in hits if keyword.is_in(folded)}
        by_pattern = {self._pattern_places[index] for index in self._pattern_search.found(whole)}
        account = account.lower()
        found: dict[str, Routed] = {}
        for place, rule in enumerate(self._rules):
            if (
                (rule.methods and method not in rule.methods)
                or (rule.accounts and account not in rule.accounts)
                or (rule.keywords and place not in by_keyword)
                or (rule.pattern and place not in by_pattern)
            ):
                continue
            earlier = found.get(rule.subject)
            if earlier is None:
                found[rule.subject] = Routed(rule.subject, rule.urgency, rule.impact)
            else:
                found[rule.subject] = Routed(rule.subject, earlier.urgency or rule.urgency, earlier.impact or rule.impact)
            if rule.stop:
                break
        return tuple(found.values()) or self._default


class _Keyword:
    """A keyword of the rule at `place`. The set finds where it may be; whether it stands there as whole words is checked here."""

    def __init__(self, place: int, keyword: str) -> None:
        words = fold(keyword).split()
        self.place = place
        self.expression = r"[\s\p{Z}]+".join(re2.escape(word) for word in words)
        # Literals with white space between them: nothing in it can make Python's expressions slow.
        self._literal = re.compile(r"\s+".join(re.escape(word) for word in words))
        self._needs_edge = (not _is_unspaced(words[0][0]), not _is_unspaced(words[-1][-1]))

    def is_in(self, folded: str) -> bool:
        """Whether the keyword stands in `folded` as whole words."""
        found = self._literal.search(folded)
        while found:
            begin, end = found.span()
            before, after = folded[begin - 1 : begin], folded[end : end + 1]
            needs_before, needs_after = self._needs_edge
            if not (needs_before and _is_of_word(before)) and not (needs_after and _is_of_word(after)):
                return True
            found = self._literal.search(folded, begin + 1)
        return False


class _Search:
    """Which of many RE2 expressions occur in a text, found in one pass over it (a few, when they are too many for one automaton)."""

    def __init__(self, expressions: Sequence[str]) -> None:
        self._options = re2.Options()
        self._options.max_mem = _MEMORY_BYTES
        self._options.never_capture = True
        self._options.log_errors = False
        self._parts = self._compiled(tuple(expressions), 0) if expressions else []

    def _compiled(self, expressions: tuple[str, ...], first: int) -> list[_Part]:
        automaton = re2.Set.SearchSet(self._options)
        for expression in expressions:
            automaton.Add(expression)
        # The empty expression occurs in every text, so an answer without it means that the automaton ran out of memory.
        sentinel = automaton.Add("")
        try:
            automaton.Compile()
        except re2.error:
            if len(expressions) == 1:
                raise
            half = len(expressions) // 2
            return self._compiled(expressions[:half], first) + self._compiled(expressions[half:], first + half)
        return [_Part(automaton, sentinel, expressions, first)]

    def found(self, text: str) -> list[int]:
        """The indices of the expressions that occur in `text`."""
        encoded = text.encode()
        found: list[int] = []
        for part in self._parts:
            hits = part.automaton.Match(encoded)
            if part.sentinel in hits:
                found += [part.first + hit for hit in hits if hit != part.sentinel]
            else:
                found += [
                    part.first + index
                    for index, expression in enumerate(part.expressions)
                    if re2.compile(expression, self._options).search(text)
                ]
        return found


@dataclass(frozen=True, slots=True)
class _Part:
    """An automaton for the expressions from the one with index `first` on."""

    automaton: re2.Set
    sentinel: int
    expressions: tuple[str, ...]
    first: int


def _check(place: int, pattern: str) -> None:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        raise BadPattern(f"routing rule {place + 1}: {pattern!r}: {error}") from error


def _is_of_word(character: str) -> bool:
    """Letters, digits, the underscore, and marks that combine with a letter (vowel signs); "" is the end of the text."""
    return character.isalnum() or character == "_" or (character != "" and unicodedata.category(character)[0] == "M")


def _is_unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_UNSPACED_SCRIPTS)
