"""The Python files that a user named: only they are run, never one that a file of a sweep names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from guidance.config.choices import Switch
from guidance.config.kinds import ENCODERS, TASKS
from guidance.config.tree import choices
from guidance.sweeps.worker import load_files
from guidance.tasks.base import Task


def named_files(
    cls: type[Task], name: str, texts: Mapping[str, Iterable[str]]
) -> list[tuple[str, str]]:
    """Runs the Python files that texts name; returns the folder of the kind, and the path.

    Args:
        name: of the task, as it was given.
        texts: what the user gave for each option, alone or as values of an axis.

    Raises:
        InputError: there is no such file, or it has not exactly one class of its kind.
    """
    kinds = {
        key: choice.kind for key, choice in choices(cls).items() if not isinstance(choice, Switch)
    }
    kinds["encoder"] = ENCODERS
    found = [(TASKS.folder, name)] if name.endswith(".py") else []
    for key, kind in kinds.items():
        for text in ",".join(texts.get(key, ())).split(","):
            path = text.strip()
            path = path[: path.index(".py:") + 3] if ".py:" in path else path
            if path.endswith(".py"):
                found.append((kind.folder, path))
    load_files(found)
    return found
