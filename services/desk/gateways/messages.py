"""Messages to customers, by the case service's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.desk import metrics
from services.desk.domain.messages import About, Address, Beginning, Reach, Tag
from services.desk.gateways.asking import Asking
from services.desk.gateways.contacts import SECONDS, Upload


class Messages:
    """Reads what there is to choose from, and sends. Each raises `Away` and `Refused`."""

    def __init__(self, url: str) -> None:
        self._api = Asking(url, metrics.CASE_API_SECONDS, "case")
        self._files = Asking(url, metrics.CASE_API_SECONDS, "file", SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._files.close()

    def reach(self, token: str, about: About) -> Reach:
        """Where the customer can be written to, and how a message may begin."""
        found = self._api.ask("GET", f"{about.api}/message-choices", token)
        return Reach(
            tuple([Address(one["address"], one["came_back"]) for one in found["recipients"]]),
            tuple([Beginning(one["code"], one["name"]) for one in found["templates"]]),
            tuple([Tag(one["tag"], one["means"], one["value"]) for one in found["tags"] if one["value"]]),
        )

    def draft(self, token: str, about: About, template: str) -> tuple[str, str]:
        """Subject line and text of a template, filled for what the message is about."""
        found = self._api.ask("GET", f"{about.api}/message-draft", token, params={"template": template})
        return str(found["subject_line"]), str(found["text"])

    def hand_in(self, token: str, file: Upload, key: str) -> str:
        """Hand a file in that is to go with a message; its id."""
        headers = {"Idempotency-Key": key, "Content-Type": file.content_type}
        given = self._files.ask("POST", "/message-files", token, params={"filename": file.filename}, headers=headers, file=file.content)
        return str(given["id"])

    def send(self, token: str, about: About, content: Mapping[str, Any], key: UUID) -> None:
        """Send a message; the same `key` again sends nothing more."""
        self._api.ask("POST", f"{about.api}/messages", token, content=dict(content), headers={"Idempotency-Key": f"desk-write-{key}"})

    def send_again(self, token: str, about: About, communication: UUID, key: UUID) -> None:
        """Send a message again that did not arrive."""
        headers = {"Idempotency-Key": f"desk-again-{key}-{communication}"}
        self._api.ask("POST", f"{about.api}/messages/{communication}/send-again", token, headers=headers)
