"""A mesh extracted from signed distances on a tetrahedral grid; its topology may change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from guidance.generators.mesh.param.base import MeshGenerator
from guidance.generators.mesh.param.field import FourierField
from guidance.generators.mesh.param.options import GeneratedOptions
from guidance.generators.mesh.param.symmetry import fold, symmetrized
from guidance.generators.mesh.param.volume import Volume
from guidance.geometry.normalization import fit_unit_sphere
from guidance.geometry.tetrahedra import TetrahedralGrid, march
from guidance.meshes import Mesh, MeshScene, MeshScenes
from guidance.outputs import Rendering
from guidance.rendering.heterogeneous import render_meshes
from guidance.views import Cameras

#: Half the side of the grid's cube, and the radius of the ball at the start.
HALF, START = 1.05, 0.6
#: How far a grid vertex may move, in grid spacings. At half a spacing, which DMTet allows,
#: tetrahedra could turn over.
MOST_OFFSET = 0.4
#: Standard deviation of the distances at the start, so that seeds differ.
START_SD = 0.02


class DMTet(MeshGenerator):
    """Signed distances and offsets at the vertices of a tetrahedral grid, separate for each sample.

    The surface is the zero level set, extracted in each forward pass by marching tetrahedra
    (`guidance.geometry.tetrahedra`), so its topology may change. It is closed, and scaled to radius
    1. Colors are a function of position.

    Source: DMTet (Shen et al., arXiv 2111.04276). Deviations: distances are those of a ball plus a
    sum of coarse and fine levels, so that single vertices do not drift away; tetrahedra of one
    shape; no subdivision.

    Args:
        seeds: one per sample.
        options: resolution and colors of the surface.
        learning_rate: of Adam for the levels of the distances, in units of length, and for the
            offsets before tanh; times `COLOR_RATE` for the colors.

    Raises:
        InputError: too few or too many cells; `finest` is not a power of two.
    """

    class Options(GeneratedOptions):
        """Resolution and colors of the surface."""

        cells: int = Field(default=24, ge=6, le=80)
        """Cells per side of the grid; each is cut into twelve tetrahedra."""
        finest: int = Field(default=8, ge=1, le=128)
        """Cells per side of the finest level of the distances, a power of two."""
        frequency: float = Field(default=0.7, gt=0, le=20)
        """Frequency of the color features, in waves per radius: higher gives finer patterns."""

    #: Learning rate of the colors, relative to that of the shape.
    COLOR_RATE = 0.8

    def __init__(
        self,
        seeds: Sequence[int],
        options: DMTet.Options = Options(),  # noqa: B008  (frozen)
        *,
        learning_rate: float = 0.005,
    ) -> None:
        super().__init__()
        self.num_samples, self.options, self.learning_rate = len(seeds), options, learning_rate
        self.lattice = TetrahedralGrid.of(options.cells, HALF)
        places = self.lattice.places
        # A surface within this radius has tetrahedra on all sides.
        self.reach = min(1.0, HALF * (1 - 1.5 / options.cells))
        self.distances = Volume(seeds, 1, options.finest, START_SD)
        self.offsets = nn.Parameter(torch.zeros(len(seeds), len(places), 3))
        self.color = FourierField(seeds, 3, frequency=options.frequency)
        index, weights = self.distances.corners(self._folded(places))
        mirror = self.lattice.mirrored() if options.symmetric else None
        ball = places.norm(dim=1) - START
        self.register_derived(index=index, weights=weights, ball=ball, mirror=mirror)

    def render(self, cameras: Cameras) -> Rendering:
        scenes = self.scenes()
        colors = [self._colors(mesh.vertices[0], i) for i, mesh in enumerate(scenes.meshes)]
        return render_meshes(scenes, cameras, colors, self.options.shading)

    def scenes(self) -> MeshScenes:
        """The current surfaces of all samples, and the distances that they are extracted from."""
        lattice = self.lattice = self.lattice.to(self.offsets.device)
        distances, places = self._distances(), self._places()
        side = self.options.cells + 1
        meshes = []
        for own, moved in zip(distances, places, strict=True):
            vertices, faces = march(lattice, own, moved)
            vertices = fit_unit_sphere(vertices[None])
            at_corners = own[: side**3].view(1, side, side, side) / lattice.spacing
            rest = vertices[0].detach()
            meshes.append(MeshScene(vertices, faces, rest, distances=at_corners))
        return MeshScenes(tuple(meshes))

    def faces_at_start(self) -> Int[Tensor, "f 3"]:
        """The faces of the first sample; later ones differ, but stay closed."""
        return self.scenes().meshes[0].faces

    def _distances(self) -> Float[Tensor, "n p"]:
        """Negative inside the surface. Positive outside the largest ball: surfaces are closed."""
        ball = self.get_buffer("ball")
        return torch.maximum(self.volume_at_vertices() + ball, ball + (START - self.reach))

    def volume_at_vertices(self) -> Float[Tensor, "n p"]:
        """The sum of the levels at the grid vertices, which is added to the distances of a ball."""
        values = self.distances(self.get_buffer("index"), self.get_buffer("weights"))
        found: Float[Tensor, "n p"] = values[..., 0]
        return found

    def _places(self) -> Float[Tensor, "n p 3"]:
        """The positions of the grid vertices."""
        moved = torch.tanh(self.offsets)
        if self.options.symmetric:
            moved = symmetrized(moved, self.get_buffer("mirror"))
        return self.lattice.places + MOST_OFFSET * self.lattice.spacing * moved

    def _folded(self, points: Float[Tensor, "p 3"]) -> Float[Tensor, "p 3"]:
        return fold(points) if self.options.symmetric else points

    def _colors(self, points: Float[Tensor, "q 3"], sample: int) -> Float[Tensor, "1 q 3"]:
        """In [0, 1]. Detached from the positions, so that colors do not move the surface."""
        values = self.color(self._folded(points.detach()), slice(sample, sample + 1))
        return (1 + torch.tanh(values)) / 2

    def param_groups(self) -> list[dict[str, Any]]:
        shape, paint = [*self.distances.parameters(), self.offsets], list(self.color.parameters())
        return [
            {"params": shape, "lr": self.learning_rate},
            {"params": paint, "lr": self.COLOR_RATE * self.learning_rate},
        ]

    def project(self) -> None:
        """Restores a surface that has vanished, as a small one at the least distance inside."""
        gone = self._distances().amin(1) >= 0
        if bool(gone.any()):
            inner = self.get_buffer("ball") + START < self.reach - 2 * self.lattice.spacing
            found = self.volume_at_vertices() + self.get_buffer("ball")
            lift = torch.where(gone, found[:, inner].amin(1) + self.lattice.spacing, 0)
            self.distances.levels[0].sub_(lift.view(-1, 1, 1, 1, 1))

    @torch.no_grad()
    def mesh(self, sample: int) -> Mesh:
        """The mesh of one sample, with vertex colors."""
        scene = self.scenes().meshes[sample]
        colors = self._colors(scene.vertices[0], sample)[0]
        return Mesh(scene.vertices[0].cpu(), scene.faces.cpu(), colors.cpu())

    @classmethod
    def tiny(cls, num_samples: int = 2) -> DMTet:
        tiny = cls.Options(cells=6, finest=4, symmetric=False, ambient=0.6)
        return cls(range(num_samples), tiny)
