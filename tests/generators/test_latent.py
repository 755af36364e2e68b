"""Images of a denoiser: its latents, and the noise that it draws from."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from guidance.diffusion.latents import LatentRendering
from guidance.errors import InputError
from guidance.generators.image.latent import Latent
from guidance.generators.image.noise import Noise
from guidance.generators.image.pixels import Pixels
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.losses.distillation import Distillation
from guidance.losses.noise_norm import NoiseNorm
from guidance.losses.total_variation import TotalVariation
from guidance.outputs import Rendering
from guidance.types import Loss, StepContext, Terms
from tests.diffusion.stand_ins import Mixture


class Counting(Mixture):
    """Counts how often images are encoded and decoded."""

    encoded = decoded = 0

    def encode_image(self, images: Tensor) -> Tensor:
        self.encoded += 1
        return super().encode_image(images)

    def decode_image(self, latents: Tensor) -> Tensor:
        self.decoded += 1
        return super().decode_image(latents)


class Brightness(Loss):
    """In three parts, which all need the gradient of the same images."""

    def parts(self, rendering: Rendering, context: StepContext, micro_batch: int):  # type: ignore[no-untyped-def]
        for channel in range(3):
            yield (1 - rendering.image[:, :, channel]).square().mean((1, 2, 3))


def latent(denoiser: Mixture, num_samples: int = 2) -> Latent:
    return Latent(range(num_samples), denoiser=denoiser, learning_rate=0.1)


def test_distillation_moves_latents_without_any_autoencoder() -> None:
    denoiser = Counting(variance=0.05)
    generator = latent(denoiser)
    texts = ["a cat", "a dog"]
    loss = Distillation(texts, denoiser=denoiser, method="sds", guidance_scale=1.0, unit=True)
    before = denoiser.encoded
    settings = Settings(steps=60, seeds=(0, 1), validations=1)
    optimize(generator, loss, settings)
    assert denoiser.encoded == before
    assert denoiser.decoded == 4  # of the start, of two validations and of the result
    for found, text in zip(generator.latents, texts, strict=True):
        mean = denoiser.mean(text).float()
        assert (found - mean).square().mean() < 0.1 * mean.square().mean()


def test_other_losses_look_at_the_decoded_pictures_once_a_step() -> None:
    denoiser = Counting()
    generator = latent(denoiser)
    settings = Settings(steps=40, seeds=(0, 1), validations=1)
    before = generator().image.mean()
    decoded = denoiser.decoded
    result = optimize(generator, Brightness() + 0.1 * TotalVariation(), settings)
    assert result.images.mean() > before + 0.2
    assert denoiser.decoded - decoded == 40 + 4


def test_both_kinds_of_gradients_are_added() -> None:
    denoiser = Mixture()

    def gradient(losses: Loss | Terms) -> Tensor:
        found: list[Tensor] = []

        def listen(event: Event) -> None:
            if isinstance(event, StepEvent):
                assert generator.latents.grad is not None
                found.append(generator.latents.grad.clone())

        generator = latent(denoiser)
        settings = Settings(steps=1, seeds=(0, 1), validations=1)
        optimize(generator, losses, settings, listeners=[listen])
        return found[0]

    def distillation() -> Distillation:
        return Distillation(["a cat", "a dog"], denoiser=denoiser)

    of_latents, of_pixels = gradient(distillation()), gradient(Brightness())
    assert of_latents.abs().sum() > 0 and of_pixels.abs().sum() > 0
    both = gradient(distillation() + 2.0 * Brightness())
    assert torch.allclose(both, of_latents + 2 * of_pixels, atol=1e-6)


def test_normalizing_counts_what_a_loss_looked_at_alone() -> None:
    denoiser = Mixture()

    def run(first: bool) -> Tensor:
        field = Distillation(["a cat", "a dog"], denoiser=denoiser)
        losses = field + Brightness() if first else Brightness() + field
        generator = latent(denoiser)
        settings = Settings(steps=2, seeds=(0, 1), validations=1, normalize=True)
        optimize(generator, losses, settings)
        return generator.latents.detach()

    assert torch.allclose(run(first=True), run(first=False), atol=1e-6)


def test_a_look_without_a_gradient_spoils_none() -> None:
    rendering = latent(Mixture())()
    with torch.no_grad():
        assert rendering.image.max() <= 1
    leaf = rendering.leaf()
    assert torch.autograd.grad(leaf.image.sum(), leaf.image)[0].abs().sum() > 0
    assert torch.autograd.grad(rendering.image.sum(), rendering.leaves()[0])[0].abs().sum() > 0


def test_many_samples_are_decoded_in_parts() -> None:
    denoiser = Counting()
    rendering = latent(denoiser, 9)()
    rendering.image.square().sum().backward()
    assert denoiser.decoded == 2
    few = latent(denoiser, 2)().image
    assert torch.allclose(rendering.image[:2], few, atol=1e-6)


def test_latents_of_another_denoiser_are_decoded() -> None:
    generator = latent(Counting())
    other = Counting(prediction="v")
    loss = Distillation(["a cat", "a dog"], denoiser=other)
    optimize(generator, loss, Settings(steps=2, seeds=(0, 1), validations=1))
    assert other.encoded > 0


def test_a_rendering_of_latents_has_a_shape_before_it_is_decoded() -> None:
    denoiser = Counting()
    rendering = latent(denoiser)()
    assert isinstance(rendering, LatentRendering)
    assert rendering.shape == (2, 1, 3, 8, 8) and denoiser.decoded == 0
    assert rendering.leaves() == [rendering.latents]
    assert rendering.image.shape == rendering.shape and len(rendering.leaves()) == 2


def test_a_rendering_of_latents_is_a_dataclass_that_decodes_nothing_by_itself() -> None:
    denoiser = Counting()
    rendering = latent(denoiser)()
    half = replace(rendering, latents=rendering.latents[:1])
    assert half.num_samples == 1 and half.denoiser is denoiser and half.device == rendering.device
    assert repr(half) == "LatentRendering(size=None)"
    assert half.whole() is half and half.alpha is None and half.cameras is None
    assert denoiser.decoded == 0 and half.over().shape == (1, 1, 3, 8, 8)
    with pytest.raises(InputError, match="no view shows part 0 alone"):
        half.showing(0)


def test_starts_from_a_picture() -> None:
    denoiser = Mixture(linear=True)
    picture = torch.rand(3, 8, 8)
    large = picture.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert Latent((0,), denoiser=denoiser, start=large).latents.shape == (1, 3, 4, 4)
    found = Latent((0, 1), denoiser=denoiser, start=picture).latents
    assert torch.allclose(found, denoiser.encode_image(picture[None]).expand(2, -1, -1, -1))


def noise(denoiser: Mixture, **options: float) -> Noise:
    return Noise((0, 1), ["a cat", "a dog"], denoiser=denoiser, **options)  # type: ignore[arg-type]


def test_noise_is_chosen_by_the_loss() -> None:
    denoiser = Mixture(prediction="v", variance=0.5)
    generator = noise(denoiser, sampler_steps=3, learning_rate=2.0)
    before = generator().image.mean((1, 2, 3, 4)).detach()
    settings = Settings(steps=40, seeds=(0, 1), validations=4, optimizer="sgd")
    optimize(generator, 100.0 * Brightness() + 0.01 * NoiseNorm(), settings)
    assert (generator().image.mean((1, 2, 3, 4)) > before + 0.05).all()


def test_gradients_of_noise_are_clipped_by_sample() -> None:
    generator = noise(Mixture(prediction="v", variance=0.5))
    (1e4 * generator().image[:1]).sum().backward()
    assert generator.noise.grad is not None
    norms = generator.noise.grad.flatten(1).norm(dim=1)
    assert norms[0] == pytest.approx(0.1, rel=1e-4) and norms[1] == 0


def test_samplers_options_change_the_picture() -> None:
    denoiser = Mixture(prediction="v", variance=0.5)
    plain = noise(denoiser)().image
    assert not torch.allclose(plain, noise(denoiser, sampler_steps=2)().image)
    assert not torch.allclose(plain, noise(denoiser, guidance_scale=2.0)().image)


def test_the_norm_of_noise_is_least_where_noise_is() -> None:
    generator = noise(Mixture())
    d = generator.noise[0].numel()
    loss, context = NoiseNorm(), StepContext((0, 1))
    with torch.no_grad():
        generator.noise.mul_(math.sqrt(d - 1) / generator.noise.flatten(1).norm(dim=1)[0])
    value = loss(generator(), context).detach()
    assert value[0].item() == pytest.approx(0, abs=1e-3) and value[1] >= -1e-3
    with torch.no_grad():
        generator.noise.mul_(2)
    assert (loss(generator(), context) > value + 1).all()


def test_mistakes_are_told() -> None:
    with pytest.raises(InputError, match="Noise: expected 2 prompts, one per sample, got 1"):
        Noise((0, 1), ["a cat"], denoiser=Mixture())
    with pytest.raises(InputError, match="NoiseNorm: applies only to the generator Noise"):
        NoiseNorm()(Pixels((0,), 8)(), StepContext((0,)))
