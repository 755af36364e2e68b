"""Videos whose frames are all transformed by one small network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.image.param.masks import blend, check_mask
from guidance.generators.image.unet import UNet, padded
from guidance.media.write_image import save_png
from guidance.outputs import Rendering
from guidance.types import Generator, StepContext
from guidance.views import Frames, View


class Video(Generator):
    """The frames of a video, transformed by one network per sample.

    Separate networks for the frames would give different results and flicker; this network depends
    only on a small receptive field, so its results change as little as the frames do. A step
    renders a few frames; each comes with its source, for losses that compare with it.

    Args:
        network: a new `UNet`; its own image is not used.
        frames: of the video, at least one.
        mask: 1 where frames may change, 0 where they stay bit-identical; the same for all frames.

    Raises:
        InputError: a mask of another size, or black everywhere.
    """

    chosen_by_name = False

    mask: Tensor | None

    def __init__(
        self,
        network: UNet,
        frames: UInt8[Tensor, "t 3 h w"],
        mask: Float[Tensor, "1 rows columns"] | None = None,
    ) -> None:
        super().__init__()
        if mask is not None:
            check_mask(frames, mask, "video")
        self.num_samples, self.network = network.num_samples, network
        self.register_buffer("frames", frames, persistent=False)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, view: View | None = None) -> Rendering:
        """Frames of each sample with their sources.

        Args:
            view: `Frames`; by default the middle frame.
        """
        frames = self.get_buffer("frames")
        if view is None:
            view = Frames(torch.full((self.num_samples, 1), len(frames) // 2))
        if not isinstance(view, Frames):
            kind = type(view).__name__.lower()
            raise InputError(f"Video: a video takes no {kind}; give frames or nothing")
        source = frames[view.index.to(frames.device)].float() / 255
        height, width = source.shape[-2:]
        image = self.network.styled(padded(source), slice(None))[..., :height, :width]
        if self.mask is not None:
            image = blend(image, source, self.mask)
        return Rendering(image, source=source)

    def param_groups(self) -> list[dict[str, Any]]:
        return self.network.param_groups()

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png, the middle frame of the video."""
        return [save_png(folder / "image.png", self().image[sample, 0])]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Video:
        network = UNet.tiny(num_samples)
        random = torch.Generator().manual_seed(0)
        noise = torch.randint(64, 192, (3, 3, 4, 4), generator=random, dtype=torch.uint8)
        return cls(network, noise.repeat_interleave(4, 2).repeat_interleave(4, 3))


def drawn_frames(context: StepContext, total: int, count: int) -> Frames:
    """Random frames of a video for a step: one from each of `count` equal segments.

    Validation uses the middle of each segment.
    """
    segments = torch.arange(count, dtype=torch.float64)
    if context.phase == "validation":
        within = torch.full((len(context.seeds), count), 0.5, dtype=torch.float64)
    else:
        within = context.uniform("frames", count).double()
    return Frames(((segments + within) * (total / count)).long().clamp_max(total - 1))
