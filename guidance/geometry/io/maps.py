"""Maps of a material as images, and back: glTF's packing of channels, 8 bits each.

And as colours of vertices, for formats that hold no maps.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.io.glb import chunks
from guidance.meshes import Material, Mesh

#: More pixels than a map has; asked of the header, before decoding.
MAX_PIXELS = 2**26


def encode_color(material: Material) -> bytes:
    """The base colour, sRGB."""
    return png_of(material.base_color)


def encode_surface(material: Material) -> bytes:
    """Roughness in green, metallic in blue, as glTF packs them; red, glTF's occlusion, is 1."""
    rough, metal = material.roughness, material.metallic
    return png_of(torch.cat([torch.ones_like(rough), rough, metal]))


def encode_normal(material: Material) -> bytes:
    """Normals from -1 to 1 as 0 to 255; so no level is exactly 0."""
    return png_of((material.normal + 1) / 2)


def png_of(values: Float[Tensor, "c h w"]) -> bytes:
    """A map in [0, 1] with one or three channels, 8 bits each."""
    from PIL import Image

    levels = (values.detach().float().cpu().clamp(0, 1) * 255).round().byte()
    array = levels[0].numpy() if len(levels) == 1 else levels.permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(file, "PNG", compress_level=6)
    return file.getvalue()


def vertex_colors(mesh: Mesh) -> Float[Tensor, "p 3"]:
    """The base colour at each vertex, sRGB, bilinear; what lies between vertices is lost.

    A vertex on a seam has several places in the map, one for each corner: it takes their mean. One
    without faces is black. The mesh has maps and texture coordinates.
    """
    assert mesh.material is not None and mesh.uv is not None and mesh.face_uv is not None
    color, uv = mesh.material.base_color.double(), mesh.uv.double()
    height, width = color.shape[-2:]
    # Maps repeat, so a texel of the opposite side lies beyond each border.
    padded = torch.nn.functional.pad(color[None], (1, 1, 1, 1), mode="circular")
    size = uv.new_tensor([width, height])
    places = (uv - uv.floor()) * size + 0.5  # texels from the middle of the first padded one
    grid = 2 * places / (size + 1) - 1
    found = torch.nn.functional.grid_sample(padded, grid[None, None], align_corners=True)[0, :, 0].T
    corners, at = mesh.faces.flatten().long(), mesh.face_uv.flatten().long()
    sums = color.new_zeros(len(mesh.vertices), 3).index_add_(0, corners, found[at])
    counts = corners.bincount(minlength=len(sums)).clamp_min(1)
    return (sums / counts[:, None]).float()


def read_glb_material(content: bytes, where: str) -> Material | None:
    """The maps of a GLB's material, all at the size of its largest; None if it has no map.

    Factors are multiplied in, and stand for maps that are not there.

    Raises:
        InputError: several materials, maps that are moved by an extension or use a second set of
            coordinates, or images that cannot be read.
    """
    described, binary = chunks(content, where)
    materials = described.get("materials", [])
    if not described.get("textures") or not materials:
        return None
    if len(materials) > 1:
        raise InputError(f"{where}: has {len(materials)} materials; maps are read of one only")
    material = materials[0]
    surface = material.get("pbrMetallicRoughness", {})
    infos = [
        surface.get("baseColorTexture"),
        surface.get("metallicRoughnessTexture"),
        material.get("normalTexture"),
    ]
    maps = [None if info is None else _map(described, binary, info, where) for info in infos]
    sizes = [tuple(found.shape[-2:]) for found in maps if found is not None]
    if not sizes:
        return None
    size = max(sizes)
    color, packed, normal = (_resized(found, size) for found in maps)
    factor = torch.tensor(surface.get("baseColorFactor", [1.0] * 4)[:3], dtype=torch.float32)
    if not bool((factor == 1).all()):
        raise InputError(f"{where}: tints its base colour; bake the factor into the map")
    rough = float(surface.get("roughnessFactor", 1)) * packed[1:2]
    metal = float(surface.get("metallicFactor", 1)) * packed[2:3]
    if maps[2] is None:
        normal = torch.tensor([0.0, 0.0, 1.0])[:, None, None].expand(3, *size)
    else:
        # As the file holds them, so that what is not changed can be written to the bit: of 8 bits
        # and so only nearly of length 1.
        normal = 2 * normal - 1
        scale = float((infos[2] or {}).get("scale", 1))
        if scale != 1:
            steep = normal.new_tensor([scale, scale, 1])[:, None, None]
            normal = torch.nn.functional.normalize(normal * steep, dim=0)
    return Material(color, rough, metal, normal)


def _map(described: dict[str, Any], binary: bytes, info: Any, where: str) -> Float[Tensor, "3 h w"]:
    from PIL import Image

    if info.get("texCoord", 0) or "extensions" in info:
        raise InputError(
            f"{where}: its maps use a second set of coordinates or are moved by an extension; "
            "export it with plain maps"
        )
    try:
        source = described["textures"][info["index"]]["source"]
        view = described["bufferViews"][described["images"][source]["bufferView"]]
        start = int(view.get("byteOffset", 0))
        file = io.BytesIO(binary[start : start + int(view["byteLength"])])
        with Image.open(file, formats=["PNG", "JPEG"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are too many")
            levels = np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(f"{where}: one of its maps cannot be read ({error})") from None
    return torch.from_numpy(levels).permute(2, 0, 1).float() / 255


def _resized(
    found: Float[Tensor, "3 h w"] | None, size: tuple[int, ...]
) -> Float[Tensor, "3 hh ww"]:
    if found is None:
        return torch.ones(3, *size)
    if tuple(found.shape[-2:]) == size:
        return found
    grown: Tensor = torch.nn.functional.interpolate(found[None], size, mode="bilinear")
    return grown[0]
