"""Stylizes videos: one network for all frames, and the video that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.image.param.masks import blend
from guidance.generators.image.unet import UNet
from guidance.generators.image.video import Video, drawn_frames
from guidance.media.pixels import Frame, from_uint8, to_uint8
from guidance.media.read_video import MAX_HELD, VideoInput
from guidance.media.resize import resized
from guidance.runs.artifacts.video import VideoFile
from guidance.types import StepContext
from guidance.views import Frames

#: The name of the finished video.
STYLIZED = "stylized.mp4"
#: Frames in validation.
VALIDATED = 4


def video_generator(
    seeds: Sequence[int],
    footage: VideoInput,
    sides: tuple[int, int],
    mask: Float[Tensor, "1 rows columns"] | None,
) -> Video:
    """The frames in the size of the run, with a network for each sample.

    Raises:
        InputError: the frames are too large to be held in memory.
    """
    height, width = sides
    held = footage.frames * 3 * height * width
    if held > MAX_HELD:
        raise InputError(
            f"image {footage.path}: {footage.frames} frames of {width} x {height} pixels are "
            f"{held >> 20} MiB, more than the {MAX_HELD >> 20} MiB that are held in memory; "
            "use a smaller --size, or cut the video"
        )
    frames = torch.empty((footage.frames, 3, height, width), dtype=torch.uint8)
    for index, picture in enumerate(footage.images()):
        frames[index] = (resized(from_uint8(picture), sides) * 255).round().to(torch.uint8)
    network = UNet(seeds, frames[0].float() / 255)
    return Video(network, frames, mask)


def views(footage: VideoInput, frames_per_step: int) -> Callable[[StepContext], Frames]:
    """The frames of each step, drawn by seed and step."""

    def drawn(context: StepContext) -> Frames:
        wanted = VALIDATED if context.phase == "validation" else frames_per_step
        return drawn_frames(context, footage.frames, min(wanted, footage.frames))

    return drawn


def video_file(
    generator: Video, footage: VideoInput, mask: Float[Tensor, "1 rows columns"] | None
) -> VideoFile:
    """The video in its own size, made by the optimized networks.

    Args:
        mask: in the size of the video.
    """

    def frames(sample: int) -> Iterator[Frame]:
        for picture in footage.images():
            source = from_uint8(picture)
            styled = generator.network.restyle(source, sample)
            yield to_uint8(styled if mask is None else blend(styled, source, mask))

    return VideoFile(STYLIZED, footage.rate, frames, footage.times)
