"""Kills while mails flow: every mail is recorded once, with exactly its effects (the promise of the whole design)."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable

import pytest

from services.cli.stack.roles import ROLES
from tests.chaos.flow import Delivery, calibrate, expected, mails, quiet_counts
from tests.chaos.kills import CONNECTIONS, MAILS, check, kill, never
from tests.support import eventually
from tests.support.stacks import StartStack


@pytest.mark.requirement("COM-7", "CASE-1", "EDGE-3", "EDGE-4", "TASK-2", "NOTE-1")
def test_mails_delivered_twice_amid_kills_of_every_service_have_exactly_their_effects(
    start_stack: StartStack, record_property: Callable[[str, object], None]
) -> None:
    stack = start_stack(replicas=2)
    of_one = calibrate(stack)
    before = quiet_counts(stack)
    raws, kinds = mails(MAILS, secrets.token_hex(3))
    # One process of every role of every service; where there are two, the other one goes on meanwhile.
    victims = [f"{role.service}-{role.name}-{int(role.shared)}" for role in ROLES]
    pick = random.Random(1)
    with Delivery(stack, raws) as delivery:
        for victim in victims:
            delivery.go_on(delivery.total // len(victims))
            eventually(lambda: delivery.progress >= delivery.allowed, 120, 0.01)
            never.wait(pick.uniform(0.0, 0.4))  # anywhere in the work on what was just delivered
            assert kill(stack, victim), f"{victim} did not run"
        ids = delivery.finish()
    assert len(ids) == MAILS
    again = check(stack, expected(before, of_one, kinds), CONNECTIONS)
    record_property("messages sent again", again)
    restarts = {process.name: process.restarts for process in stack.processes()}
    assert {name for name, count in restarts.items() if count} == set(victims), restarts
