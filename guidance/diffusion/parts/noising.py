"""How much noise there is at each timestep, from a scheduler's configuration."""

from __future__ import annotations

import math
from typing import Any

from jaxtyping import Float
from torch import Tensor

from guidance.diffusion.base import Prediction
from guidance.diffusion.files.source import Source
from guidance.errors import InputError

#: What diffusers' schedulers call the network's answers.
PREDICTIONS: dict[str, Prediction] = {"epsilon": "epsilon", "v_prediction": "v"}
#: Of a scheduler's configuration, what the noise at each timestep follows from.
NOISE_KEYS = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "rescale_betas_zero_snr",
)

#: Of the line of a shift that depends on the size of the image.
LINE_SHIFTS = {"base": 0.5, "max": 1.15}
LINE_TOKENS = {"base": 256, "max": 4096}


def read_schedule(source: Source) -> tuple[Prediction, Float[Tensor, "timesteps"] | None]:
    """What a model predicts, and its cumulative product of alphas in float64 (None: flow).

    Raises:
        InputError: a scheduler of another kind.
    """
    config = source.scheduler
    if str(config.get("_class_name", "")).startswith("FlowMatch"):
        return "flow", None
    stored = config.get("prediction_type", "epsilon")
    if stored not in PREDICTIONS:
        raise InputError(
            f"{source.name}: expected a scheduler of epsilon, v_prediction or FlowMatch, got "
            f"prediction_type {stored!r:.40}"
        )
    from diffusers import DDPMScheduler

    known = {key: config[key] for key in NOISE_KEYS if key in config}
    try:
        scheduler: Any = DDPMScheduler(**known)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise InputError(f"{source.name}: its scheduler is not one of DDPM's ({error})") from None
    kept: Tensor = scheduler.alphas_cumprod
    return PREDICTIONS[stored], kept.double()


def read_shift(source: Source, tokens: int) -> float:
    """How far a flow model's sampler moves its times towards noise, for so many tokens.

    A number, or for FLUX.1-dev and its kin the exponential of a line through the two numbers of
    tokens that the configuration names; its names and defaults are those of diffusers.
    """
    config = source.scheduler
    if not config.get("use_dynamic_shifting"):
        return float(config.get("shift", 1.0))
    low, high = (float(config.get(f"{end}_shift", usual)) for end, usual in LINE_SHIFTS.items())
    few, many = (
        int(config.get(f"{end}_image_seq_len", usual)) for end, usual in LINE_TOKENS.items()
    )
    return math.exp(low + (high - low) * (tokens - few) / (many - few))
