"""The methods of score distillation, with the defaults of their sources.

A method is a function in `guidance.losses.sds.updates` and a row of `METHODS`:

    # updates.py
    def mine(batch: LatentBatch) -> Tensor:
        \"\"\"cfg(7.5) - e. Source: ...\"\"\"
        return batch.guided(batch.noisy, batch.level) - batch.noise

    # methods.py
    "mine": Method(updates.mine, validation.guided, guidance_scale=7.5),

Weighting, times, normalization, negatives, view-dependent prompts and the gradient through the
image encoder are the same for all methods, see `guidance.losses.distillation`. A method that needs
further prompts declares `suffixes`. A method with another scalar for validation adds a function to
`guidance.losses.sds.validation`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from guidance.errors import InputError
from guidance.losses.sds import updates, validation
from guidance.losses.sds.batch import LatentBatch
from guidance.losses.sds.validation import ErrorFactors
from guidance.schedule import Schedule

#: The negative of methods that need one, if none is given.
DEFAULT_NEGATIVE = "blurry, unrealistic, low quality, dull colors"
#: Suffixes of the two prompts of SDS-Bridge.
FINE_SUFFIX = ", detailed high resolution, sharp"
POOR_SUFFIX = ", oversaturated, smooth, blurry"


@dataclass(frozen=True)
class Method:
    """An update direction, and its defaults.

    Args:
        update: maps latents with noise to the update direction, of the same shape.
        validation: the factors of the validation loss at a guidance scale.
        guidance_scale: a number or a schedule; None if the method has none.
        weighting: see `guidance.losses.sds.weighting`.
        low, high: the range of times in (0, 1), each a number or a schedule.
        unit: normalizes the update of each image to rms 1.
        negative: the negative prompt if none is given.
        takes_negative: whether negatives are supported.
        edits: whether the method starts from a source image and its prompt.
        fixed_noise: whether each image keeps its noise during the run.
        predictions: the kinds of denoisers that it supports.
        suffixes: further groups of prompts by name, each the prompt with a suffix.
    """

    update: Callable[[LatentBatch], Tensor]
    validation: Callable[[float], ErrorFactors]
    guidance_scale: float | str | None = None
    weighting: str = "sigma2"
    low: float | str = 0.02
    high: float | str = 0.98
    unit: bool = False
    negative: str | None = None
    takes_negative: bool = True
    edits: bool = False
    fixed_noise: bool = False
    predictions: tuple[str, ...] = ("epsilon", "v", "flow")
    suffixes: Mapping[str, str] = field(default_factory=dict)


METHODS = {
    "sds": Method(updates.sds, validation.guided, 100.0),
    "csd": Method(updates.csd, validation.classifier, weighting="one", unit=True),
    "nfsd": Method(updates.nfsd, validation.noise_free, 7.5, negative=DEFAULT_NEGATIVE),
    "bridge": Method(
        updates.bridge,
        validation.bridge,
        40.0,
        takes_negative=False,
        suffixes={"fine": FINE_SUFFIX, "poor": POOR_SUFFIX},
    ),
    "asd": Method(updates.asd, validation.guided, 7.5),
    "ism": Method(updates.ism, validation.guided, 7.5),
    "sdi": Method(
        updates.sdi,
        validation.guided,
        7.5,
        weighting="sample",
        low="0.98 -> 0.25",
        high="0.98 -> 0.25",
    ),
    "fsd": Method(
        updates.fsd,
        validation.guided,
        7.5,
        weighting="sample",
        low="0.98 -> 0.2",
        high="0.98 -> 0.2",
        fixed_noise=True,
    ),
    "dds": Method(
        updates.dds, validation.edit, 7.5, weighting="one", low=0.05, high=0.95, edits=True
    ),
    "pds": Method(
        updates.pds,
        validation.edit,
        100.0,
        weighting="one",
        edits=True,
        predictions=("epsilon", "v"),
    ),
    # The guidance scale is not the source's: chosen by judgment, between those of SDS and of
    # samplers.
    "rfds": Method(updates.rfds, validation.guided, 50.0, weighting="one", predictions=("flow",)),
}


def find_method(name: str) -> Method:
    """The method of that name. Raises InputError for an unknown name."""
    if name not in METHODS:
        raise InputError(f"method {name!r} is unknown; use {', '.join(METHODS)}")
    return METHODS[name]


def parse_guidance_scale(method: Method, given: float | str | Schedule | None) -> Schedule:
    """The given guidance scale, or that of the method.

    Raises:
        InputError: a scale that cannot be parsed, or is below 0.
    """
    scale = method.guidance_scale if given is None else given
    schedule = Schedule.parse(1.0 if scale is None else scale)
    if min(schedule.values) < 0:
        raise InputError(
            f"guidance_scale {scale!r}: expected at least 0, where 1 is the prompt without "
            "guidance; to push away from a prompt, use negative"
        )
    return schedule


def check_arguments(name: str, given: Collection[str]) -> None:
    """Checks which arguments of `Distillation` were given to a method.

    Args:
        name: of the method.
        given: those of guidance_scale, source, reference, negative, perp_neg and view_prompts that
            were given.

    Raises:
        InputError: an argument that the method does not use, or a missing source.
    """
    method = METHODS[name]
    if "guidance_scale" in given and method.guidance_scale is None:
        raise InputError(f"guidance_scale: {name} does not use one; remove it")
    if method.edits and "source" not in given:
        raise InputError(
            f"{name}: edits an image, so it needs a prompt of what the image shows before; give "
            "source"
        )
    if not method.edits and ("source" in given or "reference" in given):
        editing = " and ".join(key for key, each in METHODS.items() if each.edits)
        raise InputError(
            f"{name}: source and reference apply only to {editing}; remove them, or use one of "
            "these methods"
        )
    if ("negative" in given or "perp_neg" in given) and not method.takes_negative:
        raise InputError(f"{name}: has a fixed negative prompt; remove negative and perp_neg")
    if "perp_neg" in given and not ("negative" in given or "view_prompts" in given):
        raise InputError("perp_neg: there are no negatives; give negative, or remove perp_neg")
