"""The committed lists of prompts and meshes, and how they are grouped into runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shapes import SHAPES

from guidance.evaluate.finished import read_texts
from guidance.geometry.io.files import save_mesh
from guidance.geometry.primitives import PRIMITIVES

LISTS = {"text2image": "prompts.txt", "text2mesh": "pairs.txt"}
#: The modes of text2mesh in the lists; the first is the default.
MODES = ("stylize", "texture", "deform", "generate")
#: Meshes that are not part of the project, with the azimuth of their front in degrees.
#: `quality.py --meshes` takes the folder that contains NAME.obj.
FETCHED = {"spot": 180.0, "suzanne": 0.0, "teapot": 0.0}


@dataclass(frozen=True)
class Case:
    """One line of a list."""

    prompt: str
    mesh: str | None = None  # a built-in shape, one of `shapes.py` or of `FETCHED`, or a file
    mode: str | None = None  # of text2mesh
    front: float | None = None  # azimuth of the front in degrees, if it is not +z

    def fields(self) -> dict[str, Any]:
        """The fields of the task, without the prompt."""
        cameras = None if self.front is None else {"kind": "orbit", "front": self.front}
        fields = {"mesh": self.mesh, "mode": self.mode, "cameras": cameras}
        return {name: value for name, value in fields.items() if value is not None}

    def with_mode(self, mode: str) -> Case:
        """The case in another mode; "generate" creates its own mesh."""
        if mode == "generate":
            return replace(self, mode=mode, mesh="sphere", front=None)
        return replace(self, mode=mode)


def read_cases(path: Path, task: str) -> list[Case]:
    """Reads a list: a prompt per line, or for text2mesh mesh, prompt and mode separated by tabs.

    The default of the mode is "stylize".
    """
    lines = read_texts(path)
    if task != "text2mesh":
        return [Case(line) for line in lines]
    cases = []
    for number, line in enumerate(lines, 1):
        mesh, *rest = line.split("\t")
        if len(rest) not in (1, 2) or (len(rest) == 2 and rest[1] not in MODES):
            raise SystemExit(
                f"{path}: line {number}: expected a mesh, a tab and a prompt, then optionally a "
                f"tab and one of {', '.join(MODES)}"
            )
        case = Case(rest[0], mesh, front=FETCHED.get(mesh) or None)
        cases.append(case.with_mode(rest[1] if len(rest) == 2 else MODES[0]))
    return cases


def here(cases: Sequence[Case], meshes: Path | None) -> list[Case]:
    """The cases whose meshes are available: all, if a folder with the fetched meshes is given."""
    if meshes is None:
        return [case for case in cases if case.mesh not in FETCHED]
    for name in sorted({case.mesh for case in cases} & FETCHED.keys()):
        if not (meshes / f"{name}.obj").is_file():
            raise SystemExit(f"{meshes}: has no {name}.obj; download it, or remove --meshes")
    return list(cases)


def with_files(cases: Sequence[Case], folder: Path, meshes: Path | None = None) -> list[Case]:
    """The cases with paths of mesh files; shapes of `shapes.py` are written to a folder.

    Args:
        folder: for the generated files.
        meshes: the folder of the fetched meshes, if a case uses one.
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
    """Cases of the same mesh and mode, which one run can process together, in order."""
    for fields in dict.fromkeys((case.mesh, case.mode) for case in cases):
        same = [case for case in cases if (case.mesh, case.mode) == fields]
        yield from (same[start : start + at_once] for start in range(0, len(same), at_once))
