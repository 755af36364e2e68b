"""A sphere that grows into a shape of its own, and its colours: a mesh from words alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.mesh.param.volume import Volume
from guidance.generators.mesh.stylized import StylizedMesh
from guidance.geometry.io.export import USUAL, save_meshes
from guidance.geometry.io.files import load_mesh
from guidance.geometry.loop_subdivision import LoopSubdivision, middles, quartered
from guidance.geometry.normalization import fit_unit_sphere
from guidance.geometry.octasphere import octasphere
from guidance.geometry.smoothing import Smoothing
from guidance.meshes import Material, Mesh, MeshScene
from guidance.outputs import Rendering
from guidance.rendering.bake import bake
from guidance.rendering.shading import Shading, render_mesh
from guidance.types import Generator, StepContext
from guidance.views import Cameras, View

#: Of the displacements at the start, so that seeds differ.
START_SD = 0.02
#: What the files' maps say of a surface that the run saw under soft light only.
ROUGHNESS, METALLIC = 0.9, 0.0
#: Texels a volume is asked for at once on export.
AT_ONCE = 2**18


@dataclass(frozen=True)
class Growth:
    """How a sphere of radius 1 is moved and painted; lengths are in its radii."""

    edge_length: float = 0.05  # of the mesh that is seen; the control mesh's are twice as long
    reach: float = 0.3  # how far a vertex that is pulled takes its surroundings along
    finest: int = 32  # cells of the colours' volume along the diameter, a power of two
    exported: int = 1024  # texels a side of the maps in the files
    symmetric: bool = False  # the left half (x < 0) is moved and painted like the right one
    shading: Shading = Shading(ambient=0.6)  # noqa: RUF009  (frozen)

    def __post_init__(self) -> None:
        if not 0 < self.edge_length <= 2:
            raise InputError(
                f"Growth.edge_length: expected radii in (0, 2], got {self.edge_length:g}"
            )
        if self.exported < 1:
            raise InputError(f"Growth: expected maps of at least one texel, got {self.exported}")


class SphereMesh(Generator):
    """A closed surface of a sphere's topology, for each sample its own shape and colours.

    What is optimized are displacements of a coarse control mesh, which are smoothed
    (`guidance.geometry.smoothing`) and subdivided once; so the surface moves by large smooth steps,
    and stays without creases. Colours belong to places of the sphere that it was: they go along
    with the surface, and have no seam. On export they are unfolded into a map with four short cuts.

    Source: CLIP-Mesh (Khalid et al., arXiv 2203.13333): a sphere under a subdivision, textured, and
    the same encoder for both. Deviations: Loop's subdivision is differentiated as the matrix that
    it is and the control mesh is preconditioned (Nicolet et al. 2021); colours are a volume's
    instead of texels; no normal map, since views of 112 pixels show no relief.

    Args:
        seeds: one a sample.
        growth: see `Growth`.
        learning_rate: of Adam for the colours; displacements move at `PACE` times it.

    Raises:
        InputError: the edge length asks for too many vertices; `finest` is not a power of two.
    """

    formats: tuple[str, ...] = USUAL  # of the files of `export`
    notes: tuple[str, ...] = ()  # what the user should know, a line each
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
        # What the options imply comes from them again, so it is no part of the state.
        for name, value in (
            ("rest", rest),
            ("faces", self.finer.faces),
            ("uv", middles(control.uv, control.face_uv)),
            ("face_uv", quartered(control.face_uv)),
            ("twin", _twins(control.vertices) if growth.symmetric else None),
        ):
            self.register_buffer(name, value, persistent=False)
        self.volume = Volume(seeds, 3, growth.finest)
        index, weights = self._corners(rest)
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("weights", weights, persistent=False)
        noise = StepContext(tuple(seeds), phase="start").normal("shape", len(control.vertices), 3)
        self.displacements = nn.Parameter(START_SD * noise)

    def forward(self, view: View | None = None) -> Rendering:
        """Images from the cameras, premultiplied, with the mesh behind them as `scene`.

        Raises:
            InputError: no cameras; give `optimize(..., views=Orbit(...))`.
        """
        cameras = view
        if not isinstance(cameras, Cameras):
            raise InputError("SphereMesh: needs cameras; give views=Orbit(...)")
        scene = MeshScene(self._vertices(), self.get_buffer("faces"), self.get_buffer("rest"))
        colors = self._colors(self.get_buffer("index"), self.get_buffer("weights"))
        return render_mesh(scene, cameras, colors, self.growth.shading)

    def _vertices(self) -> Float[Tensor, "n p 3"]:
        moved: Tensor = self.displacements
        if self.growth.symmetric:
            mirror = moved.new_tensor([-1.0, 1, 1])
            moved = (moved + mirror * moved.index_select(1, self.get_buffer("twin"))) / 2
        return fit_unit_sphere(self.get_buffer("rest") + self.finer(self.smoothing(moved)))

    def _colors(self, index: Tensor, weights: Tensor, samples: slice = slice(None)) -> Tensor:
        return (1 + torch.tanh(self.volume(index, weights, samples))) / 2

    def _corners(self, places: Float[Tensor, "m 3"]) -> tuple[Tensor, Tensor]:
        """Where places of the sphere lie in the colours' volume."""
        around = F.normalize(places, dim=-1)
        if self.growth.symmetric:
            around = torch.cat([around[:, :1].abs(), around[:, 1:]], 1)
        return self.volume.corners(around)

    def param_groups(self) -> list[dict[str, Any]]:
        return [
            {"params": list(self.volume.parameters()), "lr": self.learning_rate},
            {"params": [self.displacements], "lr": self.PACE * self.learning_rate},
        ]

    @torch.no_grad()
    def mesh(self, sample: int) -> Mesh:
        """One sample's mesh with its maps, as they are exported."""
        size = self.growth.exported
        names = ("rest", "faces", "uv", "face_uv")
        rest, faces, uv, face_uv = (self.get_buffer(name).cpu() for name in names)
        baked = bake(Mesh(rest, faces, uv=uv, face_uv=face_uv), size)
        rows, pieces = max(1, AT_ONCE // size), []
        for top in range(0, size, rows):
            places = baked.interpolate(rest, faces, slice(top, top + rows))
            where = self._corners(places.to(self.displacements.device))
            pieces.append(self._colors(*where, slice(sample, sample + 1))[0].cpu())
        color = torch.cat(pieces).T.reshape(3, size, size)
        plain = torch.ones_like(color[:1])
        normal = F.pad(plain, (0, 0, 0, 0, 2, 0))
        material = Material(color, ROUGHNESS * plain, METALLIC * plain, normal)
        return Mesh(self._vertices()[sample].cpu(), faces, None, uv, face_uv, material)

    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes mesh.glb with its maps inside, mesh.obj with its maps beside it, and others."""
        return save_meshes(self.mesh(sample), folder, self.formats)

    @classmethod
    def tiny(cls, num_samples: int = 2) -> SphereMesh:
        return cls(range(num_samples), Growth(edge_length=0.3, finest=4, exported=64))

    tiny_views = StylizedMesh.tiny_views

    @classmethod
    def tiny_reload(cls, folder: Path) -> Float[Tensor, "v 3 h w"]:
        """What the tiny mesh's export shows, read back from its file."""
        mesh = load_mesh(folder / "mesh.glb", maps=True).mesh
        assert mesh.material is not None and mesh.uv is not None and mesh.face_uv is not None
        # A map is looked up at each vertex, which is how the run saw it.
        uv = mesh.uv.new_zeros(len(mesh.vertices), 2).index_put(
            (mesh.faces.flatten(),), mesh.uv[mesh.face_uv.flatten()]
        )
        found = F.grid_sample(
            mesh.material.base_color[None], 2 * uv[None, None] - 1, align_corners=False
        )
        scene = MeshScene(mesh.vertices[None], mesh.faces, mesh.vertices)
        colors = found[0, :, 0].T[None].contiguous()
        return render_mesh(scene, cls.tiny_views(1), colors, Growth().shading).over()[0]


def _twins(vertices: Float[Tensor, "p 3"]) -> Tensor:
    """For each vertex, the one that is its mirror image in the plane x = 0."""
    from scipy.spatial import cKDTree

    places = vertices.double().numpy()
    return torch.from_numpy(cKDTree(places).query(places * [-1.0, 1.0, 1.0])[1]).long()
