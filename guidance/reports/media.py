"""Images, videos and meshes of runs for a page: checked, made smaller, within a budget of bytes.

Nothing from a run folder reaches a page as it is, except videos and GLB files, whose bytes a
browser decodes. Images are decoded within limits and encoded again, which also removes their
metadata.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.glb_document import chunks
from guidance.media.formats import first_bytes, image_format, opened, video_format
from guidance.media.pixels import Frame, fitted
from guidance.media.read_image import read_image
from guidance.runs.folder import contained

Kind = Literal["image", "video", "glb"]
#: Limits of the files that are read for a page.
MAX_BYTES = {"image": 2**26, "video": 2**24, "glb": 2**24}
#: The longest side in pixels of a full image, and of a thumbnail.
FULL_SIDE, THUMB_SIDE = 1600, 320
FULL_QUALITY, THUMB_QUALITY = 90, 80
SUFFIXES: dict[str, Kind] = {".png": "image", ".mp4": "video", ".glb": "glb"}
TYPES: dict[str, str] = {"image": "image/webp", "video": "video/mp4", "glb": "model/gltf-binary"}
#: What small images are made of, by the names that runs give their files, the best first.
FACES = ("image.png", "turntable.mp4", "animation.mp4", "video.mp4", "contact.png")
#: Extensions of glTF that need a decoder, which a viewer would load from a network.
NEEDS_DECODER = ("KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_texture_basisu")


@dataclass(frozen=True)
class Medium:
    """One file as a page contains it."""

    kind: Kind
    name: str  # its name in the run folder
    content: bytes
    width: int = 0
    height: int = 0

    @property
    def mime(self) -> str:
        """The MIME type."""
        return TYPES[self.kind]

    @property
    def base64(self) -> str:
        """The content as text without special characters."""
        return base64.b64encode(self.content).decode("ascii")

    @property
    def uri(self) -> str:
        """The content as a data URI."""
        return f"data:{self.mime};base64,{self.base64}"


@dataclass
class Budget:
    """How many bytes a page may still grow, as base64; and what was left out."""

    left: int
    omitted: list[str] = field(default_factory=list)

    def takes(self, medium: Medium, what: str) -> bool:
        """Whether a file still fits, in which case it counts."""
        size = (len(medium.content) + 2) // 3 * 4
        if size > self.left:
            self.omitted.append(f"{what} ({size / 1e6:.1f} MB)")
            return False
        self.left -= size
        return True


def kind_of(path: Path) -> Kind | None:
    """The kind of a file of a run; None if pages do not show it."""
    return SUFFIXES.get(path.suffix.lower())


def read_medium(folder: Path, path: Path, hashes: Mapping[str, str]) -> Medium:
    """A file of a run, checked and prepared for a page.

    Args:
        folder: of the run, in which the file must lie.
        hashes: those in DONE.json, by name.

    Raises:
        InputError: it lies elsewhere, is missing, changed, too large, damaged, or of another kind.
    """
    kind = kind_of(path)
    if kind is None:
        raise InputError(f"{path}: is neither a PNG, an MP4 nor a GLB")
    contained(folder, path)
    with opened(path, str(path), MAX_BYTES[kind]) as file:
        start, content = first_bytes(file), file.read(MAX_BYTES[kind] + 1)
    name = path.relative_to(folder).as_posix()
    if name in hashes and hashlib.sha256(content).hexdigest() != hashes[name]:
        raise InputError(f"{path}: was changed since its run wrote it")
    if kind == "glb":
        _check_glb(content, str(path))
        return Medium(kind, name, content)
    if kind == "video":
        found = video_format(start)
        if found is None or found.name != "MP4":
            raise InputError(f"{path}: is not an MP4 file")
        return Medium(kind, name, content)
    if image_format(start) != "PNG":
        raise InputError(f"{path}: is not a PNG file")
    return encode(read_image(content, str(path), ("PNG",)), name, FULL_SIDE, FULL_QUALITY)


def encode(pixels: np.ndarray, name: str, side: int, quality: int) -> Medium:
    """An image as WebP with at most `side` pixels a side.

    Args:
        pixels: 8 bits, `[h, w, 3]` or `[h, w, 4]`.
    """
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(_without_alpha(pixels)))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small = max(image.size) <= 128  # drawings of few pixels suffer from lossy compression
    image.save(file, "WEBP", quality=quality, method=4, lossless=small)
    return Medium("image", name, file.getvalue(), *image.size)


def _without_alpha(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., :3] if (pixels[..., 3:] == 255).all() else pixels


def thumbnail(pixels: np.ndarray, name: str) -> Medium:
    """A small image for galleries."""
    return encode(pixels, name, THUMB_SIDE, THUMB_QUALITY)


def pixels_of(folder: Path, path: Path) -> np.ndarray:
    """The pixels of an image, or of the first frame of a video.

    Raises:
        InputError: the file lies elsewhere, or cannot be read.
    """
    from guidance.media.read_video import open_video

    contained(folder, path)
    if kind_of(path) == "video":
        if path.stat().st_size > MAX_BYTES["video"]:
            raise InputError(f"{path}: is too large for a page")
        frame: Frame | None = next(iter(open_video(path).images()), None)
        if frame is None:
            raise InputError(f"{path}: has no frames")
        return frame
    with opened(path, str(path), MAX_BYTES["image"]) as file:
        return read_image(file.read(), str(path), ("PNG",))


def enlarged(pixels: np.ndarray, least: int) -> np.ndarray:
    """A frame enlarged so that its longer side has at least that length; bicubic."""
    return pixels if max(pixels.shape[:2]) >= least else fitted(pixels, least)


def _check_glb(content: bytes, where: str) -> None:
    """Refuses a GLB for which a viewer would load anything else."""
    description: Any
    description, _ = chunks(content, where)
    used = {str(name) for name in _list(description, "extensionsUsed")}
    if decoders := used & set(NEEDS_DECODER):
        raise InputError(f"{where}: needs a decoder ({', '.join(sorted(decoders))})")
    for kind in ("buffers", "images"):
        for part in _list(description, kind):
            uri = part.get("uri") if isinstance(part, Mapping) else None
            if uri is not None and not str(uri).startswith("data:"):
                raise InputError(f"{where}: refers to another file, {str(uri)!r:.60}")


def _list(description: Mapping[str, Any], key: str) -> list[Any]:
    found = description.get(key)
    return found if isinstance(found, list) else []
