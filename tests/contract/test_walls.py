"""What import-linter (`make check`) cannot see by itself."""

from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]


def test_every_folder_with_code_is_a_package() -> None:
    """import-linter passes over a folder without `__init__.py`: imports in it would cross any wall."""
    folders = {file.parent for root in ("services", "shared") for file in (CLONE / root).rglob("*.py")}
    assert [str(folder.relative_to(CLONE)) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []
