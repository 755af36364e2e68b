"""The maps of a mesh that are kept outside a region."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.selection import Selection
from guidance.meshes import Material, Mesh
from guidance.rendering.bake import Bake
from guidance.rendering.shading import GREY

#: Material of surfaces without maps: matte, like generated maps at the start.
ROUGHNESS, METALLIC = 0.75, 0.0


@dataclass(frozen=True)
class MaskedMaps:
    """The maps to keep, and a mask of the texels where new ones replace them."""

    share: Float[Tensor, "1 h w"]  # 0 where the maps are kept, 1 where new ones replace them
    maps: Float[Tensor, "8 h w"]  # sRGB color, roughness, metallic, normal

    @classmethod
    def of(cls, mesh: Mesh, region: Selection, baked: Bake) -> MaskedMaps:
        """The maps of the mesh, resized if the bake has another size.

        For a mesh without maps, its vertex colors, or grey, on a matte surface.

        Raises:
            InputError: the region holds no texel, or all of them.
        """
        size = tuple(baked.triangle.shape)
        points = baked.interpolate(mesh.vertices, mesh.faces).view(*size, 3)
        share = region.texels(baked.triangle, points)[None]
        if not bool((share > 0).any()):
            raise InputError(
                f"region: holds none of {size[0]} x {size[1]} texels; make the region or the maps "
                "larger"
            )
        if bool((share == 1).all()):
            raise InputError("region: covers the whole mesh; remove it")
        if mesh.material is not None:
            return cls(share, _resized(stacked(mesh.material), size))
        color = torch.full((3, *size), GREY)
        if mesh.colors is not None:
            color = baked.interpolate(mesh.colors.float(), mesh.faces).T.reshape(3, *size)
        plain = torch.tensor([ROUGHNESS, METALLIC, 0.0, 0.0, 1.0])
        return cls(share, torch.cat([color, plain[:, None, None].expand(5, *size)]))

    def under(self, new: Float[Tensor, "*b 8 h w"]) -> Float[Tensor, "*b 8 h w"]:
        """New maps inside the region, blended at a soft border, and the kept maps outside it.

        Texels outside are bit-identical to the kept maps.
        """
        share, maps = self.share.to(new), self.maps.to(new)
        mixed = share * new + (1 - share) * maps
        color, normal = mixed[..., :5, :, :], F.normalize(mixed[..., 5:, :, :], dim=-3)
        return torch.where(share > 0, torch.cat([color, normal], -3), maps)


def stacked(material: Material) -> Float[Tensor, "8 h w"]:
    """All maps of a material as channels: sRGB color, roughness, metallic, normal."""
    maps = material.base_color, material.roughness, material.metallic, material.normal
    return torch.cat(maps)


def side_of(material: Material) -> int:
    """Texels per side of the maps.

    Raises:
        InputError: the maps are not square.
    """
    height, width = material.base_color.shape[-2:]
    if height != width:
        raise InputError(f"mesh: expected square maps, got {width} x {height} texels; resize them")
    return int(height)


def _resized(maps: Float[Tensor, "8 h w"], size: tuple[int, ...]) -> Float[Tensor, "8 hh ww"]:
    if tuple(maps.shape[1:]) == size:
        return maps
    resized: Tensor = F.interpolate(maps[None], size, mode="bilinear", antialias=True)[0]
    return resized
