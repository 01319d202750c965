"""Why a case is cancelled: by a reason from the configuration, one of them the default (CASE-6)."""

from __future__ import annotations

from dataclasses import dataclass

from services.case.domain.refusals import CancellationRefused


@dataclass(frozen=True, slots=True)
class CancellationReasons:
    """The codes of the configured reasons. Where there are none, a reason is any text."""

    codes: tuple[str, ...] = ()
    default: str = ""

    def chosen(self, given: str, what: str) -> str:
        """The reason to keep: `given`, or the default one for a blank. Raises `CancellationRefused`."""
        if not given.strip():
            return self.default
        if self.codes and given not in self.codes:
            raise CancellationRefused(what, f"there is no cancellation reason {given!r}; it is one of {', '.join(self.codes)}")
        return given
