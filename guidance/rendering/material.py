"""Images of meshes with material maps under environment light (metallic-roughness shading)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.geometry.tangents import corner_tangents
from guidance.media.srgb import linear_to_srgb, srgb_to_linear
from guidance.meshes import Material, Mesh, MeshScene
from guidance.outputs import Rendering
from guidance.rendering.environment import Environment, Lights, spherical_harmonics
from guidance.rendering.rasterizer.contract import antialias, rasterize, vertex_normals
from guidance.rendering.rasterizer.selection import BackendChoice
from guidance.rendering.shading import to_clip
from guidance.rendering.texture import Mipmaps, UVPixels
from guidance.views import Cameras

#: F0 of dielectrics (plastic, wood, stone): their reflectance at normal incidence.
DIELECTRIC = 0.04
#: Brighter light than this is compressed, so that highlights keep a gradient.
SHOULDER = 0.8
#: Lower bound of the roughness: the lobe of a perfect mirror would be a point.
MIN_ROUGHNESS = 0.04


@dataclass(frozen=True)
class MaterialMesh:
    """A mesh of constant shape, with the normals and tangents that material maps need."""

    vertices: Float[Tensor, "p 3"]
    faces: Int[Tensor, "f 3"]
    normals: Float[Tensor, "p 3"]
    uv: Float[Tensor, "q 2"]
    face_uv: Int[Tensor, "f 3"]
    tangents: Float[Tensor, "c 4"]  # xyz, and the sign of the bitangent
    face_tangents: Int[Tensor, "f 3"]

    @classmethod
    def of(cls, mesh: Mesh) -> MaterialMesh:
        """The normals and tangents of a mesh with UV coordinates, on its device."""
        assert mesh.uv is not None and mesh.face_uv is not None
        normals = vertex_normals(mesh.vertices[None], mesh.faces)[0]
        shape = mesh.vertices, mesh.faces, normals, mesh.uv, mesh.face_uv
        return cls(*shape, *corner_tangents(*shape))


def pack_material(material: Material) -> Float[Tensor, "8 h w"]:
    """A material as the renderer's channels: linear color (3), roughness, metallic, normal (3)."""
    color = srgb_to_linear(material.base_color)
    return torch.cat([color, material.roughness, material.metallic, material.normal])


def render_material(
    mesh: MaterialMesh,
    texels: Float[Tensor, "n 8 h w"],
    cameras: Cameras,
    environment: Environment,
    backend: BackendChoice = "auto",
) -> Rendering:
    """Images of one mesh with `n` materials from `v` cameras each, premultiplied, with alpha.

    Differentiable in the texels; the shape is constant.

    Args:
        texels: see `pack_material`. Texture filtering averages linear colors, as viewers do.
        environment: is rotated with the light of each camera and scaled by its intensity.
    """
    n, v = cameras.light.shape[:2]
    vertices = mesh.vertices.expand(n, -1, -1)
    fragments = rasterize(
        to_clip(vertices, cameras), mesh.faces, cameras.height, cameras.width, backend
    )
    pixels = UVPixels.of(fragments, mesh.uv, mesh.face_uv)
    values = Mipmaps.of(texels).sample(pixels, pixels.image // v)
    eyes = _camera_positions(cameras)
    lights = Lights.of(environment, cameras.light.flatten(0, 1))
    light = _reflected_light(mesh, pixels, values, eyes, lights)
    if cameras.strength is not None:
        light = light * cameras.strength.flatten()[pixels.image, None]
    color = F.pad(linear_to_srgb(_compressed(light)), (0, 1), value=1.0)
    place = (pixels.image, pixels.row, pixels.column)
    canvas = color.new_zeros(*fragments.triangles.shape, 4).index_put(place, color)
    images = antialias(canvas, fragments).movedim(-1, 1)
    image, alpha = torch.split(images.view(n, v, *images.shape[1:]), [3, 1], dim=2)
    return Rendering(image, alpha, MeshScene(vertices, mesh.faces, mesh.vertices), cameras)


def _reflected_light(
    mesh: MaterialMesh,
    pixels: UVPixels,
    values: Float[Tensor, "m 8"],
    eyes: Float[Tensor, "b 3"],
    lights: Lights,
) -> Float[Tensor, "m 3"]:
    """Linear light towards the camera: the diffuse and the specular reflection.

    The diffuse part is irradiance times the base color of the non-metallic share. The specular
    part is a split sum: the mean radiance around the mirror direction, times F0 * scale + bias.

    Source: glTF 2.0, appendix B (metallic-roughness); Karis 2013, "Real Shading in Unreal Engine 4"
    (split sum).
    """
    color, roughness, metallic = values[:, :3], values[:, 3], values[:, 4:5]
    roughness = roughness.clamp(MIN_ROUGHNESS, 1)
    with torch.no_grad():
        positions = pixels.interpolate(mesh.vertices, mesh.faces)
        to_camera = F.normalize(eyes[pixels.image] - positions, dim=-1)
        frame = _tangent_frame(mesh, pixels, to_camera)
    normal = F.normalize((values[:, 5:, None] * frame).sum(1), dim=-1)
    cosine = (normal * to_camera).sum(-1)
    mirrored = 2 * cosine[:, None] * normal - to_camera
    harmonics = lights.irradiance_harmonics()[pixels.image]
    diffuse = (spherical_harmonics(normal)[..., None] * harmonics).sum(1).clamp_min(0)
    diffuse = diffuse * color * (1 - metallic) / torch.pi
    f0 = DIELECTRIC + (color - DIELECTRIC) * metallic
    scale, bias = environment_brdf(roughness, cosine.clamp(0, 1))
    specular = lights.reflected(mirrored, roughness, pixels.image)
    return diffuse + specular * (f0 * scale[:, None] + bias[:, None])


def _tangent_frame(
    mesh: MaterialMesh, pixels: UVPixels, to_camera: Float[Tensor, "m 3"]
) -> Float[Tensor, "m 3 3"]:
    """Tangent, bitangent and normal at the pixels; normals of back faces are flipped."""
    corners = mesh.vertices[mesh.faces.long()[pixels.triangle]]
    face_normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = torch.where((face_normal * to_camera).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    normal = F.normalize(pixels.interpolate(mesh.normals, mesh.faces), dim=-1)
    found = pixels.interpolate(mesh.tangents, mesh.face_tangents)
    tangent = found[:, :3] - (found[:, :3] * normal).sum(-1, keepdim=True) * normal
    tangent = F.normalize(tangent, dim=-1)
    bitangent = torch.linalg.cross(normal, tangent) * found[:, 3:].sign()
    return torch.stack([tangent, bitangent, normal * facing.to(face_normal)], 1)


def environment_brdf(
    roughness: Float[Tensor, "m"], cosine: Float[Tensor, "m"]
) -> tuple[Float[Tensor, "m"], Float[Tensor, "m"]]:
    """Scale and bias of F0: the specular reflectance under uniform light (split sum).

    Source: Karis 2014, "Physically Based Shading on Mobile", an analytic fit after Lazarov 2013,
    "Getting More Physical in Call of Duty: Black Ops II". The fit is cheap, not accurate: for
    smooth metal it is up to 0.15 too low.
    """
    x, y = 1 - roughness, 0.0425 - 0.0275 * roughness
    z, w = 1.04 - 0.572 * roughness, 0.022 * roughness - 0.04
    grazing = torch.minimum(x.square(), torch.exp2(-9.28 * cosine)) * x + y
    return z - 1.04 * grazing, w + 1.04 * grazing


def _camera_positions(cameras: Cameras) -> Float[Tensor, "b 3"]:
    """In world space."""
    view = cameras.view.flatten(0, 1)
    return -(view[:, :3, :3].mT @ view[:, :3, 3:])[..., 0]


def _compressed(light: Float[Tensor, "m 3"]) -> Float[Tensor, "m 3"]:
    """Tone mapping to [0, 1]: unchanged up to the shoulder, then a tanh curve."""
    rest = 1 - SHOULDER
    bright = SHOULDER + rest * torch.tanh((light - SHOULDER) / rest)
    return torch.where(light > SHOULDER, bright, light.clamp_min(0))
