"""Texture maps of a material as 8-bit images in glTF's channel packing, and as vertex colors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.io.glb_materials import NAMES, SURFACE, TRANSFORM
from guidance.media.pixels import from_uint8, to_uint8
from guidance.media.read_image import read_image
from guidance.media.srgb import linear_to_srgb, srgb_to_linear
from guidance.media.write_image import encode_png
from guidance.meshes import GivenMaterials, Material, Mesh

#: Pixels of a map that is decoded for rendering, at most: its channels take 32 bytes each.
MAX_PIXELS = 2**24
#: What of a surface vertex colors replace.
BASE_COLOR = ("baseColorTexture", "baseColorFactor")


def encode_color(material: Material) -> bytes:
    """PNG of the base color, sRGB."""
    return png_of(material.base_color)


def encode_surface(material: Material) -> bytes:
    """PNG of roughness in green and metallic in blue, as in glTF; red (occlusion) is 1."""
    roughness, metallic = material.roughness, material.metallic
    return png_of(torch.cat([torch.ones_like(roughness), roughness, metallic]))


def encode_normal(material: Material) -> bytes:
    """PNG of the normals, -1 to 1 as 0 to 255; so no value encodes exactly 0."""
    return png_of((material.normal + 1) / 2)


def png_of(values: Float[Tensor, "c h w"]) -> bytes:
    """PNG of a map in [0, 1] with one or three channels of 8 bits."""
    return encode_png(to_uint8(values))


def vertex_colors(mesh: Mesh) -> Float[Tensor, "p 3"]:
    """The base color map sampled at the vertices, sRGB, bilinear.

    A vertex on a UV seam gets the mean over its corners; a vertex without faces is black.

    Args:
        mesh: with texture maps and UV coordinates.
    """
    assert mesh.material is not None and mesh.uv is not None and mesh.face_uv is not None
    color, uv = mesh.material.base_color.double(), mesh.uv.double()
    height, width = color.shape[-2:]
    # Maps repeat, so the border is padded with texels of the opposite side.
    padded = torch.nn.functional.pad(color[None], (1, 1, 1, 1), mode="circular")
    size = uv.new_tensor([width, height])
    positions = (uv - uv.floor()) * size + 0.5  # in texels, from the center of the first padded one
    grid = 2 * positions / (size + 1) - 1
    samples = torch.nn.functional.grid_sample(padded, grid[None, None], align_corners=True)
    return _mean_of_corners(mesh, samples[0, :, 0].T[mesh.face_uv.flatten().long()]).float()


def shown_colors(mesh: Mesh) -> Float[Tensor, "p 3"] | None:
    """The colors of vertices times the base color maps of the given materials, sRGB.

    Maps are sampled at the nearest texel; a vertex on a seam gets the mean over its corners.

    Raises:
        InputError: a map cannot be decoded.
    """
    given = mesh.given
    if given is None or mesh.uv is None or mesh.face_uv is None or mesh.face_material is None:
        return mesh.colors
    corners = torch.ones(len(mesh.faces), 3, 3, dtype=torch.float64)
    uv = mesh.uv.double()[mesh.face_uv.long()]
    for index, material in enumerate(given.materials):
        info = material[SURFACE].get("baseColorTexture")
        faces = mesh.face_material == index
        if info is None or not bool(faces.any()):
            continue
        levels = _decoded(given, info["index"], "mesh: a texture map")
        places = _transformed(uv[faces], info)
        height, width = levels.shape[:2]
        column = ((places[..., 0] % 1) * width).long().clamp(0, width - 1)
        row = ((places[..., 1] % 1) * height).long().clamp(0, height - 1)
        found = levels[row.numpy(), column.numpy(), :3]
        corners[faces] = torch.from_numpy(found).double() / 255
    colors = _mean_of_corners(mesh, corners.view(-1, 3)).float()
    if mesh.colors is None:
        return colors
    product = srgb_to_linear(colors) * srgb_to_linear(mesh.colors.float())
    return linear_to_srgb(product).clamp(0, 1)


def without_base_color(mesh: Mesh) -> Mesh:
    """The mesh without base color maps; if no other map is left, without given materials."""
    if mesh.given is None:
        return mesh
    materials = []
    for material in mesh.given.materials:
        surface = {key: each for key, each in material[SURFACE].items() if key not in BASE_COLOR}
        materials.append(material | {SURFACE: surface})
    if not any("Texture" in key for each in materials for key in (*each, *each[SURFACE])):
        return replace(mesh, given=None, face_material=None)
    given = replace(mesh.given, materials=tuple(materials))
    return replace(mesh, given=without_unused(given))


def without_unused(given: GivenMaterials) -> GivenMaterials:
    """The materials with the textures and images that they use."""
    infos = [
        info
        for material in given.materials
        for info in (*material.values(), *material[SURFACE].values())
        if isinstance(info, dict) and "index" in info
    ]
    textures = sorted({info["index"] for info in infos})
    images = sorted({given.textures[each]["source"] for each in textures})

    def renumbered(values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        found = {key: renumbered(value) for key, value in values.items()}
        return found | ({"index": textures.index(found["index"])} if "index" in found else {})

    kept = [given.textures[each] for each in textures]
    return GivenMaterials(
        tuple(renumbered(material) for material in given.materials),
        tuple(each | {"source": images.index(each["source"])} for each in kept),
        tuple(given.images[each] for each in images),
    )


def _mean_of_corners(mesh: Mesh, values: Float[Tensor, "c 3"]) -> Float[Tensor, "p 3"]:
    corners = mesh.faces.flatten().long()
    sums = values.new_zeros(len(mesh.vertices), 3).index_add_(0, corners, values)
    counts = corners.bincount(minlength=len(sums)).clamp_min(1)
    means: Tensor = sums / counts[:, None]
    return means


def _decoded(given: GivenMaterials, texture: int, name: str) -> UInt8[np.ndarray, "h w 4"]:
    _, content = given.images[given.textures[texture]["source"]]
    return read_image(content, name, tuple(NAMES.values()))


def _transformed(uv: Float[Tensor, "f 3 2"], info: dict[str, Any]) -> Float[Tensor, "f 3 2"]:
    """UV coordinates after a transform. Source: the extension KHR_texture_transform."""
    transform = info.get("extensions", {}).get(TRANSFORM)
    if transform is None:
        return uv
    angle = torch.tensor(transform.get("rotation", 0.0), dtype=uv.dtype)
    cos, sin = angle.cos(), angle.sin()
    u, v = (uv * uv.new_tensor(transform.get("scale", [1.0, 1.0]))).unbind(-1)
    turned = torch.stack([cos * u + sin * v, cos * v - sin * u], -1)
    return turned + uv.new_tensor(transform.get("offset", [0.0, 0.0]))


def _texture_infos(material: dict[str, Any]) -> list[dict[str, Any] | None]:
    """The references to the maps of base color, roughness and metallic, and normals."""
    surface = material[SURFACE]
    return [
        surface.get("baseColorTexture"),
        surface.get("metallicRoughnessTexture"),
        material.get("normalTexture"),
    ]


def unsupported(given: GivenMaterials) -> str | None:
    """Why materials cannot be rendered as maps of one `Material`; None if they can."""
    if len(given.materials) > 1:
        return (
            f"has {len(given.materials)} materials, and texture maps are read from one only; merge "
            "the materials"
        )
    material = given.materials[0]
    surface = material[SURFACE]
    infos = _texture_infos(material)
    if any(info is not None and "extensions" in info for info in infos):
        return (
            "the texture maps use a second UV set or a texture transform, which are not supported; "
            "export them with plain UV coordinates"
        )
    if any(value != 1 for value in surface.get("baseColorFactor", [1.0] * 4)[:3]):
        return "has a base color factor, which is not supported; multiply it into the map"
    return None


def material_of(given: GivenMaterials, where: str) -> Material | None:
    """The texture maps of the only material, resized to the largest; None without maps.

    Factors are multiplied into the maps; a missing map is 1.

    Raises:
        InputError: several materials, a base color factor, maps that use texture transforms, or
            images that cannot be read.
    """
    reason = unsupported(given)
    if reason is not None:
        raise InputError(f"{where}: {reason}")
    material = given.materials[0]
    surface = material[SURFACE]
    infos = _texture_infos(material)
    maps = [None if info is None else _map(given, info["index"], where) for info in infos]
    sizes = [tuple(found.shape[-2:]) for found in maps if found is not None]
    if not sizes:
        return None
    size = max(sizes)
    color, packed, normal = (_resized(found, size) for found in maps)
    roughness = float(surface.get("roughnessFactor", 1)) * packed[1:2]
    metallic = float(surface.get("metallicFactor", 1)) * packed[2:3]
    if maps[2] is None:
        normal = torch.tensor([0.0, 0.0, 1.0])[:, None, None].expand(3, *size)
    else:
        # Not normalized, so that unchanged texels can be written back bit-identically; with 8 bits,
        # the length is only approximately 1.
        normal = 2 * normal - 1
        scale = float((infos[2] or {}).get("scale", 1))
        if scale != 1:
            factors = normal.new_tensor([scale, scale, 1])[:, None, None]
            normal = torch.nn.functional.normalize(normal * factors, dim=0)
    return Material(color, roughness, metallic, normal)


def _map(given: GivenMaterials, texture: int, where: str) -> Float[Tensor, "3 h w"]:
    levels = _decoded(given, texture, f"{where}: a texture map")
    if levels.shape[0] * levels.shape[1] > MAX_PIXELS:
        raise InputError(
            f"{where}: a texture map has {levels.shape[1]} x {levels.shape[0]} pixels, more than "
            f"the limit of {MAX_PIXELS:,}; shrink it"
        )
    return from_uint8(levels[..., :3])


def _resized(
    found: Float[Tensor, "3 h w"] | None, size: tuple[int, ...]
) -> Float[Tensor, "3 hh ww"]:
    if found is None:
        return torch.ones(3, *size)
    if tuple(found.shape[-2:]) == size:
        return found
    grown: Tensor = torch.nn.functional.interpolate(found[None], size, mode="bilinear")
    return grown[0]
