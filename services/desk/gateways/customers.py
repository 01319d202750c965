"""Customers by case's API, with the token of whoever looks at the page (CON-2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.desk import metrics
from services.desk.domain.customers import Account, Customer, Found, Merge, Note
from services.desk.gateways.asking import Asking, moment_of
from services.desk.gateways.records import case_of, communication_of, undeliverable_of
from shared.ids import derive


class Customers:
    """Reads customers and their accounts, writes notes on them, and merges customers; every method raises `Away` and `Refused`. Safe
    for use by many threads.
    """

    def __init__(self, url: str, timeout_seconds: float = 10.0) -> None:
        self._asking = Asking(url, metrics.CASE_API_SECONDS, "customer", timeout_seconds)
        self._accounts = Asking(url, metrics.CASE_API_SECONDS, "account", timeout_seconds)

    def close(self) -> None:
        """Close the connections."""
        self._asking.close()
        self._accounts.close()

    def one(self, token: str, contact: UUID) -> Customer:
        """A customer with all that their page shows, but tasks."""
        return _customer(self._asking.ask("GET", f"/contacts/{contact}", token))

    def account(self, token: str, account: UUID) -> Account:
        """An account with its contacts and newest notes."""
        return _account(self._accounts.ask("GET", f"/accounts/{account}", token))

    def with_handle(self, token: str, kind: str, handle: str) -> tuple[Found, ...]:
        """Customers who have this handle."""
        items = self._asking.ask("GET", "/contacts", token, params={"kind": kind, "handle": handle})["items"]
        return tuple([Found(UUID(item["id"]), item["name"] or item["email"], _handles(item)) for item in items])

    def merges(self, token: str, contact: UUID) -> tuple[Merge, ...]:
        """The merges of a customer and into them, the newest first."""
        items = self._asking.ask("GET", f"/contacts/{contact}/merges", token)["items"]
        return tuple([_merge(item) for item in items])

    def merge(self, token: str, contact: UUID, revision: int, into: UUID, key: UUID) -> None:
        """Merge a customer, as seen at this revision, into another; the same `key` again merges nothing more."""
        headers = {"If-Match": f'"{revision}"', "Idempotency-Key": f"desk-merge-{key}-{into}"}
        self._asking.ask("POST", f"/contacts/{contact}/merge", token, content={"into": str(into)}, headers=headers)

    def undo(self, token: str, merge: UUID, key: UUID) -> None:
        """Undo a merge."""
        self._asking.ask("POST", f"/contact-merges/{merge}/undo", token, headers={"Idempotency-Key": f"desk-undo-{key}-{merge}"})

    def restore(self, token: str, contact: UUID, kind: str, handle: str, key: UUID) -> None:
        """Take back that a handle of a customer is undeliverable; the same `key` again does nothing more."""
        headers = {"Idempotency-Key": f"desk-restore-{derive('restore', key, kind, handle)}"}
        content = {"kind": kind, "value": handle}
        self._asking.ask("POST", f"/contacts/{contact}/handles/restore", token, content=content, headers=headers)

    def note_account(self, token: str, account: UUID, text: str, key: UUID) -> None:
        """Write a note on an account; the same `key` again writes nothing more."""
        headers = {"Idempotency-Key": f"desk-{key}"}
        self._accounts.ask("POST", f"/accounts/{account}/notes", token, content={"text": text}, headers=headers)

    def note(self, token: str, contact: UUID, text: str, key: UUID) -> None:
        """Write a note; the same `key` again writes nothing more."""
        headers = {"Idempotency-Key": f"desk-{key}"}
        self._asking.ask("POST", f"/contacts/{contact}/notes", token, content={"text": text}, headers=headers)


def _customer(item: Mapping[str, Any]) -> Customer:
    return Customer(
        id=UUID(item["id"]),
        name=item["name"],
        state=item["state"],
        area=item["area"],
        merged_into=UUID(item["merged_into"]) if item["merged_into"] else None,
        merged=tuple(UUID(id) for id in item["merged"]),
        handles=_handles(item),
        account=_account(item["account"]) if item["account"] else None,
        cases=tuple(case_of(case) for case in item["open_cases"]),
        open_cases=int(item["open_case_count"]),
        closed_cases=int(item["closed_case_count"]),
        communications=tuple(communication_of(one) for one in item.get("communications") or ()),
        notes=_notes(item["notes"]),
        revision=int(item["revision"]),
        undeliverable=tuple(undeliverable_of(one | one["undeliverable"]) for one in item["handles"] if one.get("undeliverable")),
    )


def _handles(item: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple([(handle["kind"], handle["value"]) for handle in item["handles"]])


def _notes(items: Sequence[Mapping[str, Any]]) -> tuple[Note, ...]:
    return tuple([Note(note["text"], note["author"], datetime.fromisoformat(note["written_at"])) for note in items])


def _merge(item: Mapping[str, Any]) -> Merge:
    return Merge(
        UUID(item["id"]),
        UUID(item["source"]),
        item["source_name"],
        UUID(item["target"]),
        item["target_name"],
        item["merged_by"],
        datetime.fromisoformat(item["merged_at"]),
        moment_of(item["undone_at"]),
    )


def _account(item: Mapping[str, Any]) -> Account:
    others = tuple([(UUID(one["id"]), one["name"], one["email"]) for one in item["contacts"]])
    return Account(
        UUID(item["id"]),
        item["number"],
        item["name"],
        item["kind"],
        item["area"],
        others,
        item["classification"],
        item["credit_rating"],
        moment_of(item["created_at"]),
        _notes(item.get("notes") or ()),
    )
