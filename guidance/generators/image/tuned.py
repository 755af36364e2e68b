"""Images of a StyleGAN network whose weights are changed until it makes given images."""

from __future__ import annotations

import copy
from typing import Any

from jaxtyping import Float
from torch import Tensor

from guidance.generators.image.param.base import ImageGenerator
from guidance.stylegan import StyleGAN
from guidance.stylegan.latents import Latents


class TunedImages(ImageGenerator):
    """Images of fixed latents; the parameters are the weights of a copy of the network.

    All samples share them. Styles are computed once and stay: the layers that compute styles from
    latents do not change, so that directions in the space of styles keep their meaning.

    Source: pivotal tuning, Roich et al. 2021 (arXiv 2106.05744), with their learning rate.
    Deviation: no locality regularization, which keeps other images of the network unchanged; the
    tuned copy is used for one image only.

    Args:
        network: the network, which is copied.
        latents: of n samples.
        learning_rate: of Adam.
    """

    chosen_by_name = False

    shares_parameters = True

    def __init__(self, network: StyleGAN, latents: Latents, learning_rate: float = 3e-4) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.start, self.num_samples = latents.detach(), latents.num_samples
        self.learning_rate = learning_rate
        styles = {id(p) for p in self._style_parameters()}
        self.tuned = [p for p in self.network.synthesis.parameters() if id(p) not in styles]
        for parameter in self.tuned:
            parameter.requires_grad_()

    def _style_parameters(self) -> list[Tensor]:
        synthesis = self.network.synthesis
        layers = range(len(synthesis.layers))
        return [p for index in layers for p in synthesis._affine(index).parameters()]

    def images(self) -> Float[Tensor, "n 3 h w"]:
        return self.start.images(self.network.synthesis)

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": self.tuned, "lr": self.learning_rate}]

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Moves the latents with the parameters."""
        moved = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.start = self.start.to(self.network.device)
        return moved
