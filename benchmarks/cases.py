"""The committed lists of what tasks are asked for, and how they are dealt out to runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from shapes import SHAPES

from guidance.commands.evaluate import read_texts
from guidance.geometry.io.files import save_mesh
from guidance.geometry.primitives import PRIMITIVES
from guidance.tasks.text2mesh import TextToMesh

LISTS = {"text2image": "prompts.txt", "text2mesh": "pairs.txt"}
MODES: tuple[str, ...] = get_args(TextToMesh.model_fields["mode"].annotation)
#: Meshes that are not in the project; `quality.py --meshes` names the folder with NAME.obj. Where
#: their fronts are, in degrees as `--front` counts them.
FETCHED = {"spot": 180.0, "suzanne": 0.0, "teapot": 0.0}


@dataclass(frozen=True)
class Case:
    """One line of a list."""

    prompt: str
    mesh: str | None = None  # a built-in shape, one of `shapes.py` or of `FETCHED`, or a file
    mode: str | None = None  # of text2mesh
    front: float | None = None  # where the mesh's front is not +z, in degrees

    def fields(self) -> dict[str, Any]:
        """What the task is told beside the prompt."""
        told = {"mesh": self.mesh, "mode": self.mode, "front": self.front}
        return {name: value for name, value in told.items() if value is not None}

    def with_mode(self, mode: str) -> Case:
        """The same in another mode; "generate" makes its own mesh."""
        if mode == "generate":
            return replace(self, mode=mode, mesh="sphere", front=None)
        return replace(self, mode=mode)


def read_cases(path: Path, task: str) -> list[Case]:
    """The lines of a list of prompts, or of mesh, prompt and mode with tabs between.

    The mode may be left out; it is "stylize" then.
    """
    lines = read_texts(path)
    if task != "text2mesh":
        return [Case(line) for line in lines]
    cases = []
    for number, line in enumerate(lines, 1):
        mesh, *rest = line.split("\t")
        if len(rest) not in (1, 2) or (len(rest) == 2 and rest[1] not in MODES):
            raise SystemExit(
                f"{path}: line {number}: expected a mesh, a tab and a prompt, then perhaps a tab "
                f"and one of {', '.join(MODES)}"
            )
        case = Case(rest[0], mesh, front=FETCHED.get(mesh) or None)
        cases.append(case.with_mode(rest[1] if len(rest) == 2 else MODES[0]))
    return cases


def here(cases: Sequence[Case], meshes: Path | None) -> list[Case]:
    """Those whose meshes are at hand: all with a folder of fetched ones, which then has to do."""
    if meshes is None:
        return [case for case in cases if case.mesh not in FETCHED]
    for name in sorted({case.mesh for case in cases} & FETCHED.keys()):
        if not (meshes / f"{name}.obj").is_file():
            raise SystemExit(f"{meshes}: has no {name}.obj; fetch it, or leave --meshes out")
    return list(cases)


def with_files(cases: Sequence[Case], folder: Path, meshes: Path | None = None) -> list[Case]:
    """The same cases; shapes that are made here lie in files in the folder.

    Args:
        meshes: the folder of fetched meshes, where a case has one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        name: str(save_mesh(SHAPES[name](), folder / f"{name}.obj"))
        for name in {case.mesh for case in cases if case.mesh is not None}
        if name in SHAPES and name not in PRIMITIVES
    }
    if meshes is not None:
        files |= {name: str(meshes / f"{name}.obj") for name in FETCHED}
    return [replace(case, mesh=files.get(case.mesh or "", case.mesh)) for case in cases]


def batches(cases: Sequence[Case], at_once: int) -> Iterator[list[Case]]:
    """Cases that one run can take together: of one mesh and mode, in the list's order."""
    for fields in dict.fromkeys((case.mesh, case.mode) for case in cases):
        same = [case for case in cases if (case.mesh, case.mode) == fields]
        yield from (same[start : start + at_once] for start in range(0, len(same), at_once))
