"""Who may import whom, read from the source; and what importing the package costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "guidance"

#: Layers from the top down: a file imports from layers below its own, and from its own folder.
LAYERS = [
    {"cli"},
    {"tasks"},
    {"losses", "generators", "rendering", "evaluate", "runs", "loop"},
    {"encoders", "diffusion", "geometry", "augment", "models"},
    {
        *("snapshot", "wrapped", "prompts", "schedule", "types", "views", "meshes"),
        *("errors", "colors", "devices", "resizing", "_torchvision", "_memory"),
    },
]
#: Pairs within a layer that may go one way.
ALLOWED = {
    ("generators", "rendering"),  # a mesh generator renders
    ("runs", "loop"),  # a recorder listens to the loop's events
    ("encoders", "models"),  # an encoder looks a name up in the catalogue
    ("diffusion", "models"),
    ("evaluate", "rendering"),
    ("types", "errors"),
    ("types", "views"),
    ("wrapped", "errors"),
    ("wrapped", "types"),
    ("wrapped", "views"),
    ("prompts", "errors"),
    ("prompts", "schedule"),
    ("schedule", "errors"),
    ("colors", "errors"),
    ("snapshot", "errors"),
    ("snapshot", "types"),
}
#: What the loop may know: no loss, generator or encoder by name.
LOOP_KNOWS = {"types", "views", "errors", "schedule", "snapshot", "wrapped"}


def _room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def _layer(room: str) -> int:
    return next(index for index, layer in enumerate(LAYERS) if room in layer)


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module]
            if node.module == "guidance":
                names = [f"guidance.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("guidance.")}
    return found


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    room = _room(path)
    for other in _imports(path) - {room, "__version__"}:
        assert _layer(other) > _layer(room) or (room, other) in ALLOWED, f"{room} imports {other}"
        if room == "loop":
            assert other in LOOP_KNOWS


def test_one_backward_and_one_optimizer_step() -> None:
    """The loop is the only place that moves parameters."""
    calls = {"backward", "step"}
    found = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in calls
            ):
                found.add((_room(path), node.func.attr))
    assert found == {("loop", "backward"), ("loop", "step")}


def test_importing_the_package_and_asking_for_help_is_cheap() -> None:
    code = (
        "import sys; sys.argv = ['guide', '--help']\n"
        "import guidance, guidance.cli\n"
        "try:\n    guidance.cli.main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_microsofts_package_of_the_same_name_is_told(tmp_path: Path) -> None:
    info = tmp_path / "guidance-0.3.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guidance\nVersion: 0.3.0\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import guidance"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "two packages called `guidance`" in done.stderr.splitlines()[-1]


def test_every_public_name_is_there() -> None:
    import guidance

    for name in guidance._PUBLIC:
        assert getattr(guidance, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        guidance.nonsense  # noqa: B018
