"""Finds tasks: by their place in this folder, by entry points, and in a file that a user names.

Listing reads source text only, so that `guide list` and `guide --help` import nothing heavy.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

from guidance.errors import InputError
from guidance.tasks.base import Task

GROUP = "guidance.tasks"
TASKS = Path(__file__).parents[1] / "tasks"


def task_names() -> dict[str, str]:
    """The names of all tasks with the first line of what they do."""
    found = {
        path.stem: first_line(path)
        for path in sorted(TASKS.glob("*.py"))
        if defines(path, "Task")
    }
    for entry in metadata.entry_points(group=GROUP):
        found.setdefault(entry.name, f"of the package {entry.dist.name if entry.dist else '?'}")
    return found


def defines(path: Path, base: str) -> bool:
    """Whether a file's source defines a class with that base, or with one from beside it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    beside = {
        name.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(f"guidance.{path.parent.name}.")
        for name in node.names
    }
    bases = {b.id for node in classes for b in node.bases if isinstance(b, ast.Name)}
    return bool(bases & {base, *beside})


def first_line(path: Path) -> str:
    """The first line of a file's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def find_task(name: str) -> type[Task]:
    """The class of a task: a built-in name, one of another package, or a path to a Python file.

    Raises:
        InputError: no such task or file; a file without a task or with several.
    """
    if name.endswith(".py"):
        return _from_file(Path(name))
    if (TASKS / f"{name}.py").is_file() and name in task_names():
        return _only_task(importlib.import_module(f"guidance.tasks.{name}"), name)
    for entry in metadata.entry_points(group=GROUP):
        if entry.name == name:
            cls = entry.load()
            if not (isinstance(cls, type) and issubclass(cls, Task)):
                raise InputError(f"task {name!r}: its package gives {cls!r}, which is no Task")
            return cls
    known = list(task_names())
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
    raise InputError(f"no task {name!r:.60}; {hint}")


def _from_file(path: Path) -> type[Task]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a task's name or a Python file with a Task")
    name = f"guidance_user_tasks.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # every name that ends with .py has them
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic looks annotations up there
    spec.loader.exec_module(module)
    return _only_task(module, str(path))


def _only_task(module: ModuleType, where: str) -> type[Task]:
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Task)
        and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise InputError(f"{where}: expected one class derived from Task, found {len(found)}")
    return found[0]
