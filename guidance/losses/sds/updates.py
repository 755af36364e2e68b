"""The methods of score distillation: what each takes for the gradient at a latent.

All are `w(t) [sum_k c_k e(x_t; y_k) - r]` on the latent z of an image, with `x_t = alpha z +
sigma e`, and differ in the mix of answers, the reference r, the noise and the level. A field here
is the bracket; weights, norms and the way into the image are `guidance.losses.distillation`'s.

Guidance is the standard one, `cfg(s) = e_0 + s (e_y - e_0)`: scale 1 is the condition alone. Where
published code counts from s + 1 instead, scales here are already converted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor

from guidance.diffusion.base import Level
from guidance.losses.sds.predictions import NoisePredictions

#: Of NFSD: above this time, what noise looks like is read off the negative. Timestep 200 of 1000.
NFSD_TIME = 0.2
#: Of ASD: how far the second level may lie above the first, as a share of the way to the least.
ASD_SHARE = 0.1
#: Of ISM: steps of the inversion, and how far beneath the level it ends. 50 timesteps of 1000.
ISM_STEPS, ISM_GAP = 2, 0.05
#: Of SDI: steps of the inversion, and its guidance in multiples of that of the answer.
SDI_STEPS, SDI_FACTOR = 10, -1.0
#: Of PDS: timesteps between the two levels.
PDS_STRIDE = 2


@dataclass(frozen=True)
class Point:
    """Where a field is asked: `b` latents with their draws, everything without gradient."""

    predictions: NoisePredictions
    clean: Float[Tensor, "b c h w"]
    noise: Float[Tensor, "b c h w"]
    time: Float[Tensor, "b"]  # in (0, 1); this and the next on the CPU
    spare: Float[Tensor, "b"]  # one more uniform draw in [0, 1)
    least: float  # the least time of the range, now
    scale: float  # of guidance
    progress: float
    source: Float[Tensor, "b c h w"] | None = None  # latents of the images to be edited

    @cached_property
    def level(self) -> Level:
        """The level at `time`."""
        return self.level_at(self.time)

    def level_at(self, time: Float[Tensor, "b"]) -> Level:
        """The level at another time."""
        return self.predictions.denoiser.level(time, self.clean)

    def guided(
        self, noisy: Float[Tensor, "b c h w"], level: Level, group: str = "wanted"
    ) -> Float[Tensor, "b c h w"]:
        """cfg(scale) towards a group of phrases, and away from what is not wanted."""
        away = {"unwanted": -self.scale} if group == "wanted" else {}
        return self.predictions.sum(noisy, level, 1.0, **{group: self.scale}, **away)

    def inverted(self, stop: Float[Tensor, "b"], steps: int, scale: float) -> Tensor:
        """The latents carried to a time along the answers themselves, by DDIM run backwards."""
        noisy = self.clean
        times = [stop * (i / steps) for i in range(steps + 1)]
        for start, end in pairwise(times):
            level = self.level_at(start)
            away = {"wanted": scale, "unwanted": -scale} if scale else {}
            noise = self.predictions.sum(noisy, level, 1.0, **away)
            noisy = self.level_at(end).mix(level.clean(noisy, noise), noise)
        return noisy


def sds(at: Point) -> Tensor:
    """cfg(100) - e. Source: DreamFusion, Poole et al. 2022, arXiv 2209.14988, equation 3."""
    return at.guided(at.level.mix(at.clean, at.noise), at.level) - at.noise


def csd(at: Point) -> Tensor:
    """e_y - e_0, turning over the run into e_y - e_negative.

    Source: classifier score distillation, Yu et al. 2023, arXiv 2310.19415.
    """
    noisy = at.level.mix(at.clean, at.noise)
    return at.predictions.sum(noisy, at.level, 0.0, wanted=1.0, unwanted=-at.progress)


def nfsd(at: Point) -> Tensor:
    """7.5 (e_y - e_0) + (e_0 at low noise, else e_0 - e_negative).

    Source: noise-free score distillation, Katzir et al. 2023, arXiv 2310.17590.
    """
    low = (at.time < NFSD_TIME).double()
    noisy = at.level.mix(at.clean, at.noise)
    return at.predictions.sum(noisy, at.level, low, wanted=at.scale, unwanted=low - 1)


def bridge(at: Point) -> Tensor:
    """40 (e of the prompt that ends finely - e of the prompt that ends poorly).

    Source: McAllister et al. 2024, arXiv 2406.09417. Deviation: shorter endings.
    """
    noisy = at.level.mix(at.clean, at.noise)
    return at.predictions.sum(noisy, at.level, 0.0, fine=at.scale, poor=-at.scale)


def asd(at: Point) -> Tensor:
    """cfg(7.5) - e_y at a somewhat higher level under the same noise.

    Source: asynchronous score distillation, ScaleDreamer, Ma et al. 2024, arXiv 2407.02040.
    """
    later = at.time + at.spare * ASD_SHARE * (at.time - at.least).clamp_min(0)
    level = at.level_at(later)
    reference = at.predictions.sum(level.mix(at.clean, at.noise), level, 1.0, wanted=1.0)
    return at.guided(at.level.mix(at.clean, at.noise), at.level) - reference


def ism(at: Point) -> Tensor:
    """cfg(7.5) at t - e_0 at s, on the path of a DDIM inversion without words.

    Source: interval score matching, LucidDreamer, Liang et al. 2023, arXiv 2311.11284.
    Deviation: two even steps up to s, in place of steps of 200 timesteps.
    """
    before = (at.time - ISM_GAP).clamp_min(at.least / 2)
    lower = at.level_at(before)
    start = at.inverted(before, ISM_STEPS, 0.0)
    reference = at.predictions.sum(start, lower, 1.0)
    noisy = at.level.mix(lower.clean(start, reference), reference)
    return at.guided(noisy, at.level) - reference


def sdi(at: Point) -> Tensor:
    """cfg(7.5) - the noise that a DDIM inversion finds; pulls z to the clean latent of the answer.

    Source: Lukoianov et al. 2024, arXiv 2405.15891, and the authors' scale of the
    inversion, -7.5. Deviation: the inversion adds no noise of its own.
    """
    noisy = at.inverted(at.time, SDI_STEPS, SDI_FACTOR * at.scale)
    found = (noisy - at.level.alpha * at.clean) / at.level.sigma
    return at.guided(noisy, at.level) - found


def fsd(at: Point) -> Tensor:
    """cfg(7.5) - e, under noise that an image keeps while time falls.

    The latents then follow the path on which DDIM would draw. Source: flow score distillation, Yan
    et al. 2024, arXiv 2405.10988. Deviation: the noise belongs to what the network sees, and not to
    the directions of a world around the object.
    """
    return sds(at)


def dds(at: Point) -> Tensor:
    """cfg(7.5) of the edited image - cfg(7.5) of the source, under the same noise.

    Source: delta denoising score, Hertz et al. 2023, arXiv 2304.07090.
    """
    assert at.source is not None
    edited = at.guided(at.level.mix(at.clean, at.noise), at.level)
    return edited - at.guided(at.level.mix(at.source, at.noise), at.level, "source")


def pds(at: Point) -> Tensor:
    """The difference of the stochastic latents of the edited image and of the source.

    `psi (z - z_source) + chi (cfg_z - cfg_source)`: DDS with a pull to the source. Source:
    posterior distillation sampling, Koo et al. 2023, arXiv 2311.13831, with
    the coefficients of the authors' code, which takes the beta of one timestep between levels
    that lie two apart; with levels one apart psi is 0.
    """
    assert at.source is not None
    step = 1 / (at.predictions.denoiser.num_timesteps - 1)
    time = at.time.clamp_min((PDS_STRIDE + 1) * step)
    now, one, two = (at.level_at(time - i * step) for i in (0, 1, PDS_STRIDE))
    kept = (now.alpha / one.alpha).square()  # 1 - beta
    c0 = two.alpha * (1 - kept) / now.sigma.square()
    c1 = kept.sqrt() * two.sigma.square() / now.sigma.square()
    spread = two.sigma / now.sigma * (1 - kept).sqrt()
    psi = (two.alpha - c0 - c1 * now.alpha) / spread
    chi = c0 * now.sigma / now.alpha / spread
    edited = at.guided(now.mix(at.clean, at.noise), now)
    source = at.guided(now.mix(at.source, at.noise), now, "source")
    return psi * (at.clean - at.source) + chi * (edited - source)


def rfds(at: Point) -> Tensor:
    """The velocity of cfg - (e - z), of flow models; cfg - e divided by 1 - sigma.

    Source: Yang et al. 2024, arXiv 2406.03293.
    """
    return sds(at) / at.level.alpha
