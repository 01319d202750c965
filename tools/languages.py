"""Writes shared/languages/table.py from the Unicode CLDR, as Babel brings it: `python tools/languages.py > shared/languages/table.py`.

Babel is not among the dependencies, since only this needs it: `pip install babel` into an environment of your own.
"""

import re
import sys
from typing import Any

from babel import Locale, __version__

# English is as people here write it; the rest is what CLDR has. Those that are not listed are refused where a language is configured.
LANGUAGES = (
    *(
        "ar",
        "bg",
        "bn",
        "bs",
        "ca",
        "cs",
        "cy",
        "da",
        "de",
        "el",
        "en-US",
        "es",
        "et",
        "eu",
        "fa",
        "fi",
        "fr",
        "ga",
        "gl",
        "gu",
        "he",
        "hi",
    ),
    *(
        "hr",
        "hu",
        "hy",
        "id",
        "is",
        "it",
        "ja",
        "ka",
        "ko",
        "lb",
        "lt",
        "lv",
        "mk",
        "mt",
        "nb",
        "nl",
        "pa",
        "pl",
        "pt",
        "pt-BR",
        "ro",
        "ru",
    ),
    *("sk", "sl", "so", "sq", "sr", "sv", "ta", "th", "tr", "uk", "ur", "vi", "zh", "zh-TW"),
)
FIELDS = {
    "E": "{E}",
    "EEE": "{E}",
    "d": "{d}",
    "dd": "{d:02}",
    "M": "{M}",
    "MM": "{M:02}",
    "MMM": "{b}",
    "MMMM": "{b}",
    "y": "{y}",
    "H": "{H}",
    "HH": "{H:02}",
    "h": "{h}",
    "hh": "{h:02}",
    "mm": "{m:02}",
    "a": "{a}",
}


def translated(pattern: str) -> str:
    """CLDR's pattern as one of `str.format`."""
    found = ""
    for quoted, letters, other in re.findall(r"'([^']*)'|([A-Za-z]+)|([^A-Za-z']+)", pattern):
        found += FIELDS[letters] if letters else quoted + other
    return found.replace("\u202f", " ")


def locale_of(tag: str) -> Any:
    """What Babel knows of it."""
    return Locale.parse("zh_Hant_TW" if tag == "zh-TW" else tag.replace("-", "_"))


def is_right_to_left(tag: str) -> bool:
    """How it is written."""
    return bool(locale_of(tag).text_direction == "rtl")


def row(tag: str) -> str:
    """One language's line of the table."""
    locale = locale_of(tag)
    day, time = locale.datetime_skeletons["yMMMEd"].pattern, locale.time_formats["short"].pattern
    if "B" in time:
        time = locale.datetime_skeletons["Hm"].pattern
    width = "wide" if "MMMM" in day else "abbreviated"
    days, months = locale.days["format"]["abbreviated"], locale.months["format"][width]
    halves = locale.day_periods["format"]["abbreviated"]
    together = locale.datetime_formats["medium"].replace("'", "")
    lines = [
        "|".join(days[number] for number in range(7)),
        "|".join(months[number] for number in range(1, 13)),
        f"{halves['am']}|{halves['pm']}" if "a" in re.sub("'[^']*'", "", time) else "",
        together.replace("{1}", translated(day)).replace("{0}", translated(time)),
    ]
    shown = "".join(f'        "{line}",\n' for line in lines)
    return f'    "{tag}": (\n{shown}    ),\n'


if __name__ == "__main__":
    sys.stdout.write(
        '"""How moments are written, by language. Made by `tools/languages.py` from the Unicode CLDR '
        f'(Babel {__version__}); do not edit."""\n\n'
        "from __future__ import annotations\n\n"
        "Row = tuple[str, str, str, str]\n\n"
        "ROWS: dict[str, Row] = {\n" + "".join(row(tag) for tag in LANGUAGES) + "}\n"
        '"""Of each language: days from Monday, months, the halves of a day, the pattern."""\n\n'
        f"RIGHT_TO_LEFT = frozenset({{{', '.join(f'{chr(34)}{tag}{chr(34)}' for tag in LANGUAGES if is_right_to_left(tag))}}})\n"
    )
