"""A desk beside a real task service, both served in the test's process over real databases and Kafka."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import yaml

from services.desk.api import Desk, desk_app
from services.desk.handlers.configuration import apply_configuration
from services.desk.handlers.passwords import hash_password
from services.desk.settings import DeskSettings
from services.task.api import routers
from services.task.handlers.changes import TOLD, TaskChanges
from shared.messaging import EventPublisher, StaticReference
from shared.messaging.follow import Follower
from shared.settings import ProcessSettings
from shared.storage import Database
from shared.web import TokenVerifier, create_app
from shared.web.tokens import TokenSigner, new_signing_key
from tests.support.configuration import USERS, a_configuration, a_document
from tests.support.web import served

PASSWORD = "correct horse battery"


def a_configuration_text(**changes: object) -> str:
    """The tests' organisation as YAML; every user's password is `PASSWORD`."""
    listed: Any = changes.get("users", USERS)
    users = [user | {"password_hash": _password_hash()} for user in listed]
    return yaml.safe_dump(a_document(**(changes | {"users": users})), sort_keys=False)


@cache
def _password_hash() -> str:
    return hash_password(PASSWORD)


@dataclass(frozen=True, slots=True)
class Platform:
    """Both services; `client` calls the desk without a token and keeps cookies."""

    desk: Desk
    client: httpx.Client
    task_url: str
    task_database: Database

    @property
    def url(self) -> str:
        """Where the desk is."""
        return str(self.client.base_url).rstrip("/")

    def add_task(self, user: str, subject_line: str, due_at: datetime, priority: str = "normal") -> dict[str, Any]:
        """A follow-up task that `user` makes for themselves."""
        headers = {"Authorization": f"Bearer {self.desk.issuer.issue(user).token}"}
        body = {"subject_line": subject_line, "due_at": due_at.isoformat(), "priority": priority}
        answer = httpx.post(f"{self.task_url}/tasks", json=body, headers=headers, trust_env=False)
        assert answer.status_code == 201, answer.text
        content: dict[str, Any] = answer.json()
        return content

    def ask_for_approval(self, user: str, task: str, approver: str, what: str) -> None:
        """`user` asks for an approval before this task is completed."""
        headers = {"Authorization": f"Bearer {self.desk.issuer.issue(user).token}"}
        body = {"approver": approver, "what": what}
        answer = httpx.post(f"{self.task_url}/tasks/{task}/approvals", json=body, headers=headers, trust_env=False)
        assert answer.status_code == 201, answer.text

    def set_start_by(self, task: str, start_by: datetime) -> None:
        """As if the plan of its case said by when work on it is to begin."""
        with self.task_database.transaction() as tx:
            tx.execute("update tasks set start_by = %s where id = %s", (start_by, task))


@contextlib.contextmanager
def desk_beside_task(
    folder: Path,
    fresh_database: Callable[[str], str],
    kafka: str,
    prefix: str,
    *,
    sections: Mapping[str, object] | None = None,
    **settings: object,
) -> Iterator[Platform]:
    """Serve both while the block runs, with the tests' organisation applied; topics of `prefix` must be there.
    `sections` stand in for the organisation's; `settings` are the desk's, by keyword.
    """
    key = folder / "key.pem"
    key.write_bytes(new_signing_key())
    with contextlib.ExitStack() as stack:
        database = Database(fresh_database("task"), service="task")
        stack.callback(database.close)
        publisher = EventPublisher(database, kafka, prefix, "task")
        stack.callback(publisher.close)
        process = ProcessSettings(kafka=kafka, database=database.url, port=1)
        verifier = TokenVerifier(TokenSigner(key.read_bytes()).jwks, "casestream")
        changes = TaskChanges(database)
        follower = Follower(kafka, prefix, TOLD, changes.take, datetime.now(UTC), changes.begin)
        follower.start()
        stack.callback(follower.close)
        task = create_app(
            "task", process, routers(publisher, StaticReference(a_configuration(**(sections or {}))), changes=changes), verifier=verifier
        )
        task_url = str(stack.enter_context(served(task, token="")).base_url).rstrip("/")
        values = {"database": fresh_database("desk"), "kafka": kafka, "topic_prefix": prefix, "port": 1, "signing_key": key}
        desk = Desk(DeskSettings(**(values | {"task_url": task_url} | settings)))  # type: ignore[arg-type]
        stack.callback(desk.close)
        apply_configuration(desk.publisher, a_configuration_text(**(sections or {})), "test", uuid4(), datetime.now(UTC))
        client = stack.enter_context(served(desk_app(desk), token=""))
        # Streams that are open would hold up the end of what serves them.
        stack.callback(desk.stop)
        stack.callback(changes.stop)
        yield Platform(desk, client, task_url, database)
