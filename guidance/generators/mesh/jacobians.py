"""A given mesh that changes its shape as a whole, smoothly, and keeps its triangles good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.mesh.param.normalized import NormalizedMesh
from guidance.generators.mesh.stylized import StylizedMesh
from guidance.geometry.deformation import NAME, Deformation
from guidance.geometry.io.export import USUAL, save_meshes
from guidance.geometry.poisson import Poisson
from guidance.geometry.primitives import octahedron
from guidance.geometry.untangle import Untangler, weakened
from guidance.meshes import Mesh, MeshScene
from guidance.outputs import Rendering
from guidance.rendering.shading import GREY, Shading, render_mesh
from guidance.types import Generator, StepContext
from guidance.views import Cameras, View

#: Of the Jacobians at the start, so that seeds differ: too little to be seen, since the solve
#: averages it away.
START_SD = 1e-3


@dataclass(frozen=True)
class Clay:
    """How a mesh is deformed and shown; lengths are in radii of the mesh."""

    edge_length: float = 0.1  # longer edges are split before the run
    symmetric: bool = False  # what a face does, its mirror image in the plane x = 0 does as well
    shading: Shading = Shading(ambient=0.6)  # noqa: RUF009  (frozen)


class DeformedMesh(Generator):
    """One mesh whose faces turn, stretch and shear, for each sample in its own way.

    The parameters are one Jacobian a face; the vertices are those whose gradients fit them best
    (`guidance.geometry.poisson`, which says where the solve runs). So one face's wish moves all of
    the surface a little, and noise of single faces moves nothing. The mesh is centred and scaled to
    radius 1, and its long edges are split; exports undo the first. It is shown in its own colours,
    grey if it has none.

    Source: TextDeformer (Gao et al., arXiv 2304.13348). Deviations: the Jacobians start beside the
    identity, by a thousandth, so that seeds differ; and the mesh is refined to an edge length.

    Args:
        mesh: triangles, not all at one place.
        seeds: one a sample.
        clay: see `Clay`.
        learning_rate: of Adam for the parameters; `RATE` without (TextDeformer: 0.0025 for 2,500
            steps).
        inside: the faces that may change; the solve holds all vertices of the others.

    Raises:
        InputError: the edge length asks for too many vertices; no vertex may move; see also
            `Poisson`.
    """

    #: Of Adam, for runs of some hundred steps.
    RATE: ClassVar = 0.03
    formats: tuple[str, ...] = USUAL  # of the files of `export`, beside deformation.npz
    strength: Float[Tensor, "n f"] | None
    twin: Int[Tensor, "f"] | None

    def __init__(
        self,
        mesh: Mesh,
        seeds: Sequence[int],
        clay: Clay = Clay(),
        *,
        learning_rate: float | None = None,
        inside: Bool[Tensor, "f"] | None = None,
    ) -> None:
        super().__init__()
        self.num_samples, self.clay = len(seeds), clay
        self.learning_rate = self.RATE if learning_rate is None else learning_rate
        self.normalized = NormalizedMesh.of(mesh, clay.edge_length, inside)
        made, free = self.normalized.mesh, self.normalized.free
        self.poisson = Poisson(made.vertices, made.faces, None if free is None else ~free)
        colors = made.colors
        if colors is None:
            colors = torch.full_like(made.vertices, GREY)
        # What the mesh implies comes from the mesh again, so it is no part of the state.
        self.register_buffer("rest", made.vertices, persistent=False)
        self.register_buffer("faces", made.faces.long(), persistent=False)
        self.register_buffer("colors", colors.float(), persistent=False)
        twin = _mirrored(made.vertices, made.faces) if clay.symmetric else None
        self.register_buffer("twin", twin, persistent=False)
        self.register_buffer("strength", None, persistent=False)  # see `finish`
        self._begin(seeds)

    def _begin(self, seeds: Sequence[int]) -> None:
        """Makes the parameters, which `_own_jacobians` reads."""
        count = len(self.get_buffer("faces"))
        noise = StepContext(tuple(seeds), phase="start").normal("jacobians", count, 3, 3)
        self.jacobians = nn.Parameter(torch.eye(3) + START_SD * noise)

    def _own_jacobians(self) -> Float[Tensor, "n f 3 3"]:
        return self.jacobians

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the mesh, a line each."""
        notes = []
        if self.poisson.num_parts > 1:
            parts = f"{self.poisson.num_parts:,} parts"
            notes.append(f"is in {parts}, which move along with the nearest larger one")
        if self.poisson.num_thin:
            notes.append(
                f"has faces too thin to be deformed by themselves: {self.poisson.num_thin:,}"
            )
        return tuple(notes)

    def forward(self, view: View | None = None) -> Rendering:
        """Images from the cameras, premultiplied, with mesh and Jacobians behind as `scene`.

        Raises:
            InputError: no cameras; give `optimize(..., views=Orbit(...))`.
        """
        cameras = view
        if not isinstance(cameras, Cameras):
            raise InputError("DeformedMesh: needs cameras; give views=Orbit(...)")
        scene, colors = self.painted()
        return render_mesh(scene, cameras, colors, self.clay.shading)

    def painted(self) -> tuple[MeshScene, Float[Tensor, "n p 3"]]:
        """The meshes, in radii, with their Jacobians, and the colours of their vertices."""
        jacobians = self._jacobians()
        rest = self.get_buffer("rest")
        vertices = rest + self.poisson.displacements(jacobians)
        scene = MeshScene(vertices, self.get_buffer("faces"), rest, jacobians)
        return scene, self.get_buffer("colors").expand(self.num_samples, -1, -1).contiguous()

    def _jacobians(self) -> Float[Tensor, "n f 3 3"]:
        """What is solved for: the faces' wishes, weakened where the surface ran through itself."""
        wishes = self._wishes()
        return wishes if self.strength is None else weakened(wishes, self.strength)

    def _wishes(self) -> Float[Tensor, "n f 3 3"]:
        """With symmetry, means of each face's own and its twin's, which is mirrored."""
        own = self._own_jacobians()
        if not self.clay.symmetric:
            return own
        mirror = own.new_tensor([-1.0, 1, 1])
        others = own.index_select(1, self.get_buffer("twin"))
        return (own + mirror[:, None] * others * mirror) / 2

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.learning_rate}]

    def advance(self, progress: float) -> None:
        """A run that goes on moves all of the mesh again."""
        self.strength = None

    @torch.no_grad()
    def finish(self) -> tuple[str, ...]:
        """Weakens the deformation where it pushed the surface through itself; see `Untangler`."""
        wishes = self._wishes()
        try:
            rest, faces = self.get_buffer("rest"), self.get_buffer("faces")
            untangler = Untangler(rest, faces, self.twin)
            found = [untangler.untangle(self.poisson, sample) for sample in wishes]
        except InputError as error:
            return (f"self-intersections were not looked for: {error}",)
        if any(one.strength is not None for one in found):
            whole = wishes.new_ones(wishes.shape[1])
            kept = [whole if one.strength is None else one.strength.to(whole) for one in found]
            self.strength = torch.stack(kept)
        before, after = sum(one.before for one in found), sum(one.after for one in found)
        if not before:
            return ()
        note = f"faces that the deformation pushed through others: {before:,}; untangled"
        return (f"{note}, but for {after:,}" if after else note,)

    @torch.no_grad()
    def deformation(self, sample: int) -> Deformation:
        """One sample's deformation in the units of the mesh that was given."""
        moved = self.poisson.displacements(self._jacobians()[sample : sample + 1].double().cpu())
        faces, colors = (self.get_buffer(name).cpu() for name in ("faces", "colors"))
        mesh = Mesh(self.normalized.given, faces, colors)
        return Deformation(mesh, moved[0] * self.normalized.normalization.radius)

    def mesh(self, sample: int) -> Mesh:
        """One sample's mesh in the units of the one that was given."""
        return self.deformation(sample).at(1.0)

    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes mesh.glb and the other formats, and deformation.npz for `guide tune`."""
        deformation = self.deformation(sample)
        meshes = save_meshes(deformation.at(1.0), folder, self.formats)
        return [*meshes, deformation.save(folder / NAME)]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> DeformedMesh:
        return cls(octahedron(), range(num_samples), Clay(edge_length=0.8))

    # The tiny mesh is seen and read back as that of the painted meshes is.
    tiny_views = StylizedMesh.tiny_views
    tiny_reload = StylizedMesh.tiny_reload


def _mirrored(vertices: Float[Tensor, "p 3"], faces: Int[Tensor, "f 3"]) -> Int[Tensor, "f"]:
    """For each face, the one whose middle is nearest to its mirror image in the plane x = 0."""
    from scipy.spatial import cKDTree

    middles = vertices.double()[faces.long()].mean(1).cpu().numpy()
    return torch.from_numpy(cKDTree(middles).query(middles * [-1.0, 1.0, 1.0])[1]).long()
