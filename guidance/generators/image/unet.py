"""A given image transformed by a small network, which can then be applied to other images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from guidance.generators.image.param.base import ImageGenerator
from guidance.generators.image.param.convolution import convolution
from guidance.generators.image.param.masks import blend
from guidance.media.write_image import save_png
from guidance.models.precision import dtype_of, resolved
from guidance.types import StepContext

#: The total stride of the network: three halvings.
STRIDE = 8
#: Radius of the receptive field in pixels: 47, plus up to 7 for the position in a cell of an eighth
#: of the size; rounded up to the stride.
REACH = 56
#: Pixels per side of the tiles of a large image, without the receptive field around them.
TILE = 512
#: The least distance of the input from black and white, where the gradient would be 0.
MARGIN = 0.01
#: Of the leaky ReLUs.
SLOPE = 0.2


@dataclass(frozen=True)
class Original:
    """The image at its full size, which `export` transforms as well."""

    image: Float[Tensor, "3 h w"]
    mask: Float[Tensor, "1 h w"] | None = None  # 1 where the image may change


class UNet(ImageGenerator):
    """A given image transformed by a network for each sample: `sigmoid(logit(x) + f(x))`.

    `f` is a U-Net of three halvings without normalization, so that a pixel of the result depends
    only on the receptive field around it, and images can be processed in tiles. Its last layer
    starts at 0: the initial image is the given one, clamped away from black and white.

    Source: CLIPstyler (Kwon & Ye 2022, arXiv 2112.00374) optimizes a U-Net of about 0.6 M weights
    with instance norms. Deviation: 0.25 M weights without norms, for processing in tiles.

    Args:
        seeds: one per sample, for the weights.
        content: the image, in [0, 1], of any size.
        widths: channels at full, half, quarter and eighth size.
        learning_rate: of Adam; from 4e-3 on, some images become a single color.
        original: the same image at its full size, which `export` transforms as well.
        precision: of the gradients, "fp32", "bf16" or "auto"; the images are always float32.
    """

    chosen_by_name = False

    def __init__(
        self,
        seeds: Sequence[int],
        content: Float[Tensor, "3 h w"],
        *,
        widths: tuple[int, int, int, int] = (16, 32, 64, 64),
        learning_rate: float = 1e-3,
        original: Original | None = None,
        precision: str = "auto",
    ) -> None:
        super().__init__()
        self.precision = resolved(precision)
        self.num_samples, self.learning_rate = len(seeds), learning_rate
        self.original = original
        self.register_buffer("content", content, persistent=False)
        a, b, c, d = widths
        sides = {
            "full1": (3, a),
            "full2": (a, a),
            "half1": (a, b),
            "half2": (b, b),
            "quarter1": (b, c),
            "quarter2": (c, c),
            "eighth1": (c, d),
            "eighth2": (d, d),
            "up3": (d + c, c),
            "up2": (c + b, b),
            "up1": (b + a, a),
            "out": (a, 3),
        }
        draws = StepContext(tuple(seeds), phase="start")
        self.weights, self.biases = nn.ParameterDict(), nn.ParameterDict()
        for name, (width_in, width_out) in sides.items():
            # He initialization for leaky ReLUs, which preserves the variance through the layers.
            spread = math.sqrt(2 / (1 + SLOPE**2) / (9 * width_in)) if name != "out" else 0.0
            weight = spread * draws.normal(f"unet/{name}", width_out, width_in, 3, 3)
            self.weights[name] = nn.Parameter(weight)
            self.biases[name] = nn.Parameter(torch.zeros(len(seeds), width_out))

    def images(self) -> Float[Tensor, "n 3 h w"]:
        content = self.get_buffer("content")
        height, width = content.shape[-2:]
        given = content.expand(self.num_samples, 1, *content.shape)
        return self.styled(padded(given), slice(None))[:, 0, :, :height, :width]

    @torch.no_grad()
    def restyle(
        self, image: Float[Tensor, "3 h w"], sample: int, tile: int = TILE
    ) -> Float[Tensor, "3 h w"]:
        """Another image transformed by the network of a sample, tile by tile.

        Tiles overlap by the receptive field, so that the result is that of the whole image, with
        the memory of one tile.
        """
        height, width = image.shape[-2:]
        whole = padded(image)
        made = torch.empty_like(image)
        for top in range(0, height, tile):
            for left in range(0, width, tile):
                rows, columns = (
                    slice(max(0, start - REACH), start + tile + REACH) for start in (top, left)
                )
                piece = whole[:, rows, columns].to(self.get_buffer("content"))
                styled = self.styled(piece[None, None], slice(sample, sample + 1))[0, 0]
                styled = styled[:, top - rows.start :, left - columns.start :]
                place = made[:, top : top + tile, left : left + tile]
                place.copy_(styled[:, : place.shape[1], : place.shape[2]])
        return made

    def styled(
        self, images: Float[Tensor, "n v 3 h w"], samples: slice
    ) -> Float[Tensor, "n v 3 h w"]:
        """Images transformed by the networks of some samples; sides are multiples of the stride."""

        def layer(name: str, x: Tensor, stride: int = 1) -> Tensor:
            return F.leaky_relu(self._convolved(name, x, samples, stride), SLOPE)

        n, v = images.shape[:2]
        full = layer("full2", layer("full1", (2 * images - 1).transpose(0, 1).flatten(1, 2)))
        half = layer("half2", layer("half1", full, 2))
        quarter = layer("quarter2", layer("quarter1", half, 2))
        x = layer("eighth2", layer("eighth1", quarter, 2))
        for name, skip in (("up3", quarter), ("up2", half), ("up1", full)):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = layer(name, _beside(x, skip, n))
        change = self._convolved("out", x, samples).view(v, n, *images.shape[2:]).transpose(0, 1)
        return torch.sigmoid(torch.logit(images, MARGIN) + change)

    def _convolved(
        self, name: str, x: Float[Tensor, "v nc h w"], samples: slice, stride: int = 1
    ) -> Float[Tensor, "v nd hh ww"]:
        """A convolution with separate weights for each sample, as one grouped convolution."""
        weight, bias = self.weights[name][samples], self.biases[name][samples]
        dtype = dtype_of(self.precision, x.device)
        return convolution(x, weight.flatten(0, 1), bias.flatten(), (stride, len(weight)), dtype)

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.learning_rate}]

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png, and full.png with the transformed `original`."""
        files = super().export(folder, sample)
        if self.original is not None:
            full = self.restyle(self.original.image, sample)
            if self.original.mask is not None:
                full = blend(full, self.original.image, self.original.mask)
            files.append(save_png(folder / "full.png", full))
        return files

    @classmethod
    def tiny(cls, num_samples: int = 2) -> UNet:
        line = torch.linspace(0.2, 0.8, 16)
        content = torch.stack([line.expand(16, 16), line[:, None].expand(16, 16), line.outer(line)])
        return cls(range(num_samples), content, widths=(6, 8, 8, 8), learning_rate=0.01)


def padded(images: Float[Tensor, "*b 3 h w"]) -> Float[Tensor, "*b 3 hh ww"]:
    """Images padded at the right and at the bottom to multiples of the stride."""
    height, width = images.shape[-2:]
    flat = images.reshape(-1, height, width)
    flat = F.pad(flat, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
    return flat.view(*images.shape[:-2], *flat.shape[1:])


def _beside(
    x: Float[Tensor, "v nc h w"], skip: Float[Tensor, "v nd h w"], n: int
) -> Float[Tensor, "v ne h w"]:
    """Concatenates the channels of both, sample by sample."""
    if n == 1:
        return torch.cat([x, skip], 1)
    v, _, height, width = x.shape
    both = torch.cat([t.view(v, n, -1, height, width) for t in (x, skip)], 2)
    return both.view(v, -1, height, width)
