"""A given mesh deformed smoothly as a whole by one Jacobian per face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.mesh.param.base import MeshGenerator
from guidance.generators.mesh.param.normalized import NormalizedMesh
from guidance.generators.mesh.param.options import EdgeLength, ShadedOptions
from guidance.generators.mesh.param.symmetry import mirror_indices
from guidance.geometry.deformation import NAME, Deformation
from guidance.geometry.io.export import save_meshes
from guidance.geometry.io.maps import shown_colors
from guidance.geometry.normalization import fit_unit_sphere
from guidance.geometry.poisson import Poisson
from guidance.geometry.primitives import octahedron
from guidance.geometry.untangle import Untangler, weakened
from guidance.meshes import Mesh, MeshScene
from guidance.outputs import Rendering
from guidance.rendering.shading import GREY, render_mesh
from guidance.types import StepContext
from guidance.views import Cameras

#: Standard deviation of the Jacobians at the start, so that seeds differ. It is invisible, since
#: the solve averages it out.
START_SD = 1e-3


class DeformedMesh(MeshGenerator):
    """A mesh whose faces rotate, stretch and shear, separately for each sample.

    The parameters are one Jacobian per face, `[n, f, 3, 3]`; the vertices are those whose gradients
    fit the Jacobians best (`guidance.geometry.poisson`). So a change of one face moves all of the
    surface a little, and noise in single faces moves nothing. The mesh is centered and scaled to
    radius 1, and its long edges are split; exports undo the scaling. It keeps its colors, grey if
    it has none, and its UV coordinates, materials and maps; images show the base color map by the
    colors of vertices.

    Source: TextDeformer (Gao et al., arXiv 2304.13348). Deviations: the Jacobians start near the
    identity, with a standard deviation of 0.001, so that seeds differ; and the mesh is subdivided
    to an edge length.

    Args:
        mesh: triangles with a positive extent.
        seeds: one per sample.
        options: how the mesh is split and shown.
        learning_rate: of Adam; by default `RATE` (TextDeformer: 0.0025 for 2,500 steps).
        inside: the faces that may change; all vertices of the others are fixed in the solve.

    Raises:
        InputError: the edge length requires too many vertices; no vertex may move; see also
            `Poisson`.
    """

    class Options(ShadedOptions):
        """How a mesh is split before the run, and shown."""

        edge_length: EdgeLength = 0.1
        symmetric: bool = False
        """Moves both halves (x < 0 and x > 0) by the mean of each movement and its mirror image."""

    #: Learning rate of Adam for runs of some hundred steps.
    RATE: ClassVar = 0.03
    strength: Float[Tensor, "n f"] | None
    mirror: Int[Tensor, "f"] | None

    def __init__(
        self,
        mesh: Mesh,
        seeds: Sequence[int],
        options: DeformedMesh.Options = Options(),  # noqa: B008  (frozen)
        *,
        learning_rate: float | None = None,
        inside: Bool[Tensor, "f"] | None = None,
    ) -> None:
        super().__init__()
        self.num_samples, self.options = len(seeds), options
        self.learning_rate = self.RATE if learning_rate is None else learning_rate
        self.normalized = NormalizedMesh.of(mesh, options.edge_length, inside)
        made, free = self.normalized.mesh, self.normalized.free
        self.poisson = Poisson(made.vertices, made.faces, None if free is None else ~free)
        self.notes = _notes(self.poisson)
        colors, faces = shown_colors(made), made.faces.long()
        if colors is None:
            colors = torch.full_like(made.vertices, GREY)
        mirror = None
        if options.symmetric:
            mirror = mirror_indices(made.vertices.double()[faces].mean(1))
        self.register_derived(rest=made.vertices, faces=faces, colors=colors.float(), mirror=mirror)
        self.register_derived(strength=None)  # set by `finish`
        self._create_parameters(seeds)

    def _create_parameters(self, seeds: Sequence[int]) -> None:
        """Creates the parameters that `_own_jacobians` reads."""
        count = len(self.get_buffer("faces"))
        noise = StepContext(tuple(seeds), phase="start").normal("jacobians", count, 3, 3)
        self.jacobians = nn.Parameter(torch.eye(3) + START_SD * noise)

    def _own_jacobians(self) -> Float[Tensor, "n f 3 3"]:
        return self.jacobians

    def render(self, cameras: Cameras) -> Rendering:
        scene, colors = self.painted()
        shown = scene
        if self.normalized.free is None:
            # Otherwise a growing mesh leaves the views. Its scene and its exports keep the size.
            shown = replace(scene, vertices=fit_unit_sphere(scene.vertices))
        rendering = render_mesh(shown, cameras, colors, self.options.shading)
        return replace(rendering, scene=scene)

    def painted(self) -> tuple[MeshScene, Float[Tensor, "n p 3"]]:
        """The meshes, in radii, with their Jacobians, and their vertex colors."""
        jacobians = self._jacobians()
        rest = self.get_buffer("rest")
        vertices = rest + self.poisson.displacements(jacobians)
        scene = MeshScene(vertices, self.get_buffer("faces"), rest, jacobians)
        return scene, self.get_buffer("colors").expand(self.num_samples, -1, -1).contiguous()

    def _jacobians(self) -> Float[Tensor, "n f 3 3"]:
        """The Jacobians of the solve, weakened where the surface had intersected itself."""
        targets = self._target_jacobians()
        return targets if self.strength is None else weakened(targets, self.strength)

    def _target_jacobians(self) -> Float[Tensor, "n f 3 3"]:
        """With symmetry, the mean of each face's Jacobian and the mirrored one of its mirror."""
        own = self._own_jacobians()
        if not self.options.symmetric:
            return own
        signs = own.new_tensor([-1.0, 1, 1])
        others = own.index_select(1, self.get_buffer("mirror"))
        return (own + signs[:, None] * others * signs) / 2

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.learning_rate}]

    def advance(self, progress: float) -> None:
        """Drops the weakening of `finish`, so that a run that continues moves the whole mesh."""
        self.strength = None

    @torch.no_grad()
    def finish(self) -> tuple[str, ...]:
        """Weakens the deformation where the surface intersects itself; see `Untangler`."""
        targets = self._target_jacobians()
        try:
            rest, faces = self.get_buffer("rest"), self.get_buffer("faces")
            untangler = Untangler(rest, faces, self.mirror)
            found = [untangler.untangle(self.poisson, sample) for sample in targets]
        except InputError as error:
            return (f"self-intersections were not searched for: {error}",)
        if any(one.strength is not None for one in found):
            whole = targets.new_ones(targets.shape[1])
            kept = [whole if one.strength is None else one.strength.to(whole) for one in found]
            self.strength = torch.stack(kept)
        before, after = sum(one.before for one in found), sum(one.after for one in found)
        if not before:
            return ()
        note = f"faces that intersected others after the deformation: {before:,}; untangled"
        return (f"{note} except {after:,}" if after else note,)

    @torch.no_grad()
    def deformation(self, sample: int) -> Deformation:
        """The deformation of one sample, in the units of the given mesh."""
        moved = self.poisson.displacements(self._jacobians()[sample : sample + 1].double().cpu())
        shown, own = self.get_buffer("colors").cpu(), self.normalized.mesh.colors
        mesh = self.normalized.exported(shown if self.normalized.mesh.given is None else own)
        return Deformation(mesh, moved[0] * self.normalized.normalization.radius, shown)

    def mesh(self, sample: int) -> Mesh:
        return self.deformation(sample).at(1.0)

    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes mesh.glb and the other formats, and deformation.npz for `guide tune`."""
        deformation = self.deformation(sample)
        meshes = save_meshes(deformation.at(1.0), folder, self.formats)
        return [*meshes, deformation.save(folder / NAME)]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> DeformedMesh:
        return cls(octahedron(), range(num_samples), cls.Options(edge_length=0.8))

    @classmethod
    def tiny_render(cls, mesh: Mesh, cameras: Cameras) -> Rendering:
        """Renders a loaded mesh like `render`."""
        fitted = replace(mesh, vertices=fit_unit_sphere(mesh.vertices[None])[0])
        return super().tiny_render(fitted, cameras)


def _notes(poisson: Poisson) -> tuple[str, ...]:
    """What the user should know about the mesh, one line each."""
    notes = []
    if poisson.num_parts > 1:
        notes.append(
            f"has {poisson.num_parts:,} separate parts; each moves with the nearest larger one"
        )
    if poisson.num_thin:
        notes.append(f"has faces too thin to be deformed individually: {poisson.num_thin:,}")
    return tuple(notes)
