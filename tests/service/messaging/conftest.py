from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from shared.observability import configure_logging
from shared.schemas.configuration import Configuration
from shared.schemas.events import StaffChanged, UnitChanged
from tests.support.tally import TallyService, create_schema


@dataclass
class GrowingReference:
    """Reference data whose version the test moves."""

    version: int = 1
    staff: dict[str, StaffChanged] = field(default_factory=dict)
    units: dict[str, UnitChanged] = field(default_factory=dict)

    def configuration(self, version: int = 0) -> Configuration:
        raise LookupError("none here")


@pytest.fixture
def reference() -> GrowingReference:
    return GrowingReference()


@pytest.fixture
def tally(kafka: str, topic_prefix: str, empty_database: str, reference: GrowingReference) -> TallyService:
    create_schema(empty_database)
    return TallyService(kafka, topic_prefix, empty_database, reference)


@pytest.fixture(autouse=True)
def _quiet_logs() -> None:
    configure_logging("tally", "test", "ERROR")
