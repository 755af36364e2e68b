"""Steps that change one thing and keep others, in the linear model of a dictionary."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.directions.thresholds import beta_mask, count_mask
from guidance.errors import InputError


def chosen_steps(
    wanted: Float[Tensor, "c"],
    kept: Float[Tensor, "c k"],
    count: int | None,
    beta: float | None,
) -> Float[Tensor, "c"]:
    """Steps of few channels along `wanted` whose effect on each column of `kept` is zero.

    The strongest channels are chosen after the projection, because a channel that changes what is
    kept is then weaker; the projection is repeated on the chosen channels, so that it holds for
    them exactly.

    Args:
        wanted: the effect of one standard deviation of each channel on what should change.
        kept: the same for each thing that should stay.
        count: the number of channels; None: all, or by beta.
        beta: the smallest step, as a part of the largest; see `beta_mask`.

    Raises:
        InputError: no direction is left, or as many things are kept as there are channels.
    """
    steps = projected(wanted, kept)
    if count is not None or beta is not None:
        mask = count_mask(steps, count) if count is not None else beta_mask(steps, beta or 0.0)
        if kept.shape[1] >= int(mask.sum()) and kept.shape[1]:
            raise InputError(
                f"keep: {kept.shape[1]} phrases need more than {int(mask.sum())} channels; raise "
                "the count or keep fewer"
            )
        steps = torch.zeros_like(wanted)
        steps[mask] = projected(wanted[mask], kept[mask])
    if steps.norm() <= 1e-4 * wanted.norm():
        raise InputError("keep: nothing is left of the direction; keep fewer, or other, phrases")
    return steps


def projected(wanted: Float[Tensor, "c"], kept: Float[Tensor, "c k"]) -> Float[Tensor, "c"]:
    """The part of a vector that is orthogonal to all columns."""
    if not kept.shape[1]:
        return wanted
    columns = kept.double()
    solution = torch.linalg.lstsq(columns, wanted.double()[:, None], driver="gelsd").solution
    rest: Tensor = wanted.double() - (columns @ solution)[:, 0]
    return rest.to(wanted.dtype)
