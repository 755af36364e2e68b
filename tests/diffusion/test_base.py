"""The arithmetic of noise that all denoisers share."""

from __future__ import annotations

import pytest
import torch

from guidance.diffusion.base import Condition, Prediction
from tests.diffusion.stand_ins import Mixture


@pytest.mark.parametrize("prediction", ["epsilon", "v", "flow"])
def test_every_prediction_tells_the_same_noise_and_the_same_latent(prediction: Prediction) -> None:
    denoiser = Mixture(prediction=prediction)
    random = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 5, 3, 4, 4, generator=random, dtype=torch.float64)
    level = denoiser.level(torch.linspace(0.05, 0.95, 5), clean)
    noisy = level.mix(clean, noise)
    outputs = {
        "epsilon": noise,
        "v": level.alpha * noise - level.sigma * clean,
        "flow": noise - clean,
    }
    found = level.noise(noisy, outputs[prediction])
    assert torch.allclose(found, noise)
    assert torch.allclose(level.clean(noisy, found), clean)


def test_levels_keep_the_variance_or_the_sum() -> None:
    like = torch.zeros(3, 3, 4, 4, dtype=torch.float64)
    times = torch.tensor([0.0, 0.5, 1.0])
    vp = Mixture().level(times, like)
    assert torch.allclose(vp.alpha**2 + vp.sigma**2, torch.ones(3, 1, 1, 1).double())
    assert vp.timestep.tolist() == [0, 500, 999]  # 499.5 is rounded to even
    flow = Mixture(prediction="flow").level(times, like)
    assert flow.sigma.flatten().tolist() == [0, 0.5, 1] and flow.timestep.tolist() == [0, 500, 1000]
    assert torch.equal(flow.alpha, 1 - flow.sigma)


def test_rows_of_conditions_and_levels() -> None:
    row = Condition({"embeddings": torch.tensor([[1.0, 2.0]]), "pooled": torch.tensor([[3.0]])})
    stacked = Condition.stack(
        [
            row,
            Condition(
                {"embeddings": 2 * row.tensors["embeddings"], "pooled": row.tensors["pooled"]}
            ),
        ]
    )
    assert len(stacked) == 2
    picked = stacked.rows(torch.tensor([1, 0, 1]))
    assert picked.tensors["embeddings"].tolist() == [[2, 4], [1, 2], [2, 4]]
    level = Mixture().level(torch.tensor([0.1, 0.9]), torch.zeros(2, 3, 4, 4))
    assert level.rows(torch.tensor([1, 1])).timestep.tolist() == [899, 899]
