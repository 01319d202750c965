"""What must hold of services and resources in a configuration beyond shape and references."""

from __future__ import annotations

from shared.schemas.configuration.document import Document, Path
from shared.schemas.configuration.references import find


def check_resources(document: Document) -> None:
    """Report everything that breaks a rule."""
    _check_services_of_definitions(document)
    _check_people(document)


def _check_services_of_definitions(document: Document) -> None:
    for listed in find(document.data, "task_definitions[].services"):
        seen: set[str] = set()
        for index, item in enumerate(listed.value if isinstance(listed.value, list) else ()):
            if not isinstance(item, dict):
                continue
            path, service = (*listed.path, index), item.get("service")
            minimum, mandatory = item.get("minimum"), item.get("mandatory") is True
            if mandatory and minimum is None:
                document.problem(path, "a mandatory service needs a minimum, such as `minimum: 30 minutes`")
            if minimum is not None and not mandatory:
                document.problem((*path, "minimum"), "only a mandatory service has a minimum; add `mandatory: true`, or take it out")
            if isinstance(service, str):
                if service in seen:
                    document.problem((*path, "service"), f"the service {service!r} is listed twice; once is enough")
                seen.add(service)


def _check_people(document: Document) -> None:
    """Only a person is somebody, and everybody is one resource: two would be booked at once."""
    first: dict[str, Path] = {}
    for item in find(document.data, "resources[]"):
        if not isinstance(item.value, dict):
            continue
        kind, user, capacity = (item.value.get(name) for name in ("kind", "user", "capacity"))
        if kind == "person" and isinstance(capacity, int) and capacity > 1:
            document.problem((*item.path, "capacity"), "a person can be booked only once at a time; take the capacity out")
        if not isinstance(user, str):
            continue
        if kind != "person":
            document.problem((*item.path, "user"), "only a person has a user; take it out, or write `kind: person`")
        if item.value.get("active", True) is False:
            continue
        known = first.setdefault(user, item.path)
        if known != item.path:
            line = document.place(known)[0]
            document.problem((*item.path, "user"), f"{user!r} is the resource of line {line} already; nobody can be booked as two")
