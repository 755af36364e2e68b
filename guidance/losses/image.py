"""What pictures should be like, whatever the words are: smooth, and within range."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.types import Loss, Moment, Rendering


class TotalVariation(Loss):
    """Mean absolute difference of neighbouring pixels, down plus across, averaged over views.

    Differentiable in the image; a picture of one colour costs 0, a checkerboard of black and
    white pixels 2. Of pictures with alpha, the colour over black is read.

    Source: Rudin, Osher, Fatemi 1992, in its anisotropic form.
    """

    def forward(self, rendering: Rendering, moment: Moment) -> Float[Tensor, "n"]:
        """`[n]`, in [0, 2] for pictures in [0, 1]."""
        image = rendering.image
        down = (image[..., 1:, :] - image[..., :-1, :]).abs()
        across = (image[..., 1:] - image[..., :-1]).abs()
        return down.mean((1, 2, 3, 4)) + across.mean((1, 2, 3, 4))


class Range(Loss):
    """Mean squared distance of values from [0, 1], for generators whose pictures can leave it.

    Source: the range loss of CLIP-guided diffusion (Crowson 2021).
    """

    def forward(self, rendering: Rendering, moment: Moment) -> Float[Tensor, "n"]:
        """`[n]`; 0 where nothing leaves the range."""
        image = rendering.image
        return (image - image.clamp(0, 1)).square().mean((1, 2, 3, 4))
