"""Sealing and verifying the histories on a real PostgreSQL (EDGE-17)."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from services.case.handlers import erasure
from services.case.handlers.sealing import Sealer, verify
from services.case.storage import retention
from shared.ids import derive
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_mail, received
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("EDGE-17")


def sealed_below(service: CaseService) -> int:
    return int(str(service.rows("select below from audit_marks where source = 'history'")[0][0]))


def test_histories_are_sealed_and_what_is_done_to_them_is_found(service: CaseService) -> None:
    mails = [a_mail(f"Leak {number}") for number in range(20)]
    service.receive(*(received(mail) for mail in mails))
    sealer = Sealer(service.database, lambda: NOW + timedelta(hours=1))
    assert verify(service.database).unsealed == service.count("history") > 0
    while sealer.step():
        pass
    whole = verify(service.database)
    assert (whole.faults, whole.unsealed, whole.entries) == (0, 0, service.count("history"))

    with service.database.transaction() as tx:
        found = retention.lock_erasable(tx, mails[3].communication_id)
        assert found is not None
        tx.execute(
            "update history set new_value = %s where case_id = %s and field = 'communication'", (mails[3].subject_line, found.case_ids[0])
        )
    # What merely changed an entry is found; the erasure that follows makes it stand for an erased one.
    assert verify(service.database).problems
    with service.database.transaction() as tx:
        found = retention.lock_erasable(tx, mails[3].communication_id)
        assert found is not None
        erasure.erase(tx, found, "dpo", derive("a cause"), NOW, "")
    while sealer.step():
        pass
    after = verify(service.database, [whole.head])
    assert (after.faults, after.erased, after.seals) == (0, 1, whole.seals + 1)

    with service.database.transaction() as tx:
        tx.execute("delete from history where id = (select max(id) from history)")
        tx.execute("update history set changed_by = 'dan' where id = (select min(id) from history)")
    problems = verify(service.database).problems
    assert [problem.rpartition(" ")[2] for problem in problems] == ["changed", "gone"]


def test_an_entry_that_is_seen_late_is_sealed_late_and_nothing_is_looked_through_twice(service: CaseService) -> None:
    service.receive(received(a_mail("First")))
    sealer = Sealer(service.database)
    with psycopg.connect(service.database.url) as slow:
        slow.execute(
            """insert into history (case_id, field, changed_by, changed_at)
               values ('00000000-0000-0000-0000-000000000001', 'note', 'rita', now())"""
        )
        service.receive(received(a_mail("Second")))
        while sealer.step():
            pass
        while sealer.step():
            pass
        assert verify(service.database).unsealed == 0
        first_mark = sealed_below(service)
        sealer.step()
        assert sealed_below(service) == first_mark
    # The slow transaction is over: its entry has a lower id than those that were sealed.
    assert verify(service.database).unsealed == 1
    assert sealer.step()
    sealer.step()
    verdict = verify(service.database)
    assert (verdict.unsealed, verdict.faults) == (0, 0)
    highest = int(str(service.rows("select max(id) from history")[0][0]))
    # Other tests' transactions on this server count, too: the mark waits until those that were under way are over.
    eventually(lambda: not sealer.step() and sealed_below(service) == highest + 1)


def test_two_seal_at_once_and_one_does_it(service: CaseService) -> None:
    service.receive(*(received(a_mail(f"Leak {number}")) for number in range(3)))
    with service.database.transaction() as tx:
        tx.execute("select pg_advisory_xact_lock(hashtext(current_schema() || ' audit'))")
        assert not Sealer(service.database).step()
    assert Sealer(service.database).step()
