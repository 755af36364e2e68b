"""What a task tells every generator of images, and the options that most of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from guidance.generators.image.param.sizes import Size, sides
from guidance.options import Options
from guidance.prompts import Prompt
from guidance.schedule import Schedule

#: Images with more pixels on a side are optimized through windows, by generators that support it.
IN_ONE = 512


@dataclass(frozen=True)
class Canvas:
    """The images that a generator is asked for.

    Args:
        seeds: one for each sample.
        size: pixels per side, or height and width.
        prompts: one for each sample, for generators that sample from a text.
        device: of diffusion models.
        steps: of the run.
        optimizer: "adam" or "sgd".
        follows_fsd: whether flow score distillation alone guides the run.
        default_size: True if the size was not given: a diffusion model then uses its own.
    """

    seeds: tuple[int, ...]
    size: Size
    prompts: tuple[Prompt, ...] = ()
    device: str = "cpu"
    steps: int = 200
    optimizer: Literal["adam", "sgd"] = "adam"
    follows_fsd: bool = False
    default_size: bool = False

    @property
    def is_large(self) -> bool:
        """Whether the image is optimized through windows."""
        return max(sides(self.size)) > IN_ONE


class ImageOptions(Options):
    """Options of generators whose pixels need a regularizer."""

    #: The optimizer that "auto" stands for.
    usual_optimizer: ClassVar[Literal["adam", "sgd"]] = "adam"
    #: The range of crop sizes, as shares of the image's side; chosen by eye.
    crop_scale: ClassVar[tuple[float, float]] = (0.7, 1.3)
    #: Whether the generator can be rendered through windows, so that the image is never in memory.
    renders_windows: ClassVar[bool] = False

    total_variation: Schedule = Schedule.parse(0.3)
    """Weight of total variation: higher gives smoother images."""
