"""Calibration of probabilities: a temperature from labelled examples, and the calibration error."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

#: Bins of the expected calibration error. Source: Guo et al. 2017 (arXiv 1706.04599), section 2.
BINS = 15
#: Temperatures that are considered. Perfect examples would otherwise make it 0.
LEAST, GREATEST = 0.05, 50.0
GOLDEN = (math.sqrt(5) - 1) / 2


def fit_temperature(logits: Float[Tensor, "b l"], truth: Int[Tensor, "b"]) -> float:
    """The temperature with the smallest cross-entropy of the examples.

    Source: temperature scaling, Guo et al. 2017 (arXiv 1706.04599). The cross-entropy is convex in
    1 / T, so a golden-section search over log T finds its minimum.
    """

    def loss(log_t: float) -> float:
        return float(F.cross_entropy(logits.double() / math.exp(log_t), truth))

    low, high = math.log(LEAST), math.log(GREATEST)
    while high - low > 1e-4:
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def calibration_error(probabilities: Float[Tensor, "b"], right: Sequence[bool] | Tensor) -> float:
    """The expected calibration error: |share that is right - mean probability|, over bins.

    Args:
        probabilities: of the best label of each image.
        right: whether it is the true one.
    """
    hits = torch.as_tensor(right, dtype=torch.float64)
    p = probabilities.double()
    places = (p * BINS).long().clamp(0, BINS - 1)
    gaps = torch.zeros(BINS, dtype=torch.float64).index_add(0, places, hits - p)
    return float(gaps.abs().sum() / max(1, len(p)))


def held_out_errors(logits: Float[Tensor, "b l"], truth: Int[Tensor, "b"]) -> tuple[float, float]:
    """The calibration error at temperature 1, and with temperatures of the other half of examples.

    Each half is judged with the temperature of the other one.
    """
    parts = []
    for fold in (0, 1):
        mine = torch.arange(len(truth)) % 2 == fold
        temperature = fit_temperature(logits[~mine], truth[~mine]) if bool((~mine).any()) else 1.0
        parts.append((logits[mine] / temperature, truth[mine]))
    after = torch.cat([part for part, _ in parts]).softmax(-1).max(-1)
    right = after.indices == torch.cat([answers for _, answers in parts])
    before = logits.softmax(-1).max(-1)
    return (
        calibration_error(before.values, before.indices == truth),
        calibration_error(after.values, right),
    )
