"""The base of all generators of meshes: the camera check, notes, formats and export."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.io.export import DEFAULT_FORMATS, save_meshes
from guidance.geometry.io.files import load_mesh
from guidance.meshes import Mesh, MeshScene
from guidance.outputs import Rendering
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.shading import Shading, render_mesh
from guidance.types import Generator
from guidance.views import Cameras, View


class MeshGenerator(Generator):
    """Renders one mesh per sample, and exports it.

    A subclass implements `render`, `mesh`, `param_groups` and `tiny`. The current mesh, or whatever
    regularizers read, is the `scene` of the rendering.
    """

    formats: tuple[str, ...] = DEFAULT_FORMATS  # of the files that `export` writes
    notes: tuple[str, ...] = ()  # what the user should know about the input, one line each

    def forward(self, view: View | None = None) -> Rendering:
        """Images from the cameras, premultiplied, with alpha.

        Args:
            view: `Cameras` for all samples.

        Raises:
            InputError: anything but cameras.
        """
        if not isinstance(view, Cameras):
            raise InputError(f"{type(self).__name__}: needs cameras; give views=Orbit(...)")
        return self.render(view)

    def render(self, cameras: Cameras) -> Rendering:
        """Images of the current meshes from the cameras."""
        raise NotImplementedError

    def mesh(self, sample: int) -> Mesh:
        """The mesh of one sample as it is exported, without gradient, on the CPU."""
        raise NotImplementedError

    def faces_at_start(self) -> Int[Tensor, "f 3"]:
        """The faces of the meshes before the first step; by default the buffer `faces`."""
        return self.get_buffer("faces")

    def register_derived(self, **tensors: Tensor | None) -> None:
        """Registers buffers that are computed from the arguments, so the state excludes them."""
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor, persistent=False)

    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes mesh.glb, mesh.obj ... in each of `formats`, with all maps."""
        return save_meshes(self.mesh(sample), folder, self.formats)

    @staticmethod
    def tiny_views(num_samples: int) -> Cameras:
        """Cameras for the tiny mesh, in the contract tests."""
        return Orbit(num_views=2, size=(24, 24)).fixed(num_samples)

    @classmethod
    def tiny_reload(cls, folder: Path) -> Float[Tensor, "v 3 h w"]:
        """The exported tiny mesh, loaded from its file and rendered, for the contract tests."""
        mesh = load_mesh(folder / "mesh.glb", maps=True).mesh
        return cls.tiny_render(mesh, cls.tiny_views(1)).over()[0]

    @classmethod
    def tiny_render(cls, mesh: Mesh, cameras: Cameras) -> Rendering:
        """Renders a loaded mesh like the generator; by default by the colors of its vertices."""
        assert mesh.colors is not None
        scene = MeshScene(mesh.vertices[None], mesh.faces.long(), mesh.vertices)
        return render_mesh(scene, cameras, mesh.colors[None], Shading(ambient=0.6))
