"""What must hold of what customers are offered and asked, beyond shape and references: products, return policies, feedback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.schemas.configuration.document import Document, Path
from shared.schemas.configuration.references import find


def _sections(document: Document, pattern: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for item in find(document.data, pattern):
        if isinstance(item.value, dict):
            yield item.path, item.value


def check_products(document: Document) -> None:
    """What the catalogue promises can be kept (CASE-14)."""
    entries = ("subjects[].workflow.tasks[]", "subjects[].workflow.tasks[].task")
    planned = {item.value for entry in entries for item in find(document.data, entry) if isinstance(item.value, str)}
    for path, product in _sections(document, "products.catalogue[]"):
        is_service = product.get("kind") == "service"
        if is_service and product.get("physical") is True:
            document.problem((*path, "physical"), "a service is no thing; remove it, or make it a good")
        if product.get("return_policy") is not None and (is_service or product.get("physical") is False):
            document.problem((*path, "return_policy"), "only physical goods are returned; remove it")
        task = product.get("replacement_task")
        if task is not None and product.get("warranty") is None:
            document.problem((*path, "replacement_task"), "without a warranty nothing is replaced; add one, or remove the task")
        if isinstance(task, str) and task in planned:
            document.problem((*path, "replacement_task"), f"{task!r} is in a workflow, and occurs once in a case: clone the definition")
    for path, policy in _sections(document, "products.return_policies[]"):
        _report_repeats(document, (*path, "reasons"), policy.get("reasons"), "reason")


def check_feedback(document: Document) -> None:
    """Feedback can be given and counted (CASE-13)."""
    for path, form in _sections(document, "feedback[]"):
        _report_repeats(document, (*path, "questions"), form.get("questions"), "question")
    for path, question in _sections(document, "feedback[].questions[]"):
        labels, least = question.get("labels"), question.get("satisfied_from")
        if isinstance(labels, list) and isinstance(least, int) and least > len(labels):
            document.problem((*path, "satisfied_from"), f"the best rating is {len(labels)}; nobody could ever be satisfied")


def _report_repeats(document: Document, path: Path, sections: Any, what: str) -> None:
    seen: set[str] = set()
    for index, section in enumerate(sections if isinstance(sections, list) else []):
        code = section.get("code") if isinstance(section, dict) else None
        if isinstance(code, str) and code in seen:
            document.problem((*path, index, "code"), f"the {what} {code!r} is there twice; rename one")
        elif isinstance(code, str):
            seen.add(code)
