"""The methods of score distillation with the defaults of their sources; times and weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.diffusion.base import Level
from guidance.errors import InputError
from guidance.losses.sds import updates as fields
from guidance.losses.sds.updates import Point
from guidance.losses.sds.validation import (
    Factors,
    bridged,
    classified,
    edited,
    guided,
    noise_free,
)
from guidance.schedule import Schedule

#: What negatives say where a method needs some and none are given.
POOR = "blurry, unrealistic, low quality, dull colors"
#: Endings of the two prompts between which SDS-Bridge goes.
FINE_ENDING = ", detailed high resolution, sharp"
POOR_ENDING = ", oversaturated, smooth, blurry"


@dataclass(frozen=True)
class Method:
    """A field with the defaults that its source gives it."""

    field: Callable[[Point], Tensor]
    validation_loss: Callable[[float], Factors]  # what validation predictions
    scale: float | str | None = None  # of guidance; None: it has none
    weighting: str = "sigma2"
    low: float | str = 0.02
    high: float | str = 0.98
    unit: bool = False  # each image's field is brought to rms 1
    negative: str | None = None  # in place of none
    takes_negative: bool = True
    edits: bool = False  # it has a source to start from
    fixed_noise: bool = False  # each image keeps its noise throughout the run
    predictions: tuple[str, ...] = ("epsilon", "v", "flow")


METHODS = {
    "sds": Method(fields.sds, guided, 100.0),
    "csd": Method(fields.csd, classified, weighting="one", unit=True),
    "nfsd": Method(fields.nfsd, noise_free, 7.5, negative=POOR),
    "bridge": Method(fields.bridge, bridged, 40.0, takes_negative=False),
    "asd": Method(fields.asd, guided, 7.5),
    "ism": Method(fields.ism, guided, 7.5),
    "sdi": Method(
        fields.sdi, guided, 7.5, weighting="sample", low="0.98 -> 0.25", high="0.98 -> 0.25"
    ),
    "fsd": Method(
        fields.fsd,
        guided,
        7.5,
        weighting="sample",
        low="0.98 -> 0.2",
        high="0.98 -> 0.2",
        fixed_noise=True,
    ),
    "dds": Method(fields.dds, edited, 7.5, weighting="one", low=0.05, high=0.95, edits=True),
    "pds": Method(
        fields.pds, edited, 100.0, weighting="one", edits=True, predictions=("epsilon", "v")
    ),
    # Its scale is a judgement between those of SDS and of samplers, not its source's.
    "rfds": Method(fields.rfds, guided, 50.0, weighting="one", predictions=("flow",)),
}


def _sigma2(level: Level) -> Tensor:
    return level.sigma.square()


def _snr(level: Level) -> Tensor:
    """The signal-to-noise ratio, at most 5. Source: Hang et al. 2023, arXiv 2303.09556."""
    return (level.alpha / level.sigma).square().clamp_max(5.0)


#: w(t). With "sample" the field is the difference of clean latents, z - z_hat.
WEIGHTINGS: dict[str, Callable[[Level], Tensor]] = {
    "one": lambda level: torch.ones_like(level.sigma),
    "sigma2": _sigma2,
    "snr": _snr,
    "sample": lambda level: level.sigma / level.alpha,
}


@dataclass(frozen=True)
class Times:
    """The range that times are drawn from evenly; low and high may be schedules on progress.

    With both the same schedule, such as "0.98 -> 0.25", time is annealed without a draw.
    """

    low: Schedule
    high: Schedule

    @classmethod
    def parse(cls, low: float | str, high: float | str) -> Times:
        """Reads two numbers or schedules.

        Raises:
            InputError: they leave (0, 1), where there is either no noise or nothing else; or low
                goes above high.
        """
        made = cls(Schedule.parse(low), Schedule.parse(high))
        for place in {0.0, 1.0, *made.low.places, *made.high.places}:
            least, most = made.low(place), made.high(place)
            if not 0 < least <= most < 1:
                raise InputError(
                    f"times: expected 0 < low <= high < 1, got {least:g} and {most:g} at "
                    f"{100 * place:g}% of the run"
                )
        return made

    def at(self, draws: Float[Tensor, "*b"], progress: float) -> Float[Tensor, "*b"]:
        """Times for uniform draws in [0, 1)."""
        low, high = self.low(progress), self.high(progress)
        return low + draws * (high - low)


def find_method(name: str) -> Method:
    """The method of that name. Raises InputError for an unknown one."""
    if name not in METHODS:
        raise InputError(f"method {name!r} is unknown; use {', '.join(METHODS)}")
    return METHODS[name]


def find_weighting(name: str) -> Callable[[Level], Tensor]:
    """The weighting of that name. Raises InputError for an unknown one."""
    if name not in WEIGHTINGS:
        raise InputError(f"weighting {name!r} is unknown; use {', '.join(WEIGHTINGS)}")
    return WEIGHTINGS[name]


def check_source(name: str, source: bool, has_reference: bool) -> None:
    """Raises InputError where a method that edits has no source, or another one has."""
    if METHODS[name].edits and not source:
        raise InputError(f"{name}: edits, so say what the image shows before: source")
    if not METHODS[name].edits and (source or has_reference):
        editing = " or ".join(key for key, method in METHODS.items() if method.edits)
        raise InputError(f"{name}: starts from no source; leave it out, or use {editing}")


def check_negatives(name: str, given: bool, perp_neg: bool, of_views: bool) -> None:
    """Raises InputError for negatives that a method has no use for, or Perp-Neg without any."""
    if (given or perp_neg) and not METHODS[name].takes_negative:
        raise InputError(f"{name}: has a poor prompt of its own in place of negatives; leave them")
    if perp_neg and not (given or of_views):
        raise InputError("perp_neg: there is nothing that it could change; give negatives")
