"""Regions of meshes: what `--region` allows to change, as a mask, a box or a text.

    mask.png                            a mask over the UV square, white = inside
    box:-1,0,-1,1,2.5,1                 between two corners x,y,z and x,y,z in the units of the mesh
    box:0%,60%,0%,100%,100%,100%        the same in shares of the bounding box
    box:,60%,,,,                        empty: up to the end of the mesh
    words:the head                      found by an encoder; see `guidance.localize.parts`

Several regions form a union.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from guidance.errors import InputError
from guidance.parsed import Parsed

if TYPE_CHECKING:
    import torch

    from guidance.geometry.selection import Box, Selection
    from guidance.localize.localizer import Localizer
    from guidance.meshes import Mesh

BOX, WORDS = "box:", "words:"
EXAMPLES = 'give mask.png, "box:,60%,,,," or "words:the head"'


@dataclass(frozen=True)
class MeshRegion(Parsed):
    """One selector of a part of a mesh: a mask, a text, or a box."""

    text: str  # as written
    mask: Path | None = None
    words: str | None = None
    corners: tuple[tuple[float, bool] | None, ...] = ()  # six; True is a share of the bounding box

    @classmethod
    def parse(cls, text: str) -> MeshRegion:
        """Reads one `--region`; see `parse_mesh_region`."""
        return parse_mesh_region(text)

    @classmethod
    def names_file(cls, text: str) -> bool:
        return not text.startswith((BOX, WORDS))

    def written(self) -> str:
        return self.text


@dataclass(frozen=True)
class Selected:
    """The part that may change, with notes and images for the user."""

    selection: Selection
    faces: torch.Tensor  # bool [f]
    notes: tuple[str, ...]
    files: tuple[tuple[str, bytes], ...]  # names and contents, for the run's folder


def parse_mesh_region(text: str) -> MeshRegion:
    """Reads one `--region` of a mesh.

    Raises:
        InputError: a box without six numbers, an empty text, or an empty path.
    """
    if text.startswith(BOX):
        parts = [part.strip() for part in text.removeprefix(BOX).split(",")]
        corners = tuple(_number(part, text) for part in parts)
        if len(corners) != 6:
            raise InputError(
                f"region {text[:60]!r}: expected six numbers, x,y,z of both corners, got "
                f"{len(corners)}; {EXAMPLES}"
            )
        return MeshRegion(text, corners=corners)
    if text.startswith(WORDS):
        words = text.removeprefix(WORDS).strip()
        if not words:
            raise InputError(f"region {text[:60]!r}: has no text; {EXAMPLES}")
        return MeshRegion(text, words=words)
    if not text.strip() or "\x00" in text:
        raise InputError(f"region {text[:60]!r}: is not the path of an image; {EXAMPLES}")
    if "=" in text and not Path(text).exists():
        raise InputError(
            f"region {text[:60]!r}: a mask with a prompt is for text2image; here, a region is "
            f"what may change, without a prompt; {EXAMPLES}"
        )
    return MeshRegion(text, mask=Path(text))


def _number(part: str, text: str) -> tuple[float, bool] | None:
    if not part:
        return None
    try:
        value = float(part.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"region {text[:60]!r}: {part[:20]!r} is not a number; {EXAMPLES}")
    return (value / 100, True) if part.endswith("%") else (value, False)


def select(
    regions: Sequence[MeshRegion], mesh: Mesh, where: str, localizer: Localizer, *, by_texels: bool
) -> Selected:
    """The part of a mesh that may change: the union of the regions.

    Args:
        where: the name of the mesh in messages.
        localizer: finds parts by a text.
        by_texels: whether texels of maps change, not vertices.

    Raises:
        InputError: a mask for a mesh without UV coordinates, or one that cannot be read; a region
            that contains nothing, or everything.
    """
    import torch

    from guidance.geometry.selection import Selection
    from guidance.localize.parts import find_part_by_text
    from guidance.tasks.mesh.region_images import IMAGE, MASK, region_images

    boxes, masks, found, notes = [], [], [], []
    for region in regions:
        if region.mask is not None:
            masks.append(_mask(region.mask, mesh, where))
            one = Selection(masks=(masks[-1],))
        elif region.words is not None:
            part = find_part_by_text(mesh, region.words, localizer)
            found.append(part.faces)
            one = Selection(chosen=part.faces)
            if not part.is_clear:
                notes.append(_unclear(localizer, region, part.contrast))
        else:
            boxes.append(_box(region, mesh))
            one = Selection(boxes=(boxes[-1],))
        if not by_texels and not bool(one.faces(mesh).any()):
            raise InputError(
                f"region {region.text}: contains no whole face of {where}; make it larger, or use "
                "a smaller --edge-length"
            )
    chosen = torch.stack(found).any(0) if found else None
    selection = Selection(tuple(boxes), tuple(masks), chosen)
    faces = selection.faces(mesh)
    if not by_texels and bool(faces.all()):
        raise InputError(f"--region: contains all of {where}; remove it")
    files = region_images(selection, faces, mesh, by_texels=by_texels)
    also = f"; edit {MASK} to correct it" if len(files) > 1 else ""
    note = f"region: {_amount(faces, mesh)}, may change; see {IMAGE}{also}"
    return Selected(selection, faces, (note, *notes), files)


def _mask(path: Path, mesh: Mesh, where: str) -> torch.Tensor:
    from guidance.media.read_image import load_image

    if mesh.uv is None or mesh.face_uv is None:
        raise InputError(
            f"region {path}: {where} has no UV coordinates, which a mask needs; "
            'use a box ("box:,60%,,,,") or words ("words:the head")'
        )
    mask = load_image(path, "region", over="black").mean(0)
    if not bool((mask > 0).any()):
        raise InputError(f"region {path}: is black everywhere; paint white what may change")
    return mask


def _box(region: MeshRegion, mesh: Mesh) -> Box:
    from guidance.geometry.selection import Box

    ends_of = mesh.vertices.double()
    low, high = ends_of.amin(0).tolist(), ends_of.amax(0).tolist()
    found = []
    for place, given in enumerate(region.corners):
        start, stop = low[place % 3], high[place % 3]
        if given is None:
            found.append(-math.inf if place < 3 else math.inf)
        else:
            found.append(start + given[0] * (stop - start) if given[1] else given[0])
    lower, upper = found[:3], found[3:]
    if any(a > b for a, b in zip(lower, upper, strict=True)):
        raise InputError(
            f"region {region.text}: the first corner must be the lower one along x, y and z"
        )
    if any(a > d or b < c for a, b, c, d in zip(lower, upper, low, high, strict=True)):
        ends = ", ".join(
            f"{axis} {a:.4g} to {b:.4g}" for axis, a, b in zip("xyz", low, high, strict=True)
        )
        raise InputError(f"region {region.text}: lies outside the mesh, which extends over {ends}")
    return Box((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))


def _amount(faces: torch.Tensor, mesh: Mesh) -> str:
    from guidance.localize.parts import face_areas

    share = float(face_areas(mesh)[faces].sum())
    return f"{int(faces.sum()):,} of {len(faces):,} faces, {share:.0%} of the surface"


def _unclear(localizer: Localizer, region: MeshRegion, contrast: float) -> str:
    from guidance.localize.parts import CLEAR
    from guidance.tasks.mesh.region_images import IMAGE

    return (
        f"region {region.text}: {localizer.names} hardly separates it from the rest "
        f"({contrast:.1f} logits, {CLEAR:g} are clear); check {IMAGE}, and use a box, a mask or "
        'a larger model, e.g. --encoder "ViT-B-16/openai"'
    )
