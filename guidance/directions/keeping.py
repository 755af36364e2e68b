"""Steps that change one thing and keep others, in a linear model of effects.

The letters: c channels, r dimensions of the space in which effects are measured, k kept things.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.directions.thresholds import beta_mask, count_mask
from guidance.errors import InputError

#: A direction shorter than this part of the one without constraints is a rounding error.
NOTHING = 1e-4


@dataclass(frozen=True)
class Choice:
    """How channels are chosen, and how much they may change besides what is wanted."""

    count: int | None = None  # how many; None: all, or by beta
    beta: float | None = None  # the smallest step, as a part of the largest; see `beta_mask`
    isolation: float = 0.0  # weight of all other changes: 0 follows the strongest effects

    def __post_init__(self) -> None:
        """Checks the values. Raises InputError."""
        if self.count is not None and self.beta is not None:
            raise InputError("direction: give either count or beta")
        if self.isolation < 0:
            raise InputError(f"isolation {self.isolation:g}: expected 0 or more")

    def steps(
        self,
        table: Float[Tensor, "c r"],
        wanted: Float[Tensor, "r"],
        kept: Float[Tensor, "r k"],
    ) -> Float[Tensor, "c"]:
        """Steps of few channels whose effect is along `wanted` and zero along each kept column.

        Channels are chosen by their steps when all may move, because a channel that changes other
        things too is weaker there. The steps of those that are chosen are then solved for again,
        so that what is kept is kept exactly.

        Args:
            table: the effect of one standard deviation of each channel.
            wanted: a unit vector.
            kept: unit vectors.

        Raises:
            InputError: no direction is left, or more things are kept than channels are chosen.
        """
        steps = solved(table, wanted, kept, self.isolation)
        if self.count is not None or self.beta is not None:
            mask = (
                count_mask(steps, self.count)
                if self.count is not None
                else beta_mask(steps, self.beta or 0.0)
            )
            if 0 < kept.shape[1] >= int(mask.sum()):
                raise InputError(
                    f"keep: {kept.shape[1]} phrases need more than {int(mask.sum())} channels; "
                    "raise the count or keep fewer"
                )
            steps = torch.zeros_like(steps)
            steps[mask] = solved(table[mask], wanted, kept, self.isolation)
        free = solved(table, wanted, kept[:, :0], self.isolation)
        if not free.any():
            raise InputError("no channel of the network has an effect on this prompt")
        if steps.norm() <= NOTHING * free.norm():
            raise InputError(
                "keep: nothing is left of the direction; keep fewer, or other, phrases"
            )
        return steps


def solved(
    table: Float[Tensor, "c r"],
    wanted: Float[Tensor, "r"],
    kept: Float[Tensor, "r k"],
    isolation: float,
) -> Float[Tensor, "c"]:
    """The steps x that minimize |x|^2 + q |T'x|^2 - 2 wanted'T'x, where kept'T'x = 0.

    T is the table, and q is `isolation` over the mean of the squared singular values of T. Without
    isolation and constraints, it is T wanted: the steepest ascent. The larger the isolation, the
    more changes in other directions are avoided.
    """
    effects = table.double()
    gram = effects.T @ effects
    q = isolation / gram.diagonal().mean().clamp_min(1e-30)
    eye = torch.eye(len(gram), dtype=torch.float64)
    damped = torch.linalg.inv(eye + q * gram)
    aim = wanted.double()
    if kept.shape[1]:
        columns = kept.double()
        through = columns.T @ gram @ damped
        matrix, right = through @ columns, through @ aim
        solution = torch.linalg.lstsq(matrix, right[:, None], driver="gelsd").solution[:, 0]
        aim = aim - columns @ solution
    found: Tensor = effects @ (damped @ aim)
    return found.to(table.dtype)
