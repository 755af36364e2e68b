"""A given image edited through its latents; unchanged parts keep all of their detail."""

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
from guidance.generators.image.param.masks import blend, check_mask
from guidance.generators.image.param.windows import whole_only
from guidance.media.resize import resized
from guidance.media.write_image import save_png
from guidance.types import Generator, StepContext
from guidance.views import View

#: Standard deviation of the change at the start: invisible, but different for each seed.
FAINT = 1e-3
#: Mean absolute change of the decoded pixels around a pixel above which the reconstruction error of
#: the autoencoder is not restored there. Chosen by eye, one pictogram edited into another: with the
#: full error, old outlines stay as bright lines; at 0.25 hardly any are left, at 0.1 none, but
#: smaller changes then lose details.
FADED = 0.25
#: Sides are multiples of this many latent cells: transformers take latents in patches of 2 x 2.
CELLS = 2


class LatentEdit(Generator):
    """A given image plus the difference that a change of its latents makes, inside a mask.

        D(z + change) + kept * (image - D(z))

    Score distillation with the same denoiser reads the latents directly. The reconstruction error
    of the autoencoder, `image - D(z)`, is added, so unchanged parts lose nothing; where the image
    changes much, the error would show the old outlines, so it is faded out. The latents have the
    proportions of the image, and about the number of pixels that the denoiser was trained on; the
    decoded difference is resized to the image.

    Pixels instead of latents do not work: the gradient through the encoder leads to adversarial
    texture, which looks like another image to the encoder and like noise to people. On the embedded
    autoencoder, from one pictogram towards another, optimized pixels reduced the distance of the
    latents to 3%, but that of the images only to 47%; optimized latents reduced it to 11%.

    Args:
        seeds: one per sample, for the noise that the change starts from.
        image: the image to edit, in [0, 1].
        denoiser: the model of the latents.
        mask: 1 where the image may change, 0 where it stays bit-identical.
        learning_rate: of the optimizer; latents have a standard deviation of about 1.
        original: the same image and mask at the size of the exported file.

    Raises:
        InputError: a mask of another size, or that is black everywhere.
    """

    chosen_by_name = False

    def __init__(
        self,
        seeds: Sequence[int],
        image: Float[Tensor, "3 h w"],
        *,
        denoiser: Denoiser,
        mask: Float[Tensor, "1 rows columns"] | None = None,
        learning_rate: float = 0.03,
        original: tuple[Float[Tensor, "3 hh ww"], Float[Tensor, "1 hh ww"] | None] | None = None,
    ) -> None:
        super().__init__()
        image, mask = _masked(image, mask)
        exported = (image, mask) if original is None else _masked(*original)
        self.num_samples, self.learning_rate = len(seeds), learning_rate
        self.denoisers = (denoiser,)  # in a tuple, so that it is not a submodule
        device = next(denoiser.parameters()).device
        small = resized(image, sides_for(denoiser, (image.shape[1], image.shape[2])))
        with torch.no_grad():
            latents = denoiser.encode_image(small[None].to(device)).cpu()
            decoded = denoiser.decode_image(latents.to(device)).cpu()
        # A cell may change if any of its pixels may.
        free = F.adaptive_max_pool2d((mask > 0).float(), latents.shape[2:])
        for name, tensor in {
            "image": image,
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
        """One image per sample, decoded when a loss reads it."""
        whole_only(view, self)
        check_device(self.denoisers[0], self.change)
        image = self.get_buffer("image")
        size = (image.shape[1], image.shape[2])
        return LatentRendering(self._latents()[:, None], self.denoisers[0], self.edited, size)

    def _latents(self) -> Float[Tensor, "n c hh ww"]:
        return self.get_buffer("latents") + self.get_buffer("free") * self.change

    def edited(self, latents: Float[Tensor, "b c hh ww"]) -> Float[Tensor, "b 3 h w"]:
        """The image edited by a change of its latents to these."""
        return self._edited(latents, self.get_buffer("image"), self.get_buffer("mask"))

    def _edited(
        self,
        latents: Float[Tensor, "b c hh ww"],
        image: Float[Tensor, "3 h w"],
        mask: Float[Tensor, "1 h w"],
    ) -> Float[Tensor, "b 3 h w"]:
        decoded = self.get_buffer("decoded")
        sides = (image.shape[1], image.shape[2])
        difference = self.denoisers[0].decode_image(latents) - decoded
        size = difference.abs().mean(1, keepdim=True)
        moved = F.avg_pool2d(size, 5, 1, 2, count_include_pad=False)
        kept = resized((1 - moved / FADED).clamp_min(0), sides)
        lost = image - resized(decoded, sides)
        new = resized(decoded + difference, sides) + kept * lost
        return blend(new.clamp(0, 1), image, mask)

    def before(self) -> Float[Tensor, "n 1 3 h w"]:
        """The unedited image for each sample, at the size that is encoded."""
        return self.get_buffer("small").expand(self.num_samples, 1, -1, -1, -1)

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.change], "lr": self.learning_rate}]

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png, at the size of `original`."""
        latents = self._latents()[sample : sample + 1]
        made = self._edited(latents, *map(self.get_buffer, ("exported", "exported_mask")))
        return [save_png(folder / "image.png", made[0])]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> LatentEdit:
        random = torch.Generator().manual_seed(3)
        image = 0.3 + 0.4 * torch.rand(3, 24, 24, generator=random)
        return cls(range(num_samples), image, denoiser=load_denoiser("mini-diffusion"))


def _masked(
    image: Float[Tensor, "3 h w"], mask: Float[Tensor, "1 rows columns"] | None
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "1 h w"]]:
    """An image and its mask, by default white; see `check_mask` for its errors."""
    mask = torch.ones_like(image[:1]) if mask is None else mask
    check_mask(image, mask)
    return image, mask


def sides_for(denoiser: Denoiser, size: tuple[int, int]) -> tuple[int, int]:
    """The height and width at which an image of some size is encoded.

    It has about the image's proportions and the denoiser's number of pixels, rounded to multiples
    of `CELLS` latent cells.
    """
    usual = denoiser.image_size
    unit = CELLS * usual // denoiser.latent_shape(usual, usual)[1]
    root = math.sqrt(size[0] * size[1])
    height, width = (max(1, round(usual * side / root / unit)) * unit for side in size)
    return height, width
