"""What denoisers draw by themselves: from any noise to where the data lies, differentiably."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from guidance.diffusion.base import Condition, Level, Prediction
from guidance.diffusion.sampling import draw, sample
from guidance.errors import InputError
from tests.diffusion.stand_ins import CHANNELS, SIZE, Mixture

KINDS = pytest.mark.parametrize("prediction", ["epsilon", "v", "flow"])


@KINDS
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_draws_what_the_words_mean(prediction: Prediction, scale: float) -> None:
    denoiser = Mixture(prediction=prediction, variance=1e-4)
    noise = torch.randn(2, CHANNELS, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    texts = ["a cat", "a dog"]
    found = draw(
        denoiser,
        noise.double(),
        denoiser.encode_text(texts),
        denoiser.encode_text(["", ""]),
        steps=30,
        guidance_scale=scale,
    )
    for latent, text in zip(found, texts, strict=True):
        assert (latent - denoiser.mean(text)).abs().max() < 0.1


@KINDS
def test_one_step_is_the_networks_own_guess(prediction: Prediction) -> None:
    denoiser = Mixture(prediction=prediction)
    if prediction == "epsilon":
        assert denoiser.alphas_cumprod is not None
        denoiser.alphas_cumprod[-1] = 0.01  # at its own last level, dividing by alpha is no fun
    noise = torch.randn(1, CHANNELS, SIZE, SIZE, dtype=torch.float64)
    row, empty = denoiser.encode_text(["a cat"]), denoiser.encode_text([""])
    found = draw(denoiser, noise, row, empty, steps=1, guidance_scale=1.0)
    level = denoiser.level(torch.ones(1), noise)
    told = denoiser.noise(noise, level, row)
    if prediction == "flow":  # whose alpha is 0 there
        assert torch.allclose(found, noise - denoiser.predict(noise, level, row))
    else:
        assert torch.allclose(found, level.clean(noise, told), atol=1e-6)


def test_the_gradient_is_that_of_the_path() -> None:
    denoiser = Mixture(prediction="v", variance=0.5)
    row, empty = denoiser.encode_text(["a cat"]), denoiser.encode_text([""])

    def path(noise: torch.Tensor) -> torch.Tensor:
        return draw(denoiser, noise, row, empty, steps=3, guidance_scale=2.0)

    noise = torch.randn(1, CHANNELS, SIZE, SIZE, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(path, noise, fast_mode=True)


class Shifted(Mixture):
    """Notes when it is asked."""

    def __init__(self) -> None:
        super().__init__(prediction="flow")
        self.times: list[float] = []

    def shift(self, height: int, width: int) -> float:
        return 3.0

    def output(self, noisy: Tensor, level: Level, condition: Condition) -> Tensor:
        self.times.append(float(level.sigma.flatten()[0]))
        return super().output(noisy, level, condition)


def test_flow_models_step_where_their_scheduler_shifts() -> None:
    denoiser = Shifted()
    noise = torch.randn(1, CHANNELS, SIZE, SIZE, dtype=torch.float64)
    draw(denoiser, noise, denoiser.encode_text(["a cat"]), None, steps=4, guidance_scale=1.0)
    assert denoiser.times == pytest.approx([1, 3 * 0.75 / 2.5, 3 * 0.5 / 2, 3 * 0.25 / 1.5])


def test_a_picture_depends_on_its_own_seed_and_words() -> None:
    denoiser = Mixture(prediction="v", variance=0.5)
    both = sample(denoiser, ["a cat", "a dog"], [3, 4], steps=5, micro_batch=1)
    assert both.shape == (2, 3, 8, 8) and both.min() >= 0 and both.max() <= 1
    alone = sample(denoiser, ["a dog"], [4], steps=5)
    assert torch.allclose(both[1:], alone, atol=1e-6)
    assert not torch.allclose(both[1:], sample(denoiser, ["a dog"], [5], steps=5), atol=1e-2)


def test_mistakes_are_told() -> None:
    with pytest.raises(InputError, match="expected one seed for each of 2 texts, got 1"):
        sample(Mixture(), ["a cat", "a dog"], [0])
    with pytest.raises(InputError, match="sampling steps: expected at least 1, got 0"):
        sample(Mixture(), ["a cat"], [0], steps=0)
    with pytest.raises(InputError, match="guidance_scale 2: expected an unconditional row"):
        draw(Mixture(), torch.zeros(1, 3, 4, 4), Condition({}), None, steps=1, guidance_scale=2.0)
