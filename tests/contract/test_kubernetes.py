"""The manifests are valid Kubernetes, run every role as it has to run, and give each process settings that it accepts."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from services.case.settings import ApiSettings as CaseApiSettings
from services.case.settings import Settings as CaseSettings
from services.case.settings import SweepSettings
from services.cli.stack.roles import ROLES, Role
from services.desk.settings import DeskSettings
from services.ingest.settings import ApiSettings, PollSettings, ReceiveSettings
from services.ingest.settings import Settings as IngestSettings
from services.notify.settings import HookSettings, SendSettings
from services.notify.settings import Settings as NotifySettings
from services.sla.settings import Settings as SlaSettings
from services.task.settings import ApiSettings as TaskApiSettings
from services.task.settings import TaskSettings
from shared.settings import ProcessSettings

Manifest = dict[str, Any]

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
BASE = DEPLOY / "k8s" / "base"
KUBERNETES = "1.34.0"
PORT = 8080
SETTINGS: dict[tuple[str, str], type[ProcessSettings]] = {
    ("desk", "api"): DeskSettings,
    ("ingest", "api"): ApiSettings,
    ("ingest", "consume"): IngestSettings,
    ("ingest", "poll"): PollSettings,
    ("ingest", "receive"): ReceiveSettings,
    ("case", "consume"): CaseSettings,
    ("case", "api"): CaseApiSettings,
    ("case", "sweep"): SweepSettings,
    ("task", "consume"): TaskSettings,
    ("task", "api"): TaskApiSettings,
    ("task", "work"): TaskSettings,
    ("sla", "stream"): SlaSettings,
    ("sla", "api"): SlaSettings,
    ("notify", "consume"): NotifySettings,
    ("notify", "send"): SendSettings,
    ("notify", "hooks"): HookSettings,
    ("notify", "api"): NotifySettings,
}
ORDINAL = {("sla", "api")}
"""APIs that need an ordinal that stays: this one follows a changelog as a static member of a group."""
MAIL_PORT = 2524
MAIL_SERVICE = "casestream-ingest-mail"
"""Where mail servers come in; no process of ours calls it."""
SECRET = re.compile(r"-----BEGIN|://[^/\s:@]+:[^/\s@]+@")


def kustomization() -> Manifest:
    content: Manifest = yaml.safe_load((BASE / "kustomization.yaml").read_text())
    return content


def manifests() -> Iterator[tuple[str, Manifest]]:
    """Every document that kustomize would put out, with its file."""
    for name in kustomization()["resources"]:
        for document in yaml.safe_load_all((BASE / name).read_text()):
            yield name, document


MANIFESTS = list(manifests())


def found(kind: str, name: str) -> Manifest:
    [only] = [one for _, one in MANIFESTS if one["kind"] == kind and one["metadata"]["name"] == name]
    return only


def name_of(role: Role) -> str:
    return f"casestream-{role.service}-{role.name}"


def is_stateful(role: Role) -> bool:
    return not role.is_api or (role.service, role.name) in ORDINAL


def workload(role: Role) -> Manifest:
    return found("StatefulSet" if is_stateful(role) else "Deployment", name_of(role))


def container(role: Role) -> Manifest:
    [only] = workload(role)["spec"]["template"]["spec"]["containers"]
    return dict(only)


def pods() -> list[tuple[str, Manifest]]:
    """The pod specification of everything that runs."""
    running = [one for _, one in MANIFESTS if one["kind"] in ("Deployment", "StatefulSet", "Job")]
    return [(one["metadata"]["name"], one["spec"]["template"]["spec"]) for one in running]


def containers() -> list[tuple[str, Manifest]]:
    return [(f"{name}/{one['name']}", one) for name, pod in pods() for one in [*pod.get("initContainers", []), *pod["containers"]]]


def environment(role: Role) -> dict[str, str]:
    """The CASESTREAM_* variables of a role's process; what comes from a secret or from the pod stands as a word."""
    variables: dict[str, str] = {}
    for source in container(role)["envFrom"]:
        if "configMapRef" in source:
            variables |= found("ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in container(role)["env"]:
        variables[variable["name"]] = variable.get("value", "given")
    # AWS's own are the object store's library's.
    return {name: value for name, value in variables.items() if not name.startswith("AWS_")}


each_role = pytest.mark.parametrize("role", ROLES, ids=name_of)


def test_every_file_is_part_of_the_base() -> None:
    files = {file.name for file in BASE.iterdir()} - {"kustomization.yaml"}
    assert files == set(kustomization()["resources"])


@pytest.mark.parametrize(("file", "manifest"), MANIFESTS, ids=[f"{one['kind']}-{one['metadata']['name']}" for _, one in MANIFESTS])
def test_manifest_is_valid_for_kubernetes(file: str, manifest: Manifest) -> None:
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_validation_refuses_a_key_that_kubernetes_does_not_know() -> None:
    wrong = found("ServiceAccount", "casestream") | {"automountToken": False}
    with pytest.raises(kubernetes_validate.ValidationError, match="automountToken"):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


@pytest.mark.requirement("FACE-3")
def test_every_role_runs_and_nothing_else() -> None:
    running = {one["metadata"]["name"] for _, one in MANIFESTS if one["kind"] in ("Deployment", "StatefulSet")}
    assert running == {name_of(role) for role in ROLES}
    for role in ROLES:
        assert container(role)["command"] == ["python", "-m", f"services.{role.service}", role.name]


@each_role
def test_role_has_probes_resources_and_room_to_stop(role: Role) -> None:
    process = container(role)
    more = {"mail": MAIL_PORT} if role == Role("ingest", "receive") else {}
    assert {port["name"]: port["containerPort"] for port in process["ports"]} == {"http": PORT} | more
    for probe, path in (("startupProbe", "/health/live"), ("livenessProbe", "/health/live"), ("readinessProbe", "/health/ready")):
        assert process[probe]["httpGet"] == {"path": path, "port": "http"}
    assert set(process["resources"]["requests"]) == {"cpu", "memory"}
    assert "memory" in process["resources"]["limits"]
    assert workload(role)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 30
    assert workload(role)["spec"]["template"]["spec"]["topologySpreadConstraints"]


@each_role
def test_role_is_found_by_its_labels(role: Role) -> None:
    name, spec = name_of(role), workload(role)["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert labels == {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": role.service,
        "app.kubernetes.io/part-of": "casestream",
    }
    assert spec["selector"]["matchLabels"] == {"app.kubernetes.io/name": name}
    service = found("Service", name)["spec"]
    assert service["selector"] == {"app.kubernetes.io/name": name}
    assert [(port["port"], port["targetPort"]) for port in service["ports"]] == [(PORT, "http")]
    budget = found("PodDisruptionBudget", name)["spec"]
    assert (budget["maxUnavailable"], budget["selector"]["matchLabels"]) == (1, {"app.kubernetes.io/name": name})


@each_role
def test_role_with_a_place_in_a_group_keeps_its_ordinal(role: Role) -> None:
    variables = {one["name"]: one for one in container(role)["env"]}
    if is_stateful(role):
        ordinal = variables["CASESTREAM_INSTANCE"]["valueFrom"]["fieldRef"]["fieldPath"]
        assert ordinal == "metadata.labels['apps.kubernetes.io/pod-index']"
        assert workload(role)["spec"]["serviceName"] == name_of(role)
    else:
        assert "CASESTREAM_INSTANCE" not in variables


@each_role
def test_process_accepts_its_settings_and_knows_each(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CASESTREAM_")]:
        monkeypatch.delenv(name)
    variables = environment(role)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    model = SETTINGS[(role.service, role.name)]
    settings = model()
    assert [name for name in variables if name.removeprefix("CASESTREAM_").lower() not in model.model_fields] == []
    assert (settings.host, settings.port) == ("0.0.0.0", PORT)
    assert settings.jwks_url.startswith("http://casestream-desk-api:")


def test_addresses_inside_name_services_that_exist() -> None:
    services = {one["metadata"]["name"] for _, one in MANIFESTS if one["kind"] == "Service"} - {MAIL_SERVICE}
    settings = " ".join(value for _, one in MANIFESTS if one["kind"] == "ConfigMap" for value in one["data"].values())
    named = re.findall(r"http://([a-z0-9.-]+):(\d+)", settings)
    assert {host.rpartition(".")[2] for host, _ in named} == services
    assert {port for _, port in named} == {str(PORT)}


@pytest.mark.requirement("COM-3")
def test_mail_servers_reach_the_port_that_mail_is_received_on() -> None:
    role = Role("ingest", "receive")
    service = found("Service", MAIL_SERVICE)["spec"]
    assert service["selector"] == {"app.kubernetes.io/name": name_of(role)}
    assert [(port["port"], port["targetPort"]) for port in service["ports"]] == [(24, "mail")]
    assert environment(role)["CASESTREAM_RECEIVE_PORT"] == str(MAIL_PORT)
    policy = found("NetworkPolicy", "casestream-mail-in")["spec"]
    assert policy["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": name_of(role)}
    assert policy["ingress"][0]["ports"] == [{"protocol": "TCP", "port": "mail"}]


def test_health_page_asks_every_replica_that_has_a_name() -> None:
    processes = yaml.safe_load(found("ConfigMap", "casestream-desk")["data"]["CASESTREAM_PROCESSES"])
    replicas = {f"{role.service}-{role.name}-{n}" for role in ROLES if not role.is_api for n in range(workload(role)["spec"]["replicas"])}
    assert set(processes) == replicas
    assert all(url.startswith(f"http://casestream-{name}.casestream-{name.rpartition('-')[0]}:") for name, url in processes.items())


@pytest.mark.parametrize(("name", "pod"), pods())
def test_pod_runs_without_rights(name: str, pod: Manifest) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["serviceAccountName"] == "casestream"
    assert pod["automountServiceAccountToken"] is False
    assert found("ServiceAccount", "casestream")["automountServiceAccountToken"] is False
    # Kubernetes would put variables such as CASESTREAM_DESK_API_PORT into every process.
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize(("name", "one"), containers())
def test_container_can_write_only_to_its_temporary_folder(name: str, one: Manifest) -> None:
    assert one["image"] == "casestream"
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in one["volumeMounts"] if not mount.get("readOnly")] == ["/tmp"]
    assert "memory" in one["resources"]["limits"]


def test_preparation_migrates_every_service_then_creates_topics() -> None:
    pod = found("Job", "casestream-prepare")["spec"]["template"]["spec"]
    migrated = {one["command"][2] for one in pod["initContainers"] if one["command"][3:] == ["migrate"]}
    assert migrated == {f"services.{role.service}" for role in ROLES}
    [topics] = pod["containers"]
    assert topics["command"] == ["python", "-m", "shared.messaging", "topics"]


def test_secrets_are_referred_to_and_never_contained() -> None:
    assert [one["metadata"]["name"] for _, one in MANIFESTS if one["kind"] == "Secret"] == []
    for file in DEPLOY.rglob("*"):
        if file.is_file():
            assert not SECRET.search(file.read_text()), file
    for name, one in containers():
        for variable in one.get("env", []):
            if variable["name"] == "CASESTREAM_DATABASE":
                service = one["command"][2].removeprefix("services.")
                assert variable["valueFrom"] == {"secretKeyRef": {"name": f"casestream-database-{service}", "key": "url"}}, name
            else:
                assert not re.search(r"password|secret|token|key$", variable["name"], re.IGNORECASE), name


@pytest.mark.parametrize(
    ("role", "setting", "secret"),
    [
        (Role("desk", "api"), "CASESTREAM_SIGNING_KEY", "casestream-signing-key"),
        (Role("notify", "send"), "CASESTREAM_SMTP_PASSWORD_FILE", "casestream-smtp"),
        (Role("notify", "send"), "CASESTREAM_LINK_KEYS", "casestream-links"),
        (Role("case", "api"), "CASESTREAM_LINK_KEYS", "casestream-links"),
        (Role("task", "api"), "CASESTREAM_LINK_KEYS", "casestream-links"),
    ],
    ids=["signing key", "password", "links made", "links read", "links to decide by read"],
)
def test_secret_file_is_where_the_setting_says(role: Role, setting: str, secret: str) -> None:
    volumes = {one["name"]: one.get("secret", {}).get("secretName") for one in workload(role)["spec"]["template"]["spec"]["volumes"]}
    mounted = {volumes[mount["name"]]: mount["mountPath"] for mount in container(role)["volumeMounts"]}
    assert str(Path(environment(role)[setting]).parent) == mounted[secret]


def test_secrets_of_webhooks_are_files_in_the_folder_that_the_setting_names() -> None:
    role = Role("notify", "hooks")
    volumes = {one["name"]: one.get("secret", {}).get("secretName") for one in workload(role)["spec"]["template"]["spec"]["volumes"]}
    mounted = {volumes[mount["name"]]: mount["mountPath"] for mount in container(role)["volumeMounts"]}
    assert environment(role)["CASESTREAM_WEBHOOK_KEYS"] == mounted["casestream-webhooks"]


def test_traffic_is_denied_unless_a_policy_allows_it() -> None:
    policies = [one for _, one in MANIFESTS if one["kind"] == "NetworkPolicy"]
    [deny] = [one for one in policies if one["metadata"]["name"] == "casestream-deny"]
    assert deny["spec"] == {
        "podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "casestream"}},
        "policyTypes": ["Ingress", "Egress"],
    }
    known = {name_of(role) for role in ROLES}
    for policy in policies:
        for selector in _values(policy, "app.kubernetes.io/name"):
            assert selector in known, policy["metadata"]["name"]
    edge = found("NetworkPolicy", "casestream-edge")["spec"]["podSelector"]["matchExpressions"][0]["values"]
    assert set(edge) == {name_of(role) for role in ROLES if role.is_api}


def _values(content: Any, key: str) -> Iterator[str]:
    if isinstance(content, dict):
        for name, value in content.items():
            if name == key:
                yield value
            else:
                yield from _values(value, key)
    elif isinstance(content, list):
        for value in content:
            yield from _values(value, key)
