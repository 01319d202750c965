"""Where the command line finds its platform."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.cli.stack.platform import Stack

CLONE = Path(__file__).resolve().parents[3]


def state_folder() -> Path:
    """`.casestream` in the clone, or what CASESTREAM_HOME names."""
    return Path(os.environ.get("CASESTREAM_HOME") or CLONE / ".casestream")


def the_stack(*, replicas: int | None = None, progress: Callable[[str], None] | None = None) -> "Stack":
    """The platform of this clone; CASESTREAM_KAFKA and CASESTREAM_DATABASE name servers that run already.

    Without a number of replicas: as many as it has been started with.
    """
    from services.cli.stack.platform import SAMPLE_MAILS, Stack

    return Stack(
        state_folder(),
        replicas=replicas,
        prefix=os.environ.get("CASESTREAM_TOPIC_PREFIX", ""),
        kafka=os.environ.get("CASESTREAM_KAFKA") or None,
        database=os.environ.get("CASESTREAM_DATABASE") or None,
        samples=SAMPLE_MAILS,
        progress=progress or _quiet,
    )


def _quiet(_: str) -> None:
    pass
