"""The update directions of score distillation, one function per method.

On the latent z of an image, with `x_t = alpha z + sigma e`, all of them have the form

    sum over prompts k of  c_k e(x_t; y_k)  -  r

with noise predictions e(x_t; y), and differ in the factors c_k, the reference r, the noise e and
the noise level t. Weighting w(t), normalization and the gradient through the image encoder are
applied by `guidance.losses.distillation`.

Guidance is classifier-free guidance, `cfg(s) = e_0 + s (e_y - e_0)`: scale 1 is the conditional
prediction alone. Where published code counts from s + 1, the scales here are converted.
"""

from __future__ import annotations

from torch import Tensor

from guidance.losses.sds.batch import LatentBatch

#: NFSD subtracts the negative above this time: timestep 200 of 1000.
NFSD_TIME = 0.2
#: ASD: the greatest distance of the second time from the first, as a share of the first time's
#: distance from the minimum.
ASD_SHARE = 0.1
#: ISM: steps of the inversion, and how far below the time it ends: 50 timesteps of 1000.
ISM_STEPS, ISM_GAP = 2, 0.05
#: SDI: steps of the inversion, and its guidance scale relative to that of the prediction.
SDI_STEPS, SDI_FACTOR = 10, -1.0
#: PDS: timesteps between the two noise levels.
PDS_STRIDE = 2


def sds(batch: LatentBatch) -> Tensor:
    """Score distillation sampling (DreamFusion): cfg(100) - e.

    Source: DreamFusion, Poole et al. 2022 (arXiv 2209.14988), equation 3.
    """
    return batch.guided(batch.noisy, batch.level) - batch.noise


def csd(batch: LatentBatch) -> Tensor:
    """Classifier score distillation: e_y - e_0, changing over the run to e_y - e_negative.

    Source: classifier score distillation, Yu et al. 2023 (arXiv 2310.19415).
    """
    return batch.predictions.combine(
        batch.noisy, batch.level, 0.0, prompt=1.0, negative=-batch.progress
    )


def nfsd(batch: LatentBatch) -> Tensor:
    """Noise-free score distillation: 7.5 (e_y - e_0) + (e_0 at low noise, else e_0 - e_negative).

    Source: noise-free score distillation, Katzir et al. 2023 (arXiv 2310.17590).
    """
    low = (batch.time < NFSD_TIME).double()
    return batch.predictions.combine(
        batch.noisy, batch.level, low, prompt=batch.guidance_scale, negative=low - 1
    )


def bridge(batch: LatentBatch) -> Tensor:
    """SDS-Bridge: 40 (e_fine - e_poor), for the prompt with a suffix of high and of low quality.

    Source: SDS-Bridge, McAllister et al. 2024 (arXiv 2406.09417). Deviation: shorter suffixes.
    """
    scale = batch.guidance_scale
    return batch.predictions.combine(batch.noisy, batch.level, 0.0, fine=scale, poor=-scale)


def asd(batch: LatentBatch) -> Tensor:
    """Asynchronous score distillation: cfg(7.5) - e_y at a slightly higher noise level.

    Source: asynchronous score distillation, ScaleDreamer, Ma et al. 2024 (arXiv 2407.02040).
    """
    later = batch.time + batch.draw * ASD_SHARE * (batch.time - batch.min_time).clamp_min(0)
    level = batch.level_at(later)
    noisy = level.mix(batch.clean, batch.noise)
    reference = batch.predictions.combine(noisy, level, 1.0, prompt=1.0)
    return batch.guided(batch.noisy, batch.level) - reference


def ism(batch: LatentBatch) -> Tensor:
    """Interval score matching: cfg(7.5) at t - e_0 at s, on an unconditional DDIM inversion.

    Source: interval score matching, LucidDreamer, Liang et al. 2023 (arXiv 2311.11284). Deviation:
    two even steps up to s, instead of steps of 200 timesteps.
    """
    before = (batch.time - ISM_GAP).clamp_min(batch.min_time / 2)
    lower = batch.level_at(before)
    start = batch.inverted(before, ISM_STEPS, 0.0)
    reference = batch.predictions.combine(start, lower, 1.0)
    noisy = batch.level.mix(lower.clean(start, reference), reference)
    return batch.guided(noisy, batch.level) - reference


def sdi(batch: LatentBatch) -> Tensor:
    """Score distillation via inversion: cfg(7.5) - the noise that a DDIM inversion finds.

    It moves z to the clean latent of the prediction. Source: Lukoianov et al. 2024 (arXiv
    2405.15891), with the authors' guidance scale of the inversion, -7.5. Deviation: the inversion
    adds no random noise.
    """
    noisy = batch.inverted(batch.time, SDI_STEPS, SDI_FACTOR * batch.guidance_scale)
    found = (noisy - batch.level.alpha * batch.clean) / batch.level.sigma
    return batch.guided(noisy, batch.level) - found


def fsd(batch: LatentBatch) -> Tensor:
    """Flow score distillation: cfg(7.5) - e, with one noise per image for the whole run.

    The latents then follow the path of a DDIM sampler. Source: flow score distillation, Yan et al.
    2024 (arXiv 2405.10988). Deviation: the noise is fixed in the coordinates of the latent, not by
    the view direction around the object.
    """
    return sds(batch)


def dds(batch: LatentBatch) -> Tensor:
    """Delta denoising score, for edits: cfg(7.5) of the edited image - that of the source.

    Source: delta denoising score, Hertz et al. 2023 (arXiv 2304.07090).
    """
    assert batch.source is not None
    edited = batch.guided(batch.noisy, batch.level)
    noisy_source = batch.level.mix(batch.source, batch.noise)
    return edited - batch.guided(noisy_source, batch.level, "source")


def pds(batch: LatentBatch) -> Tensor:
    """Posterior distillation sampling, for edits: the difference of two stochastic latents.

    `psi (z - z_source) + chi (cfg_z - cfg_source)`: DDS with a term that keeps z near the source.

    Source: posterior distillation sampling, Koo et al. 2023 (arXiv 2311.13831), with the
    coefficients of the authors' code, which uses the beta of one timestep between levels that are
    two timesteps apart; with levels one timestep apart, psi is 0.
    """
    assert batch.source is not None
    step = 1 / (batch.predictions.denoiser.num_timesteps - 1)
    time = batch.time.clamp_min((PDS_STRIDE + 1) * step)
    now, one, two = (batch.level_at(time - i * step) for i in (0, 1, PDS_STRIDE))
    kept = (now.alpha / one.alpha).square()  # 1 - beta
    c0 = two.alpha * (1 - kept) / now.sigma.square()
    c1 = kept.sqrt() * two.sigma.square() / now.sigma.square()
    spread = two.sigma / now.sigma * (1 - kept).sqrt()
    psi = (two.alpha - c0 - c1 * now.alpha) / spread
    chi = c0 * now.sigma / now.alpha / spread
    edited = batch.guided(now.mix(batch.clean, batch.noise), now)
    source = batch.guided(now.mix(batch.source, batch.noise), now, "source")
    return psi * (batch.clean - batch.source) + chi * (edited - source)


def rfds(batch: LatentBatch) -> Tensor:
    """Rectified flow distillation, for flow models: cfg - e divided by 1 - sigma.

    Source: rectified flow distillation sampling, Yang et al. 2024 (arXiv 2406.03293).
    """
    return sds(batch) / batch.level.alpha
