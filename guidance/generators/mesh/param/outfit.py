"""What a body wears at the start of a run: colors of its parts, painted details, and shapes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.body.body import Body
from guidance.body.joint_names import NAMES
from guidance.generators.mesh.param.body_marks import MARKS
from guidance.generators.mesh.param.body_parts import PARTS
from guidance.generators.mesh.param.body_shapes import of_skirts, worn
from guidance.generators.mesh.param.figure import Figure, scale_of
from guidance.meshes import Mesh
from guidance.rendering.bake import bake

#: Half the width over which a skirt follows the left and the right leg, in meters.
SKIRT_MIX = 0.28
#: How much knees bend a skirt, relative to a leg.
BENDS = 0.2
#: Neighbors in the map that are neighbors on the surface are this close, in meters.
NEAR = 0.01
#: Joints that move a vertex in files.
BONES = 4
#: Rows of a map that are painted at a time, which bounds the memory.
ROWS = 256
#: sRGB in [0, 1].
Color = tuple[float, float, float]


@dataclass(frozen=True)
class Outfit:
    """The clothes that a run starts with; without any, the body as it is."""

    #: Colors of `PARTS` and `MARKS`; later ones lie over earlier ones.
    paint: tuple[tuple[str, Color], ...] = ()
    shapes: tuple[str, ...] = ()  # of `SHAPES`
    whole: bool = False  # whether all parts stay near their start, and not only those with a color

    @property
    def colors(self) -> dict[str, Color]:
        """The color of each part that has one."""
        return {place: color for place, color in self.paint if place in PARTS}


def painted(
    body: Body, base: Float[Tensor, "3 s s"], outfits: tuple[Outfit, ...], size: int
) -> Float[Tensor, "n 3 t t"]:
    """The base map in the colors of each outfit; with at least `size` texels if it has any."""
    if not any(each.paint for each in outfits):
        return base.expand(len(outfits), -1, -1, -1)
    if base.shape[1] < size:
        base = torch.nn.functional.interpolate(base[None], (size, size), mode="bilinear")[0]
    side = base.shape[1]
    mesh = Mesh(body.template, body.faces, uv=body.uv, face_uv=body.face_uv)
    baked = bake(mesh, side)
    body_figure, faces = Figure.of(body), body.faces.cpu()
    images = base.repeat(len(outfits), 1, 1, 1)
    touched, places = torch.zeros(len(outfits), side, side, dtype=torch.bool), []
    for start in range(0, side, ROWS):
        rows = slice(start, start + ROWS)
        triangle, weights = baked.triangle[rows], baked.weights[rows]
        figure = body_figure.sampled(triangle.flatten(), weights.flatten(0, 1), faces)
        places.append(figure.place.T.reshape(3, *triangle.shape))
        for image, mask, outfit in zip(images[:, :, rows], touched[:, rows], outfits, strict=True):
            for place, color in outfit.paint:
                where = figure.at(place) if place in PARTS else MARKS[place](figure)
                where = where.view_as(mask)
                image[:, where] = base.new_tensor(color)[:, None]
                mask.logical_or_(where)
    surface = torch.cat(places, 1)
    soft = torch.stack([_softened(image, surface) for image in images])
    return torch.where(touched[:, None], soft, images)


def _softened(
    image: Float[Tensor, "3 s s"], place: Float[Tensor, "3 s s"]
) -> Float[Tensor, "3 s s"]:
    """Without stairs at the borders of colors: the mean with those neighbors that are close."""
    total, count = image.clone(), torch.ones_like(image[:1])
    length = image.shape[1] - 1
    for axis in (1, 2):
        first, second = (place.narrow(axis, start, length) for start in (0, 1))
        near = ((first - second).norm(dim=0, keepdim=True) < NEAR).float()
        for here, there in ((0, 1), (1, 0)):
            total.narrow(axis, here, length).add_(near * image.narrow(axis, there, length))
            count.narrow(axis, here, length).add_(near)
    return total / count


def shaped(body: Body, outfits: tuple[Outfit, ...]) -> Float[Tensor, "n p 3"]:
    """Offsets of the vertices of the T-pose that give them the shapes of each outfit."""
    if not any(each.shapes for each in outfits):
        return torch.zeros(len(outfits), len(body.template), 3)
    figure, scale = Figure.of(body), scale_of(body)
    return torch.stack([scale * worn(figure, each.shapes) for each in outfits])


def skinned(body: Body, outfits: tuple[Outfit, ...]) -> Float[Tensor, "n p j"] | None:
    """The skinning weights with those of skirts, which both legs move; None without skirts.

    From one side of a skirt to the other, the share of the left leg falls and that of the right
    one grows, so that the skirt has no gap between the legs. Knees bend it less than a leg.
    """
    figure, found = Figure.of(body), []
    left = ((figure.x / SKIRT_MIX).clamp(-1, 1) * torch.pi / 2).sin() / 2 + 0.5
    for outfit in outfits:
        own, weights = of_skirts(figure, outfit.shapes), body.weights
        if own is not None:
            mixed = weights + own[:, None] * (_over_legs(body, left) - weights)
            largest, places = mixed.topk(min(BONES, mixed.shape[1]), 1)
            mixed = torch.zeros_like(mixed).scatter(1, places, largest)
            mixed = mixed / mixed.sum(1, keepdim=True)
            weights = torch.where(own[:, None] > 0, mixed, weights)
        found.append(weights)
    if all(weights is body.weights for weights in found):
        return None
    return torch.stack(found)


def _over_legs(body: Body, left: Float[Tensor, "p"]) -> Float[Tensor, "p j"]:
    """The weights of a body whose legs move each vertex by their shares."""
    found = body.weights.clone()
    hips, knees = (
        [body.canonical[NAMES.index(f"{side}_{name}")] for side in ("left", "right")]
        for name in ("hip", "knee")
    )
    if min(*hips, *knees) < 0:
        return found
    knee, hip = found[:, knees].sum(1), found[:, hips].sum(1)
    for pair, total in ((hips, hip + (1 - BENDS) * knee), (knees, BENDS * knee)):
        found[:, pair[0]], found[:, pair[1]] = total * left, total * (1 - left)
    return found
