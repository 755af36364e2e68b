"""LatentEdit images: what does not change stays, whatever the autoencoder loses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.image.latent_edit import FADED, FAINT, LatentEdit, sides_for
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.losses.total_variation import TotalVariation
from tests.diffusion.stand_ins import CHANNELS, SIZE, Mixture


class Counting(Mixture):
    decoded = 0

    def decode_image(self, latents: Tensor) -> Tensor:
        self.decoded += 1
        return super().decode_image(latents)


def picture(height: int = 16, width: int = 16) -> Tensor:
    return 0.2 + 0.6 * torch.rand(3, height, width, generator=torch.Generator().manual_seed(1))


def test_it_starts_as_the_picture_of_which_the_autoencoder_keeps_little() -> None:
    made = LatentEdit((0, 1), picture(), denoiser=Mixture(linear=True))
    assert (made().image - picture()).abs().max() < 5 * FAINT
    assert made.before().shape == (2, 1, 3, 8, 8)  # what the denoiser was trained on


@pytest.mark.parametrize("moved", [0.05, 0.1, 0.3])
def test_what_the_autoencoder_lost_fades_where_the_picture_changes(moved: float) -> None:
    made = LatentEdit((0,), picture(8, 8), denoiser=Mixture(linear=True))
    with torch.no_grad():
        made.change.fill_(2 * moved)  # the stand-in decodes latents to half of them, plus a half
    inner = (..., slice(2, -2), slice(2, -2))  # where the mean around a place is of eight pixels
    decoded = made.get_buffer("decoded")[0]
    wanted = decoded + moved + max(0.0, 1 - moved / FADED) * (picture(8, 8) - decoded)
    assert torch.allclose(made().image[0, 0][inner], wanted.clamp(0, 1)[inner], atol=1e-5)


def test_cells_move_where_any_of_their_pixels_may_and_no_other_pixel_does() -> None:
    mask = torch.zeros(1, 16, 16)
    mask[:, 5:, 5:] = 1.0  # cells are four pixels per side: the second row and column are cut
    made = LatentEdit((0,), picture(), denoiser=Mixture(linear=True), mask=mask)
    with torch.no_grad():
        made.change.fill_(0.2)
    moved = (made().latents - made.get_buffer("latents")).abs()[0, 0].amax(0) > 0.1
    expected = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    expected[1:, 1:] = True
    assert torch.equal(moved, expected)
    shown = made().image[0, 0]
    outside = (mask == 0).expand_as(shown)
    assert torch.equal(shown[outside], picture()[outside])
    assert (shown[~outside] != picture()[~outside]).all()


def test_pictures_are_decoded_only_where_somebody_looks() -> None:
    denoiser = Counting(linear=True)
    made = LatentEdit((0, 1), picture(), denoiser=denoiser)
    before = denoiser.decoded
    rendering = made()
    assert rendering.leaf().latents.shape == (2, 1, CHANNELS, SIZE, SIZE)
    assert denoiser.decoded == before
    optimize(made, TotalVariation(), Settings(steps=3, seeds=(0, 1), validations=1))
    assert denoiser.decoded == before + 3 + 4  # steps; start, two validations, result


def test_the_rendering_of_an_image_of_another_size_has_its_shape() -> None:
    rendering = LatentEdit((0, 1), picture(12, 20), denoiser=Mixture())()
    assert rendering.shape == rendering.image.shape == (2, 1, 3, 12, 20)


class Halves(Mixture):
    """Latents of half the image's sides, of any proportions."""

    image_size = 64

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        return CHANNELS, height // 2, width // 2


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ((64, 64), (64, 64)),
        ((500, 500), (64, 64)),
        ((300, 400), (56, 72)),
        ((1000, 250), (128, 32)),
        ((8, 800), (8, 640)),
    ],
)
def test_sides_have_the_proportions_and_the_area(
    given: tuple[int, int], wanted: tuple[int, int]
) -> None:
    height, width = sides_for(Halves(), given)
    assert height % 4 == width % 4 == 0
    assert height * width == pytest.approx(64 * 64, rel=0.3)
    assert (height, width) == wanted


def test_masks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="mask: expected the image's 16 x 16 pixels, got 8 x 8"):
        LatentEdit((0,), picture(), denoiser=Mixture(), mask=torch.ones(1, 8, 8))
    with pytest.raises(InputError, match="mask: is black everywhere"):
        LatentEdit((0,), picture(), denoiser=Mixture(), mask=torch.zeros(1, 16, 16))
