"""What automation rules have notify do: alert staff, and write to the customer (AUTO-1)."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from services.notify.domain.occasions import Definition, Delivery, Occasion
from services.notify.domain.recipients import Directory, plan_deliveries
from shared.ids import derive
from shared.schemas.envelope import Event
from shared.schemas.events import RuleFired
from shared.schemas.events.texts import CODE_LENGTH


def deliveries_of(event: Event, directory: Directory, mail_domain: str, version: int) -> Iterator[Delivery]:
    """The messages of a firing, but for text messages to customers."""
    for occasion, definition in _tellings(event, version):
        yield from plan_deliveries(occasion, (definition,), directory, mail_domain)


def texts_of(event: Event, version: int) -> Iterator[tuple[UUID, Occasion, Definition]]:
    """The text messages of a firing to its customer, whose contact is known."""
    customer = event.data.item.customer
    if customer is None or customer.contact_id is None:
        return
    for occasion, definition in _tellings(event, version):
        if definition.channel == "sms" and "customer" in definition.to:
            yield customer.contact_id, occasion, definition


def _tellings(event: Event, version: int) -> Iterator[tuple[Occasion, Definition]]:
    """What a firing has us tell. Each action is an occasion of its own, so that none keeps another's message back."""
    data: RuleFired = event.data
    code = f"rule.{data.rule}"[:CODE_LENGTH]
    for position, action in enumerate(data.actions):
        if action.outcome != "asked" or action.do not in ("alert", "send") or action.template is None:
            continue
        named = (f"user:{action.user}",) if action.user else ()
        to = ("customer",) if action.do == "send" else (*action.to, *named)
        definition = Definition(code, "rule.fired", to, action.channel or "email", action.template)
        yield _occasion(event, version)._replace(cause=derive("rule action", event.id, position)), definition


def _occasion(event: Event, version: int) -> Occasion:
    data: RuleFired = event.data
    item = data.item
    customer, owner = item.customer, item.owner
    name, email = (customer.name, customer.email) if customer else ("", "")
    owner_kind, owner_code = (owner.kind, owner.code) if owner else ("unit", item.unit)
    return Occasion(
        on="rule.fired",
        cause=event.id,
        item_kind=item.kind,
        item_id=item.id,
        case_id=data.case_id,
        # Of a task or clock only the case is known; what is answered to its own thread leads to the case as well.
        conversation_id=item.conversation_id or data.case_id,
        facts={
            "item": item.kind,
            "number": item.number,
            "title": item.title,
            "subject": item.subject,
            "task": item.task,
            "status": item.status,
            "priority": item.priority,
            "unit": item.unit,
            "method": item.method,
            "assignee": item.assignee or "",
            "owner_kind": owner_kind,
            "owner": owner_code,
            "customer": name,
            "customer_email": email,
            "due_at": item.due_at or "",
            "changed_by": f"rule:{data.rule}",
            "at": event.time,
        },
        assignee=item.assignee or "",
        owner_kind=owner_kind,
        owner_code=owner_code,
        unit=item.unit,
        customer_email=email,
        customer_name=name,
        config_version=version,
        traceparent=event.traceparent,
    )
