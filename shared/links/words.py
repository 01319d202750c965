"""What the pages behind links say, and in which language (NOTE-2, EDGE-14).

The product's texts are `Said`: English, with what they were made from, so that whoever shows them can say them in another language.
Whatever else is shown (a case's title, our answer) stays as somebody wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.languages import is_right_to_left, moments, nearest
from shared.links.translations import TEXTS, TRANSLATIONS

ENGLISH = "en"
_PLACE = re.compile(r"\{(\w+)\}")
_APART, _APART_END = "\u2068", "\u2069"
"""Keep what is filled in from being turned around by the text about it, and that by it (UAX 9)."""
Value = str | int | datetime
"""What is filled in; moments are aware."""


class Said(str):
    """A text of ours or of the configuration, in its own language. `{name}` in `key` stands for one of `values`."""

    __slots__ = ("key", "values")
    key: str
    values: Mapping[str, Value]

    def __new__(cls, key: str, **values: Value) -> Said:
        """The text as it is logged, and given to other systems."""
        made = super().__new__(cls, _filled(key, values, ENGLISH, ZoneInfo("UTC")))
        made.key, made.values = key, values
        return made


class Shown(NamedTuple):
    """A text as it is shown. `language`: what it is in; empty: somebody wrote it, nobody knows."""

    text: str
    language: str

    @property
    def direction(self) -> str:
        """As HTML has it."""
        return direction_of(self.language) if self.language else "auto"


class Voice:
    """Says texts in one language: in the organisation's words (`organisation.words`), else in ours, else as they are."""

    def __init__(self, language: str, own: str, words: Mapping[str, str], zone: ZoneInfo) -> None:
        """`own`: the language of what the configuration says; `words`: its words in `language`."""
        self.language = language
        self._own = own
        self._words = words
        self._ours = TRANSLATIONS.get(language, {})
        self._zone = zone

    @property
    def direction(self) -> str:
        """As HTML has it."""
        return direction_of(self.language)

    def __call__(self, text: str) -> Shown:
        """The text in this language, or as it is and in which one that is."""
        if not isinstance(text, Said):
            return Shown(text, "")
        found, language = self._words.get(text.key) or self._ours.get(text.key), self.language
        if found is None:
            found, language = text.key, ENGLISH if text.key in TEXTS else self._own
        return Shown(_filled(found, text.values, language, self._zone), language)


def voice_for(wanted: str | None, accepted: Iterable[str], own: str, words: Mapping[str, Mapping[str, str]], zone: ZoneInfo) -> Voice:
    """The voice for somebody. `wanted`: their language; empty: they are written to in the organisation's; None: nobody knows who it is.

    A language counts where every text is in it: of ours, or in the organisation's words. Only where theirs does not, or is not known,
    comes what their browser prefers (`accepted`); then the organisation's, then English.
    """
    browsers = () if wanted == "" else tuple(accepted)
    for language in (*([wanted] if wanted else ()), *browsers, own):
        whole = {ENGLISH, *TRANSLATIONS, *(each for each, texts in words.items() if texts.keys() >= TEXTS)}
        if chosen := nearest(language, whole):
            return Voice(chosen, own, {**words.get(chosen, {}), **words.get(language, {})}, zone)
    return Voice(ENGLISH, own, words.get(ENGLISH, {}), zone)


def direction_of(language: str) -> str:
    """`ltr` or `rtl`."""
    return "rtl" if is_right_to_left(language) else "ltr"


def _filled(text: str, values: Mapping[str, Value], language: str, zone: ZoneInfo) -> str:
    """The text with its values; what has none stays."""

    def put(place: re.Match[str]) -> str:
        value = values.get(place[1])
        if value is None:
            return place[0]
        if isinstance(value, datetime):
            value = moments(language, zone)(value.isoformat())
        elif isinstance(value, int):
            value = f"{value:,}" if language == ENGLISH else str(value)
        return f"{_APART}{value}{_APART_END}" if is_right_to_left(language) else value

    return _PLACE.sub(put, text) if values else text
