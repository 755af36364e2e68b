"""Images of a frozen StyleGAN network that are fitted to given ones: latents, then features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.generators.image.param.base import ImageGenerator
from guidance.generators.image.param.latents import draw_latents, tiny_network
from guidance.generators.image.param.windows import whole_only
from guidance.media.write_image import save_png
from guidance.outputs import Rendering
from guidance.stylegan import StyleGAN
from guidance.stylegan.latents import Latents, NoiseMapsScene
from guidance.views import View


class InvertedImages(ImageGenerator):
    """Images of a network whose weights are frozen; the parameters are latents W+.

    With `noise`, the noise maps of the network are parameters as well; after each step they have a
    mean of 0 and a variance of 1. With `residual`, the parameter is a change of the output of one
    layer (the space F) instead, and latents and noise stay as they are.

    Source: the projector of StyleGAN2, Karras et al. 2020 (arXiv 1912.04958), appendix D, for
    latents; the space F of Kang et al. 2021 (arXiv 2104.07661). Deviation: W+ instead of W.

    Args:
        network: the network, with frozen weights.
        start: latents of n samples.
        residual: the index of the layer whose output changes, or None.
        noise: whether the noise maps change; of networks without noise, there are none.
        learning_rate: of Adam.
    """

    chosen_by_name = False

    def __init__(
        self,
        network: StyleGAN,
        start: Latents,
        *,
        residual: int | None = None,
        noise: bool = False,
        learning_rate: float = 0.05,
    ) -> None:
        super().__init__()
        self.frozen = (network,)  # in a tuple, so that it is not a submodule
        self.num_samples, self.learning_rate = start.num_samples, learning_rate
        self.start, self.residual = start.detach(), residual
        if residual is None:
            assert start.ws is not None
            self.ws = nn.Parameter(start.ws.detach().clone())
            self.noise = nn.ParameterDict(self._maps() if noise else {})
        else:
            self.features = nn.Parameter(torch.zeros(self._shape(residual)))

    def _shape(self, layer: int) -> tuple[int, ...]:
        """The shape of the output of a layer."""
        synthesis = self.frozen[0].synthesis
        with torch.no_grad():
            after = synthesis.activations(self.start.styles, [layer + 1])[layer + 1]
        return tuple(after.features.shape)

    def _maps(self) -> dict[str, Tensor]:
        """Noise maps to start from, by the indices of their layers."""
        random = torch.Generator().manual_seed(0)
        drawn = self.frozen[0].synthesis.draw_noise(self.num_samples, random)
        return {str(index): each for index, each in enumerate(drawn) if each is not None}

    def latents(self) -> Latents:
        """The latents of all samples."""
        if self.residual is None:
            found = self.start.with_ws(self.frozen[0].synthesis, self.ws)
            if not self.noise:
                return found
            layers = range(len(found.styles))
            maps = tuple(dict(self.noise.items()).get(str(i)) for i in layers)
            return replace(found, noise=maps)
        additions = {**self.start.additions, self.residual: self.features}
        return Latents(self.start.styles, self.start.ws, additions, self.start.noise)

    def images(self) -> Float[Tensor, "n 3 h w"]:
        return self.latents().images(self.frozen[0].synthesis)

    def forward(self, view: View | None = None) -> Rendering:
        """One image per sample; `scene` holds the noise maps that change."""
        whole_only(view, self)
        maps = tuple(self.noise.values()) if self.residual is None else ()
        return Rendering(self.images()[:, None], scene=NoiseMapsScene(maps) if maps else None)

    @torch.no_grad()
    def project(self) -> None:
        """Normalizes the noise maps."""
        if self.residual is None:
            for noise in self.noise.values():
                noise.sub_(noise.mean((2, 3), keepdim=True))
                noise.mul_(noise.square().mean((2, 3), keepdim=True).rsqrt())

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.learning_rate}]

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Moves the latents of the start with the parameters."""
        moved = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.start = self.start.to(next(self.parameters()).device)
        return moved

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png."""
        return [save_png(folder / "image.png", self.images()[sample])]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> InvertedImages:
        network = tiny_network()
        ws = draw_latents(network, tuple(range(num_samples)))
        return cls(network, Latents.of(network.synthesis, ws))
