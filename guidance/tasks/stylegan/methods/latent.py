"""Latents are optimized until the image matches the prompt: minutes for one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from guidance.generators.image.param.layers import FreeLayers
from guidance.schedule import Schedule
from guidance.tasks.stylegan.method import EditMethod

if TYPE_CHECKING:
    from guidance.generators.image.stylegan import StyleGANImages
    from guidance.tasks.stylegan.method import EditJob
    from guidance.types import Terms


class LatentOptimization(EditMethod):
    """Options of "latent"."""

    space: Literal["w", "w+", "s"] = "w+"
    """The latents that change: one for all layers, one for each layer, or styles."""
    layers: FreeLayers = FreeLayers.parse("all")
    """Layers of W+ that change, e.g. 4-9: coarse layers move the head, fine ones change colors. A
    factor on the learning rate may follow: 0-3:0.1,4-9 slows the coarse layers down."""
    # The weight of StyleCLIP.
    latent_distance: Schedule = Schedule.parse(0.008)
    """Weight of the squared distance of the latents from their start: higher changes less."""

    def generator(self, job: EditJob) -> StyleGANImages:
        from guidance.generators.image.stylegan import StyleGANImages

        return StyleGANImages(
            job.source.network,
            job.source.latents,
            space=self.space,
            layers=self.layers.ranges,
            given=job.given,
            kept=job.kept,
        )

    def regularizers(self) -> Terms:
        from guidance.losses.latent_distance import LatentDistance
        from guidance.types import Terms

        return Terms() if self.latent_distance.is_zero else self.latent_distance * LatentDistance()
