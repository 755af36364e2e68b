"""Surfaces of a material under light from all around: base colour, roughness, metallic, normals."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.geometry.tangents import corner_tangents
from guidance.meshes import Material, Mesh, MeshScene
from guidance.rendering.environment import Environment, Lights, basis
from guidance.rendering.rasterizer.contract import Choice, antialias, rasterize, vertex_normals
from guidance.rendering.shading import to_clip
from guidance.rendering.texture import Mipmaps, Seen, see
from guidance.types import Rendering
from guidance.views import Cameras

#: What mirrors of plastic, wood or stone show of the light when they are looked straight at.
DIELECTRIC = 0.04
#: Brighter light than this is compressed, so that highlights keep a slope.
SHOULDER = 0.8
#: Rougher than a mirror, whose lobe would be a point.
SMOOTHEST = 0.04


@dataclass(frozen=True)
class Skin:
    """How maps lie on a mesh that keeps its shape."""

    vertices: Float[Tensor, "p 3"]
    faces: Int[Tensor, "f 3"]
    normals: Float[Tensor, "p 3"]
    uv: Float[Tensor, "q 2"]
    face_uv: Int[Tensor, "f 3"]
    tangents: Float[Tensor, "c 4"]  # with the side of the bitangent
    face_tangents: Int[Tensor, "f 3"]

    @classmethod
    def of(cls, mesh: Mesh) -> Skin:
        """For a mesh with texture coordinates, on the mesh's device."""
        assert mesh.uv is not None and mesh.face_uv is not None
        normals = vertex_normals(mesh.vertices[None], mesh.faces)[0]
        shape = mesh.vertices, mesh.faces, normals, mesh.uv, mesh.face_uv
        return cls(*shape, *corner_tangents(*shape))


def texels_of(material: Material) -> Float[Tensor, "8 h w"]:
    """A material as the renderer wants it: linear colour, roughness, metallic, normal."""
    color = to_linear(material.base_color)
    return torch.cat([color, material.roughness, material.metallic, material.normal])


def render_material(
    skin: Skin,
    texels: Float[Tensor, "n 8 h w"],
    cameras: Cameras,
    environment: Environment,
    backend: Choice = "auto",
) -> Rendering:
    """Images of one mesh with `n` materials from `v` cameras each, premultiplied, with alpha.

    Differentiable in the texels; the shape is a constant.

    Args:
        texels: as `texels_of` gives them. Their means are taken of linear light, as viewers do.
        environment: is turned with each camera's light, and shines with its strength.
    """
    n, v = cameras.light.shape[:2]
    vertices = skin.vertices.expand(n, -1, -1)
    fragments = rasterize(
        to_clip(vertices, cameras), skin.faces, cameras.height, cameras.width, backend
    )
    seen = see(fragments, skin.uv, skin.face_uv)
    values = Mipmaps.of(texels).sample(seen, seen.picture // v)
    eyes = _eyes(cameras)
    lit = _lit(skin, seen, values, eyes, Lights.of(environment, cameras.light.flatten(0, 1)))
    if cameras.strength is not None:
        lit = lit * cameras.strength.flatten()[seen.picture, None]
    color = F.pad(to_srgb(_compressed(lit)), (0, 1), value=1.0)
    pixels = (seen.picture, seen.row, seen.column)
    canvas = color.new_zeros(*fragments.triangles.shape, 4).index_put(pixels, color)
    pictures = antialias(canvas, fragments).movedim(-1, 1)
    image, alpha = torch.split(pictures.view(n, v, *pictures.shape[1:]), [3, 1], dim=2)
    return Rendering(image, alpha, MeshScene(vertices, skin.faces, skin.vertices), cameras)


def _lit(
    skin: Skin,
    seen: Seen,
    values: Float[Tensor, "m 8"],
    eyes: Float[Tensor, "b 3"],
    lights: Lights,
) -> Float[Tensor, "m 3"]:
    """Linear light towards the camera.

    Matt light of what is no metal, and the mirror's share by the split sum: mean radiance around
    the mirror direction, times F0 * scale + bias of the surface.

    Source: glTF 2.0, appendix B (metallic-roughness); Karis 2013, "Real Shading in Unreal Engine 4"
    (split sum).
    """
    color, roughness, metallic = values[:, :3], values[:, 3], values[:, 4:5]
    roughness = roughness.clamp(SMOOTHEST, 1)
    with torch.no_grad():
        places = seen.at_corners(skin.vertices, skin.faces)
        towards = F.normalize(eyes[seen.picture] - places, dim=-1)
        frame = _frame(skin, seen, towards)
    normal = F.normalize((values[:, 5:, None] * frame).sum(1), dim=-1)
    cosine = (normal * towards).sum(-1)
    mirrored = 2 * cosine[:, None] * normal - towards
    matt = (basis(normal)[..., None] * lights.harmonics()[seen.picture]).sum(1).clamp_min(0)
    matt = matt * color * (1 - metallic) / torch.pi
    straight = DIELECTRIC + (color - DIELECTRIC) * metallic
    scale, bias = surface_response(roughness, cosine.clamp(0, 1))
    shine = lights.reflected(mirrored, roughness, seen.picture)
    return matt + shine * (straight * scale[:, None] + bias[:, None])


def _frame(skin: Skin, seen: Seen, towards: Float[Tensor, "m 3"]) -> Float[Tensor, "m 3 3"]:
    """Tangent, bitangent and normal at the pixels; the normal of a back is turned to the camera."""
    corners = skin.vertices[skin.faces.long()[seen.triangle]]
    flat = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = torch.where((flat * towards).sum(-1, keepdim=True) < 0, -1.0, 1.0).to(flat)
    normal = F.normalize(seen.at_corners(skin.normals, skin.faces), dim=-1)
    found = seen.at_corners(skin.tangents, skin.face_tangents)
    tangent = found[:, :3] - (found[:, :3] * normal).sum(-1, keepdim=True) * normal
    tangent = F.normalize(tangent, dim=-1)
    bitangent = torch.linalg.cross(normal, tangent) * found[:, 3:].sign()
    return torch.stack([tangent, bitangent, normal * facing], 1)


def surface_response(
    roughness: Float[Tensor, "m"], cosine: Float[Tensor, "m"]
) -> tuple[Float[Tensor, "m"], Float[Tensor, "m"]]:
    """Scale and bias of F0: how much of evenly bright surroundings a rough mirror shows.

    Source: Karis 2014, "Physically Based Shading on Mobile", an analytic fit after Lazarov 2013,
    "Getting More Physical in Call of Duty: Black Ops II". It is cheap rather than close: of smooth
    metal it shows up to 0.15 less than there is.
    """
    x, y = 1 - roughness, 0.0425 - 0.0275 * roughness
    z, w = 1.04 - 0.572 * roughness, 0.022 * roughness - 0.04
    grazing = torch.minimum(x.square(), torch.exp2(-9.28 * cosine)) * x + y
    return z - 1.04 * grazing, w + 1.04 * grazing


def _eyes(cameras: Cameras) -> Float[Tensor, "b 3"]:
    """Where the cameras stand, in world space."""
    view = cameras.view.flatten(0, 1)
    return -(view[:, :3, :3].mT @ view[:, :3, 3:])[..., 0]


def _compressed(light: Float[Tensor, "m 3"]) -> Float[Tensor, "m 3"]:
    """Light of any brightness in [0, 1]: unchanged up to the shoulder, then ever less steep."""
    rest = 1 - SHOULDER
    bright = SHOULDER + rest * torch.tanh((light - SHOULDER) / rest)
    return torch.where(light > SHOULDER, bright, light.clamp_min(0))


def to_linear(srgb: Float[Tensor, "*k"]) -> Float[Tensor, "*k"]:
    """From sRGB in [0, 1] to linear light. Source: IEC 61966-2-1."""
    high = ((srgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(srgb <= 0.04045, srgb / 12.92, high)


def to_srgb(linear: Float[Tensor, "*k"]) -> Float[Tensor, "*k"]:
    """From linear light in [0, 1] to sRGB. Source: IEC 61966-2-1."""
    high = 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, high)
