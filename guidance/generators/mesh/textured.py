"""Material maps for a given mesh of fixed shape: color, roughness, metallic and normals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.mesh.param.base import MeshGenerator
from guidance.generators.mesh.param.masked_maps import MaskedMaps, side_of
from guidance.generators.mesh.param.options import FinestColors
from guidance.generators.mesh.param.symmetry import fold
from guidance.generators.mesh.param.volume import Volume, texel_rows
from guidance.geometry.normalization import Normalization
from guidance.geometry.primitives import octahedron
from guidance.geometry.selection import Selection
from guidance.geometry.unwrap import with_uv
from guidance.media.srgb import srgb_to_linear
from guidance.meshes import Material, Mesh
from guidance.options import Options as ComponentOptions
from guidance.outputs import Rendering
from guidance.rendering.bake import Bake, bake
from guidance.rendering.environment import find_environment
from guidance.rendering.material import MaterialMesh, pack_material, render_material
from guidance.views import Cameras

#: Limits that exclude mirrors and pure metal. Source: Paint-it (arXiv 2312.11360).
SMOOTHEST, MOST_METAL = 0.08, 0.9
#: Roughness and metallic at the start, before the sigmoid: matte like chalk.
START_ROUGH, START_METAL = 1.0, -2.5
#: Learning rate of roughness, metallic and normals relative to that of colors.
SLOWER = 1 / 3
#: Texels per side of the exported maps, unless the mesh has maps that are kept in part.
MAP_SIZE = 1024


class TexturedMesh(MeshGenerator):
    """Maps of physically based materials for a mesh, separate for each sample.

    The values of each texel are looked up in a volume around the mesh, at the texel's position on
    the surface. So patterns are continuous across the cuts of the UV map.

    Source: Paint-it (Youwang et al., arXiv 2312.11360): maps, their limits, light that rotates
    relative to the mesh. Deviations: a sum of levels in space instead of a convolutional network in
    UV space, whose patterns break at each cut; and the light rotates with the camera.

    Args:
        mesh: triangles with a positive extent. Its UV coordinates are kept, if it has any.
        seeds: one per sample.
        options: resolution and limits of the maps.
        learning_rate: of Adam for colors; see `SLOWER` for the rest.
        region: what may change. Outside, the texels of the mesh's maps stay bit-identical, at their
            own size; see `MaskedMaps` for meshes without maps.

    Raises:
        InputError: the mesh cannot be unwrapped; `finest` is not a power of two; a region without
            texels; options that do not fit the maps outside a region.
    """

    class Options(ComponentOptions):
        """Resolution and limits of the maps."""

        texels: int = Field(default=256, ge=16, le=2048)
        """Texels per side of the maps during the run."""
        map_size: Annotated[int, Field(ge=16, le=4096)] | Literal["auto"] = "auto"
        """Texels per side of the maps in the files. "auto" is 1024, or the size of the maps of the
        mesh, which stay outside of a region."""
        finest: FinestColors = 32
        relief: float = Field(default=0.5, ge=0, le=2)
        """Steepest slope of the normal map; 0 leaves the surface smooth."""
        environment: Literal["studio", "sky", "sunset"] = "studio"
        """The light of the views."""
        symmetric: bool = False
        """Paints the left half (x < 0) like the right half."""
        unwrap: bool = False
        """Makes new UV coordinates even if the mesh has some."""

    def __init__(
        self,
        mesh: Mesh,
        seeds: Sequence[int],
        options: TexturedMesh.Options = Options(),  # noqa: B008  (frozen)
        *,
        learning_rate: float = 0.02,
        region: Selection | None = None,
    ) -> None:
        super().__init__()
        self.num_samples, self.options, self.learning_rate = len(seeds), options, learning_rate
        self.given, self.notes = with_uv(mesh, anew=options.unwrap)
        if mesh.given is not None and region is None:
            self.notes = (*self.notes, "its own texture maps are replaced")
        if self.given.uv is not mesh.uv:  # the mesh's maps do not fit the new coordinates
            self.given = replace(self.given, material=None)
            if region is not None and options.unwrap and mesh.material is not None:
                raise InputError(
                    "unwrap: outside of the region the maps of the mesh stay, with their UV "
                    "coordinates; remove one of the two"
                )
            if region is not None and region.masks:
                raise InputError(
                    "region: a mask needs the mesh's own UV coordinates, but new ones are created; "
                    "give a box or a phrase"
                )
        self.region, self.map_size = region, self._map_size(region)
        points = Normalization.of(mesh.vertices).apply(mesh.vertices.double()).float()
        unit = replace(self.given, vertices=points)
        self.register_derived(**vars(MaterialMesh.of(unit)))
        self.volume = Volume(seeds, 8 if options.relief else 5, options.finest)
        self.environment = find_environment(options.environment)
        baked = bake(unit, options.texels)
        index, weights, across = self._corners(baked)
        self.kept = self._kept(baked)
        self.register_derived(index=index, weights=weights, across=across)

    def render(self, cameras: Cameras) -> Rendering:
        index, weights, across = (self.get_buffer(n) for n in ("index", "weights", "across"))
        color, *rest = self._maps(index, weights, across)
        values = torch.cat([color, *rest], -1).mT
        texels = values.reshape(self.num_samples, 8, self.options.texels, self.options.texels)
        if self.kept is not None:
            texels = self.kept.under(texels)
        texels = torch.cat([srgb_to_linear(texels[:, :3]), texels[:, 3:]], 1)
        return render_material(self._material_mesh(), texels, cameras, self.environment)

    def _material_mesh(self) -> MaterialMesh:
        names = (field.name for field in fields(MaterialMesh))
        return MaterialMesh(**{name: self.get_buffer(name) for name in names})

    def _map_size(self, region: Selection | None) -> int:
        """Texels per side of the exported maps: those of the maps that are kept in part."""
        size, kept = self.options.map_size, self.given.material
        if region is None or kept is None:
            return MAP_SIZE if size == "auto" else size
        side = side_of(kept)
        if size not in ("auto", side):
            raise InputError(
                f"map_size: the maps of the mesh, which stay outside of the region, have {side} "
                "texels per side; remove map_size"
            )
        return side

    def _kept(self, baked: Bake) -> MaskedMaps | None:
        """The maps of the mesh outside the region, at the size of the bake."""
        if self.region is None:
            return None
        return MaskedMaps.of(self.given, self.region, baked)

    @torch.no_grad()
    def _corners(
        self, baked: Bake, rows: slice = slice(None)
    ) -> tuple[Int[Tensor, "m 8"], Float[Tensor, "m 8"], Float[Tensor, "m 2 3"]]:
        """Cells and weights of the volume for the texels of some rows, and their tangent frame."""
        mesh = self._material_mesh()
        points = baked.interpolate(mesh.vertices, mesh.faces, rows)
        normal = F.normalize(baked.interpolate(mesh.normals, mesh.faces, rows), dim=-1)
        tangents = baked.interpolate(mesh.tangents, mesh.face_tangents, rows)
        bitangent = torch.linalg.cross(normal, tangents[:, :3]) * tangents[:, 3:].sign()
        across = F.normalize(torch.stack([tangents[:, :3], bitangent], 1), dim=-1)
        if self.options.symmetric:
            # The slopes of a mirrored relief have the opposite sign in x.
            signs = across.new_tensor([-1.0, 1, 1])
            across = torch.where(points[:, :1, None] < 0, across * signs, across)
            points = fold(points)
        return (*self.volume.corners(points), across)

    def _maps(
        self,
        index: Int[Tensor, "m 8"],
        weights: Float[Tensor, "m 8"],
        across: Float[Tensor, "m 2 3"],
        samples: slice = slice(None),
    ) -> tuple[Float[Tensor, "n m c"], ...]:
        """The color in sRGB, roughness, metallic and normal of texels."""
        values = self.volume(index, weights, samples)
        color = (1 + torch.tanh(values[..., :3])) / 2
        rough, metal = (SLOWER * values[..., 3:5]).split(1, -1)
        roughness = SMOOTHEST + (1 - SMOOTHEST) * torch.sigmoid(START_ROUGH + rough)
        metallic = MOST_METAL * torch.sigmoid(START_METAL + metal)
        if self.options.relief:
            tilt = self.options.relief / 3**0.5 * torch.tanh(SLOWER * values[..., 5:])
            slope = (tilt[..., None, :] * across).sum(-1)
            normal = F.normalize(F.pad(slope, (0, 1), value=1.0), dim=-1)
        else:
            normal = color.new_tensor([0.0, 0, 1]).expand_as(color)
        return color, roughness, metallic, normal

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.learning_rate}]

    @torch.no_grad()
    def mesh(self, sample: int) -> Mesh:
        """The given mesh, in its own units, with the exported maps of one sample.

        The maps are padded: texels beside the surface continue it.
        """
        size = self.map_size
        flat = bake(self.given, size)
        baked = flat.to(self.get_buffer("vertices").device)
        pieces = []
        for rows in texel_rows(size):
            maps = self._maps(*self._corners(baked, rows), slice(sample, sample + 1))
            pieces.append(torch.cat(maps, -1)[0].cpu())
        whole = torch.cat(pieces).T.reshape(8, size, size)
        kept = self._kept(flat)
        if kept is not None:
            whole = kept.under(whole)
        color, rough, metal, normal = torch.split(whole, [3, 1, 1, 3])
        material = Material(color, rough, metal, normal)
        return replace(self.given, colors=None, material=material, given=None, face_material=None)

    @classmethod
    def tiny(cls, num_samples: int = 2) -> TexturedMesh:
        options = cls.Options(finest=4, texels=32, map_size=32)
        return cls(octahedron(), range(num_samples), options)

    @classmethod
    def tiny_render(cls, mesh: Mesh, cameras: Cameras) -> Rendering:
        assert mesh.material is not None
        texels = pack_material(mesh.material)[None]
        environment = find_environment(cls.Options().environment)
        return render_material(MaterialMesh.of(mesh), texels, cameras, environment)
