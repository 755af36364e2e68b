"""Writes the meshes of a run with their deformation scaled; see `guidance.commands.tune`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from guidance.errors import InputError
from guidance.geometry.deformation import NAME, Deformation
from guidance.geometry.io.files import save_mesh, save_obj
from guidance.geometry.normalization import Normalization
from guidance.media.contact_sheet import caption_below, contact_sheet
from guidance.media.pixels import to_uint8
from guidance.meshes import MeshScene
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.shading import Shading, render_mesh
from guidance.runs.atomic import move_into, os_errors
from guidance.runs.folder import DONE, contained, only_writer
from guidance.runs.results import check_files, done_record

VIEWS, SIDE, AMBIENT = 8, 256, 0.6
#: Farther away than in a run, since strengths above 1 reach farther.
DISTANCE = 4.0


def write_scaled(folder: Path, strength: float) -> Iterator[Path]:
    """Writes each sample's mesh at a strength, and yields the files; see `guidance.commands.tune`.

    Raises:
        InputError: the run has no deformation, a damaged file, a strength out of range; another
            process writes to the run; no permission.
        OutOfResources: the disk is full.
    """
    places = (folder / NAME, *sorted(folder.glob(f"samples/*/{NAME}")))
    found = [contained(folder, path) for path in places if path.is_file()]
    if not found:
        raise InputError(f"{folder}: has no {NAME}; the run is not finished, or nothing could move")
    if (folder / DONE).is_file():
        check_files(folder, done_record(folder), places)
    with only_writer(folder):
        # Files are read twice, because all of them together may be large.
        for path in found:
            Deformation.load(path).at(strength)
        for path in found:
            yield from _write(Deformation.load(path), strength, path.parent)


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
    return contact_sheet(tiles, caption_below(f"strength {strength:g}", VIEWS))
