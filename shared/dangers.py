"""Files that can harm whoever opens them: told by name and by content, without opening or running anything.

A warning and no more: the file is kept as it came. It is no scanner of viruses, and what it does not flag is not thereby safe.
"""

from __future__ import annotations

import re
import struct

EXECUTABLE, SCRIPT, MACROS, DISK_IMAGE, SHORTCUT = "executable", "script", "macros", "disk-image", "shortcut"
WEB_PAGE, DISGUISED, ARCHIVE = "web-page", "disguised", "archive"

_ENDINGS = {
    EXECUTABLE: "exe com scr pif cpl msi msp msix msixbundle appx appxbundle application dll sys ocx drv gadget jar apk deb rpm pkg app "
    "xll xpi crx",
    SCRIPT: "bat cmd vb vbs vbe js jse mjs ws wsf wsh wsc sct ps1 ps2 ps1xml psm1 psd1 psc1 msh hta sh bash zsh csh ksh command py pyw pyc "
    "rb pl php reg inf chm hlp applescript scpt diagcab",
    MACROS: "docm dotm xlsm xltm xlsb xlam xla pptm potm ppsm ppam ppa sldm wll mdb mde accdb accde accda ade adp slk iqy oqy "
    "dqy rqy one onepkg",
    DISK_IMAGE: "iso img vhd vhdx vmdk dmg udf wim",
    SHORTCUT: "lnk url webloc desktop website scf appref-ms library-ms search-ms searchconnector-ms settingcontent-ms theme rdp",
    WEB_PAGE: "html htm shtml xhtml xht mht mhtml",
}
_KIND = {ending: kind for kind, endings in _ENDINGS.items() for ending in endings.split()}
_PASSES_FOR_HARMLESS = (
    "pdf doc docx odt rtf txt csv xls xlsx ods ppt pptx odp jpg jpeg png gif bmp tif tiff webp heic mp3 mp4 mov avi wav eml msg ics vcf"
)
_HARMLESS = frozenset(_PASSES_FOR_HARMLESS.split())
_RUN = frozenset((EXECUTABLE, SCRIPT, SHORTCUT))

_SHEBANG = re.compile(rb"#!\s*/")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_MACROS = ("_VBA_PROJECT".encode("utf-16-le"), "Macros".encode("utf-16-le"))
_LINK = b"L\0\0\0\x01\x14\x02\0"
_STARTS = (
    (b"\x7fELF", EXECUTABLE),
    (b"\xca\xfe\xba\xbe", EXECUTABLE),
    (b"\xfe\xed\xfa\xce", EXECUTABLE),
    (b"\xfe\xed\xfa\xcf", EXECUTABLE),
    (b"\xce\xfa\xed\xfe", EXECUTABLE),
    (b"\xcf\xfa\xed\xfe", EXECUTABLE),
    (_LINK, SHORTCUT),
    (b"[InternetShortcut]", SHORTCUT),
    (b"vhdxfile", DISK_IMAGE),
    (b"KDMV", DISK_IMAGE),
)
# A first byte that none of these kinds begins with settles most files.
_FIRST = frozenset(start[0] for start, _ in _STARTS) | frozenset(b"MP\xd0#<")
_ISO_MARK = 0x8001
_ENTRY = b"PK\x01\x02"
_ENTRY_HEAD = struct.Struct("<HH16xHHH")
_MOST_ENTRIES = 10_000
_SVG_SCRIPT = re.compile(rb"<script|javascript:|\son[a-z]{3,20}\s*=", re.IGNORECASE)


def danger(filename: str, content: bytes) -> str:
    """Why a file is dangerous to open; empty: nothing is known against it.

    `executable`: a program or installer. `script`. `macros`: a document that carries programs, or may. `disk-image`. `shortcut`: leads to
    a program or a web address. `web-page`: HTML, or a picture with scripts in it. `disguised`: it runs, and its name passes for something
    else (two endings, or one that its content belies). `archive`: holds one of the first five, or cannot be looked into without a password.
    Takes time linear in the content.
    """
    stem, ending = _endings(filename)
    kind = _KIND.get(ending, "") or (SHORTCUT if ending.startswith("{") else "")
    if kind in _RUN and stem in _HARMLESS:
        return DISGUISED
    if kind:
        return kind
    found = _by_content(content, ending)
    return DISGUISED if found in _RUN and ending in _HARMLESS else found


def _endings(filename: str) -> tuple[str, str]:
    """The last two endings, in lower case. Windows ignores blanks and dots at a name's end, and names a file's stream after `::`."""
    name = filename.partition("::")[0].rstrip(". ").lower()
    rest, dot, ending = name.rpartition(".")
    if not dot:
        return "", ""
    return rest.rstrip(". ").rpartition(".")[2].strip(), ending.strip()


def _by_content(content: bytes, ending: str) -> str:
    if ending == "svg":
        return WEB_PAGE if _SVG_SCRIPT.search(content) else ""
    if content[:1] and content[0] in _FIRST:
        if content.startswith(b"PK\x03\x04"):
            return _in_zip(content)
        if content.startswith(_OLE):
            return MACROS if any(mark in content for mark in _OLE_MACROS) else ""
        # A text may begin with these two letters; a program has zeros in its head.
        if content.startswith(b"MZ") and b"\0" in content[:64]:
            return EXECUTABLE
        if _SHEBANG.match(content):
            return SCRIPT
        if content[:15].lower().startswith((b"<!doctype html", b"<html")):
            return WEB_PAGE
        for start, kind in _STARTS:
            if content.startswith(start):
                return kind
    if content.startswith(b"CD001", _ISO_MARK) or content.startswith((b"conectix", b"koly"), max(0, len(content) - 512)):
        return DISK_IMAGE
    return ""


def _in_zip(content: bytes) -> str:
    """What the table of contents tells; names stand in it unpacked."""
    found = ""
    at = content.find(_ENTRY)
    for _ in range(_MOST_ENTRIES):
        if at < 0 or at + 46 > len(content):
            break
        flags, _method, name_length, extra, comment = _ENTRY_HEAD.unpack_from(content, at + 8)
        name = content[at + 46 : at + 46 + name_length].decode("utf-8", "replace").lower()
        if name.endswith("vbaproject.bin") or name.startswith(("xl/macrosheets/", "basic/")):
            return MACROS
        if flags & 1 or _KIND.get(_endings(name)[1], WEB_PAGE) != WEB_PAGE:
            found = ARCHIVE
        following = at + 46 + name_length + extra + comment
        at = following if content.startswith(_ENTRY, following) else content.find(_ENTRY, at + 4)
    return found
