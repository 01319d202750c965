"""Each kind of incompatible change to a published type is caught, and a compatible one is let through."""

from copy import deepcopy
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import pytest
from pydantic import AwareDatetime, BaseModel, StringConstraints, create_model

from shared.schemas.compatibility import breaking_changes, schema_changes
from shared.schemas.envelope import Payload
from shared.schemas.json_schemas import payload_schema


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Place(BaseModel):
    street: str
    floor: int = 0


class Painted(Payload):
    """A door was painted."""

    event_type: ClassVar[str] = "casestream.door.painted.v1"
    topic: ClassVar[str] = "casestream.doors"

    door_id: UUID
    colour: Colour
    paint: Literal["oil", "water"] = "oil"
    place: Place
    code: Annotated[str, StringConstraints(pattern="^[a-z]+$", max_length=9)] = "a"
    coats: tuple[Place, ...] = ()
    painter: str | None = None
    at: AwareDatetime


PUBLISHED = payload_schema(Painted)


def changed(path: str, value: Any) -> dict[str, Any]:
    """The published schema with the value at a dotted path replaced; `...` removes it."""
    schema = deepcopy(PUBLISHED)
    *above, last = path.split("/")
    inside: Any = schema
    for step in above:
        inside = inside[int(step) if step.isdigit() else step]
    if value is ...:
        del inside[last]
    else:
        inside[last] = value
    return schema


REQUIRED = PUBLISHED["required"]


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (changed("properties/painter", ...), "painter: the field is gone"),
        (changed("$defs/Place/properties/floor", ...), "place.floor: the field is gone"),
        (changed("properties/door_id/type", "integer"), "door_id: type was 'string', is 'integer'"),
        (changed("properties/door_id/format", ...), "door_id: format was 'uuid', is absent"),
        (changed("properties/at/format", "date"), "at: format was 'date-time', is 'date'"),
        (changed("required", [*REQUIRED, "paint"]), "paint: the field is required now"),
        (changed("required", [field for field in REQUIRED if field != "at"]), "at: the field may be absent now"),
        (changed("$defs/Place/required", []), "place.street: the field may be absent now"),
        (changed("$defs/Colour/enum", ["red"]), "colour: enum was ['red', 'green'], is ['red']"),
        (changed("$defs/Colour/enum", ["red", "green", "blue"]), "colour: enum was ['red', 'green'], is ['red', 'green', 'blue']"),
        (changed("properties/paint/enum", ["oil", "chalk"]), "paint: enum was ['oil', 'water'], is ['oil', 'chalk']"),
        (changed("properties/code/pattern", "^[a-f]+$"), "code: pattern was '^[a-z]+$', is '^[a-f]+$'"),
        (changed("properties/code/maxLength", 5), "code: maxLength was 9, is 5"),
        (changed("properties/code/minLength", 1), "code: minLength was absent, is 1"),
        (changed("properties/paint/default", "water"), "paint: default was 'oil', is 'water'"),
        (changed("properties/painter/anyOf", [{"type": "string"}]), "painter: anyOf was"),
        (changed("properties/painter/anyOf/0/type", "integer"), "painter: type was 'string', is 'integer'"),
        (changed("properties/coats/items", {"type": "string"}), "coats[].street: the field is gone"),
        (changed("additionalProperties", False), "data: additionalProperties was absent, is False"),
    ],
    ids=lambda value: value.split(" was ")[0] if isinstance(value, str) else "",
)
def test_incompatible_change_is_told_with_its_place(schema: dict[str, Any], told: str) -> None:
    assert any(line.startswith(told) for line in schema_changes(PUBLISHED, schema)), schema_changes(PUBLISHED, schema)


def test_new_field_without_a_default_is_incompatible() -> None:
    later = create_model("Painted", __base__=Painted, weather=(str, ...))
    assert schema_changes(PUBLISHED, payload_schema(later)) == ["weather: a new field must have a default"]


def test_new_field_with_a_default_is_compatible() -> None:
    later = create_model("Painted", __base__=Painted, weather=(str, "dry"), where=(Place | None, None))
    assert schema_changes(PUBLISHED, payload_schema(later)) == []


def test_new_field_with_a_default_inside_a_part_is_compatible() -> None:
    schema = changed("$defs/Place/properties/door", {"type": "string", "default": ""})
    assert schema_changes(PUBLISHED, schema) == []


def test_other_words_another_order_and_other_names_of_parts_are_compatible() -> None:
    schema = changed("description", "Told otherwise.")
    schema["properties"] = dict(reversed(schema["properties"].items()))
    schema["required"] = list(reversed(schema["required"]))
    schema["$defs"]["Shade"] = schema["$defs"].pop("Colour") | {"title": "Shade"}
    schema["properties"]["colour"] = {"$ref": "#/$defs/Shade"}
    assert schema_changes(PUBLISHED, schema) == []


def test_type_that_is_gone_is_incompatible_and_a_new_one_is_not() -> None:
    assert breaking_changes({"a.v1": PUBLISHED}, {"a.v2": PUBLISHED}) == ["a.v1: the type is gone"]
    assert breaking_changes({"a.v1": PUBLISHED}, {"a.v1": PUBLISHED, "a.v2": PUBLISHED}) == []
