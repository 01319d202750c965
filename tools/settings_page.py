"""Writes docs/settings.md from the settings classes: `python tools/settings_page.py > docs/settings.md`; a test keeps it current."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from pydantic_core import PydanticUndefined

from services.case.settings import ApiSettings as CaseApiSettings
from services.case.settings import Settings as CaseSettings
from services.case.settings import SweepSettings
from services.desk.settings import DeskSettings
from services.ingest.settings import ApiSettings, PollSettings, ReceiveSettings
from services.ingest.settings import Settings as IngestSettings
from services.notify.settings import HookSettings, SendSettings, SmsSettings
from services.sla.settings import Settings as SlaSettings
from services.task.settings import TaskSettings
from shared.settings import LinkPageSettings, LinkSettings, ObjectSettings, ProcessSettings

SERVICES: dict[str, type[ProcessSettings]] = {
    "Every process that keeps or reads files": ObjectSettings,
    "Every process that makes or reads links to answer by": LinkSettings,
    "Every process with pages behind such links": LinkPageSettings,
    "ingest": IngestSettings,
    "ingest (role api)": ApiSettings,
    "ingest (role poll)": PollSettings,
    "ingest (role receive)": ReceiveSettings,
    "case": CaseSettings,
    "case (role api)": CaseApiSettings,
    "case (role sweep)": SweepSettings,
    "task": TaskSettings,
    "sla": SlaSettings,
    "notify (role send)": SendSettings,
    "notify (role hooks)": HookSettings,
    "notify (roles send and api): text messages": SmsSettings,
    "desk": DeskSettings,
}


def row(name: str, field: Any) -> str:
    """One line of the table."""
    if field.default is PydanticUndefined:
        default = "must be given"
    else:
        default = f"`{field.default}`" if field.default not in ("", None, {}) else "empty"
    return f"| `CASESTREAM_{name.upper()}` | {default} | {field.description} |"


def page() -> str:
    """The whole page."""
    lines = [
        "# Settings",
        "",
        "Read from the environment of each process; a missing or bad one stops it with one line that names it. Secrets may come from files",
        "where a setting says so. Made by `python tools/settings_page.py > docs/settings.md`; a test keeps it current.",
    ]
    common = ProcessSettings.model_fields
    sections = [("Every process", common)]
    for service, settings in SERVICES.items():
        inherited = {name for base in settings.__mro__[1:] if issubclass(base, ProcessSettings) for name in base.model_fields}
        own = {name: field for name, field in settings.model_fields.items() if name not in inherited}
        if own:
            sections.append((service, own))
    for title, fields in sections:
        lines += ["", f"## {title}", "", "| setting | default | meaning |", "|---|---|---|"]
        lines += [row(name, field) for name, field in fields.items()]
    lines += [
        "",
        "## The local platform and tests",
        "",
        "| setting | meaning |",
        "|---|---|",
        "| `CASESTREAM_KAFKA`, `CASESTREAM_DATABASE` | For `casestream up`: this Kafka, PostgreSQL (administrator's URL), start none. |",
        "| `CASESTREAM_TEST_KAFKA`, `CASESTREAM_TEST_DATABASE` | For the tests: the same. |",
        "| `CASESTREAM_REPLICATION` | For `python -m shared.messaging topics`: replicas of each topic, 3 unless told. |",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
