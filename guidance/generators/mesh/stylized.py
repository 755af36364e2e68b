"""A given mesh that changes its colours and, a little, its shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.mesh.param.field import Field
from guidance.generators.mesh.param.normalized import NormalizedMesh
from guidance.geometry.deformation import NAME, Deformation
from guidance.geometry.io.export import USUAL, save_meshes
from guidance.geometry.io.files import load_mesh
from guidance.geometry.primitives import octahedron
from guidance.meshes import Mesh, MeshScene
from guidance.outputs import Rendering
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.rasterizer.contract import vertex_normals
from guidance.rendering.shading import GREY, Shading, render_mesh
from guidance.types import Generator, StepContext
from guidance.views import Cameras, View


@dataclass(frozen=True)
class Surface:
    """How a mesh is painted and moved; lengths are in radii of the mesh."""

    paint: Literal["field", "vertices"] = "field"  # a small network of the place, or each vertex
    frequency: float = 0.7  # of the field's features: waves per radius, see `Field`
    max_displacement: float = 0.05  # along the normals (Text2Mesh: 0.1); 0 keeps the shape
    edge_length: float = 0.08  # longer edges are split before the run
    symmetric: bool = False  # the left half (x < 0) is painted and moved like the right one
    shading: Shading = Shading(ambient=0.6)  # noqa: RUF009  (frozen)

    def __post_init__(self) -> None:
        if self.paint not in ("field", "vertices"):
            raise InputError(f"Surface.paint: expected field or vertices, got {self.paint!r}")
        if not 0 <= self.max_displacement < 1:
            raise InputError(
                f"Surface.max_displacement: expected radii in [0, 1), got {self.max_displacement:g}"
            )


class StylizedMesh(Generator):
    """Colours and displacements along the normals of one mesh, for each sample its own.

    The mesh is centred and scaled to radius 1, and its long edges are split; exports undo the
    first. The vertices that the mesh had keep their places in the order. Its own colours are not
    used, but outside of a region, where colours (grey if the mesh has none) and places stay to the
    bit; see `guidance.geometry.selection`.

    Source: Text2Mesh (Michel et al., arXiv 2112.03221). Deviations: two small fields, one for
    colours and one for displacements, instead of one trunk with two heads; and the mesh is refined
    to an edge length before the run instead of by hand.

    Args:
        mesh: triangles, not all at one place.
        seeds: one a sample.
        surface: see `Surface`.
        learning_rate: of Adam for the colours; displacements move at a third of it.
        inside: the faces that may change; all of them without.

    Raises:
        InputError: the edge length asks for too many vertices; no vertex may change.
    """

    formats: tuple[str, ...] = USUAL  # of the files of `export`, beside deformation.npz
    notes: tuple[str, ...] = ()  # what the user should know, a line each

    def __init__(
        self,
        mesh: Mesh,
        seeds: Sequence[int],
        surface: Surface = Surface(),
        *,
        learning_rate: float = 0.004,
        inside: Bool[Tensor, "f"] | None = None,
    ) -> None:
        super().__init__()
        self.num_samples, self.surface, self.learning_rate = len(seeds), surface, learning_rate
        self.normalized = NormalizedMesh.of(mesh, surface.edge_length, inside)
        unit = self.normalized.mesh
        # What the mesh implies comes from the mesh again, so it is no part of the state.
        self.register_buffer("rest", unit.vertices, persistent=False)
        self.register_buffer("faces", unit.faces.long(), persistent=False)
        normals = vertex_normals(unit.vertices[None], self.get_buffer("faces"))[0]
        self.register_buffer("normals", normals, persistent=False)
        if self.normalized.free is not None:
            own = torch.full_like(unit.vertices, GREY) if unit.colors is None else unit.colors
            self.register_buffer("own", own.float(), persistent=False)
            self.register_buffer("free", self.normalized.free[:, None], persistent=False)
            self.register_buffer("reach", self.normalized.reach(), persistent=False)
        self.color = self._values(seeds, 3, "color")
        self.displacement = (
            self._values(seeds, 1, "displacement") if surface.max_displacement else None
        )

    def _values(self, seeds: Sequence[int], channels: int, purpose: str) -> nn.Module:
        if self.surface.paint == "field":
            return Field(seeds, channels, frequency=self.surface.frequency)
        return _PerVertex(seeds, len(self.get_buffer("rest")), channels, purpose)

    def forward(self, view: View | None = None) -> Rendering:
        """Images from the cameras, premultiplied, with the mesh behind them as `scene`.

        Raises:
            InputError: no cameras; give `optimize(..., views=Orbit(...))`.
        """
        cameras = view
        if not isinstance(cameras, Cameras):
            raise InputError("StylizedMesh: needs cameras; give views=Orbit(...)")
        scene, colors = self.painted()
        return render_mesh(scene, cameras, colors, self.surface.shading)

    def painted(self) -> tuple[MeshScene, Float[Tensor, "n p 3"]]:
        """The meshes, in radii, and the colours of their vertices in [0, 1]."""
        rest, normals = self.get_buffer("rest"), self.get_buffer("normals")
        places = rest
        if self.surface.symmetric:
            places = torch.cat([rest[:, :1].abs(), rest[:, 1:]], 1)
        colors = (1 + torch.tanh(self.color(places))) / 2
        vertices = rest.expand(self.num_samples, -1, -1)
        if self.displacement is not None:
            along = self.surface.max_displacement * torch.tanh(self.displacement(places))
            if self.normalized.free is not None:
                along = self.get_buffer("reach") * along
            vertices = rest + along * normals
        if self.normalized.free is not None:
            colors = torch.where(self.get_buffer("free"), colors, self.get_buffer("own"))
        return MeshScene(vertices, self.get_buffer("faces"), rest), colors

    def param_groups(self) -> list[dict[str, Any]]:
        groups = [{"params": list(self.color.parameters()), "lr": self.learning_rate}]
        if self.displacement is not None:
            moving = list(self.displacement.parameters())
            groups.append({"params": moving, "lr": self.learning_rate / 3})
        return groups

    @torch.no_grad()
    def deformation(self, sample: int) -> Deformation:
        """One sample's colours and displacements in the units of the mesh that was given."""
        scene, colors = self.painted()
        moved = (scene.vertices[sample] - scene.rest_vertices).cpu().double()
        mesh = Mesh(self.normalized.given, scene.faces.cpu(), colors[sample].cpu())
        return Deformation(mesh, moved * self.normalized.normalization.radius)

    def mesh(self, sample: int) -> Mesh:
        """One sample's mesh in the units of the one that was given, with its colours."""
        return self.deformation(sample).at(1.0)

    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes mesh.glb and the other formats, with a colour at each vertex.

        Where the surface moves, deformation.npz as well: the rest shape and how far each vertex
        came, for `guide tune` and `guide eval`.
        """
        deformation = self.deformation(sample)
        files = save_meshes(deformation.at(1.0), folder, self.formats)
        return files if self.displacement is None else [*files, deformation.save(folder / NAME)]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> StylizedMesh:
        return cls(octahedron(), range(num_samples), Surface(edge_length=0.8))

    @staticmethod
    def tiny_views(num_samples: int) -> Cameras:
        """Cameras for the tiny mesh."""
        return Orbit(num_views=2, size=(24, 24)).fixed(num_samples)

    @classmethod
    def tiny_reload(cls, folder: Path) -> Float[Tensor, "v 3 h w"]:
        """What the tiny mesh's export shows, read back from its file."""
        mesh = load_mesh(folder / "mesh.glb").mesh
        assert mesh.colors is not None
        faces, cameras = mesh.faces.long(), cls.tiny_views(1)
        scene = MeshScene(mesh.vertices[None], faces, mesh.vertices)
        return render_mesh(scene, cameras, mesh.colors[None], Surface().shading).over()[0]


class _PerVertex(nn.Module):
    """Values of each vertex by itself, near 0 at the start; places are not looked at."""

    START_SD = 0.05

    def __init__(self, seeds: Sequence[int], vertices: int, channels: int, purpose: str) -> None:
        super().__init__()
        noise = StepContext(tuple(seeds), phase="start").normal(purpose, vertices, channels)
        self.values = nn.Parameter(self.START_SD * noise)

    def forward(self, places: Float[Tensor, "p 3"]) -> Float[Tensor, "n p c"]:
        return self.values
