"""The texture map of a body in color, from one color for each part down to single texels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from guidance.body.body import Body
from guidance.generators.mesh.param.body_parts import PARTS, part_map
from guidance.generators.mesh.param.outfit import Outfit, painted
from guidance.meshes import Mesh
from guidance.rendering.bake import Bake, bake
from guidance.types import StepContext

#: Texels per side at which symmetry and smoothness are defined, and of the first stage.
COARSE = 256
#: Share of the run after which the map has the double, and the fourfold, number of texels.
STAGES = (0.4, 0.7)
#: Base colors stay this far from black and white, so that they can change.
MARGIN = 0.03
#: How far colors move from those at the start, before the sigmoid: those of the body, and others.
FREE, NAMED = 2.0, 0.35
#: Standard deviation of the initial values, before the sigmoid.
START = 0.02
#: Neighbors of a texel, and how far they may be, in distances to the nearest one (median).
NEIGHBORS, REACH = 6, 2.5


@dataclass(frozen=True)
class Surface:
    """Where the texels of a map lie on a body."""

    parts: Float[Tensor, "k s s"]  # 1 for the part that a texel belongs to
    pairs: Int[Tensor, "e 2"]  # neighbors on the surface, of the map with `coarse` texels per side
    mirror: Int[Tensor, "c"]  # for each of these texels the one at its mirror image
    coarse: int

    @classmethod
    def of(cls, body: Body, size: int, symmetric: bool) -> Surface:
        """The surface of a body with UV coordinates, for maps of at most `size` texels per side."""
        mesh = Mesh(body.template, body.faces, uv=body.uv, face_uv=body.face_uv)
        parts = F.one_hot(part_map(body, size), len(PARTS)).float().movedim(-1, 0)
        coarse = min(COARSE, size)
        pairs, mirror = _neighbors(bake(mesh, coarse), mesh)
        if not symmetric:
            mirror = torch.arange(coarse**2)
        return cls(parts.contiguous(), pairs, mirror, coarse)


def _neighbors(baked: Bake, mesh: Mesh) -> tuple[Int[Tensor, "e 2"], Int[Tensor, "c"]]:
    """Pairs of neighbors, and mirror images; texels beside the surface have the nearest one."""
    from scipy.spatial import cKDTree

    points = baked.interpolate(mesh.vertices.double(), mesh.faces).numpy()
    own = torch.unique(torch.from_numpy(points), dim=0, return_inverse=True)[1]
    first = torch.full((int(own.max()) + 1,), len(own)).scatter_reduce(
        0, own, torch.arange(len(own)), "amin"
    )
    kept = points[first.numpy()]
    tree = cKDTree(kept)
    distances, found = tree.query(kept, min(NEIGHBORS + 1, len(kept)))
    distance, near = torch.from_numpy(distances[:, 1:]), torch.from_numpy(found[:, 1:])
    start = torch.arange(len(kept))[:, None].expand_as(near)
    close = (distance < REACH * distance[:, 0].median()) & (start < near)
    pairs = torch.stack([first[start[close]], first[near[close]]], 1)
    mirrored = torch.from_numpy(tree.query(points * [-1.0, 1.0, 1.0])[1])
    return pairs, first[mirrored]


@dataclass(frozen=True)
class Palette:
    """Colors at the start of each sample, and how they may change."""

    start: Float[Tensor, "n 3 s s"]
    change: Float[Tensor, "n k"]  # 1 for parts that may change
    most: Float[Tensor, "n k"]  # bounds of the change before the sigmoid
    alike: Float[Tensor, "n k k"]  # the mean over the parts that start with the same color

    @classmethod
    def of(
        cls,
        body: Body,
        base: Float[Tensor, "3 s s"],
        change: Float[Tensor, "n k"],
        outfits: tuple[Outfit, ...],
        size: int,
    ) -> Palette:
        """The palette of the outfit of each sample, painted with at least `size` texels."""
        start = painted(body, base, outfits, size)
        colors = [each.colors for each in outfits]
        most = torch.tensor(
            [
                [NAMED if each.whole or part in own else FREE for part in PARTS]
                for each, own in zip(outfits, colors, strict=True)
            ]
        )
        rows = [[own.get(part, index) for index, part in enumerate(PARTS)] for own in colors]
        same = torch.tensor([[[a == b for b in row] for a in row] for row in rows]).float()
        return cls(start, change, most, same / same.sum(-1, keepdim=True))


class BodyTexels(nn.Module):
    """A texture map for each sample: the base map, changed in logit space by a sum of levels.

    The coarsest level is a color for each part of the body. The others are grids of texels, each
    with twice the side of the one before. Levels of at most 256 texels are mirror-symmetric if
    the surface says so.

    Args:
        seeds: one per sample.
        base: the map of the body, sRGB.
        palette: colors at the start, and which parts may change; elsewhere the base map stays.
        size: texels per side of the finest level, a power of two times `first`.
        first: texels per side of the coarsest grid.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        base: Float[Tensor, "3 h w"],
        surface: Surface,
        palette: Palette,
        *,
        size: int,
        first: int = 32,
    ) -> None:
        super().__init__()
        self.coarse, self.size = surface.coarse, size
        draws = StepContext(tuple(seeds), phase="start")
        n = len(seeds)
        self.colors = nn.Parameter(START * draws.normal("parts", len(PARTS), 3))
        sides = [side for side in (first * 2**k for k in range(16)) if side <= size]
        self.levels = nn.ParameterList(torch.zeros(n, 3, side, side) for side in sides)
        self.resolution = min(self.coarse, size)
        derived = {"base": base, "parts": surface.parts, "mirror": surface.mirror}
        derived |= vars(palette)
        for name, tensor in derived.items():
            self.register_buffer(name, tensor, persistent=False)
        self._of_size: dict[int, tuple[Tensor, ...]] = {}

    def advance(self, progress: float) -> None:
        """Doubles the number of texels at the stages of a run."""
        passed = sum(progress >= stage for stage in STAGES)
        self.resolution = min(self.size, self.coarse * 2**passed)

    def forward(self, size: int | None = None) -> Float[Tensor, "n 3 h w"]:
        """Colors in [0, 1], with the texels of the current stage or `size` texels per side."""
        size = size or self.resolution
        base, logits, parts, change, most = self._prepared(size)
        colors = self.get_buffer("alike") @ self.colors
        values = torch.einsum("nkc,khw->nchw", colors, parts) + self._grids(size)
        color = torch.sigmoid(logits + most * torch.tanh(values / most))
        mixed = change * color + (1 - change) * base
        return torch.where(change > 0, mixed, base)

    def coarse_colors(self, now: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c 3"]:
        """The colors of the texels that `Surface.pairs` counts, of what `forward` returned."""
        side = self.coarse
        if now.shape[-1] > side:
            now = F.avg_pool2d(now, now.shape[-1] // side)
        return now.flatten(2).mT

    def _grids(self, size: int) -> Float[Tensor, "n 3 h w"]:
        coarse: Tensor | None = None
        for level in self.levels:
            if level.shape[-1] > min(self.coarse, size):
                break
            coarse = level if coarse is None else _enlarged(coarse, level.shape[-1]) + level
        assert coarse is not None
        values = _enlarged(coarse, min(self.coarse, size))
        if size >= self.coarse:
            flat = values.flatten(2)
            flat = (flat + flat.index_select(2, self.get_buffer("mirror"))) / 2
            values = flat.view_as(values)
        for level in self.levels:
            if self.coarse < level.shape[-1] <= size:
                values = _enlarged(values, level.shape[-1]) + level
        return _enlarged(values, size)

    def _prepared(self, size: int) -> tuple[Tensor, ...]:
        """Constants of a stage: base map, logits, parts, shares of change, and bounds."""
        if size not in self._of_size:
            base, parts = self.get_buffer("base"), self.get_buffer("parts")
            base = _resized(base[None], size)[0]
            start = _resized(self.get_buffer("start"), size)
            logits = torch.logit(start.clamp(MARGIN, 1 - MARGIN))
            parts = _resized(parts[None], size)[0]
            change = torch.einsum("nk,khw->nhw", self.get_buffer("change"), parts)[:, None]
            # One size at a time: those of a stage.
            most = torch.einsum("nk,khw->nhw", self.get_buffer("most"), parts)[:, None]
            self._of_size = {size: (base, logits, parts, change.clamp(0, 1), most.clamp_min(0.1))}
        return self._of_size[size]


def _enlarged(values: Float[Tensor, "n c h w"], size: int) -> Float[Tensor, "n c s s"]:
    if values.shape[-1] == size:
        return values
    return F.interpolate(values, (size, size), mode="bilinear", align_corners=False)


def _resized(values: Float[Tensor, "n c h w"], size: int) -> Float[Tensor, "n c s s"]:
    if values.shape[-2:] == (size, size):
        return values
    return F.interpolate(values, (size, size), mode="bilinear", antialias=True).clamp(0, 1)
