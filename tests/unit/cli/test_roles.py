"""Which processes run, and with what environment."""

from pathlib import Path

from services.cli.stack.postgres import SERVICES
from services.cli.stack.roles import MAIL_DOOR, MAIL_SINK, Surroundings, environment, instances


def surroundings() -> Surroundings:
    names = [instance.name for instance in instances(2)] + [MAIL_SINK, MAIL_DOOR]
    return Surroundings(
        folder=Path("/state"),
        kafka="127.0.0.1:9092",
        databases={service: f"postgresql://{service}@db/casestream" for service in SERVICES},
        prefix="t.",
        ports={name: 20000 + index for index, name in enumerate(names)},
        signing_key=Path("/state/key.pem"),
    )


def an_environment(name: str, inherited: dict[str, str] | None = None) -> dict[str, str]:
    instance = next(instance for instance in instances(2) if instance.name == name)
    return environment(instance, surroundings(), inherited or {})


def test_only_shared_roles_are_multiplied_by_replicas() -> None:
    names = {instance.name for instance in instances(3)}
    assert {"case-consume-0", "case-consume-2", "sla-stream-2", "notify-consume-2"} <= names
    assert "case-api-1" not in names
    assert "notify-send-1" not in names


def test_every_service_has_an_api() -> None:
    assert {f"{service}-api-0" for service in SERVICES} <= {instance.name for instance in instances(1)}


def test_a_service_gets_its_own_database_only() -> None:
    variables = an_environment("task-consume-1")
    assert variables["CASESTREAM_DATABASE"] == "postgresql://task@db/casestream"
    assert variables["CASESTREAM_INSTANCE"] == "1"
    assert variables["CASESTREAM_OBJECTS"] == "file:///state/objects"
    assert "case@" not in "".join(variables.values())


def test_only_desk_gets_the_signing_key_and_only_notify_the_mail_server() -> None:
    holders = {i.name for i in instances(2) if "CASESTREAM_SIGNING_KEY" in environment(i, surroundings(), {})}
    assert holders == {"desk-api-0"}
    mailers = {i.role.service for i in instances(2) if "CASESTREAM_SMTP_HOST" in environment(i, surroundings(), {})}
    assert mailers == {"notify"}


def test_variables_of_the_caller_do_not_reach_a_service() -> None:
    inherited = {"PATH": "/bin", "CASESTREAM_DATABASE": "postgresql://admin@db", "CASESTREAM_LOG_LEVEL": "DEBUG"}
    variables = an_environment("case-api-0", inherited)
    assert variables["PATH"] == "/bin"
    assert variables["CASESTREAM_DATABASE"] != inherited["CASESTREAM_DATABASE"]
    assert variables["CASESTREAM_LOG_LEVEL"] == "DEBUG"


def test_a_real_mail_relay_can_be_named() -> None:
    for name in ("CASESTREAM_SMTP_HOST", "CASESTREAM_MAIL_BY", "CASESTREAM_GRAPH_TENANT"):
        assert an_environment("notify-send-0", {name: "ours"})[name] == "ours"


def test_mail_is_received_on_a_port_beside_the_one_for_health() -> None:
    variables = an_environment("ingest-receive-0", {"CASESTREAM_RECEIVE_PROTOCOL": "smtp", "CASESTREAM_RECEIVE_PORT": "25"})
    assert variables["CASESTREAM_RECEIVE_PORT"] == str(surroundings().ports[MAIL_DOOR])
    assert variables["CASESTREAM_RECEIVE_PROTOCOL"] == "smtp"
    assert variables["CASESTREAM_PORT"] != variables["CASESTREAM_RECEIVE_PORT"]
    assert MAIL_DOOR not in an_environment("desk-api-0")["CASESTREAM_PROCESSES"]
    assert "CASESTREAM_RECEIVE_PROTOCOL" not in an_environment("ingest-api-0", {"CASESTREAM_RECEIVE_PROTOCOL": "smtp"})
