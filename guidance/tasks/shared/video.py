"""What the task of styles does with a clip: one network for it, and a video by that network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.image.video import Video, drawn_frames
from guidance.generators.image.masked import blend
from guidance.generators.image.unet import UNet
from guidance.media import images as media
from guidance.media.video_input import MAX_HELD, VideoInput
from guidance.media.images import Frame
from guidance.runs.plan import VideoFile
from guidance.media.resize import resized
from guidance.types import StepContext
from guidance.views import Frames

#: What the finished video is called.
STYLIZED = "stylized.mp4"
#: Frames that validation looks at.
VALIDATED = 4


def film(
    seeds: Sequence[int],
    footage: VideoInput,
    sides: tuple[int, int],
    mask: Float[Tensor, "1 rows columns"] | None,
) -> Video:
    """The clip in the size of the run, with a network for each sample.

    Raises:
        InputError: all frames together are too large to be held.
    """
    height, width = sides
    held = footage.frames * 3 * height * width
    if held > MAX_HELD:
        raise InputError(
            f"image {footage.path}: {footage.frames} frames of {width} x {height} pixels are "
            f"{held >> 20} MiB, more than the {MAX_HELD >> 20} that are held; use a smaller "
            "--size, or cut it"
        )
    frames = torch.empty((footage.frames, 3, height, width), dtype=torch.uint8)
    for index, picture in enumerate(footage.pictures()):
        frames[index] = (resized(_tensor(picture), sides) * 255).round().to(torch.uint8)
    network = UNet(seeds, frames[0].float() / 255)
    return Video(network, frames, mask)


def looks(footage: VideoInput, frames_per_step: int) -> Callable[[StepContext], Frames]:
    """Which frames a step looks at, drawn by seed and step."""

    def views(context: StepContext) -> Frames:
        wanted = VALIDATED if context.phase == "validation" else frames_per_step
        return drawn_frames(context, footage.frames, min(wanted, footage.frames))

    return views


def video(made: Video, footage: VideoInput, mask: Float[Tensor, "1 rows columns"] | None) -> VideoFile:
    """The clip in its own size by the finished networks.

    Args:
        mask: in the clip's own size.
    """

    def frames(sample: int) -> Iterator[Frame]:
        for picture in footage.pictures():
            source = _tensor(picture)
            styled = made.network.restyle(source, sample)
            yield media.to_bytes(styled if mask is None else blend(styled, source, mask))

    return VideoFile(STYLIZED, footage.rate, frames)


def _tensor(picture: Frame) -> Float[Tensor, "3 h w"]:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float() / 255
