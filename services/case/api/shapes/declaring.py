"""How a route declares what it answers."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item")
Declared = dict[int | str, dict[str, Any]]
"""Answers by status, as a route's `responses` takes them."""
_ETAG: dict[str, Any] = {
    "ETag": {
        "description": "The record's revision; give it as `If-Match` to change the record only as you saw it.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"\\d+"$', "examples": ['"7"']},
    }
}
_NAMED: dict[str, Any] = {
    "Content-Disposition": {
        "description": "That it is to be saved, and under which name.",
        "required": True,
        "schema": {"type": "string", "examples": ['attachment; filename="template.csv"']},
    }
}


class Shape(BaseModel):
    """What is answered; it has no members that are not declared."""

    model_config = ConfigDict(extra="forbid")


class Listed(Shape, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: str | None = Field(description="Goes into `cursor` of the next request; null: this is the last page.")


def gives(
    shape: type[BaseModel], status: int = 200, *, etag: bool = False, description: str = "What is asked for, or became of it."
) -> Declared:
    """The answer to a request that succeeds. `etag`: it has the record's revision as a header."""
    declared: dict[str, Any] = {"model": shape, "description": description}
    return {status: declared | ({"headers": _ETAG} if etag else {})}


def gives_file(*media_types: str) -> Declared:
    """A file to be saved, in one of these media types."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in media_types}
    return {200: {"description": "The file, to be saved.", "content": content, "headers": _NAMED}}
