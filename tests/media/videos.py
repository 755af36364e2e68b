"""Videos that tests create."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def moving_scene(
    frames: int = 8, size: tuple[int, int] = (36, 48), seed: int = 0
) -> list[NDArray[np.uint8]]:
    """A ball that crosses a ground of soft colours, which itself glides slowly to the left."""
    height, width = size
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(30, 226, (6, 10, 3), np.uint8))
    ground = np.asarray(coarse.resize((width * 3 // 2, height), Image.Resampling.BICUBIC))
    y, x = np.mgrid[:height, :width] + 0.5
    pictures = []
    for index in range(frames):
        share = index / max(1, frames - 1)
        left = round(share * width / 4)
        picture = ground[:, left : left + width].astype(float)
        distance = np.hypot(y - height / 2, x - width * (0.2 + 0.6 * share))
        inside = np.clip(height / 5 - distance, 0, 1)[..., None]
        shade = np.clip(1 - distance / height, 0, 1)[..., None]
        picture = (1 - inside) * picture + inside * shade * np.array([235, 190, 60])
        pictures.append(picture.round().astype(np.uint8))
    return pictures


def write_clip(
    path: Path, pictures: list[NDArray[np.uint8]], rate: Fraction | int = 12, codec: str = "libx264"
) -> Path:
    """An MP4, MKV, AVI, by the path's suffix; nearly without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if codec == "libx264":
            stream.options = {"crf": "8", "preset": "veryfast"}
        else:
            stream.bit_rate = 8_000_000
            stream.codec_context.qmax = 4
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_gif(
    path: Path, pictures: list[NDArray[np.uint8]], seconds: float = 0.1, form: str = "GIF"
) -> Path:
    """An animated GIF, or another format that Pillow animates."""
    first, *others = map(Image.fromarray, pictures)
    first.save(
        path, form, save_all=True, append_images=others, duration=round(1000 * seconds), loop=0
    )
    return path


def read_clip(path: Path) -> list[NDArray[np.uint8]]:
    """The frames of a video."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def flicker(pictures: list[NDArray[np.uint8]]) -> float:
    """Mean absolute difference of consecutive frames, in levels."""
    steps = [np.abs(a.astype(int) - b.astype(int)).mean() for a, b in pairwise(pictures)]
    return float(np.mean(steps))
