"""Every message that a configuration's definitions make, composed as notify composes it: no broker, no database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import orjson

from services.notify.domain.message import Written
from services.notify.domain.occasions import Delivery, Occasion, Recipient
from services.notify.domain.recipients import Directory, plan_deliveries
from services.notify.handlers.composing import Composer, LinkMaker
from services.notify.handlers.occasions import CASES, CLOCKS, TASKS, wrote_occasion
from services.notify.handlers.queueing import policy_of
from services.notify.storage.deliveries import Claimed
from shared.links import LinkKeyFile
from shared.messaging import StaticReference
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.tags import WROTE
from shared.schemas.events import CaseBroadcast
from shared.schemas.parts import CustomerRef, OwnerRef
from tests.service.notify.harness import a_case, a_communication, a_task, an_alert, an_approval
from tests.support.feedback import a_key_file

AT = datetime(2026, 11, 3, 9, 12, tzinfo=UTC)
CUSTOMER = CustomerRef(contact_id=uuid4(), name="Ann Bell", email="ann.bell@mail.example")
TITLE = "Water comes through the kitchen ceiling"


class Sent(NamedTuple):
    """A message, and what it was made from."""

    definition: str
    claimed: Claimed
    written: Written


def composed(configuration: Configuration, folder: Path, **changes: Any) -> list[Sent]:
    """One message for each recipient of each definition. `folder`: for keys; `changes`: of the data of cases' and tasks' events."""
    reference = StaticReference(configuration)
    links = LinkMaker("https://answer.housing.example/answer", "https://answer.housing.example/decide", LinkKeyFile(a_key_file(folder)))
    composer, policy = (
        Composer(reference, "contact@housing.example", links, desk_url="https://desk.housing.example/"),
        policy_of(configuration),
    )
    directory = Directory(reference.staff, reference.units)
    sent = []
    for section in configuration.communications:
        definitions = [one for one in policy.definitions[section.on] if one.code == section.code]
        occasion = an_occasion(section.on, section.statuses, configuration, changes)
        for delivery in plan_deliveries(occasion, definitions, directory, policy.mail_domain, policy.default_unit):
            claimed = a_claim(delivery)
            sent.append(Sent(section.code, claimed, composer.compose(claimed)))
    return sent


def an_occasion(on: str, statuses: tuple[str, ...], configuration: Configuration, changes: dict[str, Any]) -> Occasion:
    """Something that happened at this event, to work of the configuration's own people."""
    unit = next(unit for unit in configuration.units if unit.code == "repairs")
    work = {"unit": unit.code, "priority": configuration.prioritisation.priorities[-1].code}
    due = {"due_at": AT + timedelta(days=2, hours=7)}
    if on.endswith(WROTE):
        return who_wrote(on, work | {"owner": unit.leader, "title": TITLE, "subject": configuration.subjects[0].code} | changes)
    match on.partition(".")[0]:
        case "case":
            more: dict[str, Any] = {"parent_id": uuid4(), "text": "The lift works again."} if on == "case.broadcast" else {}
            more |= {"owner": unit.leader, "customer": CUSTOMER, "title": TITLE, "opened_at": AT, "status": (*statuses, "new")[0]}
            kind = {"kind": CaseBroadcast} if on == "case.broadcast" else {}
            more |= {"subject": configuration.subjects[0].code, "expected_completion_at": due["due_at"], "changed_by": unit.manager}
            event, readings = a_case(123, **kind, **(work | more | changes)), CASES
        case "task":
            more = {
                "owner": OwnerRef(kind="user", code=unit.leader or ""),
                "assignee": unit.leader,
                "customer": CUSTOMER,
                "case_title": TITLE,
            }
            event, readings = a_task(123, **(work | due | more | {"changed_by": unit.manager} | changes)), TASKS
        case "clock":
            more = {"owner": OwnerRef(kind="user", code=unit.leader or ""), "assignee": unit.leader}
            event, readings = an_alert(123, **(work | due | more)), CLOCKS
        case _:
            who = {"approver": unit.manager, "asked_by": unit.leader, "changed_by": unit.manager, "case_title": TITLE}
            event, readings = an_approval(123, **(who | {"unit": unit.code, "what": "A hotel for two nights"})), TASKS
    occasion = readings[type(event.data)].read(on, event, 1)
    told = (Recipient("farah.khan@housing.example", "Farah Khan", "staff"),) if on == "clock.withdrawn" else ()
    return occasion._replace(told=told, tell=("leader",) if on == "clock.escalated" else ())


def who_wrote(on: str, work: dict[str, Any]) -> Occasion:
    """A customer wrote about this."""
    event = a_communication(123, on.partition(".")[0], **work)
    (concerned,) = event.data.concerns
    return wrote_occasion(event, concerned, 1)


def a_claim(delivery: Delivery) -> Claimed:
    """The delivery as a sender has it in hand."""
    occasion = delivery.occasion
    return Claimed(
        id=delivery.id,
        definition=delivery.definition,
        template=delivery.template,
        config_version=occasion.config_version,
        item_kind=occasion.item_kind,
        item_id=occasion.item_id,
        case_id=occasion.case_id,
        thread_id=delivery.thread_id,
        recipient=delivery.recipient.address,
        recipient_name=delivery.recipient.name,
        audience=delivery.recipient.audience,
        facts=orjson.loads(orjson.dumps(occasion.facts)),
        message_id=delivery.message_id,
        traceparent=occasion.traceparent,
        attempt=1,
        taken_over=False,
        created_at=AT,
        age=timedelta(0),
    )
