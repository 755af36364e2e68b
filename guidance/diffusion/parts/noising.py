"""The noise schedule of a model, from the configuration of its scheduler."""

from __future__ import annotations

import math
from typing import Any

from jaxtyping import Float
from torch import Tensor

from guidance.diffusion.base import Prediction
from guidance.diffusion.files.source import Source
from guidance.errors import InputError

#: `prediction_type` of diffusers' schedulers.
PREDICTIONS: dict[str, Prediction] = {"epsilon": "epsilon", "v_prediction": "v"}
#: The keys of a scheduler's configuration that determine the noise schedule.
NOISE_KEYS = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "rescale_betas_zero_snr",
)

#: Defaults of diffusers for a shift that depends on the number of tokens.
LINE_SHIFTS = {"base": 0.5, "max": 1.15}
LINE_TOKENS = {"base": 256, "max": 4096}


def read_schedule(source: Source) -> tuple[Prediction, Float[Tensor, "timesteps"] | None]:
    """The prediction type of a model, and its cumulative products of alphas in float64.

    The latter is None for flow models.

    Raises:
        InputError: the scheduler's betas are not a noise schedule.
    """
    config = source.scheduler
    if str(config.get("_class_name", "")).startswith("FlowMatch"):
        return "flow", None
    stored = config.get("prediction_type", "epsilon")
    from diffusers import DDPMScheduler

    known = {key: config[key] for key in NOISE_KEYS if key in config}
    try:
        scheduler: Any = DDPMScheduler(**known)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise InputError(
            f"{source.name}: its scheduler is not a DDPM scheduler ({error})"
        ) from None
    alphas_cumprod: Tensor = scheduler.alphas_cumprod.double()
    if not bool(((alphas_cumprod >= 0) & (alphas_cumprod <= 1)).all()) or alphas_cumprod[0] == 0:
        raise InputError(f"{source.name}: its scheduler's betas are not a noise schedule")
    return PREDICTIONS[stored], alphas_cumprod


def read_shift(source: Source, tokens: int) -> float:
    """The shift of a flow model's sampling times towards noise, for this number of tokens.

    A constant, or for models such as FLUX.1-dev the exponential of a linear function of the number
    of tokens. Keys and defaults are those of diffusers.
    """
    config = source.scheduler
    if not config.get("use_dynamic_shifting"):
        return float(config.get("shift", 1.0))
    low, high = (float(config.get(f"{end}_shift") or value) for end, value in LINE_SHIFTS.items())
    few, many = (
        int(config.get(f"{end}_image_seq_len", value)) for end, value in LINE_TOKENS.items()
    )
    return math.exp(low + (high - low) * (tokens - few) / (many - few))
