"""Routing from a communication to subjects (CASE-1, EDGE-4): ordered rules, compiled once per configuration version.

All keywords of all rules are searched in one pass by an RE2 set, whose time is linear in the text whatever the expressions are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import re2

_MEMORY_BYTES = 64 << 20
_WORD = r"\p{L}\p{M}\p{N}_"
_SPACED = r"[^" + _WORD + r"]"
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
        self._keywords = _Search(
            [(place, _whole_word(keyword)) for place, rule in enumerate(rules) for keyword in rule.keywords if keyword.strip()]
        )
        self._patterns = _Search([(place, rule.pattern) for place, rule in enumerate(rules) if rule.pattern])

    def route(self, method: str, account: str, subject_line: str, text: str) -> tuple[Routed, ...]:
        """The subjects in the order of the rules, each once; the default subject when no rule matches.

        Of several rules for one subject the first to name an urgency or impact decides it.
        """
        whole = f"{subject_line}\n{text}"
        by_keyword = self._keywords.places(fold(whole))
        by_pattern = self._patterns.places(whole)
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


class _Search:
    """Which rules' expressions occur in a text, found in one pass over it."""

    def __init__(self, expressions: Sequence[tuple[int, str]]) -> None:
        self._owners = tuple(place for place, _ in expressions)
        self._singles: list[tuple[int, re2._Regexp[str]]] = []
        if not expressions:
            return
        options = re2.Options()
        options.max_mem = _MEMORY_BYTES
        options.never_capture = True
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        for place, expression in expressions:
            try:
                self._set.Add(expression)
                self._singles.append((place, re2.compile(expression, options)))
            except re2.error as error:
                raise BadPattern(f"routing rule {place + 1}: {expression!r}: {error}") from error
        # The empty expression occurs in every text, so an answer without it means that the set ran out of memory.
        self._sentinel = self._set.Add("")
        self._set.Compile()

    def places(self, text: str) -> frozenset[int]:
        """The places of the rules with an expression that occurs in `text`."""
        if not self._owners:
            return frozenset()
        hits = self._set.Match(text.encode())
        if self._sentinel in hits:
            return frozenset(self._owners[hit] for hit in hits if hit != self._sentinel)
        return frozenset(place for place, single in self._singles if single.search(text))


def _whole_word(keyword: str) -> str:
    """An RE2 expression for the keyword as a whole word (or words: any white space between them) in folded text."""
    words = fold(keyword).split()
    middle = r"[\s\p{Z}]+".join(re2.escape(word) for word in words)
    before = "" if _is_unspaced(words[0][0]) else f"(?:^|{_SPACED})"
    after = "" if _is_unspaced(words[-1][-1]) else f"(?:$|{_SPACED})"
    return f"{before}{middle}{after}"


def _is_unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_UNSPACED_SCRIPTS)
