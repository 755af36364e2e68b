"""Clips as what one small network makes of each of their frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.image.masked import blend
from guidance.generators.image.unet import UNet, padded
from guidance.media.write_png import save_png
from guidance.outputs import Rendering
from guidance.types import Generator, StepContext
from guidance.views import Frames, View


class Video(Generator):
    """The frames of a clip, all changed by one network: what it learns of some, it does to all.

    A network of one's own for each frame would find another image each time, and flicker; this
    one depends on nothing but a pixel's surroundings, so what moves little changes little. A step
    looks at a few frames; each comes with its source, for losses that compare with it.

    Args:
        network: as `UNet` begins; its own image is not shown.
        frames: of the clip, at least one.
        mask: 1 where frames change, 0 where they are left alone to the bit; the same for all.

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
        if mask is not None and mask.shape[1:] != frames.shape[2:]:
            raise InputError(
                f"mask: expected the clip's {frames.shape[2]} x {frames.shape[3]} pixels, got "
                f"{mask.shape[1]} x {mask.shape[2]}"
            )
        if mask is not None and not bool((mask > 0).any()):
            raise InputError("mask: is black everywhere, so nothing would change; paint it white")
        self.num_samples, self.network = network.num_samples, network
        self.register_buffer("frames", frames, persistent=False)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, view: View | None = None) -> Rendering:
        """Some frames of each sample with their sources; by default the middle one of the clip."""
        frames = self.get_buffer("frames")
        if view is None:
            view = Frames(torch.full((self.num_samples, 1), len(frames) // 2))
        if not isinstance(view, Frames):
            kind = type(view).__name__.lower()
            raise InputError(f"Video: a clip takes no {kind}; give frames or nothing")
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
        """Writes image.png, the frame in the middle of the clip."""
        return [save_png(folder / "image.png", self().image[sample, 0])]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Video:
        network = UNet.tiny(num_samples)
        random = torch.Generator().manual_seed(0)
        noise = torch.randint(64, 192, (3, 3, 4, 4), generator=random, dtype=torch.uint8)
        return cls(network, noise.repeat_interleave(4, 2).repeat_interleave(4, 3))


def drawn_frames(context: StepContext, total: int, count: int) -> Frames:
    """Frames of a clip for a step: one from each of `count` even stretches of it.

    Validation looks at the middles of the stretches.
    """
    stretch = torch.arange(count, dtype=torch.float64)
    if context.phase == "validation":
        within = torch.full((len(context.seeds), count), 0.5, dtype=torch.float64)
    else:
        within = context.uniform("frames", count).double()
    return Frames(((stretch + within) * (total / count)).long().clamp_max(total - 1))
