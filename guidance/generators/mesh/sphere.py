"""A sphere that is deformed and colored: a mesh from a prompt alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from guidance.generators.mesh.param.base import MeshGenerator
from guidance.generators.mesh.param.options import FinestColors, GeneratedOptions
from guidance.generators.mesh.param.symmetry import fold, mirror_indices, symmetrized
from guidance.generators.mesh.param.volume import Volume, texel_rows
from guidance.geometry.loop_subdivision import LoopSubdivision, middles, quartered
from guidance.geometry.normalization import fit_unit_sphere
from guidance.geometry.octasphere import octasphere
from guidance.geometry.smoothing import Smoothing
from guidance.meshes import Material, Mesh, MeshScene
from guidance.outputs import Rendering
from guidance.rendering.bake import bake
from guidance.rendering.shading import render_mesh
from guidance.types import StepContext
from guidance.views import Cameras

#: Standard deviation of the displacements at the start, so that seeds differ.
START_SD = 0.02
#: Of the exported material: the run shows the surface under diffuse light only.
ROUGHNESS, METALLIC = 0.9, 0.0


class SphereMesh(MeshGenerator):
    """A closed surface of spherical topology, with a shape and colors for each sample.

    The parameters are displacements of a coarse control mesh, which are smoothed
    (`guidance.geometry.smoothing`) and subdivided once, so the surface moves in large smooth steps
    and gets no creases. Colors are a function of the position on the undeformed sphere: they move
    with the surface, and have no seam. On export they are baked into a map with four short cuts.

    Source: CLIP-Mesh (Khalid et al., arXiv 2203.13333): a subdivided sphere with a texture.
    Deviations: Loop subdivision is differentiated as a matrix and the control mesh is
    preconditioned (Nicolet et al. 2021); colors come from a volume instead of texels; no normal
    map, since views of 112 pixels do not resolve it.

    Args:
        seeds: one per sample.
        options: how the sphere is displaced and colored.
        learning_rate: of Adam for the colors; times `SHAPE_RATE` for the displacements.

    Raises:
        InputError: the edge length requires too many vertices; `finest` is not a power of two.
    """

    class Options(GeneratedOptions):
        """How a sphere of radius 1 is displaced and colored."""

        edge_length: float = Field(default=0.05, gt=0, le=2)
        """Length of the edges of the sphere, in radii."""
        reach: float = Field(default=0.15, ge=0, le=2)
        """How far around a moved vertex the surface follows, in radii."""
        finest: FinestColors = 32
        map_size: int = Field(default=1024, ge=16, le=4096)
        """Texels per side of the texture in the files."""

    #: Learning rate of the displacements, relative to that of the colors.
    SHAPE_RATE = 0.5

    def __init__(
        self,
        seeds: Sequence[int],
        options: SphereMesh.Options = Options(),  # noqa: B008  (frozen)
        *,
        learning_rate: float = 0.02,
    ) -> None:
        super().__init__()
        self.num_samples, self.options, self.learning_rate = len(seeds), options, learning_rate
        control = octasphere(math.ceil(math.pi / 4 / options.edge_length))
        assert control.uv is not None and control.face_uv is not None
        self.smoothing = Smoothing(control.vertices, control.faces, options.reach)
        self.finer = LoopSubdivision.of(control.faces, len(control.vertices))
        rest = self.finer(control.vertices[None])[0]
        self.register_derived(
            rest=rest,
            faces=self.finer.faces,
            uv=middles(control.uv, control.face_uv),
            face_uv=quartered(control.face_uv),
            mirror=mirror_indices(control.vertices) if options.symmetric else None,
        )
        self.volume = Volume(seeds, 3, options.finest)
        index, weights = self._corners(rest)
        self.register_derived(index=index, weights=weights)
        noise = StepContext(tuple(seeds), phase="start").normal("shape", len(control.vertices), 3)
        self.displacements = nn.Parameter(START_SD * noise)

    def render(self, cameras: Cameras) -> Rendering:
        scene = MeshScene(self._vertices(), self.get_buffer("faces"), self.get_buffer("rest"))
        colors = self._colors(self.get_buffer("index"), self.get_buffer("weights"))
        return render_mesh(scene, cameras, colors, self.options.shading)

    def _vertices(self) -> Float[Tensor, "n p 3"]:
        moved: Tensor = self.displacements
        if self.options.symmetric:
            moved = symmetrized(moved, self.get_buffer("mirror"))
        return fit_unit_sphere(self.get_buffer("rest") + self.finer(self.smoothing(moved)))

    def _colors(self, index: Tensor, weights: Tensor, samples: slice = slice(None)) -> Tensor:
        return (1 + torch.tanh(self.volume(index, weights, samples))) / 2

    def _corners(self, points: Float[Tensor, "m 3"]) -> tuple[Tensor, Tensor]:
        """Cells and weights of the color volume for points of the sphere."""
        directions = F.normalize(points, dim=-1)
        return self.volume.corners(fold(directions) if self.options.symmetric else directions)

    def param_groups(self) -> list[dict[str, Any]]:
        return [
            {"params": list(self.volume.parameters()), "lr": self.learning_rate},
            {"params": [self.displacements], "lr": self.SHAPE_RATE * self.learning_rate},
        ]

    @torch.no_grad()
    def mesh(self, sample: int) -> Mesh:
        """The mesh of one sample with its maps, as it is exported."""
        size = self.options.map_size
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
        tiny = cls.Options(edge_length=0.3, finest=4, map_size=64, symmetric=False)
        return cls(range(num_samples), tiny)

    @classmethod
    def tiny_render(cls, mesh: Mesh, cameras: Cameras) -> Rendering:
        """Looks the map up at each vertex, since the run colors vertices."""
        assert mesh.material is not None and mesh.uv is not None and mesh.face_uv is not None
        uv = mesh.uv.new_zeros(len(mesh.vertices), 2).index_put(
            (mesh.faces.flatten(),), mesh.uv[mesh.face_uv.flatten()]
        )
        found = F.grid_sample(
            mesh.material.base_color[None], 2 * uv[None, None] - 1, align_corners=False
        )
        scene = MeshScene(mesh.vertices[None], mesh.faces, mesh.vertices)
        shading = cls.Options().shading
        return render_mesh(scene, cameras, found[0, :, 0].T[None].contiguous(), shading)
