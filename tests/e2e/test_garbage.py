"""Garbage on every topic, every endpoint and as mail: a refusal or a dead letter with its reason, and everything goes on as before."""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from services.cli.stack.platform import Stack
from shared.schemas import topics
from shared.schemas.events import PAYLOADS, CommunicationErased
from tests.chaos.flow import KINDS, a_mail, counts_of, message_ids, quiet_counts, settled_counts
from tests.e2e.hostile import BODIES, GOOD, ODD_TEXTS, TOKENS, hostile_mails, odd_headers, odd_values, paths_with_values
from tests.support import eventually
from tests.support.stacks import StartStack, call, items

SEED = 20260312
FILLERS = 80
MOST_BODIES = 70
"""Of the odd bodies for one operation; each seed takes others. What a body may be is tried in full by each service's own tests."""
PAGES = ("/answer/", "/decide/")
"""Of a service's API, what customers and approvers open in a browser: they are told what is wrong by a page."""
SERVICES = ("ingest", "case", "task", "sla", "notify", "desk")


@pytest.fixture(scope="module")
def stack(start_stack: StartStack) -> Stack:
    return start_stack()


@pytest.fixture(autouse=True)
def _goes_on_as_before(stack: Stack) -> Iterator[None]:
    """After each kind of garbage no process has ended, all are ready, and a mail goes all the way."""
    yield
    restarts = {process.name: process.restarts for process in stack.processes() if process.restarts or process.state != "running"}
    assert not restarts, f"these ended: {restarts}"
    for process in stack.processes():
        answer = httpx.get(f"{process.url}/health/ready", timeout=30, trust_env=False)
        assert answer.status_code == 200, f"{process.name} is not ready: {answer.text}"
    before, kind = counts_of(stack), KINDS[0]
    assert before is not None
    caught = len(message_ids(stack))
    stack.deliver([a_mail(kind, f"after-{uuid.uuid4().hex[:8]}", 1)], "contact@housing.example")
    wanted = before + Counter(communications=1, cases=kind.cases, tasks=kind.tasks)
    settled_counts(stack, lambda found: all(found[name] == wanted[name] for name in ("communications", "cases", "tasks")), 90, caught=False)
    eventually(lambda: len(message_ids(stack)) > caught, 60)


def test_garbage_on_every_topic_becomes_dead_letters_with_their_reasons(stack: Stack) -> None:
    pick = random.Random(SEED)
    producer = Producer({"bootstrap.servers": stack.kafka.bootstrap, "message.max.bytes": 10_000_000})
    refused: list[str] = []
    types: dict[str, list[str]] = {name: [] for name in topics.TOPICS}
    for name, payload in PAYLOADS.items():
        types[payload.topic].append(name)

    def put(topic: str, value: bytes | None, headers: dict[str, bytes | None], key: bytes | None = b"k") -> None:
        if topics.TOPICS[topic].retention is None and key is None:
            key = b""  # a compacted topic takes nothing without a key
        partition = pick.randrange(topics.TOPICS[topic].partitions)
        producer.produce(
            stack.prefix + topic,
            value=value,
            key=key,
            headers=list(headers.items()),
            partition=partition,
            on_delivery=lambda error, _: refused.append(str(error)) if error else None,
        )

    readable = set(topics.TOPICS) - {topics.SLA_TIMERS}
    for topic in sorted(readable):
        for name in [*types[topic], "casestream.nothing.like-it.v1"]:
            for value in odd_values(name, pick):
                put(topic, value, odd_headers(name), pick.choice([b"k", None, b"\x00\xff", uuid.uuid4().bytes]))
            good = b"{}"
            for headers in odd_headers_of_all_kinds(name, pick):
                put(topic, good, headers)
            if topic == topics.CASES:
                # Nobody minds these. Were more than half of what a consumer reads wrong, it would take itself for a bad release, and end.
                for _ in range(FILLERS):
                    erased = CommunicationErased(communication_id=uuid.uuid4())
                    put(topic, erased.model_dump_json().encode(), odd_headers(erased.event_type))
        put(topic, None, {})
        put(topic, b"", {})
    producer.flush(60)
    assert not refused
    quiet_counts(stack, caught=False)

    def letters(service: str) -> list[dict[str, Any]]:
        return items(call(stack, service, "/dead-letters?limit=500"))

    def all_read() -> bool:
        # The upstream topic is ingest's, the chain of events the others'.
        return all(len(letters(service)) > 20 for service in ("ingest", "case", "task", "sla", "notify"))

    eventually(all_read, 120, 0.5)
    for service in ("ingest", "case", "task", "sla", "notify"):
        for letter in letters(service):
            assert letter["error"], letter
            assert letter["kind"] in ("garbage", "invalid", "refused"), f"{service} broke on what it should refuse: {letter}"


def odd_headers_of_all_kinds(name: str, pick: random.Random) -> Iterator[dict[str, bytes | None]]:
    """A good envelope with one header spoilt, or taken away."""
    spoilt: dict[str, list[bytes | None]] = {
        "ce_id": [b"", b"no uuid", b"\xff\xfe", None],
        "ce_type": [b"", b"\x00", b"\xff", name.upper().encode()],
        "ce_time": [b"", b"yesterday", b"9999-12-31T23:59:59-12:00", b"0001-01-01T00:00:00+12:00", b"2026-01-01T00:00:00", b"\xff", None],
        "ce_revision": [b"-1", b"", b"1e9", b"9" * 400, b"99999999999999999999", b"\xff", b" 1", "１".encode(), None],
        "ce_configversion": [b"-1", b"99999999999", b"4294967295", b"many", b"\xff", None],
        "ce_source": [b"\xff\xff", b"\x00"],
        "ce_subject": [b"\xff\xff", b"\x00", b"no uuid"],
        "traceparent": [b"\xff", b"\x00" * 55, b"nonsense"],
    }
    for header, values in spoilt.items():
        for value in values:
            yield {**odd_headers(name), header: value}
        missing = odd_headers(name)
        missing.pop(header, None)
        yield missing
    yield {**odd_headers(name), **{f"x-{number}": pick.randbytes(200) for number in range(50)}}


@pytest.fixture(scope="module")
def real(stack: Stack) -> dict[str, str]:
    """Ids of things that exist, by the name that the addresses have for them."""
    (taken,) = stack.deliver([a_mail(KINDS[1], f"real-{uuid.uuid4().hex[:8]}", 1)], "contact@housing.example")
    found = {"communication_id": str(taken["id"])}

    def rows_of(service: str, path: str) -> list[dict[str, Any]]:
        return items(call(stack, service, path, user="kwame.mensah"))

    case = eventually(lambda: rows_of("case", f"/cases?communication_id={taken['id']}"), 90)[0]
    found |= {"case_id": case["id"], "contact_id": case["customer"]["contact_id"], "user": "dan.evans"}
    found["task_id"] = eventually(lambda: rows_of("task", f"/tasks?case_id={case['id']}"), 90)[0]["id"]
    clocks = eventually(lambda: rows_of("sla", f"/clocks?item_id={case['id']}"), 90)
    return found | {"clock_id": clocks[0]["id"], "version": "1"}


@pytest.mark.parametrize("service", SERVICES)
def test_garbage_on_every_endpoint_is_refused_with_a_problem(stack: Stack, real: dict[str, str], service: str) -> None:
    pick = random.Random(SEED)
    base, token = stack.url(service), stack.machine_token()
    described = call(stack, service, "/openapi.json").json()
    person = stack.token("kwame.mensah")
    bad: list[str] = []
    seen: Counter[int] = Counter()

    with httpx.Client(base_url=base, timeout=60, trust_env=False) as client:

        def send(method: str, path: str, bearer: str | None = None, **more: Any) -> None:
            headers = {**({"Authorization": f"Bearer {bearer}"} if bearer else {}), **more.pop("headers", {})}
            encoded = {name: value.encode("latin-1") if isinstance(value, str) else value for name, value in headers.items()}
            answer = client.request(method, path, headers=[(name.encode(), value) for name, value in encoded.items()], **more)
            seen[answer.status_code] += 1
            about = f"{method} {path[:120]} -> {answer.status_code} {answer.text[:200]}"
            if answer.status_code >= 500 and answer.status_code != 503:
                bad.append(about)
            kind = answer.headers.get("content-type", "")
            is_page = kind.startswith("text/html") and path.startswith(PAGES)
            if answer.status_code >= 400 and not is_page and not kind.startswith("application/problem+json"):
                bad.append(f"no problem details: {about}")

        for template, operations in described["paths"].items():
            for verb, operation in operations.items():
                method, path = verb.upper(), template.replace("{", "").replace("}", "")
                fitting = paths_with_values(template, operation, real, pick)
                for bearer in (None, *TOKENS):
                    send(method, fitting[0], bearer)
                if "text/event-stream" in operation["responses"].get("200", {}).get("content", {}):
                    continue  # an answer to who may have it never ends
                for url in [path, *fitting]:
                    for bearer in (token, person):
                        send(method, url, bearer)
                if method == "GET":
                    continue
                for content_type, body in BODIES:
                    send(method, pick.choice(fitting), pick.choice([token, person]), content=body, headers={"Content-Type": content_type})
                bodies = list(odd_bodies(described, template, operation, pick))
                for body in pick.sample(bodies, min(len(bodies), MOST_BODIES)):
                    content = json.dumps(body).encode()
                    send(method, fitting[0], pick.choice([token, person]), content=content, headers={"Content-Type": "application/json"})
                for header in ("If-Match", "Idempotency-Key"):
                    for value in ("", "*", '"-1"', '"99999999999999999999999"', 'W/"x"', "\xff\x80", "x" * 4000):
                        send(method, fitting[0], person, headers={header: value.encode("latin-1")}, json={})
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            send(method, next(iter(described["paths"])).replace("{", "").replace("}", ""), token)
        for path in ("/nothing", "/%00", "/%ff%fe", "/../../etc/passwd", "//", "/" + "a" * 8000, "/cases/%2e%2e/x"):
            send("GET", path, token)
    assert not bad, f"{len(bad)} of {seen.total()}:\n" + "\n".join(bad[:40])
    assert seen[401], seen
    assert seen[422], seen


def odd_bodies(described: dict[str, Any], template: str, operation: dict[str, Any], pick: random.Random) -> Iterator[Any]:
    """Bodies with the members that the operation describes, each with values that do not belong there."""
    good = GOOD.get(template, {})
    for member in good:
        for odd in ODD_TEXTS:
            yield good | {member: odd}
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    for option in [schema, *schema.get("anyOf", [])]:
        name = option.get("$ref", "").rpartition("/")[2]
        members = described.get("components", {}).get("schemas", {}).get(name, option).get("properties", {})
        for _ in range(12):
            yield {member: pick.choice(ODD_TEXTS) for member in members}
        for member in members:
            for odd in ODD_TEXTS:
                yield {member: odd}


@pytest.mark.requirement("COM-3")
def test_any_bytes_as_mail_are_recorded_or_refused_with_a_reason(stack: Stack) -> None:
    pick = random.Random(SEED)
    before = counts_of(stack)
    assert before is not None
    taken: set[str] = set()
    raws = list(hostile_mails(pick))
    for raw in raws:
        for content_type in ("message/rfc822", "multipart/digest; boundary=b", "multipart/digest", "text/plain", "x"):
            answer = httpx.post(
                f"{stack.url('ingest')}/mail",
                params={"account": "contact@housing.example"},
                content=raw,
                headers={"Authorization": f"Bearer {stack.machine_token()}", "Content-Type": content_type},
                timeout=60,
                trust_env=False,
            )
            if answer.status_code == 202:
                taken |= {one["id"] for one in answer.json()["communications"]}
            else:
                assert 400 <= answer.status_code < 500, answer.text
                assert json.loads(answer.content)["detail"], answer.text
            if content_type == "message/rfc822":
                assert answer.status_code in (202, 413), answer.text
    wanted = before["communications"] + len(taken)
    settled_counts(stack, lambda found: found["communications"] == wanted, 120, caught=False)
    after = quiet_counts(stack, caught=False)
    assert after["dead_letters"] == before["dead_letters"]
