"""The strength of what a run did to a shape, dialled afterwards: `guide tune`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch

from guidance.errors import InputError
from guidance.geometry.deformation import LEAST, MOST, NAME, Deformation
from guidance.geometry.io.files import save_mesh, save_obj
from guidance.geometry.normalization import Normalization
from guidance.media.contact_sheet import contact_sheet
from guidance.media.pixels import to_uint8
from guidance.meshes import MeshScene
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.shading import Shading, render_mesh
from guidance.runs.atomic import move_into, os_errors
from guidance.runs.folder import contained, existing_folder, only_writer

HELP = f"""\
usage: guide tune RUN --strength S

Writes the meshes of a finished `guide run text2mesh` in the modes stylize, deform or deform_normals
again, with their deformation scaled: 0 is the given mesh, 1 the result, 0.5 half way, and -1 the
opposite. Colors stay those of the result. Writes mesh-strength-S.glb, mesh-strength-S.obj and
contact-strength-S.png next to the results of each sample.

  --strength S   a number from {LEAST:g} to {MOST:g}
"""
VIEWS, SIDE, AMBIENT = 8, 256, 0.6
#: Farther away than in a run, since strengths above 1 reach farther.
DISTANCE = 4.0


@dataclass(frozen=True)
class Request:
    """What `guide tune` is asked for."""

    run: Path
    strength: float


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"tune: {message}; see `guide tune --help`")


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if words else InputError.exit_code
    for path in tune(parse(words)):
        print(path, flush=True)
    return 0


def parse(words: Sequence[str]) -> Request:
    """Reads the words behind `guide tune`.

    Raises:
        InputError: no run, no strength, or an unknown flag.
    """
    parser = _Parser(prog="guide tune", add_help=False, allow_abbrev=False)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--strength", type=float, required=True, metavar="S")
    found = parser.parse_intermixed_args(list(words))
    return Request(found.run, found.strength)


def tune(request: Request) -> Iterator[Path]:
    """Writes each sample's mesh at a strength, and yields the files.

    All samples are read and checked before anything is written; each file is there whole or not at
    all. A strength that was written before is written again.

    Raises:
        InputError: no such run, none that moved a mesh, a damaged file, a strength out of range;
            another process writes to the run; no permission.
        OutOfResources: the disk is full.
    """
    folder = existing_folder(request.run)
    places = (folder / NAME, *sorted(folder.glob(f"samples/*/{NAME}")))
    found = [contained(folder, path) for path in places if path.is_file()]
    if not found:
        raise InputError(
            f"{folder}: has no {NAME}; finished runs of text2mesh in the modes deform and stylize "
            "leave one, if the shape could move"
        )
    with only_writer(folder):
        for path in found:  # a second reading is cheap, and all of them at once may be large
            Deformation.load(path).at(request.strength)
        for path in found:
            yield from _write(Deformation.load(path), request.strength, path.parent)


def _write(deformation: Deformation, strength: float, place: Path) -> Iterator[Path]:
    mesh, name = deformation.at(strength), f"strength-{strength:g}"
    with (
        os_errors(place),
        tempfile.TemporaryDirectory(prefix=".export-", dir=place) as aside,
    ):
        made = [save_mesh(mesh, Path(aside) / f"mesh-{name}.glb")]
        made += save_obj(mesh, Path(aside) / f"mesh-{name}.obj")
        sheet = Path(aside) / f"contact-{name}.png"
        sheet.write_bytes(_contact_sheet(deformation, strength))
        for path in (*made, sheet):
            yield move_into(path, place / path.name)


@torch.no_grad()
def _contact_sheet(deformation: Deformation, strength: float) -> bytes:
    """From all around; scaled by the rest shape, so that strengths can be compared."""
    rest, mesh = deformation.mesh, deformation.at(strength)
    unit = Normalization.of(rest.vertices)
    scene = MeshScene(
        unit.apply(mesh.vertices).float()[None], mesh.faces, unit.apply(rest.vertices).float()
    )
    cameras = Orbit(size=(SIDE, SIDE), radius=DISTANCE).ring(1, VIEWS)
    seen = render_mesh(scene, cameras, deformation.shown_colors[None], Shading(ambient=AMBIENT))
    tiles = [to_uint8(view) for view in seen.over().clamp(0, 1)[0]]
    return contact_sheet(tiles, [f"strength {strength:g}"] + [""] * (VIEWS - 1))
