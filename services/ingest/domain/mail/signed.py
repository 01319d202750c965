"""Text that PGP signed in place (RFC 9580, 7): its armor is for programs, the raw mail keeps it."""

from __future__ import annotations

import re

SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = re.compile(r"^-----BEGIN PGP SIGNATURE-----[ \t]*+$", re.MULTILINE)
_SIGNATURE_END = "-----END PGP SIGNATURE-----"
_DASHED = re.compile(r"^- ", re.MULTILINE)


def without_armor(text: str) -> str:
    """`text`, which begins with `SIGNED`, without the armor's head and the signature; what stands below it stays.

    As it is where the armor is cut off.
    """
    begins = text.find("\n\n")
    signature = _SIGNATURE.search(text)
    ends = text.find(_SIGNATURE_END, signature.end()) if signature else -1
    if signature is None or ends < 0 or not 0 <= begins < signature.start():
        return text
    signed = _DASHED.sub("", text[begins + 2 : signature.start()]).rstrip("\n")
    return (signed + "\n\n" + text[ends + len(_SIGNATURE_END) :].strip("\n")).rstrip("\n")
