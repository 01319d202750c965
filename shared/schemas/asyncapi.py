"""The AsyncAPI 3.1 document: topics, their events, who writes and who reads them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from shared.schemas import topics
from shared.schemas.envelope import Event, Payload
from shared.schemas.events import PAYLOADS
from shared.schemas.examples import EXAMPLES
from shared.schemas.json_schemas import JsonSchema, parts
from shared.schemas.topics import TOPICS, Topic

READERS: dict[str, tuple[str, ...]] = {
    "ingest": (topics.CONTACT_EVENTS,),
    "case": (topics.COMMUNICATIONS, topics.SLA, topics.TASKS, topics.NOTIFICATIONS),
    "task": (topics.CASES, topics.SLA),
    "sla": (topics.CASES, topics.TASKS),
    "notify": (topics.CASES, topics.NOTIFICATIONS, topics.SLA, topics.TASKS),
    "desk": (topics.CALLS,),
}
"""Service -> the topics whose events it handles. All but desk, which writes them, read the two below to their end before they start work.
"""
REFERENCE_TOPICS = (topics.CONFIGURATION, topics.DIRECTORY)
INTERNAL = (topics.SLA_TIMERS,)
"""Topics that are no interface: their content is their owner's own matter and may change with any release."""
UPSTREAM = "upstream systems"
REPLICAS = 3
BINDING = "0.5.0"

UUID_KEY: JsonSchema = {"type": "string", "format": "uuid"}
KEYS: dict[str, JsonSchema] = {
    topics.CONTACT_EVENTS: {"type": "string", "minLength": 1},
    topics.CONFIGURATION: {"type": "string", "pattern": "^[1-9][0-9]*$"},
    topics.DIRECTORY: {"type": "string", "pattern": "^(user|unit):.+$"},
}
"""The keys that are not a UUID."""

HEADERS: JsonSchema = {
    "type": "object",
    "title": "Envelope",
    "description": "The attributes of CloudEvents 1.0 in binary mode, each a header with text in UTF-8; names as they are on the wire.",
    "required": ["ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "ce_revision"],
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {"type": "string", "format": "uuid", "description": "The same event always has the same id: read it once."},
        "ce_type": {"type": "string", "description": "Which data it carries; the last part is its version."},
        "ce_source": {"type": "string", "format": "uri-reference", "description": "Who wrote it."},
        "ce_subject": {"type": "string", "description": "The one thing it is about (an aggregate's id)."},
        "ce_time": {"type": "string", "format": "date-time", "description": "When it happened, with its time zone."},
        "ce_revision": {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "Counts the events of one `ce_subject` from 1 without gaps.",
        },
        "ce_configversion": {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "The version of the configuration that it was decided under; 0 or absent: none.",
        },
        "traceparent": {"type": "string", "description": "W3C trace context, from the first contact to the last message; may be empty."},
        "content-type": {"type": "string", "const": "application/json"},
    },
}


def asyncapi_document() -> dict[str, Any]:
    """The whole document, in a fixed order."""
    messages, shapes = {}, {"Envelope": HEADERS}
    for payload in PAYLOADS.values():
        schema, pieces = parts(payload)
        shapes |= {payload.__name__: _portable(schema)} | {name: _portable(piece) for name, piece in pieces.items()}
        messages[message_name(payload)] = _message(payload)
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "casestream",
            "version": version("casestream"),
            "description": (
                "Every event of casestream. Each type of event keeps its shape for good: fields may be added, and a reader ignores those "
                "that it does not know; any other change is a new type with a higher version."
            ),
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The installation's Kafka cluster.",
                "variables": {"bootstrap": {"default": "kafka.example:9092", "description": "Its bootstrap servers."}},
                "bindings": {"kafka": {"bindingVersion": BINDING}},
            }
        },
        "channels": {name: _channel(topic) for name, topic in TOPICS.items()},
        "operations": _operations(),
        "components": {"messages": messages, "schemas": dict(sorted(shapes.items()))},
    }


def message_name(payload: type[Payload]) -> str:
    """The name of a type's message in the document, such as `task.triggered.v1`."""
    return payload.event_type.removeprefix("casestream.")


def payloads_of(topic: str) -> list[type[Payload]]:
    """The types that a topic carries."""
    return [payload for payload in PAYLOADS.values() if payload.topic == topic]


def _channel(topic: Topic) -> dict[str, Any]:
    settings = topic.settings()
    configuration: dict[str, Any] = {"cleanup.policy": [settings["cleanup.policy"]]}
    configuration |= {name: int(settings[name]) for name in ("retention.ms", "max.message.bytes") if name in settings}
    description = f"{topic.description} Key: {topic.key}."
    if topic.retention is None:
        description += " The last event of each key is kept; an empty value says that there is none any more."
    if topic.name in INTERNAL:
        description += " Not an interface: its content may change with any release."
    channel: dict[str, Any] = {
        "address": topic.name,
        "title": topic.name,
        "description": description,
        "servers": [{"$ref": "#/servers/kafka"}],
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "replicas": REPLICAS,
                "topicConfiguration": configuration,
                "bindingVersion": BINDING,
            }
        },
    }
    carried = {message_name(payload): {"$ref": f"#/components/messages/{message_name(payload)}"} for payload in payloads_of(topic.name)}
    return channel | ({"messages": carried} if carried else {"x-internal": True})


def _message(payload: type[Payload]) -> dict[str, Any]:
    event = EXAMPLES[payload.event_type]
    return {
        "name": payload.event_type,
        "title": payload.__name__,
        "summary": first_sentence(payload),
        "contentType": "application/json",
        "correlationId": {"description": "The trace that the event belongs to.", "location": "$message.header#/traceparent"},
        "headers": {
            "type": "object",
            "allOf": [{"$ref": "#/components/schemas/Envelope"}],
            "properties": {"ce_type": {"type": "string", "const": payload.event_type}},
        },
        "payload": {"$ref": f"#/components/schemas/{payload.__name__}"},
        "bindings": {"kafka": {"key": KEYS.get(payload.topic, UUID_KEY), "bindingVersion": BINDING}},
        "examples": [
            {"name": "example", "headers": example_headers(event), "payload": event.data.model_dump(mode="json", exclude_unset=True)},
        ],
    }


def first_sentence(payload: type[Payload]) -> str:
    """What the type's docstring says."""
    return " ".join((payload.__doc__ or "").split())


def example_headers(event: Event) -> dict[str, str]:
    """The headers of an event, as text."""
    return {name: value.decode() for name, value in event.headers()}


def _operations() -> dict[str, Any]:
    operations = {}
    for topic in TOPICS.values():
        if topic.owner != UPSTREAM:
            operations[f"{topic.owner}-sends-{_short(topic.name)}"] = _operation("send", topic, topic.owner)
    for service, names in READERS.items():
        for name in (*names, *(other for other in REFERENCE_TOPICS if TOPICS[other].owner != service)):
            operations[f"{service}-receives-{_short(name)}"] = _operation("receive", TOPICS[name], service)
    return operations


def _operation(action: str, topic: Topic, service: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": f"{service} {'writes' if action == 'send' else 'reads'} {topic.name}.",
        "tags": [{"name": service}],
    }


def _short(topic: str) -> str:
    return topic.removeprefix("casestream.").replace(".", "-")


def _portable(schema: Any) -> Any:
    """The schema in the older dialect that AsyncAPI builds on, where nothing may stand beside a `$ref`."""
    if isinstance(schema, list):
        return [_portable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema and len(schema) > 1:
        beside = {key: _portable(value) for key, value in schema.items() if key != "$ref"}
        return {"allOf": [{"$ref": schema["$ref"]}]} | beside
    return {key: _portable(value) for key, value in schema.items()}
