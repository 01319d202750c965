"""What must hold of trees of categories: the cases' own, and those of responses and resolutions (CASE-4)."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from shared.schemas.configuration.document import Document, Path
from shared.schemas.configuration.references import find

ANSWER_TREES = ("response_categories", "temporary_resolution_categories", "final_resolution_categories")


def check_category_tree(document: Document) -> None:
    """No category is above itself; a subject's default category is one that it allows."""
    parents = _parents(document, "categories")
    is_sound = report_circle(document, ("categories",), parents, "the parents lead in a circle")
    for item in find(document.data, "subjects[]") if is_sound else ():
        subject = item.value if isinstance(item.value, dict) else {}
        listed, default = subject.get("categories"), subject.get("default_category")
        if not isinstance(listed, list) or not listed or not isinstance(default, str) or default not in parents:
            continue
        if not any(code in listed for code in _upwards(default, parents)):
            document.problem((*item.path, "default_category"), f"{default!r} is not among the subject's categories, nor below one of them")


def check_answer_categories(document: Document) -> None:
    """No category is above itself; of each tree, a subject has at most one default, and so have all subjects together."""
    for tree in ANSWER_TREES:
        report_circle(document, (tree,), _parents(document, tree), "the parents lead in a circle")
        taken: dict[str, str] = {}
        for path, category in _dicts(document, tree):
            if category.get("default") is not True:
                continue
            code, listed = str(category.get("code")), category.get("subjects")
            for subject in [str(one) for one in listed] if isinstance(listed, list) and listed else [""]:
                whose = f"subject {subject!r}" if subject else "all subjects"
                if subject in taken:
                    document.problem((*path, "default"), f"{taken[subject]!r} is the default for {whose} already; only one can be")
                taken.setdefault(subject, code)
    subjects = {str(subject.get("code")) for _, subject in _dicts(document, "subjects") if subject.get("temporary_resolution") is True}
    for path, category in _dicts(document, "temporary_resolution_categories"):
        listed = category.get("subjects")
        for index, code in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(code, str) and code not in subjects:
                document.problem(
                    (*path, "subjects", index), f"subject {code!r} uses no temporary resolution; set its temporary_resolution, or remove it"
                )


def report_circle(document: Document, path: Path, before: dict[str, list[str]], message: str) -> bool:
    """Whether these lead in no circle; one that does is reported with `message`."""
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        document.problem(path, f"{message}: {' -> '.join(circle)}")
        return False
    return True


def _parents(document: Document, tree: str) -> dict[str, list[str]]:
    return {
        category["code"]: [category["parent"]] if isinstance(category.get("parent"), str) else []
        for _, category in _dicts(document, tree)
        if isinstance(category.get("code"), str)
    }


def _upwards(code: str, parents: dict[str, list[str]]) -> Iterator[str]:
    """The category itself, then those above it."""
    above: list[str] = [code]
    while above:
        yield above[0]
        above = parents.get(above[0], [])


def _dicts(document: Document, section: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for item in find(document.data, f"{section}[]"):
        if isinstance(item.value, dict):
            yield item.path, item.value
