"""Addresses, message ids and dates in header fields."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz
from functools import lru_cache

from services.ingest.domain.mail.charsets import clean_text
from services.ingest.domain.mail.fields import decode_words, plain

MAX_ADDRESSES = 2_000
MAX_TOKENS = 12_000
"""Pieces of an address field that are read; 2,000 addresses with quoted names have fewer."""
MAX_REFERENCES = 500
_MAX_ID = 998
_MAX_COMMENT = 10_000
_SHORT_FIELD = 200

_SIMPLE = re.compile(r'(?:"([^"\\]*+)"|([^"<>,;:()\\@]*+))\s*<([^<>()\s,;:"\\]++)>|([^<>()\s,;:"\\@]++@[^<>()\s,;:"\\@]++)')
_TOKEN = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"?|<++([^<>]*+)>*+|([,;][,;\s]*+|:)|(\[[^\[\]]*+\]|[^"<,;:(\[]++|.)', re.DOTALL)
_QUOTED_LOCAL = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*(@[^\s"]*)\s*', re.DOTALL)
_DOMAIN = re.compile(r"@[^\s,;:<>()\"]+")
_ATOMS = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_BARE = re.compile(r"[^@\s]+@[^@\s]+")
_LOOSE = re.compile(r"(?<![ \t])[ \t]*([.@])[ \t]*")
_COMMENT = re.compile(r"\([^()]*\)")
_DATE_COMMENT = re.compile(r"\s*\([^()]*\)")
_KEPT_BACK = re.compile(r"undisclosed[ -]?recipients?", re.IGNORECASE)
_PIPERMAIL = re.compile(r"\S+ at \S+ \((.+)\)")
_SCHEME = re.compile(r"mailto:", re.IGNORECASE)
_NUMERIC_ZONE = re.compile(r"(?:\b(?:GMT|UTC?)|(?<=[ \d]))\s*([+-]\d\d):?(\d\d)\s*\Z", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SPACE = re.compile(r"[\x00-\x20\x7f]+")
_ONLY_ID = re.compile(r"<[!-;=?-~]{1,996}>")
_ID = re.compile(r"<\s*+([^<>]++)>")
_DATE = re.compile(r"(?:[A-Za-z]{3},?\s+)?(\d{1,2})\s+([A-Za-z]{3})\s+(\d{4})\s+(\d\d?):(\d\d)(?::(\d\d))?\s+([+-])(\d\d)(\d\d)(?!\d)")
_MONTHS = {"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12}

Mailbox = tuple[str, str]
"""(name, address), both decoded; the name may be empty."""


def parse_addresses(value: str, charset: str = "") -> tuple[Mailbox, ...]:
    """The mailboxes of a raw, unfolded address field. Groups give their members.

    Encoded words decode after the split at commas: an encoded comma is part of a name (RFC 2047, 5).
    """
    # Mail after mail is for the same few addresses of ours, and customers write more than once.
    return _known_addresses(value, charset) if len(value) <= _SHORT_FIELD else tuple(_addresses_in(value, charset))


@lru_cache(maxsize=2048)
def _known_addresses(value: str, charset: str) -> tuple[Mailbox, ...]:
    return tuple(_addresses_in(value, charset))


def _addresses_in(value: str, charset: str) -> list[Mailbox]:
    if "\x1b" in value:
        value = plain(value, charset)  # ISO-2022-JP has brackets and quotes within its letters
    simple = _SIMPLE.fullmatch(value)
    if simple:
        if simple[4]:
            return [("", _address(simple[4], charset))]
        name = simple[1] if simple[1] is not None else simple[2]
        return [(_name(name, charset), _address(simple[3], charset))]
    found = _parse_list(value, charset)
    if not found and "=?" in value and "@" in (decoded := decode_words(value, charset)):
        # Broken mailers encode the whole field, address included.
        found = _parse_list(decoded, charset)
    return found


def _parse_list(value: str, charset: str) -> list[Mailbox]:
    found: list[Mailbox] = []
    phrase: list[str] = []
    comment: list[str] = []
    angle: str | None = None
    named = 0  # pieces of the phrase before the angle
    has_unclosed = False
    has_at = False  # in the phrase so far; asked at every comma, so not searched for again
    position = tokens = 0
    while position < len(value) and len(found) < MAX_ADDRESSES and tokens < MAX_TOKENS:
        tokens += 1
        if value[position] == "(":
            end = _comment_end(value, position)
            comment.append(value[position + 1 : end].rstrip(")"))
            position = end + 1
            continue
        match = _TOKEN.match(value, position)
        if match is None:
            break
        position = match.end()
        if match[1] is not None:
            if angle is None and (domain := _DOMAIN.match(value, position)):
                angle, named, position = match[0] + domain[0], len(phrase), domain.end()
                continue
            if not has_unclosed and "<" in match[1] and (len(match[0]) < 2 or match[0][-1] != '"'):
                has_unclosed, position = True, match.start() + 1  # a quote that nobody closed hides no address
                continue
            phrase.append(_ESCAPED.sub(r"\1", match[1]) if "\\" in match[1] else match[1])
        elif match[2] is not None:
            if angle is None:
                angle, named = match[2], len(phrase)
            elif "@" in angle and "@" in match[2]:
                # Nothing between two mailboxes.
                _add(found, phrase[:named], comment, angle, charset)
                phrase, comment, angle, has_at = phrase[named:], [], match[2], False
                named = len(phrase)
        elif match[3] is None:
            phrase.append(match[4])
            has_at = has_at or "@" in match[4]
        elif match[3] == ":" and angle is None and not has_at:
            phrase = []  # a group's name
        elif match[3] != ":":
            if angle is None and ";" not in match[3] and phrase and not has_at:
                phrase.append(", ")  # an unquoted comma within a name: Doe, John <...>
                continue
            _add(found, phrase, comment, angle, charset)
            phrase, comment, angle, has_at = [], [], None, False
        else:
            phrase.append(match[3])
    if len(found) < MAX_ADDRESSES:
        _add(found, phrase, comment, angle, charset)
    return found


def _comment_end(value: str, start: int) -> int:
    depth = 0
    position = start
    while position < min(len(value), start + _MAX_COMMENT):
        letter = value[position]
        if letter == "\\":
            position += 1
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
            if not depth:
                return position
        position += 1
    return len(value)


def _add(found: list[Mailbox], phrase: list[str], comment: list[str], angle: str | None, charset: str) -> None:
    text = "".join(phrase).strip(" \t,")
    if angle is not None:
        address = _address(angle.rpartition(":")[2] if angle.startswith("@") else angle, charset)
        if address:
            found.append((_name(text, charset), address))
        elif "@" in text:
            found.append(("", _address(text.split()[-1], charset)))
        return
    words = text.split()
    if len(text) <= _MAX_ID and _has_loose_sign(words):
        joined = _LOOSE.sub(r"\1", text)
        words = [joined] if _BARE.fullmatch(joined) else words
    bare = [word for word in words if _BARE.fullmatch(word)]
    if len(bare) > 1:
        found.extend(("", _address(word, charset)) for word in bare[: MAX_ADDRESSES - len(found)])
        return
    if bare and not comment and len(words) > 1:
        comment = [word for word in words if word != bare[0]]
    at = bare[0] if bare else next((word for word in words if "@" in word), None)
    if at is None and len(words) == 1 and "=?" not in text and not _KEPT_BACK.fullmatch(text):
        at = words[0]  # a local name: root, MAILER-DAEMON
    if at is not None:
        address = _address(at, charset)
        if address:
            found.append((_name(" ".join(comment), charset), address))


def _address(value: str, charset: str) -> str:
    text = decode_words(value, charset)
    if '"' in text and (quoted := _QUOTED_LOCAL.fullmatch(text)):
        local = clean_text(_ESCAPED.sub(r"\1", quoted[1]))
        domain = _SPACE.sub("", quoted[2])
        return (f"{local}{domain}" if _ATOMS.fullmatch(local) else f'"{quoted[1]}"{domain}')[:_MAX_ID]
    if "(" in text:
        text = _COMMENT.sub("", text)
    if ":" in text:
        text = _SCHEME.sub("", text, count=1)
    return _SPACE.sub("", text)[:_MAX_ID].strip("'\"") if text else ""


def _name(value: str, charset: str) -> str:
    text = decode_words(value, charset)
    if _SPACE.search(text):
        text = _SPACE.sub(" ", text)
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()
    return text[:_MAX_ID]


def _has_loose_sign(words: list[str]) -> bool:
    """Whether blanks stand round a dot or an at sign, as very old mailers wrote addresses."""
    return any(word[0] in ".@" or word[-1] in ".@" for word in words)


def name_alone(value: str, charset: str = "") -> str:
    """The name in a raw, unfolded sender that has no address."""
    archived = _PIPERMAIL.fullmatch(value[:_MAX_ID])
    value = archived[1] if archived else value  # mailing list archives write: ann at tenant.example (Ann Lee)
    name = _name(value.replace("<>", " "), charset) if len(value) <= _MAX_ID else ""
    return "" if "@" in name else name


def message_ids(value: str) -> list[str]:
    """The ids of a field in order, each in angle brackets; a bare id gets its brackets. At most 500, the last kept."""
    if _ONLY_ID.fullmatch(value):
        return [value]
    found = _ID.findall(value)
    if not found:
        found = [word for word in value.split() if "@" in word] or value.split()[:1]
    if len(found) > MAX_REFERENCES:
        found = [found[0], *found[1 - MAX_REFERENCES :]]
    ids = []
    for one in found:
        one = one[: 2 * _MAX_ID]
        text = _SPACE.sub("", one if one.isascii() else plain(one)).strip("<>")[:_MAX_ID]
        if text:
            ids.append(f"<{clean_text(text)}>")
    return list(dict.fromkeys(ids))


def addresses_only(mailboxes: Iterable[Mailbox]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address for _, address in mailboxes))


def parse_date(value: str) -> datetime | None:
    """A date field's instant with the zone it was written in; a zone that is unknown counts as UTC."""
    match = _DATE.match(value)
    if match:
        day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
        number = _MONTHS.get(month.lower())
        offset = int(zone_hours) * 60 + int(zone_minutes)
        if number and offset < 1440:
            try:
                zone = timezone(timedelta(minutes=-offset if sign == "-" else offset)) if offset else UTC
                return datetime(int(year), number, int(day), int(hour), int(minute), min(int(second or 0), 59), tzinfo=zone)
            except ValueError:
                return None
    if not value or len(value) > 200:
        return None
    return _odd_date(value)


def _odd_date(value: str) -> datetime | None:
    text = plain(value)
    try:
        parts = parsedate_tz(_NUMERIC_ZONE.sub(r" \1\2", _DATE_COMMENT.sub("", text)))
        if parts is None:
            found = datetime.fromisoformat(text)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        seconds = parts[9] or 0
        zone = timezone(timedelta(seconds=seconds)) if seconds else UTC
        # Three digits count from 1900 (RFC 5322, 4.3): counting on from 99 made 2026 the year 126.
        year = parts[0] + 1900 if 100 <= parts[0] < 1000 else parts[0]
        return datetime(year, *parts[1:5], min(parts[5], 59), tzinfo=zone)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
