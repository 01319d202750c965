"""The reference of topics and events for people (docs/events.md), made from the models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from shared.schemas.asyncapi import INTERNAL, READERS, REFERENCE_TOPICS, example_headers, first_sentence, payloads_of
from shared.schemas.envelope import Payload
from shared.schemas.examples import EXAMPLES
from shared.schemas.json_schemas import payload_schema
from shared.schemas.topics import TOPICS, Topic

INTRODUCTION = """\
<!-- Made by `make schemas` from shared/schemas; change it there. -->
# Events

What casestream writes to Kafka, and the one topic on which other systems write to it. For programs: the JSON Schemas and the AsyncAPI 3.1
document in [shared/schemas/published](../shared/schemas/published), also written by `casestream schemas export DIR`.

## The envelope

CloudEvents 1.0 in binary mode: the attributes are headers, the value is the data as JSON.

```
{headers}
```

- The same event always has the same `ce_id`. Delivery is at least once, so skip an id that you have seen.
- `ce_revision` counts the events of one `ce_subject` from 1 without gaps.
- Set `isolation.level=read_committed`: sla writes in transactions.
- Ignore fields that you do not know. Within a version of a type, fields are only ever added; whatever else changes gets a new version
  (`.v2`) beside the old one. `make schemas` refuses anything else (`shared/schemas/compatibility.py` has the rules).
- Ignore events of a kind that you do not know, where the table of a type says that a later release may add to its kinds (`kind` and
  `item_kind` of clocks and of deliveries).
- Times are RFC 3339 with a zone. An installation may put a prefix before every topic's name.
"""


def events_reference() -> str:
    """The whole page."""
    headers = "\n".join(f"{name}: {value}" for name, value in example_headers(EXAMPLES["casestream.task.triggered.v1"]).items())
    lines = [INTRODUCTION.format(headers=headers), "## Topics", "", "| topic | written by | read by | key | partitions | kept |"]
    lines.append("|---|---|---|---|---|---|")
    for topic in TOPICS.values():
        kept = "last of each key" if topic.retention is None else _days(topic.retention.days)
        lines.append(f"| `{topic.name}` | {topic.owner} | {_readers(topic)} | {topic.key} | {topic.partitions} | {kept} |")
    for topic in TOPICS.values():
        if topic.name not in INTERNAL:
            lines += _section(topic)
    return "\n".join(lines) + "\n"


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def _readers(topic: Topic) -> str:
    if topic.name in REFERENCE_TOPICS:
        return "every service"
    if topic.name in INTERNAL:
        return f"{topic.owner} only; no interface"
    return ", ".join(service for service, names in READERS.items() if topic.name in names) or "other systems"


def _section(topic: Topic) -> Iterator[str]:
    yield from ("", f"## {topic.name}", "", topic.description)
    shown: dict[str, str] = {}
    # What another extends comes before it, so that "fields as in" points back.
    for payload in sorted(payloads_of(topic.name), key=lambda payload: len(payload.__mro__)):
        yield from ("", f"### {payload.event_type}", "", first_sentence(payload), "")
        schema = payload_schema(payload)
        table = "\n".join(_fields(schema))
        if table in shown:
            yield f"Fields as in `{shown[table]}`."
        else:
            shown[table] = payload.event_type
            yield from ("| field | type | default | meaning |", "|---|---|---|---|", table)
        yield from ("", "<details><summary>Example</summary>", "", "```json", _example(payload), "```", "", "</details>")


def _example(payload: type[Payload]) -> str:
    return json.dumps(EXAMPLES[payload.event_type].data.model_dump(mode="json", exclude_unset=True), indent=2, ensure_ascii=False)


def _fields(schema: dict[str, Any]) -> Iterator[str]:
    for name, shape in schema["properties"].items():
        default = "" if name in schema["required"] else f"`{json.dumps(shape.get('default'))}`"
        meaning = shape.get("description", "").replace("|", "\\|")
        yield f"| `{name}` | {_type(shape, schema.get('$defs', {}))} | {default} | {meaning} |"


def _type(shape: dict[str, Any], parts: dict[str, Any]) -> str:
    """The type in a few words; `|` would end the table's cell."""
    if "anyOf" in shape:
        return " or ".join(_type(one, parts) for one in shape["anyOf"])
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        part = parts[name]
        if "enum" in part:
            return _values(part)
        if part.get("type") == "string":
            return ", ".join(f"`{value}`" for value in part["examples"]) + "; a later release may add to them"
        inner = "; ".join(f"`{field}` {_type(inside, parts)}" for field, inside in part["properties"].items())
        return f"object: {inner}"
    if "enum" in shape or "const" in shape:
        return _values(shape)
    if shape.get("type") == "array":
        return f"list of {_type(shape['items'], parts)}"
    return {"uuid": "UUID", "date-time": "time", "date": "day"}.get(shape.get("format", ""), str(shape.get("type", "any")))


def _values(shape: dict[str, Any]) -> str:
    return ", ".join(f"`{value}`" if value else "empty" for value in shape.get("enum", [shape.get("const")]))
