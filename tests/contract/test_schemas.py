"""The schemas in git are those of the models; messages recorded from earlier releases still decode; what decodes fits its schema."""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.schemas.__main__ import REFERENCE, publish
from shared.schemas.compatibility import breaking_changes
from shared.schemas.envelope import LARGEST_REVISION, LARGEST_VERSION, Event, Undecodable, decode
from shared.schemas.events import PAYLOADS
from shared.schemas.examples import EXAMPLES
from shared.schemas.export import PUBLISHED, export_schemas, published_types
from shared.schemas.json_schemas import payload_schema
from shared.schemas.reference import events_reference
from shared.schemas.topics import TOPICS

RECORDED = Path(__file__).parent / "payloads"
TYPES = sorted(PAYLOADS)


def a_message(name: str) -> tuple[bytes, dict[str, bytes], dict[str, Any]]:
    """Key, headers and data of the recorded message of that type."""
    message = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return message["key"].encode(), {header: value.encode() for header, value in message["headers"].items()}, message["value"]


def read(name: str, key: bytes, headers: dict[str, bytes], data: dict[str, Any]) -> Event:
    return decode(key, headers, json.dumps(data).encode(), PAYLOADS[name])


@pytest.mark.requirement("FACE-1")
def test_published_schemas_and_the_page_are_those_of_the_models(tmp_path: Path) -> None:
    written = {file.name: file.read_text(encoding="utf-8") for file in export_schemas(tmp_path)}
    in_git = {file.name: file.read_text(encoding="utf-8") for file in PUBLISHED.iterdir()}
    assert sorted(in_git) == sorted(written), "run `make schemas`"
    assert [name for name in written if in_git[name] != written[name]] == [], "run `make schemas`"
    assert REFERENCE.read_text(encoding="utf-8") == events_reference(), "run `make schemas`"


def test_published_types_have_not_changed_incompatibly() -> None:
    assert breaking_changes(published_types(), {name: payload_schema(PAYLOADS[name]) for name in TYPES}) == []


def test_nothing_is_written_over_a_published_type_that_would_break(tmp_path: Path) -> None:
    export_schemas(tmp_path / "published")
    file = tmp_path / "published" / "casestream.task.triggered.v1.json"
    promised = json.loads(file.read_text())
    promised["properties"]["floor"] = {"type": "integer"}
    file.write_text(json.dumps(promised))
    assert publish(tmp_path / "published", tmp_path / "events.md") == ["casestream.task.triggered.v1: floor: the field is gone"]
    assert "floor" in file.read_text()
    assert not (tmp_path / "events.md").exists()


@pytest.mark.parametrize("file", sorted(PUBLISHED.glob("*.json")), ids=lambda file: file.stem)
def test_published_schema_is_a_sound_json_schema_with_its_name(file: Path) -> None:
    schema = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == file.stem
    assert schema["title"]
    assert schema["description"]


def test_every_type_is_carried_by_a_declared_topic_and_named_by_the_rule() -> None:
    for name, payload in PAYLOADS.items():
        assert payload.topic in TOPICS
        assert name.startswith("casestream.")
        assert name.rpartition(".v")[2].isdigit()


def test_a_message_is_recorded_for_every_type() -> None:
    assert sorted(file.stem for file in RECORDED.glob("*.json")) == TYPES, "run `python tests/contract/record_payloads.py`"


def _as_far_as(recorded: Any, said: Any) -> Any:
    """`said` without the fields, at any depth, that came after `recorded` was."""
    if isinstance(recorded, dict) and isinstance(said, dict):
        return {field: _as_far_as(value, said.get(field)) for field, value in recorded.items()}
    if isinstance(recorded, list) and isinstance(said, list) and len(recorded) == len(said):
        return [_as_far_as(*both) for both in zip(recorded, said, strict=True)]
    return said


@pytest.mark.parametrize("name", TYPES)
def test_recorded_message_still_decodes_with_all_it_said(name: str) -> None:
    key, headers, data = a_message(name)
    event = read(name, key, headers, data)
    assert event.type == headers["ce_type"].decode() == name
    assert event.id == UUID(headers["ce_id"].decode())
    assert event.time == datetime.fromisoformat(headers["ce_time"].decode())
    assert (str(event.revision), str(event.config_version)) == (headers["ce_revision"].decode(), headers["ce_configversion"].decode())
    assert {header: value for header, value in event.headers() if header in headers} == headers
    assert _as_far_as(data, json.loads(event.value())) == data


@pytest.mark.parametrize("name", TYPES)
def test_message_of_a_newer_writer_decodes(name: str) -> None:
    key, headers, data = a_message(name)
    event = read(name, key, headers | {"ce_newextension": b"1"}, data | {"added_later": {"deep": [1]}})
    assert json.loads(event.value()) == json.loads(read(name, key, headers, data).value())


CLOCKS = [name for name in TYPES if name.startswith("casestream.clock.")]


@pytest.mark.parametrize("name", CLOCKS)
def test_kind_of_a_newer_writer_is_read_as_none_of_ours(name: str) -> None:
    key, headers, data = a_message(name)
    event = read(name, key, headers, data | {"kind": "acknowledgement", "item_kind": "order"})
    assert (event.data.kind.is_known, event.data.item_kind.is_known) == (False, False)
    assert (event.data.kind, event.data.item_kind) == ("acknowledgement", "order")
    assert json.loads(event.value())["kind"] == "acknowledgement"
    with pytest.raises(Undecodable, match="kind"):
        read(name, key, headers, data | {"kind": "Not a kind!"})


@pytest.mark.parametrize("name", TYPES)
def test_message_that_carries_only_what_is_required_decodes(name: str) -> None:
    key, headers, data = a_message(name)
    required = payload_schema(PAYLOADS[name])["required"]
    read(name, key, headers, {field: data[field] for field in required})
    for field in required:
        with pytest.raises(Undecodable, match=field):
            read(name, key, headers, {other: data[other] for other in required if other != field})


@pytest.mark.parametrize("name", TYPES)
def test_example_fits_its_schema(name: str) -> None:
    assert_fits(name, json.loads(EXAMPLES[name].value()))


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    """For the file in git, with formats."""
    schema = json.loads((PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def assert_fits(name: str, data: object) -> None:
    validator(name).validate(data)


@cache
def anything(name: str) -> st.SearchStrategy[Any]:
    """Any data that the type's schema allows."""
    schema = payload_schema(PAYLOADS[name])
    return values(schema, schema.get("$defs", {}))


def values(schema: dict[str, Any], parts: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Any data that the schema allows."""
    if "$ref" in schema:
        return values(parts[schema["$ref"].rpartition("/")[2]], parts)
    if "anyOf" in schema:
        return st.one_of([values(one, parts) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"], schema.get("format"):
        case "null", _:
            return st.none()
        case "boolean", _:
            return st.booleans()
        case "integer", _:
            return st.integers(schema.get("minimum", -(2**53)), 2**53)
        case "array", _:
            return st.lists(values(schema["items"], parts), min_size=schema.get("minItems", 0), max_size=3)
        case "number", _:
            return st.floats(schema.get("minimum", -1e15), 1e15)
        case "string", "uuid":
            return st.uuids().map(str)
        case "string", "date-time":
            return st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)  # noqa: DTZ001
        case "string", "date":
            return st.dates().map(lambda day: day.isoformat())
        case "string", _ if "pattern" in schema:
            return st.from_regex(schema["pattern"], fullmatch=True).filter(lambda text: len(text) <= schema.get("maxLength", 1000))
        case "string", _:
            return st.text(min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 40), 40))
        case "object", _ if "properties" in schema:
            fields = {field: values(shape, parts) for field, shape in schema["properties"].items()}
            needed = set(schema.get("required", ()))
            return st.fixed_dictionaries(
                {field: shape for field, shape in fields.items() if field in needed},
                optional={field: shape for field, shape in fields.items() if field not in needed},
            )
        case _:
            return st.dictionaries(st.text(max_size=5), st.one_of(st.integers(-9, 9), st.text(max_size=5), st.none()), max_size=3)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)


def envelopes() -> st.SearchStrategy[dict[str, str]]:
    """Any envelope without its type."""
    return st.fixed_dictionaries(
        {
            "ce_id": st.uuids().map(str),
            "ce_source": NAMES,
            "ce_subject": NAMES,
            "ce_time": st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat),  # noqa: DTZ001
            "ce_revision": st.integers(1, LARGEST_REVISION).map(str),
            "ce_configversion": st.integers(0, LARGEST_VERSION).map(str),
        }
    )


@pytest.mark.parametrize("name", TYPES)
@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
@given(st.data())
def test_whatever_the_schema_allows_goes_round_whole(name: str, data: st.DataObject) -> None:
    envelope = {header: text.encode() for header, text in data.draw(envelopes()).items()} | {"ce_type": name.encode()}
    event = read(name, b"key", envelope, data.draw(anything(name)))
    again = decode(event.key.encode(), dict(event.headers()), event.value(), PAYLOADS[name])
    assert again == event
    assert_fits(name, json.loads(event.value()))
