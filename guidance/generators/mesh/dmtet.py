"""A surface of signed distances on a grid, whose topology may change: a mesh from words alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.mesh.param.field import Field
from guidance.generators.mesh.param.volume import Volume
from guidance.generators.mesh.stylized import StylizedMesh
from guidance.geometry.io.export import USUAL, save_meshes
from guidance.geometry.normalization import fit_unit_sphere
from guidance.geometry.tetrahedra import TetrahedralGrid, march
from guidance.meshes import Mesh, MeshScene, MeshScenes
from guidance.outputs import Rendering
from guidance.rendering.heterogeneous import render_meshes
from guidance.rendering.shading import Shading
from guidance.types import Generator
from guidance.views import Cameras, View

#: Half the side of the grid's cube, and the radius of the ball that everything starts as.
HALF, START = 1.05, 0.6
#: How far a vertex of the grid may leave its place, in spacings. At half of one tetrahedra could
#: turn over; DMTet allows just that.
MOST_OFFSET = 0.4
#: Of the distances at the start, so that seeds differ.
START_SD = 0.02


@dataclass(frozen=True)
class SurfaceGrid:
    """How finely a surface is resolved, and how it is painted."""

    cells: int = 24  # a side of the cube around all, each cut into twelve tetrahedra
    finest: int = 8  # cells a side of the finest level of the distances, a power of two
    frequency: float = 0.7  # of the colours' field: waves per unit of length, see `Field`
    symmetric: bool = False  # the left half (x < 0) is shaped and painted like the right one
    shading: Shading = Shading(ambient=0.6)  # noqa: RUF009  (frozen)


class DMTet(Generator):
    """Signed distances and offsets at the vertices of a tetrahedral grid, for each sample its own.

    The surface is where the distances are 0, found anew at each look by marching tetrahedra
    (`guidance.geometry.tetrahedra`): parts may come off, and holes open. It is closed, and scaled
    to fill its images. Colours are a field of the place.

    Source: DMTet (Shen et al., arXiv 2111.04276). Deviations: distances are those of a ball plus a
    sum of coarse and fine levels, so that single vertices do not wander off; tetrahedra of
    one shape; no subdivision.

    Args:
        seeds: one a sample.
        grid: see `SurfaceGrid`.
        learning_rate: of Adam for the levels of the distances, in units of length, and for the
            offsets before they are squashed; the colours' field moves at `PAINT` times it.

    Raises:
        InputError: too few or too many cells; `finest` is not a power of two.
    """

    formats: tuple[str, ...] = USUAL  # of the files of `export`
    notes: tuple[str, ...] = ()  # what the user should know, a line each
    PAINT = 0.8

    def __init__(
        self,
        seeds: Sequence[int],
        grid: SurfaceGrid = SurfaceGrid(),
        *,
        learning_rate: float = 0.005,
    ) -> None:
        super().__init__()
        self.num_samples, self.grid, self.learning_rate = len(seeds), grid, learning_rate
        self.lattice = TetrahedralGrid.of(grid.cells, HALF)
        places = self.lattice.places
        # A surface within this radius has tetrahedra on all sides.
        self.reach = min(1.0, HALF * (1 - 1.5 / grid.cells))
        self.distances = Volume(seeds, 1, grid.finest, START_SD)
        self.offsets = nn.Parameter(torch.zeros(len(seeds), len(places), 3))
        self.color = Field(seeds, 3, frequency=grid.frequency)
        index, weights = self.distances.corners(self._folded(places))
        # What the options imply comes from them again, so it is no part of the state.
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("ball", places.norm(dim=1) - START, persistent=False)
        twin = self.lattice.mirrored() if grid.symmetric else None
        self.register_buffer("twin", twin, persistent=False)

    def forward(self, view: View | None = None) -> Rendering:
        """Images from the cameras, premultiplied, with each sample's mesh behind as `scene`.

        Raises:
            InputError: no cameras; give `optimize(..., views=Orbit(...))`.
        """
        cameras = view
        if not isinstance(cameras, Cameras):
            raise InputError("DMTet: needs cameras; give views=Orbit(...)")
        scenes = self.scenes()
        colors = [self._colors(mesh.vertices[0], i) for i, mesh in enumerate(scenes.meshes)]
        return render_meshes(scenes, cameras, colors, self.grid.shading)

    def scenes(self) -> MeshScenes:
        """The surfaces of all samples as they are now, with the distances that they come from."""
        lattice = self.lattice = self.lattice.to(self.offsets.device)
        distances, places = self._distances(), self._places()
        side = self.grid.cells + 1
        meshes = []
        for own, moved in zip(distances, places, strict=True):
            vertices, faces = march(lattice, own, moved)
            vertices = fit_unit_sphere(vertices[None])
            at_corners = own[: side**3].view(1, side, side, side) / lattice.spacing
            rest = vertices[0].detach()
            meshes.append(MeshScene(vertices, faces, rest, distances=at_corners))
        return MeshScenes(tuple(meshes))

    def _distances(self) -> Float[Tensor, "n p"]:
        """Below 0 inside, above it outside the ball that holds everything: surfaces are closed."""
        ball = self.get_buffer("ball")
        return torch.maximum(self.volume_at_vertices() + ball, ball + (START - self.reach))

    def volume_at_vertices(self) -> Float[Tensor, "n p"]:
        """What the levels add to the distances of a ball."""
        values = self.distances(self.get_buffer("index"), self.get_buffer("weights"))
        found: Float[Tensor, "n p"] = values[..., 0]
        return found

    def _places(self) -> Float[Tensor, "n p 3"]:
        """Where the grid's vertices are."""
        moved = torch.tanh(self.offsets)
        if self.grid.symmetric:
            mirror = moved.new_tensor([-1.0, 1, 1])
            moved = (moved + mirror * moved.index_select(1, self.get_buffer("twin"))) / 2
        return self.lattice.places + MOST_OFFSET * self.lattice.spacing * moved

    def _folded(self, places: Float[Tensor, "p 3"]) -> Float[Tensor, "p 3"]:
        """With symmetry, the place on the right that a place is like."""
        if not self.grid.symmetric:
            return places
        return torch.cat([places[:, :1].abs(), places[:, 1:]], 1)

    def _colors(self, places: Float[Tensor, "q 3"], sample: int) -> Float[Tensor, "1 q 3"]:
        """In [0, 1]; their slope in the place is left out, so paint does not push the shape."""
        values = self.color(self._folded(places.detach()), slice(sample, sample + 1))
        return (1 + torch.tanh(values)) / 2

    def param_groups(self) -> list[dict[str, Any]]:
        shape, paint = [*self.distances.parameters(), self.offsets], list(self.color.parameters())
        return [
            {"params": shape, "lr": self.learning_rate},
            {"params": paint, "lr": self.PAINT * self.learning_rate},
        ]

    def project(self) -> None:
        """Brings a surface that has vanished back, as a small one where it was inside last."""
        gone = self._distances().amin(1) >= 0
        if bool(gone.any()):
            inner = self.get_buffer("ball") + START < self.reach - 2 * self.lattice.spacing
            found = self.volume_at_vertices() + self.get_buffer("ball")
            lift = torch.where(gone, found[:, inner].amin(1) + self.lattice.spacing, 0)
            self.distances.levels[0].sub_(lift.view(-1, 1, 1, 1, 1))

    @torch.no_grad()
    def mesh(self, sample: int) -> Mesh:
        """One sample's mesh, with a colour at each vertex."""
        scene = self.scenes().meshes[sample]
        colors = self._colors(scene.vertices[0], sample)[0]
        return Mesh(scene.vertices[0].cpu(), scene.faces.cpu(), colors.cpu())

    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes mesh.glb and the other formats, with a colour at each vertex."""
        return save_meshes(self.mesh(sample), folder, self.formats)

    @classmethod
    def tiny(cls, num_samples: int = 2) -> DMTet:
        return cls(range(num_samples), SurfaceGrid(cells=6, finest=4))

    # The tiny mesh is seen and read back as that of the painted meshes is.
    tiny_views = StylizedMesh.tiny_views
    tiny_reload = StylizedMesh.tiny_reload
