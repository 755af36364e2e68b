"""A given mesh with new colors and small displacements along its normals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from guidance.generators.mesh.param.base import MeshGenerator
from guidance.generators.mesh.param.field import FixedFeatures, FourierField
from guidance.generators.mesh.param.normalized import NormalizedMesh
from guidance.generators.mesh.param.options import EdgeLength, ShadedOptions
from guidance.generators.mesh.param.symmetry import fold
from guidance.geometry.deformation import NAME, Deformation
from guidance.geometry.io.export import save_meshes
from guidance.geometry.io.maps import shown_colors, without_base_color
from guidance.geometry.primitives import octahedron
from guidance.meshes import Mesh, MeshScene
from guidance.outputs import Rendering
from guidance.rendering.rasterizer.contract import vertex_normals
from guidance.rendering.shading import GREY, render_mesh
from guidance.types import StepContext
from guidance.views import Cameras


class StylizedMesh(MeshGenerator):
    """Colors and displacements along the normals of a mesh, separate for each sample.

    The mesh is centered and scaled to radius 1, and its long edges are split; exports undo the
    scaling. The given vertices keep their order. Their colors are used only outside a region,
    where colors (grey if the mesh has none) and positions stay bit-identical; see
    `guidance.geometry.selection`. UV coordinates and materials are kept, but base color maps are
    replaced by the colors of vertices.

    Source: Text2Mesh (Michel et al., arXiv 2112.03221). Deviations: two small networks, one for
    colors and one for displacements, instead of one trunk with two heads; and the mesh is
    subdivided to an edge length before the run instead of by hand.

    Args:
        mesh: triangles with a positive extent.
        seeds: one per sample.
        options: how the mesh is colored and displaced.
        learning_rate: of Adam for the colors; a third of it for the displacements.
        inside: the faces that may change, `[f]`; by default all.
        precision: of the networks in steps, "fp32", "bf16", or "auto".

    Raises:
        InputError: the edge length requires too many vertices; no vertex may change.
    """

    class Options(ShadedOptions):
        """How a mesh is colored and displaced."""

        paint: Literal["field", "vertices"] = "field"
        """Colors from a smooth function of the position, or for each vertex separately."""
        frequency: float = Field(default=0.7, gt=0, le=20)
        """Frequency of the features of --paint field, in waves per radius: higher gives finer
        patterns."""
        max_displacement: float = Field(default=0.05, ge=0, lt=1)
        """How far the surface may move along its normals, in radii; 0 keeps the shape."""
        edge_length: EdgeLength = 0.08
        symmetric: bool = False
        """Paints and moves the left half (x < 0) like the right half."""

    def __init__(
        self,
        mesh: Mesh,
        seeds: Sequence[int],
        options: StylizedMesh.Options = Options(),  # noqa: B008  (frozen)
        *,
        learning_rate: float = 0.004,
        inside: Bool[Tensor, "f"] | None = None,
        precision: str = "auto",
    ) -> None:
        super().__init__()
        self.num_samples, self.options, self.learning_rate = len(seeds), options, learning_rate
        if mesh.given is not None:
            self.notes = ("base color maps are replaced by colors of vertices",)
        self.normalized = NormalizedMesh.of(mesh, options.edge_length, inside)
        unit = self.normalized.mesh
        faces = unit.faces.long()
        normals = vertex_normals(unit.vertices[None], faces)[0]
        self.register_derived(rest=unit.vertices, faces=faces, normals=normals)
        if self.normalized.free is not None:
            own = shown_colors(unit)
            own = torch.full_like(unit.vertices, GREY) if own is None else own
            free, reach = self.normalized.free[:, None], self.normalized.reach()
            self.register_derived(own=own.float(), free=free, reach=reach)
        points = fold(unit.vertices) if options.symmetric else unit.vertices
        self.color = self._values(seeds, 3, "color")
        self.displacement = (
            self._values(seeds, 1, "displacement") if options.max_displacement else None
        )
        # Both networks have the same frequencies, which depend on the seeds alone.
        self.features = FixedFeatures(self.color.features(points), precision)

    def _values(
        self, seeds: Sequence[int], channels: int, purpose: str
    ) -> FourierField | _PerVertex:
        if self.options.paint == "field":
            return FourierField(seeds, channels, frequency=self.options.frequency)
        return _PerVertex(seeds, len(self.get_buffer("rest")), channels, purpose)

    def render(self, cameras: Cameras) -> Rendering:
        scene, colors = self.painted()
        return render_mesh(scene, cameras, colors, self.options.shading)

    def painted(self) -> tuple[MeshScene, Float[Tensor, "n p 3"]]:
        """The meshes, in radii, and their vertex colors in [0, 1]."""
        rest, normals = self.get_buffer("rest"), self.get_buffer("normals")
        colors = torch.sigmoid(2 * self.color.of_features(self.features()))
        vertices = rest.expand(self.num_samples, -1, -1)
        if self.displacement is not None:
            along = self.options.max_displacement * torch.tanh(
                self.displacement.exactly(self.features)
            )
            if self.normalized.free is not None:
                along = self.get_buffer("reach") * along
            vertices = rest + along * normals
        if self.normalized.free is not None:
            colors = torch.where(self.get_buffer("free"), colors, self.get_buffer("own"))
        return MeshScene(vertices, self.get_buffer("faces"), rest), colors

    def param_groups(self) -> list[dict[str, Any]]:
        groups = [{"params": list(self.color.parameters()), "lr": self.learning_rate}]
        if self.displacement is not None:
            parameters = list(self.displacement.parameters())
            groups.append({"params": parameters, "lr": self.learning_rate / 3})
        return groups

    @torch.no_grad()
    def deformation(self, sample: int) -> Deformation:
        """Colors and displacements of one sample, in the units of the given mesh."""
        scene, colors = self.painted()
        moved = (scene.vertices[sample] - scene.rest_vertices).cpu().double()
        mesh = without_base_color(self.normalized.exported(colors[sample].cpu()))
        return Deformation(mesh, moved * self.normalized.normalization.radius)

    def mesh(self, sample: int) -> Mesh:
        return self.deformation(sample).at(1.0)

    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes mesh.glb and the other formats, with vertex colors.

        If the vertices are displaced, also deformation.npz: the rest shape and the displacements,
        for `guide tune` and `guide eval`.
        """
        deformation = self.deformation(sample)
        files = save_meshes(deformation.at(1.0), folder, self.formats)
        return files if self.displacement is None else [*files, deformation.save(folder / NAME)]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> StylizedMesh:
        return cls(octahedron(), range(num_samples), cls.Options(edge_length=0.8))


class _PerVertex(nn.Module):
    """Independent values for each vertex, near 0 at the start; positions are ignored."""

    START_SD = 0.05

    def __init__(self, seeds: Sequence[int], vertices: int, channels: int, purpose: str) -> None:
        super().__init__()
        noise = StepContext(tuple(seeds), phase="start").normal(purpose, vertices, channels)
        self.values = nn.Parameter(self.START_SD * noise)

    def features(self, points: Float[Tensor, "p 3"]) -> Float[Tensor, "p 3"]:
        return points

    def of_features(self, features: Float[Tensor, "p 3"]) -> Float[Tensor, "n p c"]:
        return self.values

    def exactly(self, features: FixedFeatures) -> Float[Tensor, "n p c"]:
        return self.values
