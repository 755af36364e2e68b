"""Images of a frozen StyleGAN network; the parameters are its latents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.image.param.base import ImageGenerator
from guidance.generators.image.param.bisection import largest_share
from guidance.generators.image.param.canvas import Canvas, ImageOptions
from guidance.generators.image.param.latents import (
    Given,
    Kept,
    Space,
    draw_latents,
    tiny_network,
)
from guidance.generators.image.param.layers import LayerRange
from guidance.generators.image.param.masks import blend, check_mask
from guidance.generators.image.param.network import EMBEDDED, NamesNetwork
from guidance.generators.image.param.sizes import sides
from guidance.generators.image.param.windows import whole_only
from guidance.media.write_image import save_png
from guidance.outputs import Rendering
from guidance.schedule import Schedule
from guidance.stylegan import StyleGAN, load_stylegan
from guidance.stylegan.latents import Latents, LatentScene
from guidance.views import View

#: Of Adam, for images from a prompt alone: StyleCLIP's 0.1 is for edits.
RATE = 0.05


class StyleGANImages(ImageGenerator):
    """Images of a frozen StyleGAN network, from latents in W, W+ or S.

    At the start, images are those of `start`. With `given`, the images outside a mask are the given
    ones: pixels are blended, features are not. `finish` reduces the change where less than
    `kept.floor` is kept.

    Source: latent optimization of StyleCLIP, Patashnik et al. 2021 (arXiv 2103.17249): W+, Adam
    with a rate of 0.1. Deviations: losses see images in [0, 1], not in [-1, 1]; many samples at
    once.

    Args:
        network: the network, with frozen weights.
        start: latents of n samples; W+ are needed in the spaces W and W+.
        space: "w": one latent for all layers; "w+": one for each layer; "s": styles.
        layers: the latents of W+ that change, with factors on the learning rate; by default all.
            Others do not change, nor do the styles that are computed from them.
        learning_rate: of Adam.
        given: images that stay outside a mask.
        kept: what must stay.

    Raises:
        InputError: no latents W+ for W and W+; layers that the network does not have, or that are
            named twice; several ranges of layers in W; a mask of another size, or that is black
            everywhere.
    """

    class Options(ImageOptions):
        """Options of "stylegan"."""

        # A network that was trained on images needs no regularizer of pixels.
        total_variation: Schedule = Schedule.parse(0.0)
        """Weight of total variation: higher gives smoother images."""
        network: Annotated[str, NamesNetwork(apart_from=EMBEDDED)] = "mini-stylegan"
        """The network: "mini-stylegan" makes cartoon faces; or the folder that `guide models
        convert` has written."""
        space: Space = "w"
        """The latents that change: one for all layers, one for each layer, or styles. "w" stays
        closest to the images of the network."""
        truncation: float = Field(default=0.7, ge=0, le=2)
        """Distance of the start from the network's mean: 0 is the mean itself."""
        latent_distance: Schedule = Schedule.parse(0.0)
        """Weight of the squared distance of the latents from their start; higher stays closer to
        the images of the network."""

        def models(self) -> tuple[str, ...]:
            return (self.network,)

    latents: nn.ParameterList  # [n, ...] for each range of layers

    @classmethod
    def from_options(cls, options: Any, canvas: Canvas) -> StyleGANImages:
        network = load_stylegan(options.network, canvas.device)
        side = network.synthesis.resolution
        if not canvas.default_size and sides(canvas.size) != (side, side):
            raise InputError(
                f"--size: the network makes images of {side} x {side} pixels; remove --size"
            )
        start = Latents.of(
            network.synthesis, draw_latents(network, canvas.seeds, options.truncation)
        )
        return cls(network, start, space=options.space, learning_rate=RATE)

    def __init__(
        self,
        network: StyleGAN,
        start: Latents,
        *,
        space: Space = "w+",
        layers: Sequence[LayerRange] = (),
        learning_rate: float = 0.1,
        given: Given | None = None,
        kept: Kept | None = None,
    ) -> None:
        super().__init__()
        self._set_up(network, start, learning_rate, given, kept)
        self.space = space
        self.layers = self._checked(layers or [LayerRange(0, self.synthesis.num_ws - 1)])
        self.latents = nn.ParameterList(part.clone() for part in self._free(self.start))

    def _checked(self, layers: Sequence[LayerRange]) -> tuple[LayerRange, ...]:
        """Ranges of layers in ascending order."""
        ordered, after = sorted(layers, key=lambda each: each.first), 0
        for each in ordered:
            if not 0 <= each.first <= each.last < self.synthesis.num_ws:
                raise InputError(
                    f"layers {each.first}-{each.last}: the network has layers "
                    f"0-{self.synthesis.num_ws - 1}"
                )
            if each.first < after:
                raise InputError(f"layers: layer {each.first} is named twice")
            after = each.last + 1
        if self.space == "w" and len(ordered) > 1:
            raise InputError(
                "layers: in the space w, one latent moves all layers; give one range, or --space w+"
            )
        return tuple(ordered)

    def _set_up(
        self,
        network: StyleGAN,
        start: Latents,
        learning_rate: float,
        given: Given | None,
        kept: Kept | None,
    ) -> None:
        """What this generator and those derived from it hold."""
        self.frozen = (network,)  # in a tuple, so that it is not a submodule
        self.num_samples, self.learning_rate = start.num_samples, learning_rate
        self.start, self.kept, self.given = start.detach(), kept, given
        if given is not None:
            check_mask(given.images, given.mask)

    @property
    def network(self) -> StyleGAN:
        return self.frozen[0]

    @property
    def synthesis(self) -> Any:
        return self.network.synthesis

    def _free(self, latents: Latents) -> list[Tensor]:
        """What may change, by range of layers: W `[n, d]`, W+ `[n, l, d]` or S `[n, c]`."""
        if self.space == "s":
            pairs = list(zip(latents.styles, self.synthesis.layers, strict=True))
            return [
                torch.cat([style for style, layer in pairs if layer.w_index in each], 1)
                for each in self.layers
            ]
        ws = latents.ws
        if ws is None:
            raise InputError(
                f"space {self.space}: the latents to start from are styles, which have no latents "
                "W+; use --space s"
            )
        # In W, all latents of an image are equal at first: those of W+ move by the same change.
        if self.space == "w":
            return [ws[:, 0]]
        return [ws[:, each.first : each.last + 1] for each in self.layers]

    def latents_at(self, shares: Float[Tensor, "n"] | None = None) -> Latents:
        """The latents of all samples, with the whole change from the start or a share of it."""
        start = self.start
        parts = zip(self.layers, self.latents, self._free(start), strict=True)
        moved = [(each, _share(now - before, shares)) for each, now, before in parts]
        if self.space != "s":
            assert start.ws is not None
            change = torch.zeros_like(start.ws)
            for each, part in moved:
                change[:, each.first : each.last + 1] = part[:, None] if part.ndim == 2 else part
            return start.with_ws(self.synthesis, start.ws + change)
        styles = list(start.styles)
        for each, part in moved:
            place = 0
            for index, layer in enumerate(self.synthesis.layers):
                if layer.w_index in each:
                    styles[index] = styles[index] + part[:, place : place + layer.channels]
                    place += layer.channels
        return start.with_styles(styles)

    def forward(self, view: View | None = None) -> Rendering:
        """One image per sample; `scene` holds the change of the latents."""
        whole_only(view, self)
        latents = self.latents_at()
        images = self.images_of(latents)
        return Rendering(images[:, None], scene=LatentScene(self._change(latents)))

    def _change(self, latents: Latents) -> Float[Tensor, "n m"]:
        """The change from the start: of W+ if there is, or else of all styles."""
        start = self.start
        if latents.ws is not None and start.ws is not None:
            return (latents.ws - start.ws).flatten(1)
        pairs = zip(latents.styles, start.styles, strict=True)
        return torch.cat([style - other for style, other in pairs], 1)

    def images(self) -> Float[Tensor, "n 3 h w"]:
        return self.images_of(self.latents_at())

    def images_at(self, shares: Float[Tensor, "n"]) -> Float[Tensor, "n 3 h w"]:
        """The images with a share of the change; beyond 1 and below 0 it is extrapolated."""
        return self.images_of(self.latents_at(shares))

    def images_of(self, latents: Latents) -> Float[Tensor, "n 3 h w"]:
        """The images of latents of all samples, with the given images outside the mask."""
        images = latents.images(self.synthesis)
        given = self.given
        if given is None:
            return images
        return blend(images, given.images.to(images), given.mask.to(images))

    def param_groups(self) -> list[dict[str, Any]]:
        return [
            {"params": [part], "lr": each.rate * self.learning_rate}
            for each, part in zip(self.layers, self.latents, strict=True)
        ]

    def finish(self) -> tuple[str, ...]:
        """Reduces the change of each sample to what keeps enough; says where that was needed."""
        if self.kept is None:
            return ()
        share = self.kept.share
        shares = largest_share(
            lambda shares: share(self.images_at(shares)), self.kept.floor, self.num_samples
        )
        self.reduce(shares)
        left = share(self.images())
        return tuple(
            f"{self._which(index)}reduced to {part:.0%} of the change, which keeps {stays:.2f}"
            for index, (part, stays) in enumerate(zip(shares.tolist(), left.tolist(), strict=True))
            if part < 1
        )

    def _which(self, sample: int) -> str:
        return f"sample {sample}: " if self.num_samples > 1 else ""

    @torch.no_grad()
    def reduce(self, shares: Float[Tensor, "n"]) -> None:
        """Leaves a share of the change of each sample."""
        for part, start in zip(self.latents, self._free(self.start), strict=True):
            factors = shares.to(start).view(-1, *[1] * (start.ndim - 1))
            part.copy_(torch.where(factors == 1, part, start + factors * (part - start)))

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png."""
        return [save_png(folder / "image.png", self.images()[sample])]

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Moves the latents of the start with the parameters."""
        moved = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.start = self.start.to(next(self.parameters()).device)
        return moved

    @classmethod
    def tiny(cls, num_samples: int = 2) -> StyleGANImages:
        network = tiny_network()
        start = Latents.of(network.synthesis, draw_latents(network, tuple(range(num_samples))))
        return cls(network, start, learning_rate=0.05)


def _share(change: Tensor, shares: Float[Tensor, "n"] | None) -> Tensor:
    """A share of the change of each sample, or all of it."""
    if shares is None:
        return change
    return change * shares.to(change).view(-1, *[1] * (change.ndim - 1))
