"""What the pages behind links say in other languages, by what they say in English. `{name}` stands for what is filled in.

A text that has no translation is said in English; a test compares the languages with each other and with the code.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.links.translations import ar, de, es, fr, nl, pl, tr

__all__ = ["TEXTS", "TRANSLATIONS"]

TRANSLATIONS: Mapping[str, Mapping[str, str]] = {
    "ar": ar.TEXTS,
    "de": de.TEXTS,
    "es": es.TEXTS,
    "fr": fr.TEXTS,
    "nl": nl.TEXTS,
    "pl": pl.TEXTS,
    "tr": tr.TEXTS,
}
TEXTS = frozenset(nl.TEXTS)
"""Every text, in English."""
