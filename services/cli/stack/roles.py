"""Every process of the product, declared once: the service, its role, whether it serves an API or takes a share of topics."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.cli.stack.keys import LINK_KEYS
from services.cli.stack.ports import LOOPBACK

MAIL_DOMAIN = "housing.example"
MAIL_SINK = "mail-sink"
MAIL_VARIABLES = ("CASESTREAM_SMTP_", "CASESTREAM_GRAPH_", "CASESTREAM_MAIL_", "CASESTREAM_SMS_")
MAIL_DOOR = "ingest-receive-0-mail"
"""Name of the port on which mail is received; the process's own port is that of its health."""


@dataclass(frozen=True, slots=True)
class Role:
    """One role of one service. A `shared` one takes its share of a topic's partitions: `--replicas` runs more of it."""

    service: str
    name: str
    shared: bool = False

    @property
    def is_api(self) -> bool:
        """Whether other programs may call it."""
        return self.name == "api"


ROLES: tuple[Role, ...] = (
    Role("desk", "api"),
    Role("ingest", "api"),
    Role("ingest", "consume", shared=True),
    Role("ingest", "poll"),
    Role("ingest", "receive"),
    Role("case", "consume", shared=True),
    Role("case", "api"),
    Role("case", "sweep"),
    Role("task", "consume", shared=True),
    Role("task", "api"),
    Role("task", "work"),
    Role("sla", "stream", shared=True),
    Role("sla", "api"),
    Role("notify", "consume", shared=True),
    Role("notify", "send"),
    Role("notify", "hooks"),
    Role("notify", "api"),
)


@dataclass(frozen=True, slots=True)
class Instance:
    """One process: a role and its ordinal among the replicas."""

    role: Role
    ordinal: int

    @property
    def name(self) -> str:
        """The name in logs, ports and status, like `case-consume-0`."""
        return f"{self.role.service}-{self.role.name}-{self.ordinal}"


def instances(replicas: int) -> list[Instance]:
    """Every process of the services with this many replicas of the shared roles."""
    return [Instance(role, ordinal) for role in ROLES for ordinal in range(replicas if role.shared else 1)]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the processes of one platform have in common."""

    folder: Path
    kafka: str
    databases: Mapping[str, str]
    prefix: str
    ports: Mapping[str, int]
    signing_key: Path

    def url(self, name: str) -> str:
        """Where the process of that name listens."""
        return f"http://{LOOPBACK}:{self.ports[name]}"


def environment(instance: Instance, around: Surroundings, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of one process.

    The caller's own CASESTREAM_* variables do not reach it, except those that only say how loud to log, where real
    mail goes, and how mail is received.
    """
    kept = {name: value for name, value in inherited.items() if not name.startswith("CASESTREAM_")}
    desk = around.url("desk-api-0")
    variables = {
        **kept,
        "PYTHONUNBUFFERED": "1",
        "CASESTREAM_KAFKA": around.kafka,
        "CASESTREAM_DATABASE": around.databases[instance.role.service],
        "CASESTREAM_OBJECTS": (around.folder / "objects").resolve().as_uri(),
        # The one Kafka here is not synced either: a file would outlive a power failure that its event does not.
        "CASESTREAM_OBJECTS_SYNC": inherited.get("CASESTREAM_OBJECTS_SYNC", "false"),
        "CASESTREAM_HOST": LOOPBACK,
        "CASESTREAM_PORT": str(around.ports[instance.name]),
        "CASESTREAM_INSTANCE": str(instance.ordinal),
        "CASESTREAM_TOPIC_PREFIX": around.prefix,
        "CASESTREAM_JWKS_URL": f"{desk}/.well-known/jwks.json",
        "CASESTREAM_ISSUER": "casestream",
        "CASESTREAM_LOG_LEVEL": inherited.get("CASESTREAM_LOG_LEVEL", "INFO"),
    }
    if instance.role.service == "ingest":
        variables["CASESTREAM_CREDENTIALS"] = str((around.folder / "credentials").resolve())
    if instance.role == Role("ingest", "api"):
        variables |= {
            name: value for name, value in inherited.items() if name == "CASESTREAM_PUBLIC_URL" or name.startswith("CASESTREAM_PHONE_")
        }
    if instance.role.name == "poll":
        variables["CASESTREAM_MAILDIRS"] = str((around.folder / "maildirs").resolve())
    if instance.role in (Role("case", "api"), Role("task", "api"), Role("notify", "send")):
        variables["CASESTREAM_LINK_KEYS"] = str((around.folder / LINK_KEYS).resolve())
    if instance.role == Role("notify", "send"):
        variables["CASESTREAM_ANSWER_URL"] = inherited.get("CASESTREAM_ANSWER_URL", f"{around.url('case-api-0')}/answer")
        variables["CASESTREAM_DECIDE_URL"] = inherited.get("CASESTREAM_DECIDE_URL", f"{around.url('task-api-0')}/decide")
        variables["CASESTREAM_DESK_URL"] = inherited.get("CASESTREAM_DESK_URL", desk)
        variables["CASESTREAM_SEND_JOURNAL"] = str((around.folder / "journal").resolve())
    if instance.role.service == "notify":
        variables |= {
            "CASESTREAM_SMTP_HOST": LOOPBACK,
            "CASESTREAM_SMTP_PORT": str(around.ports[MAIL_SINK]),
            "CASESTREAM_MAIL_FROM": f"contact@{MAIL_DOMAIN}",
            "CASESTREAM_MAIL_DOMAIN": MAIL_DOMAIN,
        }
        variables |= {name: value for name, value in inherited.items() if name.startswith(MAIL_VARIABLES)}
    if instance.role == Role("notify", "hooks"):
        variables["CASESTREAM_WEBHOOK_KEYS"] = str((around.folder / "webhooks").resolve())
        variables |= {name: value for name, value in inherited.items() if name.startswith("CASESTREAM_WEBHOOK_")}
    if instance.role == Role("ingest", "receive"):
        variables |= {name: value for name, value in inherited.items() if name.startswith("CASESTREAM_RECEIVE_")}
        variables["CASESTREAM_RECEIVE_PORT"] = str(around.ports[MAIL_DOOR])
    if instance.role.service == "desk":
        variables["CASESTREAM_CALENDAR_URL"] = inherited.get("CASESTREAM_CALENDAR_URL", f"{around.url('task-api-0')}/feeds")
        processes = {name: around.url(name) for name in sorted(around.ports) if not name.startswith(MAIL_SINK) and name != MAIL_DOOR}
        variables |= {
            "CASESTREAM_SIGNING_KEY": str(around.signing_key.resolve()),
            "CASESTREAM_DESK_URL": desk,
            "CASESTREAM_PROCESSES": json.dumps(processes),
            **{
                f"CASESTREAM_{service.upper()}_URL": around.url(f"{service}-api-0")
                for service in ("ingest", "case", "task", "sla", "notify")
            },
        }
    return variables
