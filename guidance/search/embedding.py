"""Vectors of images, and of the different scenes of videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float16
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.encoders.text.embedding import device_of
from guidance.media.pixels import from_uint8
from guidance.media.read_image import load_image
from guidance.media.read_video import sampled_frames

#: Seconds between the frames of a video that are embedded.
EVERY = 0.5
#: A frame with a greater cosine to the last one that was kept belongs to the same scene.
SAME_SCENE = 0.95
#: Images in one batch, on a CPU. The mini model embeds 64 images as fast as 256.
BATCH = 64
#: Scenes of one video. A video of a day, with a new scene each 4 seconds, has as many.
MAX_SCENES = 20_000


def fitted(encoder: Encoder, path: Path) -> Float[Tensor, "1 3 h w"]:
    """An image file as the encoder resizes it; transparent parts are white.

    Raises:
        InputError: it cannot be read.
    """
    return encoder.fit(load_image(path, "image")[None])


@torch.no_grad()
def embed_images(
    encoder: Encoder, images: Sequence[Float[Tensor, "1 3 h w"]]
) -> Float[Tensor, "b d"]:
    """Unit vectors of images; those of one size that follow each other are encoded together."""
    vectors: list[Tensor] = []
    for group in _of_one_size(images):
        vectors.append(encoder.encode_image(torch.cat(group).to(device_of(encoder))).float().cpu())
    return F.normalize(torch.cat(vectors), dim=-1)


def in_half(vectors: Float[Tensor, "b d"]) -> Float16[np.ndarray, "b d"]:
    """Vectors as they are stored."""
    return vectors.half().numpy()


def embed_video(
    encoder: Encoder, path: Path
) -> tuple[Float16[np.ndarray, "r d"], Float[np.ndarray, "r 2"]]:
    """A vector for each scene of a video, and its start and end in seconds.

    A scene ends with the first frame whose cosine to its first frame is at most `SAME_SCENE`.

    Raises:
        InputError: damaged, or without images.
    """
    kept: list[Tensor] = []
    spans: list[list[float]] = []
    for vectors, times in _embedded_frames(encoder, path):
        for vector, time in zip(vectors, times, strict=True):
            if kept and float(kept[-1] @ vector) > SAME_SCENE:
                spans[-1][1] = time
                continue
            if len(kept) == MAX_SCENES:
                raise InputError(f"{path}: has more than {MAX_SCENES} scenes; cut it first")
            if spans:
                spans[-1][1] = time
            kept.append(vector)
            spans.append([time, time])
    if not kept:
        raise InputError(f"{path}: no frame can be read; it is damaged")
    return in_half(torch.stack(kept)), np.array(spans, np.float32)


def _embedded_frames(
    encoder: Encoder, path: Path
) -> Iterator[tuple[Float[Tensor, "b d"], list[float]]]:
    frames: list[Tensor] = []
    times: list[float] = []
    for frame, time in sampled_frames(path, EVERY):
        frames.append(encoder.fit(from_uint8(frame)[None]))
        times.append(time)
        if len(frames) == BATCH:
            yield embed_images(encoder, frames), times
            frames, times = [], []
    if frames:
        yield embed_images(encoder, frames), times


def _of_one_size(images: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    group: list[Tensor] = []
    for image in images:
        if group and (group[-1].shape != image.shape or len(group) == BATCH):
            yield group
            group = []
        group.append(image)
    if group:
        yield group
