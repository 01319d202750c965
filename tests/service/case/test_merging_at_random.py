"""Merges, splits and their undoing at random: nothing is lost on the way, and undone in reverse order all is as it was."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.case.domain.case import Actor, Case
from services.case.domain.refusals import MergeRefused, SplitRefused
from services.case.handlers.commands import Asked
from services.case.handlers.merging import Merging
from services.case.handlers.rules import rules_of
from services.case.handlers.splitting import NewCase, Splitting
from services.case.storage import hearing
from shared.ids import derive
from shared.messaging import VersionCache
from shared.schemas.events import CommunicationReceived
from shared.schemas.parts import Handle
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_mail, received
from tests.support.merging import differences, every_row

STEPS = 14
UNLIKE_BEFORE = {
    ("cases", "revision"),
    ("cases", "changed_at"),
    ("cases", "changed_by"),
    ("cases", "new"),
    ("communications", "revision"),
    ("history", "new"),
    ("case_merges", "new"),
    ("case_splits", "new"),
}


def everybody(_case: Case) -> None:
    return None


class World:
    """Some cases of one customer, and commands on them."""

    def __init__(self, service: CaseService, seed: int) -> None:
        rules = VersionCache(service.reference, rules_of)
        self.service = service
        self.dice = random.Random(seed)
        self.merging = Merging(rules)
        self.splitting = Splitting(service.reference, rules)
        self.mails: list[CommunicationReceived] = [a_mail("Leak", str(n)) for n in range(4)]
        self.undoing: list[Callable[[], None]] = []
        self.steps = 0
        service.receive(*(received(mail) for mail in self.mails))
        for n in range(6):
            self.reply(n)

    def asked(self, case: UUID) -> Asked:
        self.steps += 1
        self.service.now = NOW + timedelta(minutes=self.steps)
        return Asked(case, Actor("max", ""), derive("random", self.steps), self.service.now, "", everybody)

    def reply(self, text: object) -> None:
        to = self.dice.choice(self.mails)
        number = self.dice.choice(self.service.rows("select number from cases order by number"))[0]
        mail = a_mail("Re: Leak", str(text), reply_to=to) if self.dice.random() < 0.6 else a_mail(f"{number}", str(text))
        if mail.in_reply_to and self.dice.random() < 0.5:  # it is ours
            sent = {"direction": "outbound", "sender": Handle(kind="email", value="contact@housing.example")}
            mail = mail.model_copy(update={**sent, "occurred_at": NOW - timedelta(minutes=self.dice.randint(0, 90))})
        self.mails.append(mail)
        self.service.receive(received(mail))

    def merge(self) -> None:
        one, other = self.dice.sample([UUID(str(row[0])) for row in self.service.rows("select id from cases order by number")], 2)
        asked = self.asked(one)
        try:
            with self.service.database.transaction() as tx:
                _, kept = self.merging.merge(tx, asked, other, everybody, "")
        except MergeRefused:
            return
        self.undoing.append(lambda: self._do(lambda tx: self.merging.undo(tx, self.asked(kept.case_id), kept.id)))

    def split(self) -> None:
        links = self.service.rows("select case_id, communication_id from case_communications order by 1, 2")
        case = UUID(str(self.dice.choice(links)[0]))
        fed = [UUID(str(communication)) for id, communication in links if id == case]
        wanted = self.dice.sample(fed, self.dice.randint(1, len(fed)))
        asked = self.asked(case)
        try:
            with self.service.database.transaction() as tx:
                _, kept = self.splitting.split(tx, asked, wanted, NewCase("noise"))
        except SplitRefused:
            return
        self.undoing.append(lambda: self._do(lambda tx: self.splitting.undo(tx, self.asked(kept.new_id), kept.id)))

    def _do(self, work: Callable[[Any], object]) -> None:
        with self.service.database.transaction() as tx:
            work(tx)

    def check(self) -> None:
        """Every communication is with a case that was not merged away, and every chain of merges ends."""
        lost = self.service.rows(
            """select id from communications c where not exists (
                   select from case_communications l join cases on cases.id = l.case_id
                   where l.communication_id = c.id and cases.merged_into is null)"""
        )
        assert lost == []
        endless = self.service.rows(
            """with recursive way (start, id, steps) as (
                   select id, merged_into, 1 from cases where merged_into is not null
                   union all
                   select start, merged_into, steps + 1 from way join cases using (id) where merged_into is not null and steps < 50)
               select start from way where steps >= 50"""
        )
        assert endless == []
        doubled = self.service.rows(
            "select communication_id from case_communications group by communication_id, position having count(*) > 1"
        )
        assert doubled == []
        heard = dict(self.service.rows("select id, customer_updated_at from cases where merged_into is null"))
        with self.service.database.read() as tx:
            assert heard == hearing.last(tx, [UUID(str(id)) for id in heard], self.service.now), "as the communications tell it"


@pytest.mark.requirement("EDGE-11", "CASE-11")
@pytest.mark.parametrize("seed", range(5))
def test_undone_in_reverse_order_everything_is_as_it_was(service: CaseService, seed: int) -> None:
    world = World(service, seed)
    world.check()
    before = every_row(service.database)
    for _ in range(STEPS):
        world.dice.choice([world.merge, world.split])()
        world.check()
    assert world.undoing
    for undo in reversed(world.undoing):
        undo()
        world.check()
    changed = differences(before, every_row(service.database))
    assert changed <= UNLIKE_BEFORE, changed - UNLIKE_BEFORE


@pytest.mark.requirement("EDGE-11", "COM-7")
@pytest.mark.parametrize("seed", range(100, 103))
def test_what_arrives_between_is_never_lost(service: CaseService, seed: int) -> None:
    world = World(service, seed)
    for n in range(STEPS):
        world.dice.choice([world.merge, world.split, lambda n=n: world.reply(f"late {n}")])()
        world.check()
        if world.undoing and world.dice.random() < 0.4:
            try:
                world.undoing.pop()()
            except (SplitRefused, MergeRefused):
                continue
            world.check()
    world.reply("last")
    (joined,) = service.rows(
        "select case_id from case_communications l join communications c on c.id = l.communication_id where c.body = 'last' limit 1"
    )
    assert service.rows("select merged_into from cases where id = %s", joined[0]) == [(None,)]
