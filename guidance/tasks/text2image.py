"""Pictures from words: a generator's parameters climb the gradient of a frozen CLIP-type model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from guidance.errors import InputError
from guidance.tasks.base import Task

if TYPE_CHECKING:
    from guidance.runs.plan import Plan
    from guidance.types import Generator, Terms

#: The generators that are built of levels, coarse to fine.
LEVELLED = ("cutout", "pyramid")


class TextToImage(Task):
    """Pictures from words.

    `guide run text2image --prompt "a red heart" --prompt "a pizza"` optimizes both side by side.
    """

    PRESETS: ClassVar = {
        "draft": {"steps": 60, "crops": 6},
        "normal": {"steps": 150, "crops": 10},
        "best": {"steps": 400, "crops": 24, "size": 256},
    }
    PRESET_MINUTES: ClassVar = {}

    generator: Literal["cutout", "pyramid", "fourier", "pixels"] = "cutout"
    """What the picture is made of; "cutout" is one thing on its own, the others fill the canvas."""
    size: int = Field(default=128, ge=8, le=2048)
    """Pixels a side."""
    finest: int | None = Field(default=None, ge=1, le=2048)
    """Cells a side of the finest level of "cutout" and "pyramid", a power of two (64)."""
    crops: int = Field(default=10, ge=1, le=1024)
    """Random crops of each picture that the encoder sees in a step."""
    total_variation: float | str = 0.3
    """Weight of smoothness; a number or a schedule."""
    outline: float | str | None = None
    """Weight of a compact outline; only "cutout" has one (1)."""

    def build(self) -> Plan:
        from guidance.runs.plan import Plan

        return Plan(self._generator(), self._losses(), self.settings(), self.sample_prompts)

    def _generator(self) -> Generator:
        from guidance.generators.cutout import Cutout
        from guidance.generators.fourier import Fourier
        from guidance.generators.pixels import Pixels
        from guidance.generators.pyramid import Pyramid

        seeds, more = self.sample_seeds, {}
        if self.finest is not None:
            if self.generator not in LEVELLED:
                raise InputError(
                    f"finest: {self.generator} has no levels; leave it out, or use "
                    f"--generator {' or '.join(LEVELLED)}"
                )
            more["finest"] = self.finest
        if self.outline is not None and self.generator != "cutout":
            raise InputError(
                f"outline: {self.generator} has no outline; leave it out, or use --generator cutout"
            )
        kinds: dict[str, Any] = {
            "cutout": Cutout,
            "pyramid": Pyramid,
            "fourier": Fourier,
            "pixels": Pixels,
        }
        made: Generator = kinds[self.generator](seeds, self.size, **more)
        return made

    def _losses(self) -> Terms:
        from guidance.augment import Augment
        from guidance.losses.image import TotalVariation
        from guidance.losses.outline import Outline

        augment = Augment(crops=self.crops, scale=(0.7, 1.3))
        losses = self.clip(augment) + self.total_variation * TotalVariation()
        if self.generator == "cutout":
            weight = 1.0 if self.outline is None else self.outline
            losses = losses + weight * Outline(crispness="0 -> 0.1", perimeter=0.01)
        return losses
