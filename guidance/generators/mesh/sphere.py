"""A sphere that is deformed and coloured: a mesh from a prompt alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.mesh.param.base import MeshGenerator
from guidance.generators.mesh.param.symmetry import fold, mirror_indices, symmetrized
from guidance.generators.mesh.param.volume import Volume, texel_rows
from guidance.geometry.loop_subdivision import LoopSubdivision, middles, quartered
from guidance.geometry.normalization import fit_unit_sphere
from guidance.geometry.octasphere import octasphere
from guidance.geometry.smoothing import Smoothing
from guidance.meshes import Material, Mesh, MeshScene
from guidance.outputs import Rendering
from guidance.rendering.bake import bake
from guidance.rendering.shading import Shading, render_mesh
from guidance.types import StepContext
from guidance.views import Cameras

#: Standard deviation of the displacements at the start, so that seeds differ.
START_SD = 0.02
#: Of the exported material: the run shows the surface under diffuse light only.
ROUGHNESS, METALLIC = 0.9, 0.0


@dataclass(frozen=True)
class Growth:
    """How a sphere of radius 1 is displaced and coloured; lengths are in its radii."""

    edge_length: float = 0.05  # of the rendered mesh; twice as long in the control mesh
    reach: float = 0.3  # how far the surface around a displaced vertex follows it
    finest: int = 32  # cells of the colour volume along the diameter, a power of two
    exported: int = 1024  # texels per side of the exported maps
    symmetric: bool = False  # the left half (x < 0) mirrors the right half
    shading: Shading = Shading(ambient=0.6)  # noqa: RUF009  (frozen)

    def __post_init__(self) -> None:
        if not 0 < self.edge_length <= 2:
            raise InputError(
                f"Growth.edge_length: expected radii in (0, 2], got {self.edge_length:g}"
            )
        if self.exported < 1:
            raise InputError(f"Growth.exported: expected at least 1 texel, got {self.exported}")


class SphereMesh(MeshGenerator):
    """A closed surface of spherical topology, with a shape and colours for each sample.

    The parameters are displacements of a coarse control mesh, which are smoothed
    (`guidance.geometry.smoothing`) and subdivided once, so the surface moves in large smooth steps
    and gets no creases. Colours are a function of the position on the undeformed sphere: they move
    with the surface, and have no seam. On export they are baked into a map with four short cuts.

    Source: CLIP-Mesh (Khalid et al., arXiv 2203.13333): a subdivided sphere with a texture.
    Deviations: Loop subdivision is differentiated as a matrix and the control mesh is
    preconditioned (Nicolet et al. 2021); colours come from a volume instead of texels; no normal
    map, since views of 112 pixels do not resolve it.

    Args:
        seeds: one per sample.
        growth: see `Growth`.
        learning_rate: of Adam for the colours; times `PACE` for the displacements.

    Raises:
        InputError: the edge length requires too many vertices; `finest` is not a power of two.
    """

    PACE = 0.5

    def __init__(
        self, seeds: Sequence[int], growth: Growth = Growth(), *, learning_rate: float = 0.02
    ) -> None:
        super().__init__()
        self.num_samples, self.growth, self.learning_rate = len(seeds), growth, learning_rate
        control = octasphere(math.ceil(math.pi / 4 / growth.edge_length))
        assert control.uv is not None and control.face_uv is not None
        self.smoothing = Smoothing(control.vertices, control.faces, growth.reach)
        self.finer = LoopSubdivision.of(control.faces, len(control.vertices))
        rest = self.finer(control.vertices[None])[0]
        self.register_derived(
            rest=rest,
            faces=self.finer.faces,
            uv=middles(control.uv, control.face_uv),
            face_uv=quartered(control.face_uv),
            mirror=mirror_indices(control.vertices) if growth.symmetric else None,
        )
        self.volume = Volume(seeds, 3, growth.finest)
        index, weights = self._corners(rest)
        self.register_derived(index=index, weights=weights)
        noise = StepContext(tuple(seeds), phase="start").normal("shape", len(control.vertices), 3)
        self.displacements = nn.Parameter(START_SD * noise)

    def render(self, cameras: Cameras) -> Rendering:
        scene = MeshScene(self._vertices(), self.get_buffer("faces"), self.get_buffer("rest"))
        colors = self._colors(self.get_buffer("index"), self.get_buffer("weights"))
        return render_mesh(scene, cameras, colors, self.growth.shading)

    def _vertices(self) -> Float[Tensor, "n p 3"]:
        moved: Tensor = self.displacements
        if self.growth.symmetric:
            moved = symmetrized(moved, self.get_buffer("mirror"))
        return fit_unit_sphere(self.get_buffer("rest") + self.finer(self.smoothing(moved)))

    def _colors(self, index: Tensor, weights: Tensor, samples: slice = slice(None)) -> Tensor:
        return (1 + torch.tanh(self.volume(index, weights, samples))) / 2

    def _corners(self, points: Float[Tensor, "m 3"]) -> tuple[Tensor, Tensor]:
        """Cells and weights of the colour volume for points of the sphere."""
        directions = F.normalize(points, dim=-1)
        return self.volume.corners(fold(directions) if self.growth.symmetric else directions)

    def param_groups(self) -> list[dict[str, Any]]:
        return [
            {"params": list(self.volume.parameters()), "lr": self.learning_rate},
            {"params": [self.displacements], "lr": self.PACE * self.learning_rate},
        ]

    @torch.no_grad()
    def mesh(self, sample: int) -> Mesh:
        """The mesh of one sample with its maps, as it is exported."""
        size = self.growth.exported
        names = ("rest", "faces", "uv", "face_uv")
        rest, faces, uv, face_uv = (self.get_buffer(name).cpu() for name in names)
        baked = bake(Mesh(rest, faces, uv=uv, face_uv=face_uv), size)
        pieces = []
        for rows in texel_rows(size):
            points = baked.interpolate(rest, faces, rows).to(self.displacements.device)
            pieces.append(self._colors(*self._corners(points), slice(sample, sample + 1))[0].cpu())
        color = torch.cat(pieces).T.reshape(3, size, size)
        plain = torch.ones_like(color[:1])
        normal = F.pad(plain, (0, 0, 0, 0, 2, 0))
        material = Material(color, ROUGHNESS * plain, METALLIC * plain, normal)
        return Mesh(self._vertices()[sample].cpu(), faces, None, uv, face_uv, material)

    @classmethod
    def tiny(cls, num_samples: int = 2) -> SphereMesh:
        return cls(range(num_samples), Growth(edge_length=0.3, finest=4, exported=64))

    @classmethod
    def tiny_render(cls, mesh: Mesh, cameras: Cameras) -> Rendering:
        """Looks the map up at each vertex, since the run colours vertices."""
        assert mesh.material is not None and mesh.uv is not None and mesh.face_uv is not None
        uv = mesh.uv.new_zeros(len(mesh.vertices), 2).index_put(
            (mesh.faces.flatten(),), mesh.uv[mesh.face_uv.flatten()]
        )
        found = F.grid_sample(
            mesh.material.base_color[None], 2 * uv[None, None] - 1, align_corners=False
        )
        scene = MeshScene(mesh.vertices[None], mesh.faces, mesh.vertices)
        return render_mesh(scene, cameras, found[0, :, 0].T[None].contiguous(), Growth().shading)
