"""Where the quoted history of a reply begins, so that readers see what is new and fold the rest.

What is in doubt counts as the sender's own words: folding those away would hide what was written, showing history hides nothing. So nothing
is cut from a reply whose sender wrote below or between what they quote, and a signature is theirs.
"""

from __future__ import annotations

import re

_LANGUAGES = (
    # from, sent or date, to, subject: the head of a message as Outlook puts it above what it quotes
    (r"From", r"Sent|Date", r"To", r"Subject"),
    (r"Von", r"Gesendet|Datum", r"An", r"Betreff"),
    (r"De", r"Envoy[ée]|Date", r"[ÀA]", r"Objet"),
    (r"De", r"Enviado(?: el)?|Fecha", r"Para|A", r"Asunto"),
    (r"Van", r"Verzonden|Datum", r"Aan", r"Onderwerp"),
    (r"Da", r"Inviato|Data", r"A", r"Oggetto"),
)
_ORIGINAL = (
    r"Original Message|Urspr(?:ü|ue)ngliche Nachricht|Original-?nachricht|Message d['’]origine|Message original|Mensaje original|"
    r"Oorspronkelijk bericht|Messaggio originale"
)
# Every alternative begins with a line's end: the search then goes from line to line and looks at no other letter.
_MARK = re.compile(
    r"\n[ \t]{0,8}+(?=[>*FVDOALEI-])(?:(?P<quote>>)|(?P<head>\*?(?:From|Von|De|Van|Da)\*?[ \u00a0]?:)|(?P<said>(?:On|Am|Le|El|Il|Op)\b)|"
    rf"(?P<rule>-{{3,10}} ?(?i:{_ORIGINAL}) ?-{{3,10}}[ \t]*+$))",
    re.MULTILINE,
)
_HEAD_LINES = 8
_HEADS = tuple(tuple(re.compile(rf"[ \t]{{0,8}}\*?(?:{name})\*?[ \u00a0]?:", re.IGNORECASE) for name in names) for names in _LANGUAGES)
_SAID_LINES = 3
"""Mailers wrap the line that says who wrote what follows."""
_LONGEST_SAID = 500
_SAID = re.compile(
    r"\s*(?:On\b.*\bwrote|Am\b.*\b(?:schrieb|geschrieben)\b.*|Le\b.*\ba écrit|El\b.*\bescribió|Il\b.*\bha scritto|"
    r"Op\b.*\b(?:schreef|geschreven)\b.*)\s?:",
    re.IGNORECASE,
)
_DATE = re.compile(r"@|\d{1,2}[./-]\d{1,2}[./-]\d\d")
_YEAR = re.compile(r"\b\d{4}\b")
_TIME = re.compile(r"\d[:.h]\d\d")
_WHO = re.compile(r".*(?:@|\b(?:wrote|schrieb|geschrieben|écrit|escribió|scritto|schreef|geschreven)\b).*:", re.IGNORECASE)
_RULE_AT_END = re.compile(r"(?:\A|\n)[ \t]*+[_-]{10,}\Z")
_EMPTY_LINES = re.compile(r"(?:[ \t]*+\n)++")
_QUOTED = re.compile(r"[ \t]{0,8}>")


def own_text_length(text: str) -> int | None:
    """How many characters at the beginning of a mail's plain text are the sender's own words; None: all of them, or no telling.

    What follows is the history that they quoted: lines with `>` up to the end, "On ... wrote:" with what stands below, Outlook's
    "Original Message" and its head of From, Sent, To and Subject, in English, German, French, Spanish, Dutch and Italian. Never 0. Takes
    time linear in the text.
    """
    if ">" not in text and ":" not in text and "---" not in text:
        return None
    quotes = False
    outdented = -1
    for mark in _MARK.finditer(text):
        if mark["quote"]:
            quotes = True
            continue
        at = mark.start() + 1
        if mark["said"]:
            outdented = outdented if outdented >= 0 else _last_outdented(text)
        if mark["rule"] or (_is_head(text, at) if mark["head"] else _is_said_above_plain(text, at, outdented)):
            return _own(text, at)
    start = _trailing_quote(text) if quotes else None
    return _own(text, start) if start is not None else None


def _own(text: str, start: int) -> int | None:
    """The length of what stands before `start`, unless nothing of the sender's own does."""
    own = text[:start].rstrip()
    rule = _RULE_AT_END.search(own, max(0, own.rfind("\n")))
    if rule is not None:
        own = own[: rule.start()].rstrip()
    # A text that begins with a quotation has its answer below it.
    return len(own) if own and not own.isspace() and not _begins_quoted(own) else None


def _begins_quoted(text: str) -> bool:
    start = len(text) - len(text.lstrip())
    if _QUOTED.match(text, start):
        return True
    first = _MARK.match("\n" + text[start : start + 60])
    if first is None:
        return False
    return bool(first["rule"]) or (bool(first["head"]) and _is_head(text, start)) or (bool(first["said"]) and _said_end(text, start) >= 0)


def _is_head(text: str, at: int) -> bool:
    """Whether the lines at `at` are the head of a quoted message: who, and, below, when and at least one of to whom and of what."""
    lines = _lines(text, at, _HEAD_LINES)
    for who, when, whom, what in _HEADS:
        if who.match(text, at) and _any(when, text, lines) and (_any(whom, text, lines) or _any(what, text, lines)):
            return True
    return False


def _any(name: re.Pattern[str], text: str, starts: list[int]) -> bool:
    return any(name.match(text, start) for start in starts)


def _lines(text: str, at: int, most: int) -> list[int]:
    """Where the lines after the one at `at` begin, up to the first empty one."""
    starts: list[int] = []
    end = text.find("\n", at)
    while end >= 0 and len(starts) < most and not text.startswith("\n", end + 1):
        starts.append(end + 1)
        end = text.find("\n", end + 1)
    return starts


def _said_end(text: str, at: int) -> int:
    """Where the "On ... wrote:" ends that begins at `at`; -1: there is none."""
    start = at
    for _ in range(_SAID_LINES):
        end = text.find("\n", start, at + _LONGEST_SAID)
        end = end if end >= 0 else min(len(text), at + _LONGEST_SAID)
        line = text[start:end].rstrip()
        if not line:
            return -1
        if line.endswith(":"):
            said = " ".join(text[at:end].split())
            return end if _SAID.fullmatch(said) and _tells_when_or_who(said) else -1
        start = end + 1
    return -1


def _tells_when_or_who(said: str) -> bool:
    """Whether it is a mailer's line: people do not write a whole date or an address into "On Monday she wrote:"."""
    return bool(_DATE.search(said) or (_YEAR.search(said) and _TIME.search(said)))


def _is_said_above_plain(text: str, at: int, outdented: int) -> bool:
    """Whether "On ... wrote:" begins here, and what it is said of runs to the end without a `>` before its lines.

    A quotation that came as HTML is indented; words below it that are not (`outdented`: where the last of them begin) are an answer.
    """
    end = _said_end(text, at)
    if end < 0:
        return False
    empty = _EMPTY_LINES.match(text, end)
    below = empty.end() if empty is not None else end
    if below >= len(text) or _QUOTED.match(text, below):
        return False
    return not text.startswith("    ", below) or outdented < below


def _last_outdented(text: str) -> int:
    """Where the last line begins that is neither empty nor indented; 0: the first, or none."""
    end = len(text)
    while end > 0:
        line = text.rfind("\n", 0, end) + 1
        if line < end and not text.startswith("    ", line) and not text[line:end].isspace():
            return line
        end = line - 1
    return 0


def _trailing_quote(text: str) -> int | None:
    """Where the lines with `>` begin that a text ends with, and what is said above them; None where there are others before them."""
    start, end = len(text), len(text.rstrip())
    while end > 0:
        line = text.rfind("\n", 0, end) + 1
        if line < end and not _QUOTED.match(text, line, end) and not text[line:end].isspace():
            break
        if _QUOTED.match(text, line, end):
            start = line
        end = line - 1
    if start == len(text) or end <= 0:
        return None
    if any(mark["quote"] for mark in _MARK.finditer(text, 0, end)):
        return None
    return _above(text, start, end)


def _above(text: str, start: int, end: int) -> int:
    """Where the words begin that say whose the quotation at `start` is: in the last lines up to `end`, or nowhere else than there."""
    line = end
    for _ in range(_SAID_LINES):
        line = text.rfind("\n", 0, line) + 1
        if end - line > _LONGEST_SAID or not text[line:end].strip():
            break
        if _said_end(text, line) >= end:
            return line
        if not line:
            break
        line -= 1
    last = text.rfind("\n", 0, end) + 1
    return last if end - last < _LONGEST_SAID and _WHO.fullmatch(text[last:end].strip()) else start
