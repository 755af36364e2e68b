"""A texture for a given mesh, whose shape stays: colour, roughness, metal and fine relief."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.mesh.param.masked_maps import MaskedMaps, side_of
from guidance.generators.mesh.param.volume import Volume
from guidance.geometry.io.export import USUAL, save_meshes
from guidance.geometry.io.files import load_mesh
from guidance.geometry.normalization import Normalization
from guidance.geometry.primitives import octahedron
from guidance.geometry.selection import Selection
from guidance.geometry.unwrap import with_uv
from guidance.media.srgb import srgb_to_linear
from guidance.meshes import Material, Mesh
from guidance.outputs import Rendering
from guidance.rendering.bake import Bake, bake
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.environment import find_environment
from guidance.rendering.material import MaterialMesh, pack_material, render_material
from guidance.types import Generator
from guidance.views import Cameras, View

#: Limits that keep a surface from mirrors and from pure metal. Source: Paint-it (arXiv 2312.11360).
SMOOTHEST, MOST_METAL = 0.08, 0.9
#: Where roughness and metal start, before their squashing: as chalk, not as plastic.
START_ROUGH, START_METAL = 1.0, -2.5
#: Roughness, metal and relief move at this share of the colours' pace.
SLOWER = 1 / 3
#: What a mirror across x = 0 makes of directions.
MIRROR = torch.tensor([-1.0, 1.0, 1.0])
#: Texels a volume is asked for at once on export.
AT_ONCE = 2**18


@dataclass(frozen=True)
class Maps:
    """How maps are made and looked at."""

    finest: int = 32  # cells of the volume along the mesh's diameter, a power of two
    texels: int = 256  # a side of the maps during the run
    exported: int = 1024  # a side of the maps in the files
    relief: float = 0.5  # steepest slope of the normal map; 0 leaves normals as they are
    environment: str = "studio"  # what lights the images
    symmetric: bool = False  # the left half (x < 0) is painted like the right one
    unwrap: bool = False  # new texture coordinates even where the mesh has its own

    def __post_init__(self) -> None:
        find_environment(self.environment)
        if min(self.texels, self.exported) < 1:
            raise InputError(
                f"Maps: expected maps of at least one texel, got {self.texels} and {self.exported}"
            )
        if not 0 <= self.relief <= 2:
            raise InputError(f"Maps.relief: expected a slope in [0, 2], got {self.relief:g}")


class TexturedMesh(Generator):
    """Maps of physically based materials for one mesh, for each sample its own.

    The maps are read off a volume around the mesh: each texel takes the values at its place on the
    surface. So patterns go on across the cuts of the maps.

    Source: Paint-it (Youwang et al., arXiv 2312.11360): maps, their limits, fixed light that turns.
    Deviations: a sum of levels in space where Paint-it has a convolutional network in the texture
    square, whose patterns break at each cut; and the light turns with the camera.

    Args:
        mesh: triangles, not all at one place. Its texture coordinates are kept if it has any.
        seeds: one a sample.
        maps: see `Maps`.
        learning_rate: of Adam for colours; see `SLOWER` for the rest.
        region: what may change. Outside, the texels of the mesh's maps stay to the bit, at their
            own size; see `MaskedMaps` for meshes without maps.

    Raises:
        InputError: the mesh cannot be unwrapped; `finest` is not a power of two; a region without
            texels; other sizes than those of the maps that stay.
    """

    formats: tuple[str, ...] = USUAL  # of the files of `export`

    def __init__(
        self,
        mesh: Mesh,
        seeds: Sequence[int],
        maps: Maps = Maps(),
        *,
        learning_rate: float = 0.02,
        region: Selection | None = None,
    ) -> None:
        super().__init__()
        self.num_samples, self.maps, self.learning_rate = len(seeds), maps, learning_rate
        self.given, self.notes = with_uv(mesh, anew=maps.unwrap)
        if self.given.uv is not mesh.uv:  # its maps lie elsewhere
            self.given = replace(self.given, material=None)
            if region is not None and region.masks:
                raise InputError(
                    "region: a mask lies on the mesh's own texture coordinates, and new ones are "
                    "made; give a box or words"
                )
        self.region = region
        places = Normalization.of(mesh.vertices).apply(mesh.vertices.double()).float()
        unit = replace(self.given, vertices=places)
        # What the mesh implies comes from the mesh again, so it is no part of the state.
        for name, value in vars(MaterialMesh.of(unit)).items():
            self.register_buffer(name, value, persistent=False)
        self.volume = Volume(seeds, 8 if maps.relief else 5, maps.finest)
        self.environment = find_environment(maps.environment)
        baked = bake(unit, maps.texels)
        index, weights, across = self._places(baked)
        self.kept = self._kept(baked)
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("across", across, persistent=False)

    def forward(self, view: View | None = None) -> Rendering:
        """Images from the cameras, premultiplied, with the mesh behind them as `scene`.

        Raises:
            InputError: no cameras; give `optimize(..., views=Orbit(...))`.
        """
        cameras = view
        if not isinstance(cameras, Cameras):
            raise InputError("TexturedMesh: needs cameras; give views=Orbit(...)")
        index, weights, across = (self.get_buffer(n) for n in ("index", "weights", "across"))
        color, *rest = self._maps(index, weights, across)
        values = torch.cat([color, *rest], -1).mT
        texels = values.reshape(self.num_samples, 8, self.maps.texels, self.maps.texels)
        if self.kept is not None:
            texels = self.kept.under(texels)
        texels = torch.cat([srgb_to_linear(texels[:, :3]), texels[:, 3:]], 1)
        return render_material(self._skin(), texels, cameras, self.environment)

    def _skin(self) -> MaterialMesh:
        return MaterialMesh(
            **{field.name: self.get_buffer(field.name) for field in fields(MaterialMesh)}
        )

    def _kept(self, baked: Bake) -> MaskedMaps | None:
        """What stays of the mesh's own maps, at the size of the bake."""
        if self.region is None:
            return None
        if self.given.material is not None:
            side = side_of(self.given.material, "TexturedMesh")
            if side != self.maps.exported:
                raise InputError(
                    f"Maps.exported: the mesh's maps, which stay outside the region, have {side} "
                    f"texels a side; expected the same, got {self.maps.exported}"
                )
        return MaskedMaps.of(self.given, self.region, baked)

    @torch.no_grad()
    def _places(
        self, baked: Bake, rows: slice = slice(None)
    ) -> tuple[Int[Tensor, "m 8"], Float[Tensor, "m 8"], Float[Tensor, "m 2 3"]]:
        """Where the texels of some rows lie: in the volume, and their tangent and bitangent."""
        skin = self._skin()
        places = baked.interpolate(skin.vertices, skin.faces, rows)
        normal = F.normalize(baked.interpolate(skin.normals, skin.faces, rows), dim=-1)
        tangents = baked.interpolate(skin.tangents, skin.face_tangents, rows)
        bitangent = torch.linalg.cross(normal, tangents[:, :3]) * tangents[:, 3:].sign()
        across = F.normalize(torch.stack([tangents[:, :3], bitangent], 1), dim=-1)
        if self.maps.symmetric:
            # A relief that is mirrored, too, slopes the other way.
            across = torch.where(places[:, :1, None] < 0, across * MIRROR.to(across), across)
            places = torch.cat([places[:, :1].abs(), places[:, 1:]], 1)
        return (*self.volume.corners(places), across)

    def _maps(
        self,
        index: Int[Tensor, "m 8"],
        weights: Float[Tensor, "m 8"],
        across: Float[Tensor, "m 2 3"],
        samples: slice = slice(None),
    ) -> tuple[Float[Tensor, "n m c"], ...]:
        """Colour in sRGB, roughness, metallic and normal at texels."""
        values = self.volume(index, weights, samples)
        color = (1 + torch.tanh(values[..., :3])) / 2
        rough, metal = (SLOWER * values[..., 3:5]).split(1, -1)
        roughness = SMOOTHEST + (1 - SMOOTHEST) * torch.sigmoid(START_ROUGH + rough)
        metallic = MOST_METAL * torch.sigmoid(START_METAL + metal)
        if self.maps.relief:
            tilt = self.maps.relief / 3**0.5 * torch.tanh(SLOWER * values[..., 5:])
            slope = (tilt[..., None, :] * across).sum(-1)
            normal = F.normalize(F.pad(slope, (0, 1), value=1.0), dim=-1)
        else:
            normal = color.new_tensor([0.0, 0, 1]).expand_as(color)
        return color, roughness, metallic, normal

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.learning_rate}]

    @torch.no_grad()
    def mesh(self, sample: int) -> Mesh:
        """The mesh that was given, in its own units, with one sample's maps as they are exported.

        The maps are padded: texels beside the surface continue it.
        """
        size = self.maps.exported
        flat = bake(self.given, size)
        baked = flat.to(self.get_buffer("vertices").device)
        rows = max(1, AT_ONCE // size)
        pieces = []
        for top in range(0, size, rows):
            where = self._places(baked, slice(top, top + rows))
            maps = self._maps(*where, slice(sample, sample + 1))
            pieces.append(torch.cat(maps, -1)[0].cpu())
        whole = torch.cat(pieces).T.reshape(8, size, size)
        kept = self._kept(flat)
        if kept is not None:
            whole = kept.under(whole)
        color, rough, metal, normal = torch.split(whole, [3, 1, 1, 3])
        return replace(self.given, colors=None, material=Material(color, rough, metal, normal))

    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes mesh.glb with its maps inside, mesh.obj with its maps beside it, and others."""
        return save_meshes(self.mesh(sample), folder, self.formats)

    @classmethod
    def tiny(cls, num_samples: int = 2) -> TexturedMesh:
        maps = Maps(finest=4, texels=32, exported=32)
        return cls(octahedron(), range(num_samples), maps)

    @staticmethod
    def tiny_views(num_samples: int) -> Cameras:
        """Cameras for the tiny mesh."""
        return Orbit(num_views=2, size=(24, 24)).fixed(num_samples)

    @classmethod
    def tiny_reload(cls, folder: Path) -> Float[Tensor, "v 3 h w"]:
        """What the tiny mesh's export shows, read back from its file."""
        mesh = load_mesh(folder / "mesh.glb", maps=True).mesh
        assert mesh.material is not None
        texels = pack_material(mesh.material)[None]
        environment = find_environment(Maps().environment)
        return render_material(
            MaterialMesh.of(mesh), texels, cls.tiny_views(1), environment
        ).over()[0]
