"""A scene of several meshes, rendered together and each alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.mesh.jacobians import DeformedMesh
from guidance.generators.mesh.param.base import MeshGenerator
from guidance.generators.mesh.stylized import StylizedMesh
from guidance.geometry.io.files import save_mesh, save_obj, save_scene
from guidance.geometry.io.maps import shown_colors
from guidance.geometry.normalization import Normalization
from guidance.geometry.primitives import octahedron
from guidance.meshes import Mesh, MeshScene, PlacedMesh
from guidance.outputs import Rendering
from guidance.rendering.shading import Shading, render_mesh
from guidance.types import StepContext
from guidance.views import WHOLE, Cameras


@dataclass(frozen=True)
class Part:
    """One mesh of a scene, and its placement."""

    name: str  # of its node and files
    generator: StylizedMesh | DeformedMesh
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of its origin, in the scene
    scale: float = 1.0  # from its own units to those of the scene

    def placed(self, vertices: Float[Tensor, "*p 3"]) -> Float[Tensor, "*p 3"]:
        """From its own units to the scene's."""
        return self.scale * vertices + vertices.new_tensor(self.position)


class Assembly(MeshGenerator):
    """Several independent meshes; their own generators hold all parameters.

    The subjects of the cameras select what each view shows (`guidance.views.Cameras`): one part
    alone, centered and of radius 1, or all parts at their places, scaled together to radius 1. If
    the cameras have subjects, the `scene` of the rendering holds the parts at radius 1 each, so
    that regularizers treat small and large parts alike; otherwise it holds what is rendered.

    Args:
        parts: with the same number of samples and different names.
        shading: of all images.

    Raises:
        InputError: no parts, duplicate names, different numbers of samples.
    """

    def __init__(self, parts: Sequence[Part], shading: Shading) -> None:
        super().__init__()
        names = [part.name for part in parts]
        if not parts or len(set(names)) < len(names):
            raise InputError(f"Assembly: expected parts of different names, got {names}")
        counts = {part.generator.num_samples for part in parts}
        if len(counts) > 1:
            raise InputError(
                f"Assembly: expected parts with the same number of samples, got {sorted(counts)}"
            )
        self.num_samples, self.shading = counts.pop(), shading
        self.parts = tuple(parts)
        self.generators = nn.ModuleList([part.generator for part in parts])
        normalized = [part.generator.normalized for part in parts]
        given = [part.placed(one.given) for part, one in zip(parts, normalized, strict=True)]
        self.normalization = Normalization.of(torch.cat(given))
        # The same tensor during the whole run: losses and renderer cache what they derive from it.
        self.register_derived(faces=_joined_faces([one.mesh for one in normalized]))

    def render(self, cameras: Cameras) -> Rendering:
        painted = [part.generator.painted() for part in self.parts]
        scenes, colors = [scene for scene, _ in painted], [color for _, color in painted]
        placed = [self._placed(part, scene) for part, scene in zip(self.parts, scenes, strict=True)]
        whole, all_colors = self._joined(placed), torch.cat(colors, 1)
        if cameras.subject is None:
            return render_mesh(whole, cameras, all_colors, self.shading)
        shown = []
        for subject, views in cameras.subjects().items():
            scene, color = (whole, all_colors) if subject == WHOLE else painted[subject]
            shown.append(render_mesh(scene, cameras.some(views), color, self.shading))
        image = torch.cat([one.image for one in shown], 1)
        alpha = torch.cat([one.alpha for one in shown if one.alpha is not None], 1)
        return Rendering(image, alpha, self._joined(scenes), cameras)

    def _joined(self, scenes: Sequence[MeshScene]) -> MeshScene:
        """Several meshes as one mesh with separate components."""
        jacobians = [scene.jacobians for scene in scenes if scene.jacobians is not None]
        return MeshScene(
            torch.cat([scene.vertices for scene in scenes], 1),
            self.get_buffer("faces"),
            torch.cat([scene.rest_vertices for scene in scenes]),
            torch.cat(jacobians, 1) if jacobians else None,
        )

    def _placed(self, part: Part, scene: MeshScene) -> MeshScene:
        """A part at its place in the scene, in radii of the whole."""
        whole, own = self.normalization, part.generator.normalized.normalization
        center = part.placed(torch.tensor(own.center, dtype=torch.float64))
        shift = whole.apply(center).to(scene.vertices)
        scale = part.scale * own.radius / whole.radius
        vertices, rest = scale * scene.vertices + shift, scale * scene.rest_vertices + shift
        return MeshScene(vertices, scene.faces, rest, scene.jacobians)

    def param_groups(self) -> list[dict[str, Any]]:
        return [group for part in self.parts for group in part.generator.param_groups()]

    def advance(self, progress: float) -> None:
        for part in self.parts:
            part.generator.advance(progress)

    def project(self) -> None:
        for part in self.parts:
            part.generator.project()

    def finish(self) -> tuple[str, ...]:
        notes = []
        for part in self.parts:
            notes += [f"{part.name}: {note}" for note in part.generator.finish()]
        return tuple(notes)

    def mesh(self, sample: int) -> Mesh:
        """All parts as one mesh, in the units of the scene."""
        return _as_mesh(self._nodes(sample))

    def _nodes(self, sample: int) -> list[PlacedMesh]:
        """The parts with colors at vertices, which stand for their maps."""
        found = []
        for part in self.parts:
            mesh = part.generator.mesh(sample)
            plain = Mesh(mesh.vertices, mesh.faces, shown_colors(mesh))
            found.append(PlacedMesh(part.name, plain, part.position, part.scale))
        return found

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes mesh.glb with a node per part, the other formats, and each part in its units.

        The files of a part have its maps; those of all parts have colors at vertices instead.
        """
        nodes = self._nodes(sample)
        files = []
        for kind in self.formats:
            path = folder / f"mesh.{kind}"
            files.append(
                save_scene(nodes, path) if kind == "glb" else save_mesh(_as_mesh(nodes), path)
            )
            for part in self.parts:
                own, path = part.generator.mesh(sample), folder / f"mesh_{part.name}.{kind}"
                files += save_obj(own, path) if kind == "obj" else [save_mesh(own, path)]
        return files

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Assembly:
        options = StylizedMesh.Options(edge_length=0.8)
        parts = [
            Part(
                name,
                StylizedMesh(octahedron(), range(first, first + num_samples), options),
                position,
                0.4,
            )
            for name, first, position in (
                ("left", 0, (-0.6, 0.0, 0.0)),
                ("right", 100, (0.6, 0.0, 0.0)),
            )
        ]
        return cls(parts, options.shading)


def views_of_parts(
    views: Callable[[StepContext], Cameras], parts: int
) -> Callable[[StepContext], Cameras]:
    """Cameras that show first the whole scene, then each part alone, from the same directions."""

    def subjects(context: StepContext) -> Cameras:
        cameras = views(context)
        n, v = cameras.light.shape[:2]
        subject = torch.arange(WHOLE, parts, device=cameras.light.device).repeat_interleave(v)
        repeated = cameras.mapped(lambda values: torch.cat([values] * (1 + parts), 1))
        return replace(repeated, subject=subject.expand(n, -1))

    return subjects


def _as_mesh(nodes: Sequence[PlacedMesh]) -> Mesh:
    """All parts as one mesh, in the units of the scene."""
    meshes = [node.mesh for node in nodes]
    colors = [mesh.colors for mesh in meshes if mesh.colors is not None]
    vertices = torch.cat([node.vertices() for node in nodes])
    return Mesh(vertices, _joined_faces(meshes), torch.cat(colors))


def _joined_faces(meshes: Sequence[Mesh]) -> Int[Tensor, "f 3"]:
    counts = torch.tensor([0] + [len(mesh.vertices) for mesh in meshes]).cumsum(0).tolist()
    faces = [mesh.faces.long() + start for mesh, start in zip(meshes, counts, strict=False)]
    return torch.cat(faces)
