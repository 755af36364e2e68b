"""Latents are optimized until the image matches the prompt: minutes for one image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from guidance.errors import InputError
from guidance.parsed import Parsed
from guidance.schedule import Schedule
from guidance.tasks.stylegan.method import EditMethod

if TYPE_CHECKING:
    from guidance.generators.image.stylegan import StyleGANImages
    from guidance.tasks.stylegan.method import EditJob
    from guidance.types import Terms


@dataclass(frozen=True)
class LayerRange(Parsed):
    """Layers of W+ from the first to the last, or all of them."""

    bounds: tuple[int, int] | None

    @classmethod
    def parse(cls, text: str) -> LayerRange:
        """Reads "all", "5" or "4-9". Raises InputError for anything else."""
        if text.strip() == "all":
            return cls(None)
        match = re.fullmatch(r"\s*(\d{1,3})\s*(?:-\s*(\d{1,3})\s*)?", text)
        if match is None:
            raise InputError(f'layers {text[:40]!r}: expected "all" or layers such as 5 or 4-9')
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InputError(f"layers {text[:40]!r}: the first is after the last")
        return cls((first, last))

    def written(self) -> str:
        if self.bounds is None:
            return "all"
        first, last = self.bounds
        return str(first) if first == last else f"{first}-{last}"


class LatentOptimization(EditMethod):
    """Options of "latent"."""

    space: Literal["w", "w+", "s"] = "w+"
    """The latents that change: one for all layers, one for each layer, or styles."""
    layers: LayerRange = LayerRange.parse("all")
    """Layers of W+ that change, e.g. 4-9: coarse layers move the head, fine ones change colors."""
    # The weight of StyleCLIP.
    latent_distance: Schedule = Schedule.parse(0.008)
    """Weight of the squared distance of the latents from their start: higher changes less."""

    def generator(self, job: EditJob) -> StyleGANImages:
        from guidance.generators.image.stylegan import StyleGANImages

        return StyleGANImages(
            job.source.network,
            job.source.latents,
            space=self.space,
            layers=self.layers.bounds,
            given=job.given,
            kept=job.kept,
        )

    def regularizers(self) -> Terms:
        from guidance.losses.latent_distance import LatentDistance
        from guidance.types import Terms

        return Terms() if self.latent_distance.is_zero else self.latent_distance * LatentDistance()
