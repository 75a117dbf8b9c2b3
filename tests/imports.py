"""Which modules of the package a module needs, read from its source."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


def module_file(name: str) -> Path | None:
    """The file of a module of the package, None for a name that is none."""
    path = SOURCE / Path(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def direct_imports(file: Path) -> set[Path]:
    """Files of the package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found |= {module_file(name) for name in names if name.startswith("klayer")} - {None}
    return {path for path in found if path.name != "__init__.py"}


def all_imports(file: Path) -> set[Path]:
    """The same with what those import in turn, and the file itself."""
    seen, todo = set(), {file}
    while todo:
        seen |= todo
        todo = set().union(*(direct_imports(path) for path in todo)) - seen
    return seen
