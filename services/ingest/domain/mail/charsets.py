"""Bytes to text, whatever the label says."""

from __future__ import annotations

import binascii
import codecs
import encodings.aliases
import re
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache

from charset_normalizer import from_bytes

# What mailers write and Python does not know under that name.
_ALIASES = {
    "ansi": "cp1252",
    "cp1252": "cp1252",
    "gb2312_charset": "gb18030",
    "gb_2312-80": "gb18030",
    "iso-8859-8-e": "cp1255",
    "iso-8859-8-i": "cp1255",
    "ks_c_5601": "cp949",
    "ks_c_5601-1987": "cp949",
    "latin-1": "cp1252",
    "macintosh": "mac_roman",
    "unicode-1-1-utf-7": "utf_7",
    "unicode-1-1-utf-8": "utf_8",
    "utf8mb4": "utf_8",
    "windows-31j": "cp932",
}
# The label's charset -> its superset that is meant in practice (the mapping browsers use as well).
_WIDENED = {
    "big5": "cp950",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "hp-roman8": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "iso2022_jp": "iso2022_jp_ext",
    "iso2022_jp_1": "iso2022_jp_ext",
    "shift_jis": "cp932",
    "tis-620": "cp874",
}
_UNDECLARED = {"", "ascii"}
_NOT_FOR_MAIL = {"idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"}
_WITHOUT_ALIAS = {"cp720", "cp737", "cp856", "cp874", "koi8_t", "koi8_u"}
_KNOWN = set(encodings.aliases.aliases) | set(encodings.aliases.aliases.values()) | _WITHOUT_ALIAS
_VENDORS = re.compile(r"\Ax-(?:x-)?|\A(?:x-)?(cp|win|windows|ibm)[-_]?(?=\d)")
_ASCII_IS_ITSELF = re.compile(r"utf-8|cp125\d|cp874|cp9(?:32|49|50)|iso8859-\d+|gb18030|koi8-[rut]|euc_\w+|mac-\w+")
_KANA = re.compile("[\u3041-\u30fe]")
_UU_BEGIN = re.compile(rb"^begin [^\r\n]*+[\r\n]++", re.MULTILINE)
_ESCAPE = re.compile(rb"\x1b(\$[@B]|\$\([@BD]|\([BJI])")
_LABEL_NOISE = re.compile(r"[^a-z0-9]+")
_SURROGATES = re.compile("[\ud800-\udfff]+")
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")
_ASCII_BYTES = bytes(range(128))
_ASCII_LETTERS = re.compile(rb"[A-Za-z]")
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_BLANK = b" \t\r\n"
_PADDED_BREAK = re.compile(rb"=[ \t]++(?=\r?\n)")
_DETECTION_BYTES = 4096
_MAX_PADDED = 20_000
"""Pieces of base64 that are padded each for itself; what comes behind so many is read as one."""
_MAX_BAD_LINES = 1_000
"""Lines of uuencoded text that are none; what comes behind so many is not read."""
_OF_TWO_BYTES = {
    "gb18030",
    "hz",
    "cp949",
    "cp950",
    "cp932",
    "big5hkscs",
    "euc_jp",
    "euc_jis_2004",
    "euc_jisx0213",
    "johab",
    "shift_jisx0213",
}
_WESTERN = {"iso8859-15", "iso8859-2", "iso8859-3", "iso8859-4", "cp1250", "cp1254", "cp1257", "cp850", "cp437", "mac-roman"}
_CONTROL = re.compile("[\x80-\x9f]")
_LETTER = re.compile(rb"[\xc2-\xf4]")
_LONG_LETTER = re.compile(rb"[\xe0-\xf4]")
_MAX_LINES = 20_000
_MAX_EUROS = 10_000
_FEW_BYTES = 5
"""Fewer bytes beyond ASCII than these tell nothing of their charset."""
_GUESSED_BYTES = 1536
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_DETECTED = [
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874", "koi8_r", "koi8_u", "iso8859_2"),
    *("iso8859_5", "gb18030", "big5", "cp949", "cp932", "euc_jp", "cp866", "mac_roman", "mac_cyrillic"),
]
"""What mail without a label, or with a wrong one, is in; the detector knows more, such as EBCDIC, and finds it in short texts."""
_MAX_REMAPPED = 200_000


@dataclass(slots=True)
class _Guessing:
    """What may still be spent on telling charsets from bytes: it takes milliseconds a time. Behind it the last one found counts."""

    bytes: int = 2 * _GUESSED_BYTES
    times: int = 10
    last: str = "cp1252"


_GUESSING: ContextVar[_Guessing] = ContextVar("guessing")


def begin_mail() -> None:
    """Each mail has its own room for guesses."""
    _GUESSING.set(_Guessing())


def clean_text(text: str) -> str:
    """Drop NULs and lone surrogates: PostgreSQL takes no NUL, UTF-8 no surrogate."""
    text = _without_nul(text)
    try:
        text.encode()  # the fastest search for a surrogate
    except UnicodeEncodeError:
        return _SURROGATES.sub("", text)
    return text


def _without_nul(text: str) -> str:
    return text.replace("\x00", "") if "\x00" in text else text


@lru_cache(maxsize=512)
def _codec(label: str) -> str | None:
    """Python's name of the charset meant by a label; None where the label says nothing usable."""
    name = label.partition("(")[0].strip(" \t'\"=").lower()
    name = _ALIASES.get(name, name)
    # Looked up only when known: the codec registry imports by name and remembers every failure for ever.
    normal = _LABEL_NOISE.sub("_", name).strip("_")
    if normal not in _KNOWN:
        usual = _VENDORS.sub(lambda vendor: "cp" if vendor[1] else "", name.split()[0] if name else "", count=1)
        return _codec(usual) if usual != name else None
    try:
        info = codecs.lookup(normal)
    except LookupError:
        return None
    found = _WIDENED.get(info.name, info.name)
    if not info._is_text_encoding or found in _NOT_FOR_MAIL or found in _UNDECLARED:
        return None
    return found


@lru_cache(maxsize=512)
def _keeps_ascii(codec: str) -> bool:
    return _ASCII_IS_ITSELF.fullmatch(codec) is not None


def _has_no_shift(data: bytes, codec: str) -> bool:
    """Whether ASCII `data`, without escapes, says the same in `codec`: its decoder would take ten times as long."""
    return b"~" not in data if codec == "hz" else b"\x0e" not in data if codec.startswith("iso2022") else False


def decode_text(data: bytes, label: str = "") -> str:
    """Decode as labelled where the bytes allow it, else as what they most probably are. Never fails."""
    codec = _codec(label) if label and len(label) <= 64 else None
    if data.isascii() and b"\x1b" not in data and (codec is None or _keeps_ascii(codec) or _has_no_shift(data, codec)):
        return _without_nul(data.decode("ascii"))
    if codec is None or codec == "cp1252":
        return clean_text(_decode_unlabelled(data, western=codec is not None))
    try:
        text = data.decode("utf-8" if codec != "utf-8" and _is_rather_utf_8(data, codec) else codec)
    except (UnicodeError, ValueError):
        text = _decode_mislabelled(data, codec)
    else:
        if codec == "utf-8":
            return _without_nul(text.removeprefix("\ufeff"))  # valid UTF-8 holds no surrogate
    return clean_text(text.removeprefix("\ufeff"))


def _is_rather_utf_8(data: bytes, codec: str) -> bool:
    """Whether `data` is valid UTF-8 in a way that text in `codec` is not by chance."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    if _CONTROL.search(text):
        return False
    if codec in _OF_TWO_BYTES:
        # Two of its letters may look like two of UTF-8's short ones; three bytes in order, twice, they are not.
        return len(_LONG_LETTER.findall(data, 0, _DETECTION_BYTES)) > 1
    letters = len(_LETTER.findall(data, 0, _DETECTION_BYTES))
    return letters > 1 or (letters == 1 and codec in _WESTERN)


@lru_cache(maxsize=64)
def _table(codec: str) -> str:
    """What each byte means in a charset of one byte a letter; empty: it is none."""
    if codec.startswith(("utf", "iso2022")) or codec in _OF_TWO_BYTES:
        return ""
    table = bytes(range(256)).decode(codec, "replace")
    return table if len(table) == 256 and not table.isascii() and table[65] == "A" else ""


def _decode_marked(data: bytes, codec: str) -> str:
    """With a mark for each byte that means nothing. Python's codecs take a thousand times as long for such a byte as for others."""
    table = _table(codec)
    return codecs.charmap_decode(data, "strict", table)[0] if table else data.decode(codec, "replace")


def _decode_mislabelled(data: bytes, codec: str) -> str:
    """The label's charset with its damage marked where the damage is small, else without the label."""
    if codec == "iso2022_jp_ext":
        return _decode_windows_jis(data)
    if codec == "utf-7" and data.count(b"\n") < _MAX_LINES:
        # Its shifts end with the line at the latest: one that is none spoils no other.
        return "\n".join(map(_decode_utf_7, data.split(b"\n")))
    if codec.startswith("utf-16"):
        data = data[: len(data) & ~1]  # a line end of one byte, which a gateway put behind it
    marked = _decode_marked(data, codec)
    damage = marked.count("\ufffd")
    if codec == "gb18030" and b"\x80" in data and damage < _MAX_EUROS:
        # Windows has its euro where the standard has nothing.
        marked = _ESCAPED_BYTE.sub("\ufffd", data.decode(codec, "surrogateescape").replace("\udc80", "€"))
        damage = marked.count("\ufffd")
    beyond_ascii = len(data) if codec.startswith("utf-16") else len(data.translate(None, _ASCII_BYTES))
    if damage * 4 <= beyond_ascii:
        return marked
    return _decode_unlabelled(data)


def _decode_utf_7(line: bytes) -> str:
    try:
        return line.decode("utf-7")
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace")


def _decode_unlabelled(data: bytes, *, western: bool = False) -> str:
    if b"\x1b$" in data:
        try:
            return data.decode("iso2022_jp_ext")
        except UnicodeDecodeError:
            if data.isascii():
                return _decode_windows_jis(data)
    # Text in another charset that happens to be valid UTF-8 hardly exists, so UTF-8 wins over a Latin-1 label too.
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if western:
        return _decode_marked(data, "cp1252")
    marked = data.decode("utf-8", "replace")
    beyond_ascii = len(data.translate(None, _ASCII_BYTES))
    if marked.count("\ufffd") * 4 <= beyond_ascii:
        return marked
    # Western text has few letters beyond ASCII; where they are the most, another script is likely.
    if beyond_ascii < _FEW_BYTES or beyond_ascii < len(_ASCII_LETTERS.findall(data[:_DETECTION_BYTES])) or data.count(b"\x00"):
        return _decode_marked(data, "cp1252")
    # From the first letter that tells anything: before it there may be pages of HTML.
    start = _BEYOND_ASCII.search(data)
    begin = start.start() if start else 0
    sample = data[begin : begin + _DETECTION_BYTES]
    for codec in ("cp932", "euc_jp"):
        if _is_japanese(sample, codec):
            return _decode_marked(data, codec)
    return _decode_marked(data, _guess(sample[:_GUESSED_BYTES]))


def _guess(sample: bytes) -> str:
    room = _GUESSING.get(None) or _Guessing()
    if room.bytes > 0 and room.times > 0:
        room.bytes -= len(sample)
        room.times -= 1
        found = from_bytes(sample, cp_isolation=_DETECTED).best()
        room.last = found.encoding if found else "cp1252"
    return room.last


def _is_japanese(sample: bytes, codec: str) -> bool:
    """Whether `sample` is valid in `codec` and has as many kana as Japanese has; other languages' bytes make hardly any."""
    try:
        text = codecs.getincrementaldecoder(codec)().decode(sample)
    except UnicodeDecodeError:
        return False
    return len(_KANA.findall(text)) * 4 > sum(letter > "\x7f" for letter in text)


def _decode_windows_jis(data: bytes) -> str:
    """ISO-2022-JP as Windows writes it, with rows of NEC and IBM that Python's codec does not know: by way of Shift_JIS."""
    if len(data) > _MAX_REMAPPED:
        return data.decode("iso2022_jp_ext", "replace")
    shifted = bytearray()
    mode, position = b"(B", 0
    for found in _ESCAPE.finditer(data):
        _shift(shifted, mode, data[position : found.start()])
        mode, position = found[1], found.end()
    _shift(shifted, mode, data[position:])
    return shifted.decode("cp932", "replace")


def _shift(shifted: bytearray, mode: bytes, piece: bytes) -> None:
    """Append what `piece` says in `mode` as Shift_JIS."""
    if mode == b"(I":
        shifted += bytes(letter | 0x80 for letter in piece)
    elif mode[:1] == b"$":
        letters = bytes(letter for letter in piece if letter > 0x20)
        for row, cell in zip(letters[::2], letters[1::2], strict=False):
            shifted.append(((row + 1) >> 1) + (0x70 if row < 0x5F else 0xB0) & 0xFF)
            shifted.append(cell + (0x7E if not row & 1 else 0x1F if cell < 0x60 else 0x20) & 0xFF)
    else:
        shifted += piece


def decode_base64(data: bytes) -> bytes:
    """Decode base64 with missing or repeated padding, junk between, or a footer that somebody appended."""
    padding = data.find(b"=")
    if padding < 0 or not data[padding:].strip(b"=" + _BLANK):
        try:
            return binascii.a2b_base64(data)
        except binascii.Error:
            pass
    pieces = []
    for number, chunk in enumerate(data.split(b"=", _MAX_PADDED)):
        letters = chunk.translate(None, _NOT_BASE64)
        if number and chunk[:1] in b" \t" and chunk.split(b"\n", 1)[0].strip():
            break  # behind the padding, on its line: prose too
        if number and len(letters) + sum(map(chunk.count, (b" ", b"\t", b"\r", b"\n"))) != len(chunk):
            break  # after the padding: prose, not data
        letters = letters[: len(letters) - 1] if len(letters) % 4 == 1 else letters
        pieces.append(binascii.a2b_base64(letters + b"=" * (-len(letters) % 4)))
    return b"".join(pieces)


def decode_quoted_printable(data: bytes) -> bytes:
    # Blanks behind a soft line break are the transport's (RFC 2045, 6.7).
    return binascii.a2b_qp(_PADDED_BREAK.sub(b"=", data) if b"= " in data or b"=\t" in data else data)


def decode_uuencoded(data: bytes) -> bytes:
    pieces: list[bytes] = []
    bad = 0
    begin = _UU_BEGIN.search(data)
    for line in data[begin.end() :].splitlines() if begin else ():
        if bad > _MAX_BAD_LINES or line.startswith(b"end") or not line:
            break
        try:
            pieces.append(binascii.a2b_uu(line))
        except binascii.Error:
            # Some encoders count wrong: as many bytes as the line's length byte promises.
            wanted = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                pieces.append(binascii.a2b_uu(line[:wanted]))
            except binascii.Error:
                bad += 1
    return b"".join(pieces)
