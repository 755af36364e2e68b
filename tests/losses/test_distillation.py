"""Fields of score distillation against denoisers whose answers are known in closed form."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidance.diffusion.base import Denoiser, Level
from guidance.errors import InputError
from guidance.loop.events import Event, PreviewEvent, StepEvent
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.losses.distillation import Distillation
from guidance.losses.sds.batch import LatentBatch
from guidance.losses.sds.methods import DEFAULT_NEGATIVE, METHODS, Method
from guidance.losses.sds.times import Times
from guidance.losses.sds.validation import guided
from guidance.outputs import Rendering
from guidance.types import StepContext
from tests.diffusion.stand_ins import CHANNELS, SIZE, Mixture
from tests.losses.stand_ins import cameras, context, everything

CAT, DOG = "a cat", "a dog"


def pictures(n: int = 2, seed: int = 0, size: int = 8) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.rand(n, 1, 3, size, size, generator=random, dtype=torch.float64)


def made(denoiser: Mixture, prompt: Any = CAT, n: int = 1, **options: Any) -> Distillation:
    loss = Distillation(prompt, denoiser=denoiser, **{"method": "sds", **options})
    loss.prepare(Rendering(pictures(n, seed=9)))
    return loss


def latent_field(loss: Distillation, image: Tensor, at: StepContext) -> Tensor:
    """The gradient at the latents of images, by a denoiser that encodes them linearly."""
    leaf = image.clone().requires_grad_()
    found = torch.autograd.grad(loss(Rendering(leaf), at).sum(), leaf)[0]
    # The stand-in's latent is the mean over squares of 2 x 2 pixels, times two, minus one.
    small = found.unflatten(-1, (SIZE, 2)).unflatten(-3, (SIZE, 2)).sum((-1, -3))
    return small[:, 0] / 2


def latents(denoiser: Mixture, image: Tensor) -> Tensor:
    return denoiser.encode_image(image.flatten(0, 1)).detach()


def loaded(loss: Distillation) -> Denoiser:
    assert loss._prepared is not None
    return loss._prepared[0].denoiser


def draws(at: StepContext, loss: Distillation, like: Tensor) -> tuple[Tensor, Tensor, Level]:
    """Noise, times and levels as the loss draws them, for one view."""
    noise = at.normal("distillation/noise", 1, 1, CHANNELS, SIZE, SIZE)[:, 0, 0].to(like)
    share = at.uniform("distillation/time", 1, 1, 2)[:, 0, 0, 0]
    time = loss.times.at(share, at.progress)
    return noise, time, loaded(loss).level(time, like)


def told(denoiser: Mixture, text: str, x: Tensor, level: Level) -> Tensor:
    """The noise by one text's own Gaussian, written out."""
    spread = level.alpha**2 * denoiser.variance + level.sigma**2
    return level.sigma * (x - level.alpha * denoiser.modes[text].to(x)) / spread


def free(denoiser: Mixture, x: Tensor, level: Level) -> Tensor:
    """The noise by the even mixture: - sigma times the slope of its log density, by autograd."""
    x = x.detach().requires_grad_()
    spread = level.alpha**2 * denoiser.variance + level.sigma**2
    logs = [
        -((x - level.alpha * mean.to(x)).square() / (2 * spread)).sum((1, 2, 3))
        for mean in denoiser.modes.values()
    ]
    slope = torch.autograd.grad(torch.stack(logs).logsumexp(0).sum(), x)[0]
    return -level.sigma * slope


def test_sds_by_hand() -> None:
    denoiser, at = Mixture(linear=True), context(2)
    loss = made(denoiser, (CAT, DOG), n=2, guidance_scale=3.0)
    image = pictures()
    z = latents(denoiser, image)
    noise, _, level = draws(at, loss, z)
    x = level.alpha * z + level.sigma * noise
    base = free(denoiser, x, level)
    asked = torch.cat([told(denoiser, t, x, level)[i : i + 1] for i, t in enumerate((CAT, DOG))])
    wanted = level.sigma**2 * (base + 3 * (asked - base) - noise)
    assert torch.allclose(latent_field(loss, image, at), wanted, rtol=1e-9)


def test_scale_1_is_the_condition_alone_and_0_none() -> None:
    denoiser, at = Mixture(linear=True), context(1)
    image = pictures(1)
    z = latents(denoiser, image)
    loss = made(denoiser, weighting="one", guidance_scale=1.0)
    noise, _, level = draws(at, loss, z)
    x = level.alpha * z + level.sigma * noise
    denoiser.asked = 0
    alone = latent_field(loss, image, at)
    assert denoiser.asked == 1  # the empty text is not even asked
    assert torch.allclose(alone, told(denoiser, CAT, x, level) - noise)
    loss = made(denoiser, weighting="one", guidance_scale=0.0)
    assert torch.allclose(latent_field(loss, image, at), free(denoiser, x, level) - noise)


@pytest.mark.parametrize("method", ["sds", "csd", "nfsd", "asd", "ism", "sdi", "fsd", "dds", "pds"])
def test_epsilon_and_v_are_the_same_knowledge(method: str) -> None:
    source = {"source": DOG} if METHODS[method].edits else {}
    fields = [
        latent_field(
            made(Mixture(linear=True, prediction=prediction), method=method, **source),
            pictures(1),
            context(1),
        )
        for prediction in ("epsilon", "v")
    ]
    assert fields[0].abs().max() > 1e-3
    assert torch.allclose(*fields, rtol=1e-6, atol=1e-9)


def test_csd_turns_from_the_empty_text_to_the_negative() -> None:
    denoiser, image = Mixture(linear=True), pictures(1)
    z = latents(denoiser, image)
    loss = made(denoiser, method="csd", negative=DOG, unit=False)
    for progress in (0.0, 0.25, 1.0):
        at = context(1, progress=progress)
        noise, _, level = draws(at, loss, z)
        x = level.alpha * z + level.sigma * noise
        cat, dog, base = (
            told(denoiser, CAT, x, level),
            told(denoiser, DOG, x, level),
            free(denoiser, x, level),
        )
        wanted = cat - (1 - progress) * base - progress * dog
        assert torch.allclose(latent_field(loss, image, at), wanted, rtol=1e-9)


def test_csd_of_each_picture_has_rms_1() -> None:
    field = latent_field(made(Mixture(linear=True), n=2, method="csd"), pictures(), context())
    assert torch.allclose(field.flatten(1).square().mean(1).sqrt(), torch.ones(2).double())


@pytest.mark.parametrize(("time", "with_negative"), [(0.1, False), (0.19, False), (0.21, True)])
def test_nfsd_leaves_the_negative_out_at_low_noise(time: float, with_negative: bool) -> None:
    denoiser, image, at = Mixture(linear=True), pictures(1), context(1)
    z = latents(denoiser, image)
    loss = made(denoiser, method="nfsd", negative=DOG, times=(time, time), weighting="one")
    noise, _, level = draws(at, loss, z)
    x = level.alpha * z + level.sigma * noise
    base = free(denoiser, x, level)
    wanted = 7.5 * (told(denoiser, CAT, x, level) - base) + base
    if with_negative:
        wanted = wanted - told(denoiser, DOG, x, level)
    assert torch.allclose(latent_field(loss, image, at), wanted, rtol=1e-6)


def test_bridge_goes_from_the_poor_prompt_to_the_fine_one() -> None:
    fine, poor = (Mixture.mean(text) for text in ("fine", "poor"))
    modes = {
        f"{CAT}, detailed high resolution, sharp": fine,
        f"{CAT}, oversaturated, smooth, blurry": poor,
    }
    denoiser, image, at = Mixture(modes, linear=True), pictures(1), context(1)
    loss = made(denoiser, method="bridge", weighting="one")
    denoiser.asked = 0
    field = latent_field(loss, image, at)
    assert denoiser.asked == 2
    _, _, level = draws(at, loss, field)
    spread = level.alpha**2 * denoiser.variance + level.sigma**2
    wanted = 40 * level.sigma * level.alpha * (poor - fine) / spread
    assert torch.allclose(field, wanted.expand_as(field))


def test_asd_refers_to_a_higher_level_under_the_same_noise() -> None:
    denoiser, image, at = Mixture(linear=True), pictures(1), context(1)
    z = latents(denoiser, image)
    loss = made(denoiser, method="asd", weighting="one", guidance_scale=1.0)
    noise, time, level = draws(at, loss, z)
    spare = at.uniform("distillation/time", 1, 1, 2)[:, 0, 0, 1]
    later = loaded(loss).level(time + 0.1 * spare * (time - 0.02), z)
    assert later.timestep > level.timestep
    wanted = told(denoiser, CAT, level.mix(z, noise), level) - told(
        denoiser, CAT, later.mix(z, noise), later
    )
    assert torch.allclose(latent_field(loss, image, at), wanted)


def test_ism_without_guidance_is_an_interval_of_one_path() -> None:
    """With one Gaussian for all texts the path is known: (x - alpha m) / spread^0.5 is constant."""
    mean = Mixture.mean(CAT)
    denoiser, image, at = Mixture({CAT: mean}, linear=True, variance=0.3), pictures(1), context(1)
    z = latents(denoiser, image)
    loss = made(denoiser, method="ism", weighting="one", times=(0.5, 0.5))
    low, high = (denoiser.level(torch.tensor([time]), z) for time in (0.45, 0.5))
    field = latent_field(loss, image, at)

    def on_path(level: Level) -> Tensor:
        root = (level.alpha**2 * 0.3 + level.sigma**2).sqrt()
        return level.sigma / root * (z - mean) / math.sqrt(0.3)

    wanted = on_path(high) - on_path(low)
    # Two steps of DDIM are no exact path; they keep the direction, and the size within a third.
    assert torch.nn.functional.cosine_similarity(field.flatten(), wanted.flatten(), 0) > 0.99
    assert 0.6 < field.norm() / wanted.norm() < 1.5


def test_sdi_pulls_to_the_clean_latent_of_the_answer() -> None:
    """With guidance 1 there, back by -1: for one Gaussian both go by the same score."""
    mean = Mixture.mean(CAT)
    denoiser, image, at = Mixture({CAT: mean}, linear=True, variance=1e-4), pictures(1), context(1)
    z = latents(denoiser, image)
    field = latent_field(made(denoiser, method="sdi", guidance_scale=1.0), image, at)
    assert torch.allclose(field, z - mean, atol=1e-2)


def test_fsd_goes_where_ddim_would_from_its_noise() -> None:
    """Of one Gaussian the path from a noise is known: all its points have the same quantile."""
    steps, mean = 400, Mixture.mean(CAT)
    denoiser = Mixture({CAT: mean}, linear=True, variance=0.2)
    loss = made(denoiser, method="fsd", guidance_scale=1.0, weighting="one")
    z = torch.zeros(1, CHANNELS, SIZE, SIZE, dtype=torch.float64)
    path = []
    for step in range(steps + 1):
        at = StepContext((0,), step=step, progress=step / steps)
        noise, _, level = draws(at.at_start(), loss, z)
        level = denoiser.level(loss.times.at(torch.zeros(1), at.progress), z)
        spread = (level.alpha**2 * denoiser.variance + level.sigma**2).sqrt()
        path.append(((level.alpha * z + level.sigma * noise - level.alpha * mean) / spread, level))
        if step < steps:
            later = denoiser.level(loss.times.at(torch.zeros(1), (step + 1) / steps), z)
            image = Latent(z[:, None])().double()
            field = latent_field(loss, image, at)
            z = z + (later.sigma / later.alpha - level.sigma / level.alpha) * field
    (first, level), (last, end) = path[0], path[-1]
    assert end.sigma < 0.6 * level.sigma and (z - mean).norm() > 0.1 * mean.norm()
    assert torch.allclose(first, last, atol=0.05)


def test_dds_of_the_same_words_and_picture_is_zero() -> None:
    denoiser = Mixture(linear=True)
    loss = Distillation(CAT, denoiser=denoiser, method="dds", source=CAT)
    loss.prepare(Rendering(pictures(1)))
    assert latent_field(loss, pictures(1), context(1)).abs().max() == 0
    assert latent_field(loss, pictures(1, seed=1), context(1)).abs().max() > 1e-3


def test_pds_is_the_difference_of_stochastic_latents() -> None:
    """Written out from the posterior's mean, with the beta of one timestep and levels two apart."""
    denoiser, image, at = Mixture(linear=True), pictures(1), context(1)
    start = pictures(1, seed=9)
    loss = made(denoiser, method="pds", source=DOG, guidance_scale=1.0)
    z, source = latents(denoiser, image), latents(denoiser, start)
    noise, _, level = draws(at, loss, z)
    index = int(level.timestep)
    assert denoiser.alphas_cumprod is not None
    now, one, two = (denoiser.alphas_cumprod[index - i] for i in (0, 1, 2))
    beta = 1 - now / one
    stochastic = []
    for clean, text in ((z, CAT), (source, DOG)):
        x = now.sqrt() * clean + (1 - now).sqrt() * noise
        guess = (x - (1 - now).sqrt() * told(denoiser, text, x, level)) / now.sqrt()
        mean = two.sqrt() * beta / (1 - now) * guess
        mean = mean + (1 - beta).sqrt() * (1 - two) / (1 - now) * x
        spread = ((1 - two) / (1 - now) * beta).sqrt()
        stochastic.append((two.sqrt() * clean - mean) / spread)
    wanted = stochastic[0] - stochastic[1]
    assert torch.allclose(latent_field(loss, image, at), wanted, rtol=1e-6)


def test_rfds_is_a_difference_of_velocities() -> None:
    denoiser, image, at = Mixture(linear=True, prediction="flow"), pictures(1), context(1)
    z = latents(denoiser, image)
    loss = made(denoiser, method="rfds", guidance_scale=1.0)
    noise, time, level = draws(at, loss, z)
    x = (1 - time) * z + time * noise
    velocity = denoiser.predict(x, level, denoiser.encode_text([CAT]))
    assert torch.allclose(latent_field(loss, image, at), velocity - (noise - z), rtol=1e-6)


def test_negatives_are_composed_and_perp_neg_leaves_the_prompt_alone() -> None:
    denoiser, image, at = Mixture(linear=True), pictures(1), context(1)
    z = latents(denoiser, image)
    options: dict[str, Any] = {"weighting": "one", "guidance_scale": 4.0}
    noise, _, level = draws(at, made(denoiser), z)
    x = level.alpha * z + level.sigma * noise
    base = free(denoiser, x, level)
    pull, push = (told(denoiser, text, x, level) - base for text in (CAT, DOG))
    plain = latent_field(made(denoiser, negative=f"{DOG}:0.75", **options), image, at)
    assert torch.allclose(plain, base + 4 * pull - 3 * push - noise)
    # As samplers have it: the negative in place of the empty text.
    assert torch.allclose(plain, (base + push) + 4 * (pull - push) - noise)
    perp = latent_field(made(denoiser, negative=f"{DOG}:0.75", perp_neg=True, **options), image, at)
    off = (base + 4 * pull - noise - perp).flatten()
    assert abs(float(off @ pull.flatten())) < 1e-9 * float(off.norm() * pull.norm())
    share = (push.flatten() @ pull.flatten()) / pull.square().sum()
    assert torch.allclose(off, 3 * (push - share * pull).flatten())


def test_phrases_are_composed_by_their_weights_over_the_run() -> None:
    denoiser, image = Mixture(linear=True), pictures(1)
    z = latents(denoiser, image)
    loss = made(denoiser, f"{CAT}:1 -> 0 | {DOG}:0.5", weighting="one", guidance_scale=2.0)
    for progress, weight in ((0.0, 1.0), (0.5, 0.5), (1.0, 0.0)):
        at = context(1, progress=progress)
        noise, _, level = draws(at, loss, z)
        x = level.alpha * z + level.sigma * noise
        base = free(denoiser, x, level)
        cat, dog = (told(denoiser, text, x, level) - base for text in (CAT, DOG))
        denoiser.asked = 0
        field = latent_field(loss, image, at)
        assert torch.allclose(field, base + 2 * (weight * cat + 0.5 * dog) - noise)
        # At the end 1 - 2 * 0.5 of the empty text is left, which is nothing.
        assert denoiser.asked == (3 if weight else 1)


def test_views_have_words_and_fronts_are_hidden() -> None:
    denoiser = Mixture(linear=True)
    loss = Distillation(CAT, denoiser=denoiser, method="sds", view_prompts=True, perp_neg=True)
    rendering = everything(1, 4)
    loss.prepare(rendering)
    assert {f"{CAT}, front view", f"{CAT}, back view", ""} <= set(denoiser.texts)
    # Views from 0, 60, 120 degrees and from above: the empty text and its own for each, and the
    # front as a negative for the two from the side.
    denoiser.asked = 0
    loss(rendering, context(1))
    assert denoiser.asked == 2 + 3 + 3 + 2
    assert loss._prepared is not None
    seen = (
        loss._prepared[0]
        .groups["prompt"]
        .batch(torch.zeros(4).long(), torch.tensor([0, 1, 2, 3]), 0.0)
    )
    names = list(dict.fromkeys(denoiser.texts))
    words = [names[int(row)] for row in seen.index[:, 0]]
    assert words == [
        f"{CAT}, {view}" for view in ("front view", "side view", "back view", "overhead view")
    ]


def test_the_slope_through_the_autoencoder() -> None:
    """Against finite differences of the latents, dotted with the field there."""
    denoiser, at = Mixture(), context(2)
    loss, image = made(denoiser, n=2), pictures()
    leaf = image.clone().requires_grad_()
    slope = torch.autograd.grad(loss(Rendering(leaf), at).sum(), leaf)[0]
    z = latents(denoiser, image)
    noise, _, level = draws(at, loss, z)
    x = level.alpha * z + level.sigma * noise
    base = free(denoiser, x, level)
    field = level.sigma**2 * (base + 100 * (told(denoiser, CAT, x, level) - base) - noise)
    way = torch.randn(image.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    step = 1e-5
    ahead, behind = (latents(denoiser, image + sign * step * way) for sign in (1, -1))
    wanted = (field * (ahead - behind)).sum() / (2 * step)
    assert (slope * way).sum().item() == pytest.approx(wanted.item(), rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_one_sample_is_its_slice_of_eight(method: str) -> None:
    flow = METHODS[method].predictions == ("flow",)
    source = {"source": DOG} if METHODS[method].edits else {}

    def slope(n: int) -> tuple[Tensor, Tensor]:
        denoiser = Mixture(prediction="flow" if flow else "epsilon")
        loss = Distillation(CAT, denoiser=denoiser, method=method, **source)
        loss.prepare(Rendering(pictures(8, seed=9)[:n]))
        leaf = pictures(8)[:n].clone().requires_grad_()
        value = loss(Rendering(leaf), context(n))
        return value.detach(), torch.autograd.grad(value.sum(), leaf)[0]

    (one, slope_of_one), (eight, slopes) = slope(1), slope(8)
    assert torch.allclose(one, eight[:1], rtol=1e-9)
    assert torch.allclose(slope_of_one, slopes[:1], rtol=1e-9)
    assert slopes.isfinite().all() and (slopes.flatten(1).norm(dim=1) > 1e-6).all()


class Latent(nn.Module):
    """Images whose latents are what is optimized, for a linear stand-in."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.z = nn.Parameter(start.float().clone())

    def forward(self) -> Tensor:
        return ((self.z + 1) / 2).repeat_interleave(2, -1).repeat_interleave(2, -2)


@pytest.mark.parametrize("method", ["sds", "csd", "nfsd", "asd", "ism", "sdi", "fsd", "rfds"])
def test_finds_the_mode_of_its_words(method: str) -> None:
    flow = METHODS[method].predictions == ("flow",)
    # What is poor, for NFSD's negative, is everything; the words are little of it.
    denoiser = Mixture(
        linear=True, prediction="flow" if flow else "epsilon", broad=DEFAULT_NEGATIVE
    )
    start = 0.05 * torch.randn(2, CHANNELS, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    module = Latent(start)
    scale = {} if METHODS[method].guidance_scale is None else {"guidance_scale": 7.5}
    loss = Distillation((CAT, DOG), denoiser=denoiser, method=method, **scale)
    modes = torch.stack([denoiser.modes[text] for text in (CAT, DOG)]).float()
    scored: list[Tensor] = []
    path: list[Tensor] = []  # distances of both samples from both modes

    def listen(event: Event) -> None:
        if isinstance(event, PreviewEvent):
            scored.append(event.best_loss)
            path.append(torch.cdist(module.z.detach().flatten(1), modes.flatten(1)))

    optimize(module, loss, Settings(steps=100, seeds=(0, 1), validations=25), listeners=[listen])
    # Differences of answers alone have no rest at a mode: they lead to it, and past it.
    passes = method in ("csd", "nfsd")
    before, after = path[0], path[-1]
    nearest = (
        torch.stack([each.diagonal() for each in path]).amin(0) if passes else after.diagonal()
    )
    assert (after.argmin(1) == torch.arange(2)).all()
    assert (nearest < 0.6 * before.diagonal()).all(), nearest / before.diagonal()
    assert min(each.mean() for each in scored) < scored[0].mean()


def edited(method: str, scale: float) -> tuple[float, float]:
    """How far a cat of its own has gone to a dog, and how much of its own it has lost."""
    denoiser = Mixture(linear=True)
    cat, dog = (denoiser.modes[text].float() for text in (CAT, DOG))
    way = dog - cat
    own = 0.1 * torch.randn(cat.shape, generator=torch.Generator().manual_seed(4))
    own = own - (own * way).sum() / way.square().sum() * way
    module = Latent((cat + own)[None])
    loss = Distillation(DOG, denoiser=denoiser, method=method, source=CAT, guidance_scale=scale)
    optimize(module, loss, Settings(steps=120, validations=4))
    moved = module.z.detach()[0] - cat
    share = (moved * way).sum() / way.square().sum()
    return float(share), float((moved - share * way - own).norm() / own.norm())


def test_editing_moves_from_one_mode_to_the_other_and_keeps_the_rest() -> None:
    dds, lost = edited("dds", 1.0)
    assert 0.8 < dds < 1.2 and lost < 0.6
    # PDS holds on to the source: the further it goes, the more guidance there is.
    near, lost = edited("pds", 1.0)
    assert 0.2 < near < 0.8 and lost < 0.6
    assert edited("pds", 30.0)[0] > near + 0.2


@pytest.mark.parametrize("width", [8, 16])
def test_the_reference_is_seen_through_the_crops_of_the_step(width: int) -> None:
    random = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 1, 3, 8, width, generator=random)
    moved = Rendering((picture + 0.1).clamp(0, 1))

    def fresh() -> Distillation:
        loss = Distillation(DOG, denoiser=Mixture(), method="dds", source=CAT)
        loss.prepare(Rendering(picture))
        return loss

    used = fresh()
    used(moved, context(1, step=1))
    assert torch.allclose(used(moved, context(1, step=2)), fresh()(moved, context(1, step=2)))


def test_validation_prefers_pictures_of_the_words() -> None:
    denoiser = Mixture(linear=True)
    loss = made(denoiser)
    at = StepContext((0,), 0, 1.0, "validation")
    values = []
    for z in (denoiser.modes[CAT], torch.zeros(CHANNELS, SIZE, SIZE), denoiser.modes[DOG]):
        image = ((z.double() + 1) / 2).repeat_interleave(2, -1).repeat_interleave(2, -2)
        values.append(float(loss(Rendering(image[None, None]), at)))
    assert values[0] < 0.1 * values[1] and values[0] < 0.1 * values[2]


def test_validation_is_fixed_and_has_no_gradient() -> None:
    loss, image = made(Mixture()), pictures(1).requires_grad_()
    at = StepContext((0,), 0, 1.0, "validation")
    first, again = (loss(Rendering(image), at) for _ in range(2))
    assert torch.equal(first, again) and not first.requires_grad


def test_the_value_of_a_step_is_the_size_of_the_field() -> None:
    denoiser, at = Mixture(linear=True), context(2)
    loss = made(denoiser, n=2)
    field = latent_field(loss, pictures(), at)
    wanted = field.flatten(1).square().mean(1).sqrt()
    assert torch.allclose(loss(Rendering(pictures()), at), wanted, rtol=1e-6)


def test_a_method_is_a_function_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example at the top of methods.py, with a group of prompts that only it uses."""

    def mine(batch: LatentBatch) -> Tensor:
        return batch.predictions.combine(batch.noisy, batch.level, 0.0, golden=batch.guidance_scale)

    row = Method(mine, guided, guidance_scale=2.0, suffixes={"golden": ", made of gold"})
    monkeypatch.setitem(METHODS, "mine", row)
    denoiser, image, at = Mixture(linear=True), pictures(1), context(1)
    loss = made(denoiser, method="mine", weighting="one")
    z = latents(denoiser, image)
    noise, _, level = draws(at, loss, z)
    x = level.mix(z, noise)
    golden = denoiser.mean(f"{CAT}, made of gold").double()
    spread = level.alpha**2 * denoiser.variance + level.sigma**2
    conditional = level.sigma * (x - level.alpha * golden) / spread
    assert torch.allclose(
        latent_field(loss, image, at), 2 * (conditional - free(denoiser, x, level))
    )
    assert loss.name == "mine"


def test_towers_are_freed() -> None:
    denoiser = Mixture()
    made(denoiser)
    assert denoiser.freed


#: Every option of Distillation with a value that must change the gradient or refuse.
OPTIONS: dict[str, dict[str, Any]] = {
    "prompt": {"prompt": DOG},
    "denoiser": {"denoiser": Mixture(variance=0.4)},
    "method": {"method": "asd"},
    "guidance_scale": {"guidance_scale": "10 -> 3"},
    "negative": {"negative": DOG},
    "perp_neg": {"negative": DOG, "perp_neg": True},
    "view_prompts": {"view_prompts": True},
    "times": {"times": (0.3, "0.9 -> 0.4")},
    "weighting one": {"weighting": "one"},
    "weighting snr": {"weighting": "snr"},
    "weighting sample": {"weighting": "sample"},
    "unit": {"unit": True},
    "mean": {"mean": True},
    "source": {"method": "dds", "source": DOG},
    "reference": {"method": "dds", "source": DOG, "reference": pictures(1, seed=5)},
    "size": {"size": 12},
}


def test_every_option_changes_something() -> None:
    import inspect

    from guidance.augment import Augment

    rows = OPTIONS | {"augment": {"augment": Augment(crops=1)}}
    known = set(inspect.signature(Distillation.__init__).parameters) - {"self"}
    assert {name.split()[0] for name in rows} == known - {"vae"}
    with pytest.raises(InputError, match="vae: the denoiser is already loaded"):
        Distillation(CAT, denoiser=Mixture(), vae="tiny")  # tests/diffusion knows those with names
    found: list[Tensor] = []
    for options in ({}, *rows.values()):
        arguments = {"prompt": CAT, "denoiser": Mixture(), "method": "sds"} | options
        loss = Distillation(arguments.pop("prompt"), **arguments)
        image = pictures(1).requires_grad_()
        shown = cameras(1, 1) if loss.view_prompts else None
        loss.prepare(Rendering(pictures(1, seed=9), cameras=shown))
        slope = torch.autograd.grad(loss(Rendering(image, cameras=shown), context(1)).sum(), image)[
            0
        ]
        for other in found:
            assert not torch.allclose(slope, other)
        found.append(slope)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "vsd"}, "method 'vsd' is unknown; use sds, csd"),
        ({"weighting": "two"}, "weighting 'two' is unknown; use one, sigma2, snr, sample"),
        (
            {"method": "csd", "guidance_scale": 3.0},
            "guidance_scale: csd does not use one; remove it",
        ),
        ({"guidance_scale": "3 -> -1"}, "guidance_scale '3 -> -1': expected at least 0"),
        ({"method": "dds"}, "dds: edits an image, so it needs a prompt of what"),
        ({"source": DOG}, "sds: source and reference apply only to dds and pds; remove"),
        ({"reference": pictures(1)}, "sds: source and reference apply only to dds and pds"),
        (
            {"method": "bridge", "negative": DOG},
            "bridge: has a fixed negative prompt; remove negative",
        ),
        (
            {"method": "bridge", "perp_neg": True},
            "bridge: has a fixed negative prompt; remove negative",
        ),
        ({"perp_neg": True}, "perp_neg: there are no negatives; give negative, or"),
        ({"times": (0.0, 0.5)}, "times: expected 0 < low <= high < 1, got 0 and 0.5 at 0%"),
        ({"times": (0.5, "0.9 -> 0.2")}, "got 0.5 and 0.2 at 100% of the run"),
        ({"prompt": "image:a.png"}, "denoisers do not support image prompts; use the loss Clip"),
        ({"prompt": "a cat:1:0.4"}, r"a stop \(0.4\) is not supported by"),
        ({"negative": "image:a.png"}, "denoisers do not support image prompts"),
        ({"negative": "a cat:-1"}, "a negative already pushes away"),
    ],
)
def test_mistakes_are_told_before_anything_is_loaded(options: dict[str, Any], message: str) -> None:
    arguments = {"prompt": CAT, "denoiser": "not-loaded", "method": "sds"} | options
    with pytest.raises(InputError, match=message):
        Distillation(arguments.pop("prompt"), **arguments)


def test_mistakes_that_pictures_show() -> None:
    with pytest.raises(InputError, match="sds: view_prompts=True needs images with cameras"):
        made(Mixture(), view_prompts=True)(Rendering(pictures(1)), context(1))
    with pytest.raises(
        InputError, match="dds: edits flat images only; use sds for rendered objects"
    ):
        Distillation(CAT, denoiser=Mixture(), method="dds", source=DOG).prepare(everything(1))
    with pytest.raises(InputError, match="reference: expected 1 x 1 images, got 2 x 1"):
        made(Mixture(), method="dds", source=DOG, reference=pictures(2))
    with pytest.raises(InputError, match="sds was prepared for 1 samples, got images of 2"):
        made(Mixture())(Rendering(pictures(2)), context(2))
    with pytest.raises(
        InputError, match="rfds: needs a denoiser that predicts flow, but mixture predicts e"
    ):
        made(Mixture(), method="rfds")
    with pytest.raises(
        InputError, match="pds: needs a denoiser that predicts epsilon or v, but mix"
    ):
        made(Mixture(prediction="flow"), method="pds", source=DOG)


def test_times_are_annealed_without_a_draw() -> None:
    times = Times.parse("0.98 -> 0.25", "0.98 -> 0.25")
    assert times.at(torch.tensor([0.0, 0.9]), 0.0).tolist() == pytest.approx([0.98, 0.98])
    assert times.at(torch.tensor([0.0, 0.9]), 1.0).tolist() == pytest.approx([0.25, 0.25])


def test_a_run_by_micro_batches_is_the_same_run() -> None:
    fields = []
    for micro_batch in (1, 3, 64):
        loss, image = made(Mixture(), n=2), pictures().requires_grad_()
        slope = torch.zeros_like(image)
        for part in loss.parts(Rendering(image), context(2), micro_batch):
            slope += torch.autograd.grad(part.sum(), image)[0]
        fields.append(slope)
    assert torch.allclose(fields[0], fields[1]) and torch.allclose(fields[0], fields[2])


@pytest.mark.parametrize("method", ["sds", "dds"])
def test_a_resumed_run_is_the_same_run_to_the_bit(method: str) -> None:
    source = {"source": DOG} if METHODS[method].edits else {}
    snapshots: dict[int, dict[str, Tensor]] = {}

    def run(resume: dict[str, Tensor] | None = None) -> Tensor:
        def keep(event: object) -> None:
            if isinstance(event, StepEvent):
                snapshots[event.step] = event.snapshot()

        module = Latent(torch.full((1, CHANNELS, SIZE, SIZE), 0.1))
        loss = Distillation(CAT, denoiser=Mixture(), method=method, **source)
        optimize(module, loss, Settings(steps=6), listeners=[keep], resume=resume)
        return snapshots[6]["generator/module.z"]

    whole = run()
    half = snapshots[3]
    snapshots.clear()
    assert torch.equal(run(half), whole)
    assert set(snapshots) == {4, 5, 6}
