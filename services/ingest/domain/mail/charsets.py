"""Bytes to text, whatever the label says."""

from __future__ import annotations

import binascii
import codecs
import encodings.aliases
import re
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
_ESCAPE = re.compile(rb"\x1b(\$[@B]|\$\([@BD]|\([BJI])")
_LABEL_NOISE = re.compile(r"[^a-z0-9]+")
_UNWANTED = re.compile("[\x00\ud800-\udfff]")
_ASCII_BYTES = bytes(range(128))
_ASCII_LETTERS = re.compile(rb"[A-Za-z]")
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_BLANK = b" \t\r\n"
_PADDED_BREAK = re.compile(rb"=[ \t]++(?=\r?\n)")
_DETECTION_BYTES = 4096
_MAX_REMAPPED = 200_000


def clean_text(text: str) -> str:
    """Drop NULs and lone surrogates: PostgreSQL takes no NUL, UTF-8 no surrogate."""
    if "\x00" not in text:
        try:
            text.encode()  # the fastest search for a surrogate
        except UnicodeEncodeError:
            pass
        else:
            return text
    return _UNWANTED.sub("", text)


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


def decode_text(data: bytes, label: str = "") -> str:
    """Decode as labelled where the bytes allow it, else as what they most probably are. Never fails."""
    codec = _codec(label) if label and len(label) <= 64 else None
    if data.isascii() and b"\x1b" not in data and (codec is None or _keeps_ascii(codec)):
        return _without_nul(data.decode("ascii"))
    if codec is None or codec == "cp1252":
        return clean_text(_decode_unlabelled(data, western=codec is not None))
    try:
        text = data.decode(codec)
    except (UnicodeError, ValueError):
        text = _decode_mislabelled(data, codec)
    else:
        if codec == "utf-8":
            return _without_nul(text.removeprefix("\ufeff"))  # valid UTF-8 holds no surrogate
    return clean_text(text.removeprefix("\ufeff"))


def _decode_mislabelled(data: bytes, codec: str) -> str:
    """The label's charset with its damage marked where the damage is small, else without the label."""
    if codec == "iso2022_jp_ext":
        return _decode_windows_jis(data)
    marked = data.decode(codec, "replace")
    damage = marked.count("\ufffd")
    beyond_ascii = len(data.translate(None, _ASCII_BYTES))
    if damage * 4 <= beyond_ascii:
        return marked
    return _decode_unlabelled(data)


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
        return data.decode("cp1252", "replace")
    marked = data.decode("utf-8", "replace")
    beyond_ascii = len(data.translate(None, _ASCII_BYTES))
    if marked.count("\ufffd") * 4 <= beyond_ascii:
        return marked
    # Western text has few letters beyond ASCII; where they are the most, another script is likely.
    if beyond_ascii < len(_ASCII_LETTERS.findall(data[:_DETECTION_BYTES])) or data.count(b"\x00"):
        return data.decode("cp1252", "replace")
    sample = data[:_DETECTION_BYTES]
    for codec in ("cp932", "euc_jp"):
        if _is_japanese(sample, codec):
            return data.decode(codec, "replace")
    guess = from_bytes(sample).best()
    return data.decode(guess.encoding if guess else "cp1252", "replace")


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
    for number, chunk in enumerate(data.split(b"=")):
        letters = chunk.translate(None, _NOT_BASE64)
        if number and len(letters) + sum(map(chunk.count, (b" ", b"\t", b"\r", b"\n"))) != len(chunk):
            break  # after the padding: prose, not data
        letters = letters[: len(letters) - 1] if len(letters) % 4 == 1 else letters
        pieces.append(binascii.a2b_base64(letters + b"=" * (-len(letters) % 4)))
    return b"".join(pieces)


def decode_quoted_printable(data: bytes) -> bytes:
    # Blanks behind a soft line break are the transport's (RFC 2045, 6.7).
    return binascii.a2b_qp(_PADDED_BREAK.sub(b"=", data) if b"= " in data or b"=\t" in data else data)


def decode_uuencoded(data: bytes) -> bytes:
    pieces = []
    started = False
    for line in data.splitlines():
        if not started:
            started = line.startswith(b"begin ")
            continue
        if line.startswith(b"end") or not line:
            break
        try:
            pieces.append(binascii.a2b_uu(line))
        except binascii.Error:
            # Some encoders count wrong: as many bytes as the line's length byte promises.
            wanted = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                pieces.append(binascii.a2b_uu(line[:wanted]))
            except binascii.Error:
                continue
    return b"".join(pieces)
