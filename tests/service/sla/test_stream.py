"""The stream on a real Kafka: what fires, when, and what is never lost, doubled or told wrongly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.schemas.events import TaskLifeCycle, TaskStatusChanged
from tests.service.sla.harness import SlaStreams
from tests.support import eventually
from tests.support.sla import a_task


@pytest.mark.requirement("SLA-2")
def test_a_task_due_shortly_raises_due_soon_then_overdue_on_time_and_once(sla: SlaStreams) -> None:
    sla.started()
    now = datetime.now(UTC)
    task = a_task(triggered_at=now, due_at=now + timedelta(seconds=2))
    sla.send(task)
    eventually(lambda: len(sla.alerts()) == 2)
    soon, overdue = sla.alerts()
    assert [soon.data.rung, overdue.data.rung] == ["due-soon", "overdue"]
    assert soon.data.fired_at - (now + timedelta(seconds=1.6)) < timedelta(seconds=0.3)
    assert overdue.data.fired_at - task.due_at < timedelta(seconds=0.3)
    assert (soon.revision, overdue.revision) == (1, 2)
    assert not overdue.data.late
    sla.send(task.model_copy(update={"state": TaskLifeCycle.COMPLETED}), 2)
    eventually(lambda: sla.alerts("closed"))
    assert sla.alerts("closed")[0].data.outcome == "missed"
    assert len(sla.alerts()) == 3
