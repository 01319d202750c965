"""Who gets a task that is for a group (TASK-7, EDGE-13): skills, and the way in which a member is chosen."""

from __future__ import annotations

from typing import Any, Literal

from shared.schemas.configuration.document import Document
from shared.schemas.configuration.references import find
from shared.schemas.configuration.section import Named

Assign = Literal["accept", "round_robin", "least_loaded"]
"""`accept`: a member of the role or unit takes it. `round_robin`: as it starts, a member gets it, in turn. `least_loaded`: the member with
the fewest open tasks gets it."""


class Skill(Named):
    """Something that not everybody can do: a trade, a language, a certificate."""


def check_assignment(document: Document) -> None:
    """A task is given out only where it is for a group, and one that has somebody with all its skills."""
    users = [item.value for item in find(document.data, "users[]") if isinstance(item.value, dict)]
    for item in find(document.data, "task_definitions[]"):
        definition = item.value
        if not isinstance(definition, dict) or definition.get("assign") in (None, "accept"):
            continue
        owner = definition.get("owner")
        owner = owner if isinstance(owner, dict) else {}
        if owner.get("user") is not None:
            document.problem(
                (*item.path, "assign"), f"the task is for the user {owner['user']!r} alone; leave `assign` out, or name a group"
            )
            continue
        wanted = _texts(definition.get("skills"))
        members = [user for user in users if user.get("active") is not False and _is_member(user, owner)]
        if wanted and owner and not any(wanted <= _texts(user.get("skills")) for user in members):
            document.problem((*item.path, "skills"), "nobody of those whom the task is for has all of them; give `users` the `skills`")


def _is_member(user: dict[str, Any], owner: dict[str, Any]) -> bool:
    if owner.get("unit") is not None:
        return bool(user.get("unit") == owner["unit"])
    return owner.get("role") in _texts(user.get("roles"))


def _texts(value: Any) -> set[str]:
    return {item for item in value if isinstance(item, str)} if isinstance(value, list) else set()
