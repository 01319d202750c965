"""The sample organisation's own templates, rendered for every kind of event that they are for."""

from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from services.notify.domain.message import numbered
from services.notify.domain.tags import tag_values
from services.notify.handlers.composing import Wording
from services.notify.handlers.occasions import CASES, CLOCKS, TASKS
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.check import check_configuration
from shared.schemas.events import CaseBroadcast
from tests.service.notify.harness import a_case, a_task, an_alert, an_approval

SAMPLE = Path(__file__).resolve().parents[3] / "config" / "housing.yaml"
EVENTS = {"approval": (an_approval, TASKS), "case": (a_case, CASES), "task": (a_task, TASKS), "clock": (an_alert, CLOCKS)}


@pytest.fixture(scope="module")
def sample() -> Configuration:
    checked = check_configuration(SAMPLE.read_text())
    assert checked.configuration is not None
    return checked.configuration


@pytest.mark.requirement("NOTE-2")
def test_each_definition_of_the_sample_makes_a_text_without_a_tag_left(sample: Configuration) -> None:
    wording = Wording(sample)
    for definition in sample.communications:
        build, readings = EVENTS[definition.on.partition(".")[0]]
        event = build(1, CaseBroadcast, parent_id=uuid4(), text="The lift works.") if definition.on == "case.broadcast" else build()
        occasion = readings[type(event.data)].read(definition.on, event, 1)
        facts = orjson.loads(orjson.dumps(occasion.facts))
        values = tag_values(facts, wording.names, {"rita": "Rita Repairs"}, "Rita Repairs")
        template = wording.template(definition.template)
        subject = numbered(template.subject_line.header(values), facts["number"])
        assert subject.count("C-2026-000001") == subject.count("[C-2026-000001]") == 1
        assert "#" not in subject + template.text.plain(values)
        assert "None" not in template.text.plain(values)
