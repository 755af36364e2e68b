"""Texture maps of a material as 8-bit images in glTF's channel packing, and as vertex colors."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.io.glb import chunks
from guidance.media.pixels import from_uint8, to_uint8
from guidance.media.read_image import read_image
from guidance.media.write_image import encode_png
from guidance.meshes import Material, Mesh


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
    corners, corner_uv = mesh.faces.flatten().long(), mesh.face_uv.flatten().long()
    at_corners = samples[0, :, 0].T[corner_uv]
    sums = color.new_zeros(len(mesh.vertices), 3).index_add_(0, corners, at_corners)
    counts = corners.bincount(minlength=len(sums)).clamp_min(1)
    return (sums / counts[:, None]).float()


def read_glb_material(content: bytes, where: str) -> Material | None:
    """The texture maps of the material of a GLB, resized to the largest; None without maps.

    Factors are multiplied into the maps; a missing map is 1.

    Raises:
        InputError: several materials, a base color factor, maps that use texture transforms or a
            second UV set, or images that cannot be read.
    """
    description, binary = chunks(content, where)
    materials = description.get("materials", [])
    if not description.get("textures") or not materials:
        return None
    if len(materials) > 1:
        raise InputError(
            f"{where}: has {len(materials)} materials, and texture maps are read from one only; "
            "merge the materials"
        )
    material = materials[0]
    surface = material.get("pbrMetallicRoughness", {})
    infos = [
        surface.get("baseColorTexture"),
        surface.get("metallicRoughnessTexture"),
        material.get("normalTexture"),
    ]
    maps = [None if info is None else _map(description, binary, info, where) for info in infos]
    sizes = [tuple(found.shape[-2:]) for found in maps if found is not None]
    if not sizes:
        return None
    size = max(sizes)
    color, packed, normal = (_resized(found, size) for found in maps)
    factor = torch.tensor(surface.get("baseColorFactor", [1.0] * 4)[:3], dtype=torch.float32)
    if not bool((factor == 1).all()):
        raise InputError(
            f"{where}: has a base color factor, which is not supported; multiply it into the map"
        )
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


def _map(
    description: dict[str, Any], binary: bytes, info: Any, where: str
) -> Float[Tensor, "3 h w"]:
    if info.get("texCoord", 0) or "extensions" in info:
        raise InputError(
            f"{where}: the texture maps use a second UV set or a texture transform, which are not "
            "supported; export them with plain UV coordinates"
        )
    try:
        source = description["textures"][info["index"]]["source"]
        view = description["bufferViews"][description["images"][source]["bufferView"]]
        start = int(view.get("byteOffset", 0))
        content = binary[start : start + int(view["byteLength"])]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(
            f"{where}: a texture map cannot be read ({error}); export the mesh again"
        ) from None
    return from_uint8(read_image(content, f"{where}: a texture map", ("PNG", "JPEG"))[..., :3])


def _resized(
    found: Float[Tensor, "3 h w"] | None, size: tuple[int, ...]
) -> Float[Tensor, "3 hh ww"]:
    if found is None:
        return torch.ones(3, *size)
    if tuple(found.shape[-2:]) == size:
        return found
    grown: Tensor = torch.nn.functional.interpolate(found[None], size, mode="bilinear")
    return grown[0]
