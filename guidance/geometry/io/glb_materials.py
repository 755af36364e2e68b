"""The materials of a GLB, reduced to what is known, with their images still encoded.

Source: Khronos, glTF 2.0 specification, sections 3.8 (textures) and 3.9 (materials).
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.glb_document import Document, Json, data_of, whole
from guidance.meshes import GivenMaterials

#: Pixels of one map, and of all of them together, at most.
MAX_MAP, MAX_MAPS = 2**26, 2**27
#: Where a material refers to a texture: the object, the key, and a number beside the index.
SURFACE = "pbrMetallicRoughness"
TEXTURES = (
    (SURFACE, "baseColorTexture", None),
    (SURFACE, "metallicRoughnessTexture", None),
    ("", "normalTexture", "scale"),
    ("", "occlusionTexture", "strength"),
    ("", "emissiveTexture", None),
)
TRANSFORM = "KHR_texture_transform"
NAMES = {"image/png": "PNG", "image/jpeg": "JPEG"}
FILTERS = {"magFilter": (9728, 9729), "minFilter": (9728, 9729, 9984, 9985, 9986, 9987)}
WRAPS = (33071, 33648, 10497)


def given_materials(document: Document, notes: list[str]) -> GivenMaterials | None:
    """The materials of a GLB that has usable texture maps, else None.

    Maps in other files, in other formats than PNG and JPEG, or for a second UV set are dropped,
    with a note.

    Raises:
        InputError: the maps have too many pixels.
        ValueError: the description is damaged; other errors of `UNEXPECTED` too.
    """
    if not document.description.get("textures"):
        return None
    return _Maps(document, notes).read()


class _Maps:
    def __init__(self, document: Document, notes: list[str]) -> None:
        self.document, self.notes = document, notes
        self.textures: list[Json] = []
        self.images: list[tuple[str, bytes]] = []
        self.of_texture: dict[int, int | None] = {}  # our index of a texture of the file
        self.of_image: dict[int, int | None] = {}
        self.pixels = 0

    def read(self) -> GivenMaterials | None:
        materials = tuple(self._material(given) for given in self.document.parts("materials"))
        if not self.textures:
            return None
        return GivenMaterials(materials, tuple(self.textures), tuple(self.images))

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _material(self, given: Json) -> Json:
        surface = given.get(SURFACE, {})
        kept: Json = {SURFACE: _numbers(surface, metallicFactor=1, roughnessFactor=1)}
        kept[SURFACE] |= _numbers(surface, baseColorFactor=4)
        kept |= _numbers(given, emissiveFactor=3, alphaCutoff=1)
        if given.get("alphaMode") in ("MASK", "BLEND"):
            kept["alphaMode"] = given["alphaMode"]
        if given.get("doubleSided") is True:
            kept["doubleSided"] = True
        for group, key, number in TEXTURES:
            source, into = (given.get(group, {}), kept[group]) if group else (given, kept)
            if source.get(key) is not None:
                info = self._info(source[key], number)
                if info is not None:
                    into[key] = info
        names = set(given.get("extensions", {})) - {"KHR_materials_unlit"}
        if names:
            self._note(f"dropped {', '.join(sorted(names)):.120} of the materials")
        return kept

    def _info(self, given: Json, number: str | None) -> Json | None:
        if given.get("texCoord", 0) != 0:
            self._note("dropped texture maps that use a second UV set")
            return None
        texture = self._texture(whole(given["index"]))
        if texture is None:
            return None
        kept: Json = {"index": texture} | (_numbers(given, **{number: 1}) if number else {})
        transform = given.get("extensions", {}).get(TRANSFORM)
        if transform is not None:
            if transform.get("texCoord", 0) != 0:
                self._note("dropped texture maps that use a second UV set")
                return None
            kept["extensions"] = {TRANSFORM: _numbers(transform, offset=2, scale=2, rotation=1)}
        return kept

    def _texture(self, index: int) -> int | None:
        if index not in self.of_texture:
            given = self.document.part("textures", index)
            image = None
            if "source" in given:
                image = self._image(whole(given["source"]))
            else:
                self._note("dropped texture maps in other formats than PNG and JPEG")
            self.of_texture[index] = None
            if image is not None:
                kept: Json = {"source": image}
                if "sampler" in given:
                    kept["sampler"] = _sampler(self.document.part("samplers", given["sampler"]))
                self.of_texture[index] = len(self.textures)
                self.textures.append(kept)
        return self.of_texture[index]

    def _image(self, index: int) -> int | None:
        if index not in self.of_image:
            self.of_image[index] = None
            content = self._content(self.document.part("images", index))
            if content is not None:
                self.of_image[index] = len(self.images)
                self.images.append(content)
        return self.of_image[index]

    def _content(self, image: Json) -> tuple[str, bytes] | None:
        """The media type and the bytes of an image; None, with a note, if it cannot be kept."""
        if image.get("bufferView") is not None:
            buffer, start, end, _ = self.document.view(image["bufferView"])
            content: bytes | None = buffer[start:end]
        else:
            content = data_of(image.get("uri"))
        if content is None:
            self._note("ignored texture maps in other files")
            return None
        size = _size(content)
        kind = next((kind for kind, name in NAMES.items() if size and size[0] == name), None)
        if size is None or kind is None:
            self._note("dropped texture maps that are not readable as PNG or JPEG")
            return None
        self.pixels += size[1]
        if size[1] > MAX_MAP or self.pixels > MAX_MAPS:
            raise InputError(
                f"{self.document.where}: its texture maps have {self.pixels:,} pixels, more than "
                f"the limits of {MAX_MAP:,} for one and {MAX_MAPS:,} for all; shrink them"
            )
        return kind, content


def _size(content: bytes) -> tuple[str, int] | None:
    """The format of an image and its number of pixels, by its header alone."""
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(io.BytesIO(content), formats=tuple(NAMES.values())) as image:
            return image.format or "", image.width * image.height
    except (OSError, SyntaxError, ValueError, TypeError, IndexError, AttributeError):
        return None
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _numbers(given: Json, **lengths: int) -> Json:
    """The finite numbers of an object under some keys; a length of 1 is a plain number.

    Raises:
        ValueError: one of them is not finite, or has another length.
    """
    kept: Json = {}
    for key, length in lengths.items():
        if given.get(key) is None:
            continue
        values: Any = np.array(given[key], dtype=np.float64)
        if values.shape != (() if length == 1 else (length,)) or not np.isfinite(values).all():
            raise ValueError(f"{key} of a material is not {length} finite numbers")
        kept[key] = values.tolist()
    return kept


def _sampler(given: Json) -> Json:
    kept = {key: given[key] for key, known in FILTERS.items() if given.get(key) in known}
    return kept | {key: given[key] for key in ("wrapS", "wrapT") if given.get(key) in WRAPS}
