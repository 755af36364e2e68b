"""The kinds of components, and how a component is found by its name.

A component is found by its file in the folder of its kind, by an entry point of another package, or
in a Python file that the user names on the command line. Listing reads source text only, so that
help imports nothing heavy.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import create_model

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.options import Component, Options

PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Kind:
    """Where the components of one kind are."""

    name: str  # in messages, e.g. "generator"
    folder: str  # below the package, e.g. "generators/image"
    base: str  # the name of the base class
    group: str  # of entry points
    #: A module with a dictionary of further components, e.g. the methods of score distillation:
    #: the module, the dictionary, and the function that gives the options of one of its names.
    table: tuple[str, str, str] | None = None
    #: Other names of components with the options that they set.
    aliases: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    #: The component that any other name belongs to: names of encoders are open.
    others: str | None = None


TASKS = Kind("task", "tasks", "Task", "guidance.tasks")
IMAGE_GENERATORS = Kind("generator", "generators/image", "Generator", "guidance.generators")
MOTION_GENERATORS = Kind(
    "generator", "generators/motion", "MotionGenerator", "guidance.motion_generators"
)
STYLE_GENERATORS = Kind(
    "generator", "tasks/style/generators", "StyleGenerator", "guidance.style_generators"
)
EDIT_METHODS = Kind("method", "tasks/stylegan/methods", "EditMethod", "guidance.edit_methods")
MESH_MODES = Kind("mode", "tasks/mesh/modes", "MeshMode", "guidance.mesh_modes")
CAMERAS = Kind("cameras", "rendering/cameras", "CameraRig", "guidance.cameras")
LOSSES = Kind(
    "loss",
    "losses",
    "Loss",
    "guidance.losses",
    table=("guidance.losses.sds.methods", "METHODS", "guidance.losses.distillation:options_of"),
    aliases={
        "cosine": ("clip", {}),
        "spherical": ("clip", {"similarity": "spherical"}),
        "logit": ("clip", {"similarity": "logit"}),
        "contrastive": ("clip", {"similarity": "logit", "contrastive_weight": 0.0}),
    },
)
ENCODERS = Kind("encoder", "encoders", "Encoder", "guidance.encoders", others="openclip")

#: Components of Python files that the user named, by kind and path.
_loaded: dict[tuple[str, str], type] = {}


def names(kind: Kind, *, flat: bool = False) -> dict[str, str]:
    """The names of all components of a kind, each with the first line of its description.

    Args:
        flat: leaves out regularizers of meshes.
    """
    found = {p.stem: first_line(p) for p in _files(kind) if not (flat and _reads_scene(p))}
    if kind.table is not None:
        found |= _table_lines(kind.table)
    for entry in metadata.entry_points(group=kind.group):
        found.setdefault(entry.name, f"from the package {entry.dist.name if entry.dist else '?'}")
    return found


def find(kind: Kind, name: str) -> type:
    """The class of that name: a component, or a task.

    Raises:
        InputError: there is none, or a Python file that is not named on the command line.
    """
    if (kind.name, name) in _loaded:
        return _loaded[kind.name, name]
    if name.endswith(".py"):
        raise InputError(
            f"{kind.name} {name!r:.80}: a file is only run when it is named on the command line; "
            f"add --{kind.name} {name}"
        )
    path = PACKAGE / kind.folder / f"{name}.py"
    if name.isidentifier() and path in _files(kind):
        module = importlib.import_module(".".join(("guidance", *Path(kind.folder).parts, name)))
        return _only(kind, module, name)
    for entry in metadata.entry_points(group=kind.group):
        if entry.name == name:
            return _checked(kind, entry.load(), f"{kind.name} {name!r}")
    raise _unknown(kind, name)


def check_name(kind: Kind, name: str) -> None:
    """Checks the name of a component without importing it.

    Raises:
        InputError: there is none of that name. Python files are not looked at.
    """
    is_open = kind.others is not None or name.endswith(".py")
    if not is_open and name not in names(kind) and name not in kind.aliases:
        raise _unknown(kind, name)


def _unknown(kind: Kind, name: str) -> InputError:
    known = [*names(kind), *kind.aliases]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(known)}"
    return InputError(f"unknown {kind.name} {name!r:.60}; {hint}")


def options_of(kind: Kind, name: str) -> type[Options]:
    """The options of the component of that name; see `find`."""
    if kind.table is not None and name in _table_names(kind.table):
        module, _, function = kind.table[2].partition(":")
        found: type[Options] = getattr(importlib.import_module(module), function)(name)
        return found
    if kind.others is not None and not name.endswith(".py") and name not in names(kind):
        return _named(find(kind, kind.others), name)
    return _options(find(kind, name))


def load_file(kind: Kind, path: str) -> type:
    """Runs a Python file that the user named, and returns its component or task.

    Raises:
        InputError: there is no such file, or not exactly one class of this kind in it.
    """
    if (kind.name, path) in _loaded:
        return _loaded[kind.name, path]
    file = Path(path)
    refuse_special_file(file)
    if not file.is_file():
        raise InputError(f"{path}: no such file; give a Python file that defines a {kind.base}")
    name = f"guidance_user.{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None  # every name that ends with .py has both
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic looks annotations up there
    spec.loader.exec_module(module)
    cls = _only(kind, module, path)
    if kind is not TASKS:
        _options(cls).chosen_as = path
    _loaded[kind.name, path] = cls
    return cls


def first_line(path: Path) -> str:
    """The first line of a file's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


@cache
def _named(cls: type, name: str) -> type[Options]:
    """The options of one of many models that a class can load, e.g. "ViT-B-32/openai"."""
    made = create_model("Options", __base__=_options(cls))
    made.chosen_as, made.component = name, cls
    return made


def _options(cls: type) -> type[Options]:
    """A component's options; a mesh mode is its own."""
    found = cls if issubclass(cls, Options) else cls.Options  # type: ignore[attr-defined]
    assert issubclass(found, Options)
    return found


def _files(kind: Kind) -> list[Path]:
    """The files of a kind's folder that define such a component."""
    return _defining(kind.folder, kind.base)


@cache
def _defining(folder: str, base: str) -> list[Path]:
    return [path for path in sorted((PACKAGE / folder).glob("*.py")) if _defines(path, base)]


def _defines(path: Path, base: str) -> bool:
    """Whether the source defines a class derived from that base, or from a class around it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    if any(_assigns(node, "chosen_by_name", False) for node in classes):
        return False
    parts = path.parent.relative_to(PACKAGE).parts
    around = ".".join(("guidance", *(parts[:-1] or parts), ""))
    beside = {
        name.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(around)
        for name in node.names
    }
    bases = {b.id for node in classes for b in node.bases if isinstance(b, ast.Name)}
    return bool(bases & {base, *beside})


def _reads_scene(path: Path) -> bool:
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    return any(isinstance(n, ast.ClassDef) and _assigns(n, "reads_scene", True) for n in nodes)


def _assigns(node: ast.ClassDef, name: str, value: bool) -> bool:
    """Whether the body of a class assigns that value to that name."""
    return any(
        isinstance(each, ast.Assign)
        and isinstance(each.value, ast.Constant)
        and each.value.value is value
        and any(isinstance(target, ast.Name) and target.id == name for target in each.targets)
        for each in node.body
    )


def _only(kind: Kind, module: ModuleType, where: str) -> type:
    """The one class of a module that is of this kind."""
    found = [
        value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and not name.startswith("_")
        and _is_a(kind, value)
    ]
    if len(found) != 1:
        raise InputError(
            f"{where}: expected one class derived from {kind.base}, found {len(found)}"
        )
    return found[0]


def _checked(kind: Kind, value: Any, where: str) -> type:
    if not (isinstance(value, type) and _is_a(kind, value)):
        raise InputError(f"{where}: its package provides {value!r:.60}, which is not a {kind.base}")
    return value


def _is_a(kind: Kind, cls: type) -> bool:
    """By name, so that base classes are not imported to find out."""
    known = kind is TASKS or issubclass(cls, Component | Options)
    return known and any(base.__name__ == kind.base for base in cls.__mro__[1:])


def _table_names(table: tuple[str, str, str]) -> list[str]:
    """The keys of a dictionary, read from the source."""
    module, variable, _ = table
    tree = ast.parse(_source(module).read_text(encoding="utf-8"))
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        named = any(isinstance(target, ast.Name) and target.id == variable for target in targets)
        if named and isinstance(node.value, ast.Dict):  # type: ignore[attr-defined]
            keys = node.value.keys  # type: ignore[attr-defined]
            return [str(key.value) for key in keys if isinstance(key, ast.Constant)]
    return []


def _table_lines(table: tuple[str, str, str]) -> dict[str, str]:
    """The names of a table, each with the first line of the function of that name beside it."""
    lines: dict[str, str] = {}
    for path in sorted(_source(table[0]).parent.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and (text := ast.get_docstring(node)):
                lines.setdefault(node.name, text.partition("\n")[0])
    return {name: lines.get(name, "") for name in _table_names(table)}


def _source(module: str) -> Path:
    return PACKAGE.parent / Path(*module.split(".")).with_suffix(".py")
