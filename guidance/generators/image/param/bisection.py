"""The largest change that keeps what must stay, by bisection."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

#: Halvings of the interval: the share is found to within 1/1024.
ROUNDS = 10


def largest_share(
    kept: Callable[[Float[Tensor, "n"]], Float[Tensor, "n"]],
    floor: float,
    n: int,
    rounds: int = ROUNDS,
) -> Float[Tensor, "n"]:
    """The largest share of a change in [0, 1], for each sample, at which enough is kept.

    What is kept should not increase with the share. If it does, the result still keeps enough, but
    a larger share may do so too.

    Args:
        kept: from the shares of all samples to what is kept of each, which is 1 at a share of 0.
        floor: how much must be kept.
        n: samples.
        rounds: halvings of the interval.
    """
    low, high = torch.zeros(n), torch.ones(n)

    def enough(shares: Float[Tensor, "n"]) -> Bool[Tensor, "n"]:
        return kept(shares).to(shares) >= floor

    whole = enough(high)
    low = torch.where(whole, high, low)
    for _ in range(0 if bool(whole.all()) else rounds):
        middle = (low + high) / 2
        good = enough(middle)
        low, high = torch.where(good, middle, low), torch.where(good, high, middle)
    return low
