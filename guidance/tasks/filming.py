"""What the task of styles does with a clip: one network for it, and a video by that network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.film import Film, drawn_frames
from guidance.generators.masked import blend
from guidance.generators.unet import UNet
from guidance.runs import media
from guidance.runs.footage import MAX_HELD, Footage
from guidance.runs.media import Frame
from guidance.runs.plan import Video
from guidance.resizing import resized
from guidance.types import Moment
from guidance.views import Frames

#: What the finished video is called.
STYLIZED = "stylized.mp4"
#: Frames that validation looks at.
VALIDATED = 4


def film(
    seeds: Sequence[int],
    footage: Footage,
    sides: tuple[int, int],
    mask: Float[Tensor, "1 rows columns"] | None,
) -> Film:
    """The clip in the size of the run, with a network for each sample.

    Raises:
        InputError: all frames together are too large to be held.
    """
    height, width = sides
    held = footage.frames * 3 * height * width
    if held > MAX_HELD:
        raise InputError(
            f"picture {footage.path}: {footage.frames} frames of {width} x {height} pixels are "
            f"{held >> 20} MiB, more than the {MAX_HELD >> 20} that are held; use a smaller "
            "--size, or cut it"
        )
    frames = torch.empty((footage.frames, 3, height, width), dtype=torch.uint8)
    for index, picture in enumerate(footage.pictures()):
        frames[index] = (resized(_tensor(picture), sides) * 255).round().to(torch.uint8)
    network = UNet(seeds, frames[0].float() / 255)
    return Film(network, frames, mask)


def looks(footage: Footage, frames_per_step: int) -> Callable[[Moment], Frames]:
    """Which frames a step looks at, drawn by seed and step."""

    def views(moment: Moment) -> Frames:
        wanted = VALIDATED if moment.phase == "validation" else frames_per_step
        return drawn_frames(moment, footage.frames, min(wanted, footage.frames))

    return views


def video(made: Film, footage: Footage, mask: Float[Tensor, "1 rows columns"] | None) -> Video:
    """The clip in its own size by the finished networks.

    Args:
        mask: in the clip's own size.
    """

    def frames(sample: int) -> Iterator[Frame]:
        for picture in footage.pictures():
            source = _tensor(picture)
            styled = made.network.restyle(source, sample)
            yield media.to_bytes(styled if mask is None else blend(styled, source, mask))

    return Video(STYLIZED, footage.rate, frames)


def _tensor(picture: Frame) -> Float[Tensor, "3 h w"]:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float() / 255
