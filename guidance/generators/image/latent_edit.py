"""An image and what a change of its latents does to it: edits that leave all else as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from guidance.diffusion import Denoiser, load_denoiser
from guidance.diffusion.latents import LatentRendering, check_device
from guidance.generators.image.masked import blend, check_mask
from guidance.generators.image.param.windows import whole_only
from guidance.media.resize import resized
from guidance.media.write_png import save_png
from guidance.types import Generator, StepContext
from guidance.views import View

#: Spread of the latents' change at the start: not to be seen, and yet no two seeds start alike.
FAINT = 1e-3
#: Mean difference of decoded pixels, around a place, from which on nothing of what the autoencoder
#: lost is kept there. By eye, of one pictogram turned into another: with all of it, old outlines
#: stay as bright lines; at 0.25 hardly any are left, at 0.1 none, but gentler changes lose details.
FADED = 0.25
#: Sides are multiples of so many cells: transformers take latents in patches of two by two.
CELLS = 2


class LatentEdit(Generator):
    """A given image plus the difference that a change of its latents makes, where a mask lets it.

        D(z + change) + kept * (image - D(z))

    Score distillation by the same denoiser moves the latents themselves. What an autoencoder loses
    of an image, `image - D(z)`, is put back, so nothing is lost where nothing changes; where
    much does, it would be the ghost of old outlines, and is not kept. Latents have the image's
    proportions in about as many pixels as the denoiser was trained on, whatever the image's size,
    to which all is brought.

    Pixels in place of latents do not do: down the encoder's gradient lies texture that means
    another image to the encoder and noise to people. On the embedded autoencoder, from one
    pictogram towards another, the distance of their latents fell to 3%, but that of the images to
    47% only; a change of the latents brings it to 11%.

    Args:
        seeds: one a sample, for the faint noise that it starts from.
        image: the image to change, in [0, 1].
        denoiser: whose latents they are.
        mask: 1 where the image may change, 0 where not a bit does.
        learning_rate: of the optimizer, in latents, which have a spread of about 1.
        original: the same image and mask in another size, which files are to have.

    Raises:
        InputError: a mask of another size, or that is black everywhere.
    """

    chosen_by_name = False

    def __init__(
        self,
        seeds: Sequence[int],
        picture: Float[Tensor, "3 h w"],
        *,
        denoiser: Denoiser,
        mask: Float[Tensor, "1 rows columns"] | None = None,
        learning_rate: float = 0.03,
        original: tuple[Float[Tensor, "3 hh ww"], Float[Tensor, "1 hh ww"] | None] | None = None,
    ) -> None:
        super().__init__()
        picture, mask = _masked(picture, mask)
        exported = (picture, mask) if original is None else _masked(*original)
        self.num_samples, self.learning_rate = len(seeds), learning_rate
        self.denoisers = (denoiser,)  # in a tuple, so that it does not become part of this module
        device = next(denoiser.parameters()).device
        small = resized(picture, sides_for(denoiser, (picture.shape[1], picture.shape[2])))
        with torch.no_grad():
            latents = denoiser.encode_image(small[None].to(device)).cpu()
            decoded = denoiser.decode_image(latents.to(device)).cpu()
        # A cell may change if any of its pixels may.
        free = F.adaptive_max_pool2d((mask > 0).float(), latents.shape[2:])
        for name, tensor in {
            "image": picture,
            "mask": mask,
            "exported": exported[0],
            "exported_mask": exported[1],
            "small": small,
            "latents": latents,
            "decoded": decoded,
            "free": free,
        }.items():
            self.register_buffer(name, tensor, persistent=False)
        noise = StepContext(tuple(seeds), phase="start").normal("revised", *latents.shape[1:])
        self.change = nn.Parameter(FAINT * noise)

    def forward(self, view: View | None = None) -> LatentRendering:
        """One image a sample, decoded when somebody looks at it."""
        whole_only(view, self)
        check_device(self.denoisers[0], self.change)
        image = self.get_buffer("image")
        size = (image.shape[1], image.shape[2])
        return LatentRendering(self._latents()[:, None], self.denoisers[0], self.shown, size)

    def _latents(self) -> Float[Tensor, "n c hh ww"]:
        return self.get_buffer("latents") + self.get_buffer("free") * self.change

    def shown(self, latents: Float[Tensor, "b c hh ww"]) -> Float[Tensor, "b 3 h w"]:
        """The image as a change of its latents to these leaves it."""
        return self._shown(latents, self.get_buffer("image"), self.get_buffer("mask"))

    def _shown(
        self,
        latents: Float[Tensor, "b c hh ww"],
        picture: Float[Tensor, "3 h w"],
        mask: Float[Tensor, "1 h w"],
    ) -> Float[Tensor, "b 3 h w"]:
        decoded = self.get_buffer("decoded")
        sides = (picture.shape[1], picture.shape[2])
        difference = self.denoisers[0].decode_image(latents) - decoded
        size = difference.abs().mean(1, keepdim=True)
        moved = F.avg_pool2d(size, 5, 1, 2, count_include_pad=False)
        kept = resized((1 - moved / FADED).clamp_min(0), sides)
        lost = picture - resized(decoded, sides)
        new = resized(decoded + difference, sides) + kept * lost
        return blend(new.clamp(0, 1), picture, mask)

    def before(self) -> Float[Tensor, "n 1 3 h w"]:
        """The image as it was, for each sample, in the size that is encoded."""
        return self.get_buffer("small").expand(self.num_samples, 1, -1, -1, -1)

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.change], "lr": self.learning_rate}]

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png, in the size of `original`."""
        latents = self._latents()[sample : sample + 1]
        made = self._shown(latents, *map(self.get_buffer, ("exported", "exported_mask")))
        return [save_png(folder / "image.png", made[0])]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> LatentEdit:
        random = torch.Generator().manual_seed(3)
        picture = 0.3 + 0.4 * torch.rand(3, 24, 24, generator=random)
        return cls(range(num_samples), picture, denoiser=load_denoiser("mini-diffusion"))


def _masked(
    picture: Float[Tensor, "3 h w"], mask: Float[Tensor, "1 rows columns"] | None
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "1 h w"]]:
    """The image and its mask, by default white. Raises InputError if they do not go together."""
    mask = torch.ones_like(picture[:1]) if mask is None else mask
    check_mask(picture, mask)
    return picture, mask


def sides_for(denoiser: Denoiser, picture: tuple[int, int]) -> tuple[int, int]:
    """Height and width to encode an image at: its proportions, the denoiser's area.

    Both are multiples of `CELLS` cells of the latents, and as near to that as these let them be.
    """
    size = denoiser.image_size
    unit = CELLS * size // denoiser.latent_shape(size, size)[1]
    root = math.sqrt(picture[0] * picture[1])
    height, width = (max(1, round(size * side / root / unit)) * unit for side in picture)
    return height, width
