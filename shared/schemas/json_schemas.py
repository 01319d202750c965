"""The models as JSON Schemas, as other programs read them: without the titles pydantic invents, with the words from beside the fields."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from shared.schemas.configuration import Configuration
from shared.schemas.envelope import Payload

DIALECT = "https://json-schema.org/draft/2020-12/schema"
JsonSchema = dict[str, Any]


class _Plain(GenerateJsonSchema):
    """Fields keep their own names only."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def payload_schema(payload: type[Payload]) -> JsonSchema:
    """The schema of the data of one type of event. A field that has a default need not be there; one that is not listed may be."""
    return _whole(payload, payload.event_type)


def configuration_schema() -> JsonSchema:
    """The schema of a configuration file, for editors; `casestream config check` knows more than it can say."""
    return _whole(Configuration, "casestream.configuration")


def parts(payload: type[Payload]) -> tuple[JsonSchema, dict[str, JsonSchema]]:
    """The schema with references to `#/components/schemas/<part>`, and those parts."""
    schema = _described(payload, "#/components/schemas/{model}")
    return schema, schema.pop("$defs", {})


def _whole(model: type[BaseModel], name: str) -> JsonSchema:
    return {"$schema": DIALECT, "$id": name} | _described(model, "#/$defs/{model}")


def _described(model: type[BaseModel], reference: str) -> JsonSchema:
    mode: JsonSchemaMode = "validation"
    schema = model.model_json_schema(ref_template=reference, schema_generator=_Plain, mode=mode)
    for part, name in ((schema, model.__name__), *((part, name) for name, part in schema.get("$defs", {}).items())):
        source = _model(model, name)
        for field, shape in part.get("properties", {}).items():
            words = source and field_words(source).get(field)
            if words:
                shape.setdefault("description", words)
    first = {key: schema[key] for key in ("title", "description") if key in schema}
    return first | {key: value for key, value in schema.items() if key not in first}


def _model(root: type[BaseModel], name: str) -> type[BaseModel] | None:
    """The model that a part's schema was made from; none for an enum."""
    found = root if root.__name__ == name else _models(root).get(name)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


@cache
def _models(root: type[BaseModel]) -> dict[str, Any]:
    """The names that the modules of `root` and its ancestors know."""
    known: dict[str, Any] = {}
    for ancestor in reversed(root.__mro__):
        known |= vars(sys.modules[ancestor.__module__])
    return known


@cache
def field_words(model: type[BaseModel]) -> dict[str, str]:
    """What the source says below each field, ancestors' included."""
    words: dict[str, str] = {}
    for ancestor in reversed(model.__mro__):
        if issubclass(ancestor, BaseModel) and ancestor is not BaseModel:
            words |= _classes(ancestor.__module__).get(ancestor.__name__, {})
    return words


@cache
def _classes(module: str) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: _fields(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _fields(node: ast.ClassDef) -> dict[str, str]:
    words = {}
    for field, after in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            words[field.target.id] = " ".join(after.value.value.split())
    return words
