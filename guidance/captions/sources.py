"""What is captioned: images, segments of videos, and folders of both, as embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.media.formats import FORMATS
from guidance.media.read_image import load_image
from guidance.media.read_video import is_video, open_video

#: Endings of the files of a folder that are captioned.
ENDINGS = {f".{form.lower()}" for form in FORMATS} | {
    ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi",
}  # fmt: skip
#: The most files of a folder, and frames of a second that are looked at.
MAX_FILES, FRAMES_PER_SECOND = 1_000_000, 4.0


@dataclass(frozen=True)
class Source:
    """One thing to caption: an image, or a segment of a video."""

    path: Path
    vector: Float[Tensor, "d"]
    start: float | None = None  # of the segment, in seconds
    end: float | None = None


def files_of(paths: list[Path]) -> list[Path]:
    """The files that are named, and the images and videos in the folders that are named.

    Raises:
        InputError: no such file or folder, too many files, or nothing in a folder.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
        if not inside:
            raise InputError(f"{path}: has no images or videos")
        found += inside
    if len(found) > MAX_FILES:
        raise InputError(f"{len(found)} files are more than {MAX_FILES}; name fewer folders")
    return list(dict.fromkeys(found))


def read_sources(path: Path, encoder: Encoder, segment: float) -> list[Source]:
    """An image as one source, a video as its segments.

    Args:
        segment: length of a segment in seconds; the last one may be shorter.

    Raises:
        InputError: the file cannot be read.
    """
    if is_video(path):
        return list(_segments(path, encoder, segment))
    return [Source(path, encode_file(path, encoder))]


@torch.no_grad()
def encode_file(path: Path, encoder: Encoder) -> Float[Tensor, "d"]:
    """The unit vector of an image file.

    Raises:
        InputError: the file cannot be read.
    """
    return encoder.encode_image(load_image(path, "image")[None].to(_device(encoder)))[0]


@torch.no_grad()
def _segments(path: Path, encoder: Encoder, segment: float) -> Iterator[Source]:
    """The mean vector of some frames of each segment."""
    video = open_video(path)
    times = video.times or tuple(float(i / video.rate) for i in range(video.frames))
    vectors: dict[int, list[Tensor]] = {}
    next_time = 0.0
    for time, frame in zip(times, video.images(), strict=True):
        if time + 1e-6 < next_time:
            continue
        next_time = time + 1 / FRAMES_PER_SECOND
        image = torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float() / 255
        vectors.setdefault(int(time // segment), []).append(
            encoder.encode_image(image.to(_device(encoder)))[0]
        )
    total = video.frames / float(video.rate)
    for number, found in vectors.items():
        mean = F.normalize(torch.stack(found).mean(0), dim=0)
        yield Source(path, mean, number * segment, min((number + 1) * segment, total))


def _device(encoder: Encoder) -> torch.device:
    found = next(iter([*encoder.parameters(), *encoder.buffers()]), None)
    return torch.device("cpu") if found is None else found.device
