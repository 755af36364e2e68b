"""Schedulers of diffusers: the noise levels of training, which alone are read.

The classes that are named all train with the same noise: of DDPM, `sqrt(a) z + sqrt(1 - a) e` with
discrete timesteps, or the straight lines of flow matching. Others, such as EDM, scale the input of
the network in other ways.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from guidance.errors import InputError
from guidance.models.foreign.configuration import Configuration, read_json

#: Settings of sampling, which this package does not use: it has a sampler of its own.
SAMPLING = frozenset(
    (
        "_diffusers_version", "_name_or_path", "_use_default_values", "algorithm_type",
        "clip_sample", "clip_sample_range", "corrector_order", "disable_corrector",
        "dynamic_thresholding_ratio", "euler_at_final", "final_sigmas_type", "flow_shift",
        "interpolation_type", "invert_sigmas", "lambda_min_clipped", "lower_order_final",
        "original_inference_steps", "predict_epsilon", "predict_x0", "predictor_order",
        "sample_max_value", "set_alpha_to_one", "shift_terminal", "sigma_max", "sigma_min",
        "skip_prk_steps", "skip_type", "solver_order", "solver_p", "solver_type", "steps_offset",
        "stochastic_sampling", "tau_func", "thresholding", "timestep_scaling", "timestep_spacing",
        "use_beta_sigmas", "use_exponential_sigmas", "use_karras_sigmas", "use_lu_lambdas",
        "variance_type",
    )
)  # fmt: skip
DDPM = (
    "DDPMScheduler", "DDPMParallelScheduler", "DDIMScheduler", "DDIMParallelScheduler",
    "DDIMInverseScheduler", "PNDMScheduler", "LMSDiscreteScheduler", "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler", "DPMSolverMultistepScheduler",
    "DPMSolverMultistepInverseScheduler", "DPMSolverSinglestepScheduler", "DPMSolverSDEScheduler",
    "DEISMultistepScheduler", "UniPCMultistepScheduler", "SASolverScheduler", "LCMScheduler",
    "TCDScheduler",
)  # fmt: skip
FLOW = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")
Beta = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1000)]


class Scheduler(Configuration):
    """`scheduler_config.json`."""

    ignored: ClassVar[frozenset[str]] = SAMPLING

    class_name: str = Field(alias="_class_name")
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon"
    num_train_timesteps: Annotated[int, Field(ge=1, le=100_000)] = 1000
    beta_start: Beta = 0.0001
    beta_end: Beta = 0.02
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"] = "linear"
    trained_betas: Annotated[list[Beta], Field(min_length=1, max_length=100_000)] | None = None
    rescale_betas_zero_snr: bool = False
    timestep_type: Literal["discrete"] = "discrete"
    use_flow_sigmas: Literal[False] = False
    # of flow matching
    shift: Positive = 1.0
    use_dynamic_shifting: bool = False
    base_shift: Annotated[float, Field(ge=-20, le=20)] | None = 0.5
    max_shift: Annotated[float, Field(ge=-20, le=20)] | None = 1.15
    base_image_seq_len: Annotated[int, Field(ge=1, le=2**20)] = 256
    max_image_seq_len: Annotated[int, Field(ge=2, le=2**20)] = 4096
    time_shift_type: Literal["exponential"] = "exponential"


def read_scheduler(path: Path) -> dict[str, Any]:
    """The known keys of a scheduler's configuration.

    Raises:
        InputError: a class, key or value that is not supported.
    """
    found = Scheduler.check(read_json(path), path)
    name = found["_class_name"]
    if name not in (*DDPM, *FLOW):
        raise InputError(
            f"{path}: expected a DDPM scheduler or one of flow matching, got {name!a:.60}"
        )
    if found.get("base_image_seq_len", 256) >= found.get("max_image_seq_len", 4096):
        raise InputError(f"{path}: expected max_image_seq_len above base_image_seq_len")
    return found
