"""Regions of meshes: what `--region` lets change, by a mask, a box or words.

    mask.png                            white of an image over the mesh's texture square
    box:-1,0,-1,1,2.5,1                 between two corners x,y,z and x,y,z in the mesh's own units
    box:0%,60%,0%,100%,100%,100%        in shares of its bounding box, from its lower end
    box:,60%,,,,                        empty: as far as the mesh goes
    words:the head                      where an encoder sees it; see `guidance.localize.parts`

Several add up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from guidance.errors import InputError

if TYPE_CHECKING:
    import torch

    from guidance.geometry.selection import Box, Selection
    from guidance.localize.parts import Found
    from guidance.meshes import Mesh
    from guidance.tasks.base import Task

BOX, WORDS = "box:", "words:"
EXAMPLES = 'give mask.png, "box:,60%,,,," or "words:the head"'


@dataclass(frozen=True)
class MeshRegion:
    """One selector as it was written; one of the three is there."""

    text: str
    mask: Path | None = None
    words: str | None = None
    corners: tuple[tuple[float, bool] | None, ...] = ()  # six; True is a share of the bounding box


@dataclass(frozen=True)
class Selected:
    """What may change, with what the user gets to see of it."""

    selection: Selection
    faces: torch.Tensor  # bool [f]
    notes: tuple[str, ...]
    files: tuple[tuple[str, bytes], ...]  # names and contents, for the run's folder


def parse_mesh_region(text: str) -> MeshRegion:
    """Reads one `--region` of a mesh.

    Raises:
        InputError: a box without six numbers or with swapped corners; no words; no path.
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
            raise InputError(f"region {text[:60]!r}: has no words; {EXAMPLES}")
        return MeshRegion(text, words=words)
    if not text.strip() or "\x00" in text:
        raise InputError(f"region {text[:60]!r}: is no path of an image; {EXAMPLES}")
    if "=" in text and not Path(text).exists():
        raise InputError(
            f"region {text[:60]!r}: a mask and words are for flat images; on a mesh a region "
            f"says what may change, and the prompt has the words; {EXAMPLES}"
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
        raise InputError(f"region {text[:60]!r}: {part[:20]!r} is no number; {EXAMPLES}")
    return (value / 100, True) if part.endswith("%") else (value, False)


def select(task: Task, mesh: Mesh, where: str, *, by_texels: bool) -> Selected:
    """Finds what may change of a mesh.

    Args:
        task: whose `region` and encoders count.
        where: the mesh's name in messages.
        by_texels: whether texels of maps are what changes, not vertices.

    Raises:
        InputError: a mask for a mesh without texture coordinates or one that cannot be read; a
            region that holds nothing; one that holds all.
    """
    import torch

    from guidance.geometry.selection import Selection
    from guidance.tasks.mesh.region_images import MASK, PICTURE, region_pictures

    boxes, masks, found, notes = [], [], [], []
    for region in map(parse_mesh_region, task.region):
        if region.mask is not None:
            masks.append(_mask(region.mask, mesh, where))
            one = Selection(masks=(masks[-1],))
        elif region.words is not None:
            part = _find(task, mesh, region.words)
            found.append(part.faces)
            one = Selection(chosen=part.faces)
            if not part.is_clear:
                notes.append(_unclear(task, region, part.contrast))
        else:
            boxes.append(_box(region, mesh))
            one = Selection(boxes=(boxes[-1],))
        if not by_texels and not bool(one.faces(mesh).any()):
            raise InputError(
                f"region {region.text}: holds no whole face of {where}; make it larger, or the "
                "mesh finer"
            )
    chosen = torch.stack(found).any(0) if found else None
    selection = Selection(tuple(boxes), tuple(masks), chosen)
    faces = selection.faces(mesh)
    if not by_texels and bool(faces.all()):
        raise InputError(f"region: holds all of {where}; leave it out")
    files = region_pictures(selection, faces, mesh, by_texels=by_texels)
    also = f"; paint {MASK} to correct it" if len(files) > 1 else ""
    told = f"region: {_amount(faces, mesh)}, may change; see {PICTURE}{also}"
    return Selected(selection, faces, (told, *notes), files)


def side_of_maps(where: str, mesh: Mesh, asked: int | None) -> int | None:
    """Texels a side of the maps that stay outside the region; None if the mesh has no maps.

    Args:
        asked: what the user wants them to have.

    Raises:
        InputError: they are not square, or another size was asked for.
    """
    from guidance.generators.mesh.param.masked_maps import side_of

    if mesh.material is None:
        return None
    side = side_of(mesh.material, where)
    if asked not in (None, side):
        raise InputError(
            f"map_size: the maps of {where} have {side} texels a side, which stay outside the "
            "region; leave it out"
        )
    return side


def _mask(path: Path, mesh: Mesh, where: str) -> torch.Tensor:
    from guidance.media.load import load_image

    if mesh.uv is None or mesh.face_uv is None:
        raise InputError(
            f"region {path}: {where} has no texture coordinates, so a mask has no place on it; "
            'give a box ("box:,60%,,,,") or words ("words:the head")'
        )
    mask = load_image(path, "region", over="black").mean(0)
    if not bool((mask > 0).any()):
        raise InputError(f"region {path}: is black all over; paint white what may change")
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
            f"region {region.text}: its first corner must be the lower one along x, y and z"
        )
    if any(a > d or b < c for a, b, c, d in zip(lower, upper, low, high, strict=True)):
        ends = ", ".join(
            f"{axis} {a:.4g} to {b:.4g}" for axis, a, b in zip("xyz", low, high, strict=True)
        )
        raise InputError(f"region {region.text}: lies outside the mesh, which has {ends}")
    return Box((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))


def _find(task: Task, mesh: Mesh, words: str) -> Found:
    """The part that the run's encoders take the words for."""
    from guidance.encoders import load_encoder
    from guidance.encoders.base import Encoder
    from guidance.encoders.text.embedding import embed_text
    from guidance.localize.parts import Scorer, find_part
    from guidance.prompts import read_templates

    device, templates = task.torch_device(), read_templates(task.templates)

    def scorer(encoder: Encoder) -> Scorer:
        wanted = embed_text(encoder, words, templates)

        def score(pictures: torch.Tensor) -> torch.Tensor:
            seen = encoder.encode_image(pictures.to(device)).float()
            return (encoder.logit_scale * (seen @ wanted.to(seen))).cpu()

        return score

    return find_part(mesh, [scorer(load_encoder(name, device)) for name in task.encoder])


def _amount(faces: torch.Tensor, mesh: Mesh) -> str:
    from guidance.localize.parts import face_areas

    share = float(face_areas(mesh)[faces].sum())
    return f"{int(faces.sum()):,} of {len(faces):,} faces, {share:.0%} of the surface"


def _unclear(task: Task, region: MeshRegion, contrast: float) -> str:
    from guidance.localize.parts import CLEAR
    from guidance.tasks.mesh.region_images import PICTURE

    return (
        f"region {region.text}: {', '.join(task.encoder)} hardly tells it from the rest "
        f"({contrast:.1f} logits apart, {CLEAR:g} are clear), so look at {PICTURE}; give a box or "
        'a mask, or a larger model, e.g. --encoder "ViT-B-16/openai"'
    )
